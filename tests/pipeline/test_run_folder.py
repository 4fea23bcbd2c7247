"""The folder of a run: created once, opened again, never overwritten."""

import json

import pytest

from kerasnas.pipeline import RaceConfig, RunFolder, SearchConfig, TrainingConfig


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("race", RaceConfig(seed=2, minutes=3)),
        ("search", SearchConfig(seed=3)),
        ("retrain", TrainingConfig(seed=4)),
    ],
)
def test_create_and_open(tmp_path, kind, config):
    created = RunFolder.create(tmp_path / "deep" / "run", kind, config)
    opened = RunFolder.open(created.path)
    assert (opened.path, opened.kind, opened.config) == (created.path, kind, config)
    assert type(opened.config) is type(config)
    record = json.loads((created.path / "config.json").read_text())
    assert (record["format"], record["version"]) == ("kerasnas.run", 2)


def test_empty_folder_is_taken(tmp_path):
    assert RunFolder.create(tmp_path, "search", SearchConfig()).path == tmp_path


def test_second_run_is_refused(tmp_path):
    RunFolder.create(tmp_path, "search", SearchConfig(seed=1))
    with pytest.raises(FileExistsError, match="already holds a run"):
        RunFolder.create(tmp_path, "search", SearchConfig(seed=2))
    assert RunFolder.open(tmp_path).config.seed == 1


def test_discard_takes_back_only_what_has_not_begun(tmp_path):
    folder = RunFolder.create(tmp_path / "unused", "search", SearchConfig())
    folder.discard()
    assert list(folder.path.iterdir()) == []
    RunFolder.create(folder.path, "search", SearchConfig())

    begun = RunFolder.create(tmp_path / "begun", "search", SearchConfig())
    begun.stages.checkpoints("search").mkdir(parents=True)
    begun.discard()
    assert RunFolder.open(begun.path).config == SearchConfig()


def test_missing_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        RunFolder.open(tmp_path / "nowhere")


def test_run_of_the_first_version_is_opened(tmp_path):
    """Its distribution was called `strategy`, and it had no imports."""
    RunFolder.create(tmp_path, "search", SearchConfig(seed=1, distribution="cpu"))
    record = json.loads((tmp_path / "config.json").read_text())
    settings = record["settings"]
    settings["strategy"] = settings.pop("distribution")
    settings.pop("imports")
    (tmp_path / "config.json").write_text(json.dumps({**record, "version": 1, "settings": settings}))
    assert RunFolder.open(tmp_path).config == SearchConfig(seed=1, distribution="cpu")
    (tmp_path / "config.json").write_text(json.dumps({**record, "settings": settings}))
    with pytest.raises(ValueError, match="Unknown setting 'strategy'"):
        RunFolder.open(tmp_path)


def test_begin_opens_the_run_of_the_same_settings_alone(tmp_path):
    first = RunFolder.begin(tmp_path / "run", "search", SearchConfig(seed=1))
    assert RunFolder.begin(tmp_path / "run", "search", SearchConfig(seed=1)) == first
    with pytest.raises(ValueError, match=r"a run with other settings: seed: 1 there, 2 here"):
        RunFolder.begin(tmp_path / "run", "search", SearchConfig(seed=2))
    with pytest.raises(ValueError, match=r"kind: 'search' there, 'retrain' here"):
        RunFolder.begin(tmp_path / "run", "retrain", TrainingConfig(seed=1))


def test_command_of_a_run(tmp_path):
    config = SearchConfig(imports=("json",), augment=(), temperature=("10", "0.1"), seed=2)
    command = RunFolder.create(tmp_path / "run", "search", config).command
    flags = "--import=json --augment= --seed=2 --temperature=10,0.1"
    assert command == f"kerasnas search --method=gradient {flags} --output_dir={tmp_path / 'run'}"
    command = RunFolder.create(tmp_path / "chain", "search", SearchConfig(space="proxyless")).command
    assert command == f"kerasnas search --space=proxyless --output_dir={tmp_path / 'chain'}"
    command = RunFolder.create(tmp_path / "race", "race", RaceConfig(minutes=2, augment=())).command
    assert command == f"kerasnas search --minutes=2.0 --augment= --output_dir={tmp_path / 'race'}"
    command = RunFolder.create(tmp_path / "cells", "race", RaceConfig(space="darts", genotypes=("a", "b"))).command
    flags = "--method=race --space=darts --genotypes=a,b"  # by --space alone it would be a gradient search
    assert command == f"kerasnas search {flags} --output_dir={tmp_path / 'cells'}"
    command = RunFolder.create(tmp_path / "graphs", "race", RaceConfig(space="nasbench101")).command
    assert command == f"kerasnas search --space=nasbench101 --output_dir={tmp_path / 'graphs'}"
