"""Counts: the deviance by hand and by scikit-learn, and a race from a table to a monitor."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import d2_tweedie_score

from kerasnas import ImageRegressor, deployment, load
from kerasnas.cli import main
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.known import CLASSIFICATION, task_of, task_of_loss
from kerasnas.testing import check_task
from tests.kit import count_steps

RNG = np.random.default_rng(0)
Y = RNG.poisson([2.0, 40.0], (200, 2))
TASK = Counts.fitted(Y)


def test_metrics_are_those_of_scikit_learn():
    outputs = RNG.normal(size=(200, 2)) / 4
    rates = TASK.answers(outputs)
    found = TASK.evaluation(rates, Y)
    expected = [d2_tweedie_score(Y[:, column], rates[:, column], power=1) for column in range(2)]
    assert found["d2"] == pytest.approx(np.mean(expected))
    assert TASK.scores(outputs, Y).mean() == pytest.approx(found["d2"]) == pytest.approx(1 - found["loss"])
    assert float(TASK.loss()(Y, outputs)) == pytest.approx(found["loss"], rel=1e-5)
    assert TASK.scores(np.zeros((200, 2)), Y).mean() == pytest.approx(0)
    check_task(TASK, Y)
    # A regression with squared errors fits logarithms of rates, in multiples of the mean.
    np.testing.assert_allclose(TASK.ridge_targets(TASK.targets(Y, 2)), np.log((Y + 0.5) / np.array(TASK.rate)))


def test_the_loss_says_the_task_and_is_saved():
    loss = keras.losses.deserialize(keras.losses.serialize(TASK.loss()))
    assert task_of_loss(loss) == TASK and task_of_loss("poisson") == Counts()
    assert task_of(json.loads(json.dumps(TASK.get_config()))) == TASK


@pytest.mark.parametrize("y", [[[-1]], [[0.5]], [[np.inf]], [[np.nan]], [1, 2]])
def test_what_is_no_count_is_refused(y):
    with pytest.raises(ValueError, match=r"`y`.*whole numbers of at least 0"):
        TASK.check(np.array(y), None)


def test_a_classifier_has_no_counts():
    with pytest.raises(ValueError, match="no task 'counts'"):
        type("Classifier", (ImageRegressor,), {"makes": CLASSIFICATION.deployed_as})(task="counts")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A race on a table of images, whose brightness is the logarithm of the rate of events."""
    folder = tmp_path_factory.mktemp("counts")
    light = RNG.uniform(0, 3, 240)
    with (folder / "events.csv").open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["image", "events"])
        for index, rate in enumerate(np.exp(light)):
            pixels = np.clip(RNG.normal(80 * light[index], 5, (8, 8)), 0, 255)
            Image.fromarray(pixels.astype("uint8")).save(folder / f"{index}.png")
            writer.writerow([f"{index}.png", RNG.poisson(rate)])
    target = folder / "run"
    flags = ["--minutes=3", "--candidates=1", "--max_parameters=20000", "--no_experience", "--seed=1"]
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch)
        assert main(["search", str(folder / "events.csv"), f"--output_dir={target}", "--task=counts", *flags]) == 0
    return folder, target


@pytest.mark.slow
def test_a_race_from_a_table_to_its_report(run, capsys):
    folder, target = run
    result = json.loads((target / "result.json").read_text())
    assert result["dataset"]["task"]["name"] == "counts" and result["searched"]["test_d2"] > 0.3
    report, card = (target / "report.html").read_text(), (target / "card.md").read_text()
    assert "events: found against true" in report and "test D2" in report and "estimates events from images" in card
    assert main(["predict", str(target), str(folder / "0.png"), "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    rate = float(load(target).predict(str(folder / "0.png"))[0, 0])
    assert found["answers"]["events"] == pytest.approx(rate, rel=1e-3) and rate > 0


@pytest.mark.slow
def test_it_is_evaluated_exported_and_monitored(run):
    folder, target = run
    found = deployment.evaluate(target)
    low, high = found["interval"]
    assert found["task"] == "counts" and low <= found["d2"] <= high
    files = deployment.export(target, ["litert"], log=lambda line: None)["files"]
    assert [one["agreement"] for one in files if one["format"] == "litert"] == [1.0]
    report = deployment.monitor(target, str(folder / "events.csv"), labels=True, log=lambda line: None)
    assert not report["drift"]
