"""Tables: columns and what is wrong with them, the front, files and frames, a race, and what it is compared with."""

import json

import keras
import numpy as np
import pytest

import kerasnas
from kerasnas import DriftMonitor, datasets
from kerasnas.cli import main
from kerasnas.deployment.samples import Samples
from kerasnas.export.classifier import Classifier, load_classifier, with_preprocessing
from kerasnas.export.formats import export_classifier
from kerasnas.modalities.base import Reading, TextLimits
from kerasnas.modalities.lookup import modality
from kerasnas.modalities.table_columns import Column
from kerasnas.modalities.tables import TableFront, Tables
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL
from kerasnas.tasks.regression import Regression
from tests.kit import count_steps

RNG = np.random.default_rng(0)
ROWS = 60


def table(**columns):
    """Rows of a number and a color, and labels that follow from the number."""
    numbers = RNG.standard_normal(ROWS).round(3)
    usual = {"size": numbers, "color": np.where(np.arange(ROWS) % 2, "red", "blue"), "label": (numbers > 0).astype(int)}
    return {name: values for name, values in {**usual, **columns}.items() if values is not None}


def csv(path, **columns):
    found = table(**columns)
    rows = zip(*found.values(), strict=True)
    path.write_text("\n".join([",".join(found), *(",".join(map(str, row)) for row in rows)]), encoding="utf-8")
    return path


def test_a_csv_file_of_numbers_and_categories_is_a_table(tmp_path):
    data = datasets.load(csv(tmp_path / "rows.csv"))
    assert (
        data.modality.name == "tables" and data.classes == ("0", "1") and len(data.x_train) + len(data.x_test) == ROWS
    )
    assert data.raw_shape == (2,) and data.input_shape == (3,)  # a number, and one of two colors
    assert set(np.unique(data.raw("train")[:, 1])) == {0.0, 1.0} and "60 rows, 2 columns" in data.notes[0]
    assert datasets.load(csv(tmp_path / "rows.csv", label=None), target=["color"]).classes == ("blue", "red")
    shouted = csv(tmp_path / "rows.csv").rename(tmp_path / "ROWS.CSV")
    assert datasets.load(shouted).input_shape == (3,)
    assert len(data.modality.from_paths([shouted], Reading((2,)))[0]) == ROWS


def test_the_task_follows_from_the_target(tmp_path):
    several = csv(tmp_path / "rows.csv", label=None, a=np.arange(ROWS) % 2, b=np.arange(ROWS) % 3 == 0)
    many = csv(tmp_path / "many.csv", label=np.arange(ROWS) * 7 % 50)
    numbers = csv(tmp_path / "numbers.csv", label=RNG.random(ROWS))
    assert isinstance(datasets.load(many).task, Regression) and isinstance(datasets.load(numbers).task, Regression)
    with pytest.raises(ValueError, match=r"column of labels, named label, .*--target=COLUMN"):
        datasets.load(several)


def test_arrays_of_rows_are_a_table(tmp_path):
    x, y = RNG.random((20, 5)), np.arange(20) % 2
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4])
    data = datasets.load(tmp_path / "rows.npz")
    assert data.modality.name == "tables" and data.input_shape == (5,)
    np.testing.assert_allclose(data.raw("train"), x, rtol=1e-6)
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x[:4, :4], y_test=y[:4])
    with pytest.raises(ValueError, match=r"rows of 5 columns.*4 columns"):
        datasets.load(tmp_path / "rows.npz")


def test_numbers_are_scaled_by_training_rows_and_missing_ones_are_the_median():
    front = TableFront(
        [Column("a", "number", center=2.0, scale=4.0, missing=True), Column("b", "category", categories=("x", "y"))]
    )
    raw = np.array([[2.0, 0.0], [6.0, 1.0], [np.nan, np.nan], [1e9, 7.0]])
    clipped = 1 / np.sqrt(1 + 1 / 9)
    expected = [[0, 0, 1, 0], [clipped, 0, 0, 1], [0, 1, 0, 0], [3, 0, 0, 0]]
    np.testing.assert_allclose(front.encoded(raw), expected, atol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("savedmodel", marks=pytest.mark.slow), "litert"])
