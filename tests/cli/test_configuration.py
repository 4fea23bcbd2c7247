"""--config: what a file says, what is typed besides, and what is refused."""

import pytest

from kerasnas import cli
from kerasnas.cli.flags import parse, settings
from kerasnas.methods import RaceConfig, SearchConfig, TrainingConfig
from kerasnas.runs.folder import RunFolder


def read(command, *arguments):
    """The values of the flags of a command."""
    values = cli.COMMANDS[command].flags()
    parse(values, command, list(arguments), cli.COMMANDS[command].places)
    cli.COMMANDS[command].complete(values)
    return values


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return f"--config={path}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "# mine\nminutes: 10\nmax-parameters: 50_000\naugment: [shift, flip]\noutput_dir: runs/a\n"),
        ("a.yml", "minutes: 10.0\nmax_parameters: 50000\naugment: shift,flip\noutput_dir: runs/a\n"),
        (
            "a.json",
            '{"--minutes": "10", "max_parameters": 50000, "augment": ["shift", "flip"], "output_dir": "runs/a"}',
        ),
    ],
)
def test_a_file_that_somebody_wrote(name, text, tmp_path):
    values = read("search", write(tmp_path / name, text))
    config = settings(RaceConfig, values)
    assert config == RaceConfig(minutes=10, max_parameters=50_000, augment=("shift", "flip"))
    assert values["output_dir"].value == "runs/a"


def test_what_is_typed_wins(tmp_path):
    flag = write(tmp_path / "a.yaml", "minutes: 10\naugment: [shift]\ngenotypes: [a.json]\nseed: 3")
    for arguments in (["--minutes=2", "--augment=", flag], [flag, "--minutes=2", "--augment="]):
        config = settings(RaceConfig, read("search", *arguments, "--genotypes=b.json"))
        assert config == RaceConfig(minutes=2, augment=(), genotypes=("b.json",), seed=3)


@pytest.mark.parametrize("folder", [True, False])
def test_the_configuration_of_a_run(tmp_path, folder, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "data.npz").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "here")
    there = SearchConfig(space="nasbench201", dataset="data.npz", augment=(), epochs=3, edge_normalization=True)
    RunFolder.create(tmp_path / "run", there)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run" / ("" if folder else "config.json")
    values = read("search", f"--config={path}", "--seed=7", "--output_dir=x")
    assert values["method"].value == "gradient"
    expected = {**there.to_dict(), "seed": 7, "dataset": str(tmp_path / "here" / "data.npz")}  # from wherever it is
    assert settings(SearchConfig, values).to_dict() == expected


def test_a_race_of_a_space_that_has_a_supernet_stays_one(tmp_path):
    RunFolder.create(tmp_path / "run", RaceConfig(space="darts"))
    assert read("search", f"--config={tmp_path / 'run'}")["method"].value == "race"


def test_a_flag_that_must_be_given_may_stand_in_the_file(tmp_path):
    flag = write(tmp_path / "a.yaml", "genotype: DARTS_V2\noutput_dir: x\nretrain_epochs: 2")
    values = read("retrain", flag)
    assert values["genotype"].value == "DARTS_V2"
    assert settings(TrainingConfig, values) == TrainingConfig(retrain_epochs=2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "minuts: 10", "a.yaml: unknown flag 'minuts' of `kerasnas search`. Did you mean 'minutes'"),
        ("a.yaml", "distribution: gpus\nmethod: gradient", "Did you mean 'gpu'"),
        ("a.yaml", "config: b.yaml", "unknown flag 'config'"),
        ("a.yaml", "minutes: soon", "a.yaml: invalid value for 'minutes'. Expected a number. Received: 'soon'"),
        ("a.yaml", "seed: 1.5", "invalid value for 'seed'. Expected an integer. Received: 1.5"),
        ("a.yaml", "method: gradint", "invalid value for 'method'. Did you mean 'gradient'"),
        ("a.yaml", "minutes:", "expected a single value for 'minutes'. Received: None"),
        ("a.yaml", "minutes: [1, 2]", "expected a single value for 'minutes'. Received: [1, 2]"),
        ("a.yaml", "augment: {flip: true}", "expected a value, or a list of them for 'augment'"),
        ("a.yaml", "minutes: -1", "`minutes`. Expected at least 0"),
        ("a.yaml", "[1, 2]", "expected names of flags and their values. Received: list"),
        ("a.yaml", "", "Received: NoneType"),
        ("a.yaml", "a: [1", "a.yaml is malformed"),
        ("a.yaml", "a: !!python/object/apply:os.system [ls]", "a.yaml is malformed"),  # nothing of it is run
        ("a.json", '{"minutes": 1', "a.json is malformed"),
        ("a.toml", "minutes = 1", "expected a file ending in .yaml, .yml, .json"),
        ("a.json", '{"format": "kerasnas.run", "version": 9}', "Upgrade KerasNAS"),
    ],
)
def test_what_is_refused(name, text, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["search", write(tmp_path / name, text), "--output_dir=run"]) == 2
    message = capsys.readouterr().err
    assert words in message.replace("flag --minutes", "`minutes`"), message
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_configuration_of_another_command(tmp_path, capsys):
    RunFolder.create(tmp_path / "run", TrainingConfig())
    assert cli.main(["search", f"--config={tmp_path / 'run'}"]) == 2
    assert "is the configuration of `kerasnas retrain`" in capsys.readouterr().err
