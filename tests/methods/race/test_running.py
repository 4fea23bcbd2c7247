"""A run by a race, from settings to report: as a function and as a command."""

import csv
import json
import time

import keras
import numpy as np
import pytest

from kerasnas import cli, methods
from kerasnas.export.classifier import Classifier
from kerasnas.genotypes import Genotype
from kerasnas.methods.race.method import RaceMethod
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.racing.budget import Budget
from kerasnas.racing.race import stage
from tests.kit import count_steps

FILES = ("genotype.json", "model.keras", "history.csv", "report.html", "card.md", "config.json", "result.json")
PLOTS = ("cell_network.png", "predictions.csv")


def images(number, rng):
    y = np.arange(number) % 3
    x = 0.4 * rng.random((number, 4, 4, 1)).repeat(3, axis=1).repeat(3, axis=2)
    for label in range(3):
        x[y == label, 2 + 3 * label] += 0.6
    return x.astype("float32"), y


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rng = np.random.default_rng(0)
    (x, y), (x_test, y_test) = images(240, rng), images(60, rng)
    x_test[0] = x[0]  # a fault
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return path


ANSWERED = []  # numbers of samples that the network of `finished` was asked for


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """A race of two networks on a clock that counts."""
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch, first=4)
        patch.setattr(stage, "TIMED", 4)
        patch.setattr(stage, "race_share", lambda seconds: 0.6)  # so that two networks run
        folder = tmp_path_factory.mktemp("run") / "race"
        answers = Classifier.answers
        patch.setattr(Classifier, "answers", lambda network, x: ANSWERED.append(len(x)) or answers(network, x))
        command = ["search", f"--dataset={dataset}", "--cpu_minutes=1.5", "--candidates=2", f"--output_dir={folder}"]
        assert cli.main([*command, "--max_parameters=20000", "--initializer=none"]) == 0
        return folder


