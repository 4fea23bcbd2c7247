"""Several labels and numbers through the whole house: race, report, predictions, evaluation, export, estimators."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from kerasnas import ImageClassifier, ImageRegressor, cli, deployment, methods
from kerasnas.datasets import load
from kerasnas.deployment import estimator
from kerasnas.export.classifier import load_classifier
from kerasnas.methods import SearchConfig
from tests.kit import TINY, count_steps

RNG = np.random.default_rng(0)
NAMES = ["left", "right", "top"]


def images(number, seed):
    """Images with a bright left half, right half or upper half, each or all of them or none."""
    rng = np.random.default_rng(seed)
    y = (rng.random((number, 3)) < 0.5).astype(int)
    x = rng.integers(0, 60, (number, 8, 8, 1))
    x[:, :, :4] += 90 * y[:, 0, None, None, None]
    x[:, :, 4:] += 90 * y[:, 1, None, None, None]
    x[:, :4] += 90 * y[:, 2, None, None, None]
    return x.astype("uint8"), y


def numbers(number, seed):
    """Images, and 100 more than five times their mean brightness, from 0 to 1, and its negative."""
    rng = np.random.default_rng(seed)
    brightness = rng.random(number)
    x = 200 * brightness[:, None, None, None] + rng.integers(0, 50, (number, 8, 8, 1))
    return x.astype("uint8"), np.column_stack([100 + 5 * brightness, -brightness])


def race(folder, arrays, task):
    file = folder / "data.npz"
    np.savez(file, **arrays)
    run = folder / "run"
    command = ["search", f"--dataset={file}", f"--output_dir={run}", "--minutes=1.5", "--candidates=1"]
    command += ["--max_parameters=20000", "--initializer=none"]
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch, first=30, known=["cnn"])
        assert cli.main(command) == 0
    assert json.loads((run / "result.json").read_text())["dataset"]["task"]["name"] == task
    return run


@pytest.fixture(scope="module")
def multilabel(tmp_path_factory):
    (x, y), (x_test, y_test) = images(300, 0), images(100, 1)
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test, "classes": NAMES, "labels": NAMES}
    return race(tmp_path_factory.mktemp("multilabel"), arrays, "multilabel")


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    (x, y), (x_test, y_test) = numbers(300, 0), numbers(100, 1)
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test, "classes": ["sum", "dark"]}
    arrays["labels"] = arrays["classes"]
    return race(tmp_path_factory.mktemp("regression"), arrays, "regression")


def test_test_samples_are_listed_with_their_labels_and_answers(multilabel, regression):
    rows = list(csv.DictReader((multilabel / "predictions.csv").read_text().splitlines()))
    assert [{name for name in NAMES if float(row[name]) > 0.5} for row in rows] == [
        set(filter(None, row["predicted"].split(", "))) - {"none"} for row in rows
    ]
    assert set(rows[0]) == {"sample", "label", "predicted", *NAMES}
    rows = list(csv.DictReader((regression / "predictions.csv").read_text().splitlines()))
    true = numbers(len(rows), 1)[1]
    first, second = list(rows[0])[3:]
    assert rows[0]["label"].startswith(f"{first} ") and f", {second} " in rows[0]["label"]
    found = [[float(part.split()[-1]) for part in row["label"].split(", ")] for row in rows]
    np.testing.assert_allclose(found, true, rtol=1e-3)


def test_labels_are_learned_and_reported(multilabel):
    result = json.loads((multilabel / "result.json").read_text())
    searched = result["searched"]
    assert searched["test_f1"] > 0.85 and searched["interval"][0] <= searched["test_f1"] <= searched["interval"][1]
    assert [one["samples"] for one in searched["labels"]] == images(100, 1)[1].sum(axis=0).tolist()
    report, card = (multilabel / "report.html").read_text(), (multilabel / "card.md").read_text()
    assert "micro-F1" in report and "<h2>Labels</h2>" in report and "images that have it" in report
    assert "finds any of 3 labels" in card and "multi-label classifier" in card


@pytest.mark.usefixtures("eagerly")
def test_numbers_are_learned_and_reported(regression):
    result = json.loads((regression / "result.json").read_text())
    searched = result["searched"]
    assert searched["test_r2"] > 0.8 and searched["test_mae"] < 1
    report, card = (regression / "report.html").read_text(), (regression / "card.md").read_text()
    assert "<h2>Residuals</h2>" in report and "sum: found against true" in report and "test R2" in report
    assert "estimates sum, dark" in card and "regressor" in card
    x, y = numbers(100, 1)
    found = load_classifier(regression).answers(x)  # numbers on their own scale
    assert np.abs(found[:, 0] - y[:, 0]).mean() < 1 and 99 < found[:, 0].mean() < 106


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("form", [pytest.param("text", marks=pytest.mark.slow), "csv", "json"])
def test_predictions_of_files(multilabel, regression, tmp_path, capsys, form):
    Image.fromarray(np.hstack([np.full((8, 4), 200), np.full((8, 4), 20)]).astype("uint8")).save(tmp_path / "a.png")
    for run in (multilabel, regression):
        assert cli.main(["predict", str(run), str(tmp_path / "a.png"), f"--format={form}"]) == 0
        out = capsys.readouterr().out
        assert "a.png" in out
        if run is multilabel:
            assert "left" in out and (form == "csv" or "right" not in out.split("answers")[0])
        else:
            assert "sum" in out and "dark" in out


@pytest.mark.usefixtures("eagerly")
def test_evaluation_is_that_of_the_run(multilabel, regression, capsys):
    for run, metric in ((multilabel, "f1"), (regression, "r2")):
        found = deployment.evaluate(run)
        recorded = json.loads((run / "result.json").read_text())["searched"][f"test_{metric}"]
        assert found[metric] == pytest.approx(recorded, abs=1e-4)
        assert cli.main(["evaluate", str(run)]) == 0
        assert "95 % interval" in capsys.readouterr().out


def test_other_tasks_are_not_mixed_up(multilabel, regression, tmp_path):
    with pytest.raises(ValueError, match=r"0 or 1 for each label|of task|regression"):
        deployment.evaluate(multilabel, str(regression.parent / "data.npz"))
    x, y = images(40, 2)
    np.savez(tmp_path / "two.npz", x_train=x, y_train=y[:, :2], x_test=x, y_test=y[:, :2], classes=NAMES[:2])
    with pytest.raises(ValueError, match=r"lacks 'top'"):
        deployment.evaluate(multilabel, str(tmp_path / "two.npz"))


@pytest.mark.slow
def test_exports_answer_the_same(regression):
    record = deployment.export(regression, ["savedmodel"], log=lambda line: None)
    (file,) = [one for one in record["files"] if one["format"] == "savedmodel"]
    assert file["agreement"] == 1.0 and file["difference"] < 1e-3


ESTIMATOR = {"cpu_minutes": 0.2, "candidates": 1, "log": lambda line: None}


@pytest.mark.usefixtures("eagerly")
def test_estimators_of_finished_runs(multilabel, regression):
    x, y = images(60, 1)
    classifier = ImageClassifier.load(multilabel.parent)
    assert classifier.predict(x).shape == (60, 3)
    assert classifier.score(x, y) > 0.8 and set(classifier.evaluate(x, y)) >= {"f1", "exact"}
    x, y = numbers(60, 1)
    regressor = ImageRegressor.load(regression.parent)
    assert regressor.predict(x).shape == (60, 2) and regressor.score(x, y) > 0.3
    with pytest.raises(ValueError, match="2 numbers a sample"):
        regressor.score(x, y[:, 0])


def test_the_search_of_an_estimator_is_given_its_task(monkeypatch):
    seen = []

    def note(settings, folder, log):
        seen.append(load(settings.dataset))
        raise InterruptedError

    monkeypatch.setattr(estimator, "search", note)
    for kind, (x, y) in ((ImageClassifier, images(60, 0)), (ImageRegressor, numbers(60, 0))):
        for labels in (y, y[:, 0]):
            with pytest.raises(InterruptedError):
                kind(**ESTIMATOR).fit(x, labels)
    assert [data.task.name for data in seen] == ["multilabel", "classification", "regression", "regression"]
    assert [np.shape(data.y_train)[1:] for data in seen] == [(3,), (), (2,), (1,)]


def test_estimators_say_what_is_not_theirs():
    x, y = numbers(300, 0)
    with pytest.raises(ValueError, match="ImageRegressor"):
        ImageClassifier(task="regression")
    with pytest.raises(ValueError, match="ImageRegressor"):
        ImageClassifier(**ESTIMATOR).fit(x, y)
    with pytest.raises(ValueError, match="finite numbers"):
        ImageRegressor(**ESTIMATOR).fit(x, np.where(y > 0, y, np.nan))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.slow
@pytest.mark.parametrize(("make", "metric"), [(images, "test_f1"), (numbers, "test_r2")])
def test_gradient_search(make, metric, tmp_path):
    (x, y), (x_test, y_test) = make(32, 0), make(16, 1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    own = {**TINY, "stem_strides": 2, "primitives": ("skip_connect", "avg_pool_3x3"), "random_genotypes": 1}
    settings = SearchConfig(dataset=str(tmp_path / "data.npz"), space="nasbench201", **own)
    result = methods.search(settings, tmp_path / "run", log=lambda line: None)
    assert np.isfinite(result["searched"][metric]) and np.isfinite(result["random"][0][metric])
    assert "paired" in result


@pytest.mark.usefixtures("eagerly")
def test_drift_of_numbers_is_told(regression):
    """From what the run noted of its test data: of the same kind none, of other labels its accuracy."""
    assert (regression / "drift.npz").exists()
    x, y = numbers(60, 3)

    def monitored(y):
        parts = {"x_train": x[:20], "y_train": y[:20], "x_test": x[20:], "y_test": y[20:]}
        np.savez(regression.parent / "new.npz", classes=["sum", "dark"], **parts)
        return deployment.monitor(regression, str(regression.parent / "new.npz"), labels=True, log=lambda line: None)

    assert not monitored(y)["drift"]
    assert monitored(y + 10)["kinds"] == ["accuracy"]
