"""Monitors of several labels, of numbers and of texts."""

import keras
import numpy as np
import pytest

from kerasnas import DriftMonitor
from kerasnas.modalities.lookup import modality
from kerasnas.tasks.known import MULTILABEL


def linear(outputs, weights, activation=None):
    layer = keras.layers.Dense(outputs, activation=activation)
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.set_weights([np.array(weights, float), np.zeros(outputs)])
    return model


def samples(number, seed):
    return np.random.default_rng(seed).normal(size=(number, 2))


def test_numbers_are_right_within_what_was_usual(tmp_path):
    """One of ten errs more than the tolerance in the reference; twice the error is found, in a loaded monitor too."""
    model, rng = linear(1, [[1.0], [0.0]]), np.random.default_rng(5)
    x, noise = samples(1000, 0), rng.normal(size=1000)
    monitor = DriftMonitor(model, x, x[:, 0] + noise, task="regression", classes=["angle"], window=50)
    assert monitor.reference_accuracy == pytest.approx(0.9)
    tolerance = np.quantile(np.abs(noise), 0.9)
    new = samples(200, 1)
    errors = np.where(np.arange(200) % 4 == 0, 1.01, 0.98) * tolerance
    found = monitor.examine(new, (new[:, 0] + errors)[:, None])
    assert found.accuracy == 0.75 and found.kinds == ("accuracy",)
    monitor.save(tmp_path)
    loaded = DriftMonitor.load(tmp_path, model)
    assert loaded.task == "regression" and loaded.examine(new, new[:, 0] + errors) == found
    assert monitor.examine(new + 1).changes[0].name in ("input 0", "input 1", "answer angle")
    assert not monitor.examine(samples(200, 2)).drift


def test_of_labels_all_have_to_be_right():
    model = linear(2, [[9.0, 0.0], [0.0, 9.0]], "sigmoid")
    x = samples(600, 0)
    monitor = DriftMonitor(model, x, (x > 0).astype(int), task="multilabel", classes=["left", "up"])
    assert monitor.reference_accuracy == 1
    new = samples(100, 1)
    y = (new > 0).astype(int)
    y[:30, 1] = 1 - y[:30, 1]
    assert monitor.examine(new, y).accuracy == pytest.approx(0.7)
    names = {one.name for one in monitor.examine(new + 1.5).changes}
    assert {"number of labels", "probability of left", "probability of up"} <= names
    reading = MULTILABEL.reading(["a", "b", "c"], [0, 2])
    assert reading.columns(np.array([[0.25, 0.5, 0.125]])).tolist() == [[0.875, 0.25, 0.125]]


@pytest.mark.parametrize(
    "task, y, message",
    [
        ("multilabel", np.full((60, 2), 2), "Expected 0 or 1 for each label. Received: 2"),
        ("multilabel", np.zeros(60, int), r"of shape \(60, 2\). Received: .shape \(60,\)"),
        ("regression", np.zeros((60, 3)), r"finite numbers, of shape \(60, 2\)"),
        ("regression", np.full((60, 2), np.nan), "finite"),
        ("regresion", np.zeros((60, 2)), "Did you mean 'regression'"),
    ],
)
def test_wrong_labels(task, y, message):
    with pytest.raises(ValueError, match=message):
        DriftMonitor(linear(2, np.eye(2)), samples(60, 0), y, task=task)


def test_statistics_of_texts():
    texts = np.array(["Ab 1", ""], object)
    values, names = modality("texts").statistics(texts)
    assert names[:3] == ("characters", "words", "characters a word")
    assert names[3:] == ("share of letters", "share of digits", "share of capitals")
    assert values[0].tolist() == [4, 2, 2, 0.5, 0.25, 0.25]
    assert values[1].tolist() == [0] * 6


def test_texts_are_watched():
    read = keras.layers.TextVectorization(vocabulary=["good", "bad"], output_mode="multi_hot")
    inputs = keras.Input((), dtype="string")
    head = keras.layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, head(read(inputs)))
    head.set_weights([np.array([[0.0, 0], [3, -3], [-3, 3]]), np.zeros(2)])
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    texts = np.array([("good", "bad")[label] + " film" * rng.integers(3) for label in y], object)
    monitor = DriftMonitor(model, texts, y, classes=["praise", "blame"])
    assert monitor.reference_accuracy == 1 and not monitor.examine(texts[:100], y[:100]).drift
    report = monitor.examine([text.upper() + "!" for text in texts[:100]])
    assert report.kinds == ("inputs",) and "share of capitals" in {one.name for one in report.changes}
    with pytest.raises(ValueError, match="texts, strings of shape"):
        monitor.examine(np.zeros(100))