def read(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.slow
def test_the_budget_is_kept_by_the_clock_of_the_processor(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 20)
    monkeypatch.setattr(stage, "race_share", lambda seconds: 0.6)
    start = time.process_time()
    methods.search(RaceConfig(dataset=str(dataset), cpu_minutes=0.4, candidates=2), tmp_path / "run", log=str)
    assert time.process_time() - start < 1.15 * 24  # the interpreter's start is not in it


def test_cpu_minutes_are_measured_by_the_clock_of_the_processor():
    assert RaceConfig(cpu_minutes=1).budget().cpu and not RaceConfig(minutes=1).budget().cpu


def test_the_time_of_reading_the_data_is_part_of_the_budget(tmp_path, monkeypatch):
    clock, seen = [0.0], []

    def load(self, settings):
        clock[0] = 42.0
        raise StopIteration

    def budget(self, settings, stages, spent):
        seen.append(Budget(1, clock=lambda: clock[0]))
        return seen[0]

    monkeypatch.setattr(RaceMethod, "load", load)
    monkeypatch.setattr(RaceMethod, "budget", budget)
    with pytest.raises(StopIteration):
        methods.search(RaceConfig(minutes=1), tmp_path / "run", lambda line: None)
    assert seen[0].spent() == 42


def test_faults_of_the_data_stay_in_record_report_and_card_and_a_strict_run_trains_nothing(finished, dataset, tmp_path):
    (fault,) = read(finished)["dataset"]["faults"]
    assert fault.startswith("Copies of training samples: 1 of 60 test images")
    for name in ("report.html", "card.md"):
        assert fault.partition(".")[0] in (finished / name).read_text()
    lines = []
    with pytest.raises(ValueError, match=f"`strict` does not accept:\n  {fault[:60]}"):
        methods.search(RaceConfig(dataset=str(dataset), strict=True), tmp_path / "run", lines.append)
    assert not any("Plan" in line for line in lines)


def test_test_samples_are_read_once(finished):
    assert ANSWERED == [60]


def test_folder_holds_everything(finished):
    folder = finished
    assert {name for name in (*FILES, *PLOTS) if not (folder / name).exists()} == set()
    result = read(folder)
    assert result["race"]["rungs"] and len(result["race"]["contestants"]) == 2
    assert result["searched"]["test_accuracy"] > 0.5
    assert not (folder / "checkpoints" / "racing").exists()


@pytest.fixture(scope="module")
def model(finished):
    return keras.models.load_model(finished / "model.keras")


@pytest.mark.usefixtures("eagerly")
def test_predictions_of_the_test_samples_are_those_of_the_report(finished, model, dataset):
    rows = list(csv.DictReader((finished / "predictions.csv").read_text().splitlines()))
    with np.load(dataset) as arrays:
        assert [row["label"] for row in rows] == arrays["y_test"].astype(str).tolist()
        probabilities = model.predict(arrays["x_test"], verbose=0)
    assert [row["sample"] for row in rows] == [str(number) for number in range(60)]
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == pytest.approx(read(finished)["searched"]["test_accuracy"])
    np.testing.assert_allclose([[float(row[name]) for name in "012"] for row in rows], probabilities, atol=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_model_is_plain_keras_and_scores_what_the_report_says(finished, model, dataset):
    folder = finished
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    with np.load(dataset) as arrays:
        _, accuracy = model.evaluate(arrays["x_test"], arrays["y_test"], verbose=0)
    assert accuracy == pytest.approx(read(folder)["searched"]["test_accuracy"], abs=1e-6)
    genotype = json.loads((folder / "genotype.json").read_text())
    assert genotype == read(folder)["genotype"]
    assert Genotype.load(folder / "genotype.json").space == "macro"


def test_finished_run_is_reported_again_and_its_command_can_be_typed_again(finished, capsys):
    folder = finished
    model = (folder / "model.keras").read_bytes()
    assert cli.main(["resume", f"--output_dir={folder}"]) == 0
    assert cli.main(["report", f"--output_dir={folder}"]) == 0
    assert "won a race of 2 networks" in capsys.readouterr().out
    assert (folder / "model.keras").read_bytes() == model
    _, name, *flags = read(folder)["command"].split()
    assert name == "search" and "--cpu_minutes=1.5" in flags and "--candidates=2" in flags


def fails(capsys, *arguments):
    assert cli.main(arguments) == 2
    return capsys.readouterr().err


def test_flags_of_the_other_method_say_so(dataset, tmp_path, capsys):
    folder = f"--output_dir={tmp_path / 'run'}"
    assert "--epochs is a flag of a gradient search" in fails(capsys, "search", "--epochs=3", folder)
    assert "--minutes is a flag of a race" in fails(capsys, "search", "--space=darts", "--minutes=3", folder)
    assert "--genotypes is a flag of a race" in fails(capsys, "search", "--space=darts", "--genotypes=x", folder)
    message = fails(capsys, "search", "--space=darts", "--method=race", "--epochs=3", folder)
    assert "--epochs is a flag of a gradient search, and this is a race. Leave out --method." in message
    assert "has no supernet for a gradient search" in fails(
        capsys, "search", "--space=macro", "--method=gradient", folder
    )
    assert "--space=drats: unknown space 'drats'. Did you mean 'darts'" in fails(
        capsys, "search", "--space=drats", "--method=race", folder
    )
    message = fails(capsys, "search", "--space=signals", "--method=race", f"--dataset={dataset}", folder)
    assert "Space 'signals' takes signals" in message
    assert "nothing with --minutes" in fails(capsys, "search", "--minutes=3", "--cpu_minutes=4", folder)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"minutes": -1.0}, "`minutes`"),
        ({"minutes": 1.0, "cpu_minutes": 1.0}, "`cpu_minutes`"),
        ({"augment": ("auto", "flip")}, "`augment`"),
        ({"augment": ("flop",)}, "flip"),
        ({"candidates": 0}, "`candidates`"),
        ({"validation_split": 1.0}, "`validation_split`"),
        ({"executor": "processes:2", "cpu_minutes": 1.0}, r"`executor`\. Expected local, with --cpu_minutes"),
        *(
            ({"executor": name}, r"`executor`\. Expected local, processes:N, ray or ray://HOST:PORT")
            for name in ("process:2", "processes:0", "ray:/x", "rays", "ray://host", "")
        ),
    ],
)
def test_settings_outside_their_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        RaceConfig(**wrong)