def test_gaps_and_categories_are_exported(name, tmp_path):
    columns = [
        Column("a", "number", missing=True),
        Column("b", "category", categories=("x", "y")),
        Column("c", "unused"),
    ]
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = with_preprocessing(network, front=TableFront(columns))
    classifier = Classifier(model, ("no", "yes"), 1.0, modality=Tables(columns))
    raw = np.array([[2.0, 0.0, 0.0], [np.nan, np.nan, 0.0], [-1.0, 1.0, 0.0], [0.0, 5.0, 1.0]], "float32")
    assert export_classifier(classifier, name, tmp_path, raw, raw).agreement == 1
    with pytest.raises(ValueError, match="network of rows is exported as"):
        export_classifier(classifier, "litert-int8", tmp_path, raw, raw)


def learned(**columns):
    found = table(**columns)
    y = np.arange(ROWS) % 2
    x = np.array([[str(value) for value in values] for values in found.values()]).T
    arrays = {"x_train": x, "y_train": y, "x_test": x[:9], "y_test": y[:9], "columns": np.array(list(found))}
    return Tables().read(arrays, CLASSIFICATION, TextLimits())


def test_constant_and_missing_columns_are_harmless_and_the_latter_noted():
    gaps = np.where(np.arange(ROWS) < 5, "?", RNG.random(ROWS).round(2).astype(str))
    found = learned(same=np.ones(ROWS), never=[""] * ROWS, gaps=gaps)
    columns = {column.name: column for column in found["front"].columns}
    assert (columns["same"].kind, columns["never"].kind, columns["gaps"].missing) == ("unused", "unused", True)
    assert "gaps" in found["notes"][0] and np.isfinite(found["x_train"]).all()
    assert np.isnan(found["raw_train"][:, 5]).sum() == 5


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"notes": [f"a text of its own {row}" for row in range(ROWS)]},
            r"column 'notes'.*60 different texts.*text_column",
        ),
        (
            {"size": ["12 kg", *map(str, range(ROWS - 1))]},
            r"Expected numbers in column 'size'.*'12 kg' in training row 0",
        ),
        ({"size": ["inf", *map(str, range(ROWS - 1))]}, r"finite numbers in column 'size'"),
        ({"size": [1] * ROWS, "color": ["red"] * ROWS, "label": [1] * ROWS}, "whose values differ from row to row"),
    ],
)
def test_columns_that_cannot_be_learned_from_are_refused(columns, words):
    with pytest.raises(ValueError, match=words):
        learned(**columns)


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"label": np.arange(ROWS)}, {}, "Received: ids, a different value in each of 60 rows"),
        ({"label": [f"row {row}" for row in range(ROWS)]}, {}, "Received: ids"),
        ({"label": [f"2024-02-{row % 29 + 1:02}" for row in range(ROWS)]}, {}, r"such as '2024-02-01'.*to_datetime"),
        ({"label": ["", *"10" * 29, "1"]}, {}, "Column 'label' has no value in row 2"),
        ({}, {"target": ["lable"]}, "Did you mean 'label'"),
        ({}, {"image_size": (8, 8)}, "rows of a table have no size"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused(columns, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        datasets.load(csv(tmp_path / "rows.csv", **columns), **options)


def test_more_columns_than_rows_are_noted(tmp_path):
    x, y = RNG.random((20, 50)), np.arange(20) % 2
    arrays = {"x_train": x, "y_train": y, "x_test": x[:4], "y_test": y[:4]}
    assert (
        "More columns than training rows (50 and 20)"
        in Tables().read(arrays, CLASSIFICATION, TextLimits())["notes"][-1]
    )
    empty = {**arrays, "x_train": x[:0], "y_train": y[:0]}
    with pytest.raises(ValueError, match=r"\(samples, columns\), at least one.*shape \(0, 50\)"):
        Tables().read(empty, CLASSIFICATION, TextLimits())


@pytest.mark.parametrize("task", [CLASSIFICATION, MULTILABEL, Regression.fitted(np.arange(200.0)[:, None])])
def test_references_beat_chance_on_every_task(task):
    x = RNG.standard_normal((200, 4)).astype("float32")
    y = {"classification": x[:, 0] > 0, "multilabel": x[:, :2] > 0}.get(task.name, x[:, :1])
    y = y.astype({"classification": "int64"}.get(task.name, "float32"))
    for name, fit in modality("tables").references(task, 0).items():
        answers = fit(x[:150], y[:150], x[150:])
        assert task.evaluation(answers, y[150:])[task.metric] > 0.8, name


@pytest.mark.slow
def test_a_table_is_raced_and_compared_from_the_command_line(tmp_path, capsys, monkeypatch):
    count_steps(monkeypatch)
    rows, run = csv(tmp_path / "rows.csv"), tmp_path / "run"
    main(["search", str(rows), "--minutes=3", "--candidates=2", f"--output_dir={run}", "--no_experience"])
    shown = capsys.readouterr().out
    record = json.loads((run / "result.json").read_text(encoding="utf-8"))
    assert record["genotype"]["space"] == "tables" and record["dataset"]["modality"] == "tables"
    names = [one["name"] for one in record["race"]["references"]]
    assert names == ["logistic regression", "histogram gradient boosting"] and all(name in shown for name in names)
    assert "histogram gradient boosting" in (run / "report.html").read_text(encoding="utf-8")
    network = load_classifier(run)
    assert network.modality.name == "tables" and [column.name for column in network.modality.own] == ["size", "color"]

    new = tmp_path / "new.csv"
    new.write_text("color,size\nred,2.5\ngreen,-2.5\n,\n", encoding="utf-8")  # another order, an unknown color, gaps
    main(["predict", str(run), str(new)])
    answers = capsys.readouterr().out
    assert all(f"new.csv, row {row}" in answers for row in (2, 3, 4))
    direct = network.answers(network.modality.queries([["2.5", "red"], ["-2.5", "green"]], network.reading))
    assert direct.argmax(axis=1).tolist() == [1, 0]
    new.write_text("colour,size\nred,2.5\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"lack column 'color'\. Did you mean 'colour'"):
        network.modality.from_paths([new], network.reading)


@pytest.mark.slow
def test_frames_are_searched_by_an_estimator_and_their_columns_are_told_by_name(tmp_path, monkeypatch):
    count_steps(monkeypatch)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(label=None))
    labels = np.where(frame["size"] > 0, "large", "small")
    estimator = kerasnas.TableClassifier(minutes=2, candidates=1, folder=tmp_path / "home", log=str)
    estimator.fit(frame, labels)
    assert (estimator.predict(frame[["color", "size"]]) == labels).mean() > 0.85
    assert estimator.evaluate(frame, labels) == estimator.evaluate(frame[["color", "size"]], labels)
    with pytest.raises(ValueError, match="lack column 'color'"):
        estimator.predict(frame[["size"]])
    samples = Samples(modality("tables"), estimator.settings)
    with pytest.raises(ValueError, match="test_data"):
        samples.dataset(frame, labels, (frame[["color", "size"]], labels), "classifier", 0.1)
    arrays = samples.dataset(frame.assign(target=labels), None, None, "classifier", 0.1)
    assert arrays["columns"].tolist() == ["size", "color"] and str(arrays["kind"]) == "tables"


def test_references_learn_by_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 2)), np.arange(120) % 2
    x[:, 0] += 6 * y
    wrong = np.arange(120) // 2 % 3 > 0
    for fit in modality("tables").references(CLASSIFICATION, 0).values():
        answers = fit(x, np.where(wrong, 1 - y, y), x, np.where(wrong, 0.0, 3.0))
        assert (answers.argmax(axis=1) == y).mean() > 0.9


def test_gaps_are_watched_and_more_of_them_are_a_drift():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(keras.ops.nan_to_num(inputs)))
    rng = np.random.default_rng(0)

    def rows(number, gaps):
        x = rng.normal(size=(number, 2)).astype("float32")
        x[rng.random(number) < gaps, 0] = np.nan
        return x

    monitor = DriftMonitor(model, rows(400, 0.1), task="regression")
    assert not monitor.examine(rows(200, 0.1)).drift
    found = monitor.examine(rows(200, 0.5))
    assert found.drift and found.changes[0].name == "input 0"
