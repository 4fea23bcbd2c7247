"""The linear model and the boosted trees beside a network of rows: in Keras as they were fitted, for every task."""

import keras
import numpy as np
import pytest

from kerasnas.companions import base
from kerasnas.companions.rows import BoostedRows, LinearRows, RowCompanion, RowModel
from kerasnas.networks.trees import Trees
from kerasnas.tasks.base import task_class
from tests.companions.test_linear import joined

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype("float32")
X[:, 3] = np.round(X[:, 3])  # values that thresholds lie between
LABELS = {
    "three classes": ("classification", (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 3] > 0)),
    "two classes": ("classification", (X[:, 0] * X[:, 1] > 0).astype(int)),
    "a class that no row has": ("classification", 2 * (X[:, 0] * X[:, 1] > 0).astype(int)),
    "multilabel": ("multilabel", np.stack([X[:, 0] > 0, X[:, 3] > 0, np.ones(200)], axis=1).astype(int)),
    "regression": ("regression", np.stack([X[:, 0] * X[:, 1], X[:, 3] ** 2], axis=1)),
    "counts": ("counts", RNG.poisson(np.exp(X[:, :2]))),
}


class Fitted:
    def __init__(self, seen, rounds):
        self.seen, self.rounds = seen, rounds

    def fit(self, x, y, weights):
        self.seen.append((self.rounds, len(x)))
        return self


def fitted(name):
    kind, y = LABELS[name]
    outputs = y.shape[1] if y.ndim > 1 else 3
    task = task_class(kind).fitted(y)
    return task, outputs, [model.fitted(X, y, task, outputs, seed=0) for model in (LinearRows, BoostedRows)]


@pytest.mark.parametrize("name", [name for name in LABELS if name != "two classes"])  # as of a class less
def test_in_keras_they_are_the_sum_that_was_fitted(name):
    task, _, models = fitted(name)
    shares, inputs = np.array([0.7, 1.3]), keras.Input((4,))
    both = RowModel(*models, shares)
    model = keras.Model(inputs, both.apply(inputs))
    new = np.concatenate([X, RNG.normal(size=(100, 4)).astype("float32")])
    expected = sum(share * one.outputs(new) for share, one in zip(shares, models, strict=True))
    np.testing.assert_allclose(model(new) + both.bias, expected, rtol=1e-4, atol=1e-4)
    assert all(type(operation).__module__.startswith("keras.") for operation in model.operations)
    assert task.scores(models[1].outputs(X), LABELS[name][1]).mean() > 0.3 and np.isfinite(expected).all()
    if name == "a class that no row has":
        assert task.answers(models[1].outputs(X))[:, 1].max() < 0.02


def test_a_threshold_stays_between_neighbouring_values():
    """In float32 it would be rounded up to the larger value, which then went left."""
    value = np.float32(1)
    above = np.nextafter(value, np.float32(2))
    fields = [("is_leaf", "u1"), ("feature_idx", int), ("num_threshold", float), ("left", int), ("right", int)]
    tree = np.zeros(3, [*fields, ("value", float)])
    tree["is_leaf"], tree["left"], tree["right"], tree["value"] = (0, 1, 1), 1, 2, (0, -1, 1)
    tree["num_threshold"][0] = float(value) + 0.75 * (float(above) - float(value))
    inputs = keras.Input((1,))
    model = keras.Model(inputs, Trees.of([tree], [np.ones(1)]).apply(inputs))
    np.testing.assert_array_equal(model(np.array([[value], [above]])), [[-1], [1]])


def test_rows_that_are_held_out_choose_the_penalty():
    """Where nothing can be learned they ask for the strongest; rows that were learned from ask for the weakest."""
    x, y = RNG.normal(size=(200, 100)).astype("float32"), RNG.integers(0, 2, 200)
    assert np.abs(LinearRows.fitted(x, y, task_class("classification")(), 2, seed=0).weights).max() < 0.1


def test_held_out_rows_leave_out_a_network_that_has_learned_nothing():
    task, outputs, _ = fitted("two classes")
    y = LABELS["two classes"][1]
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(outputs, kernel_initializer=keras.initializers.GlorotUniform(seed=0))
    network = keras.Model(inputs, layer(inputs))
    parts = base.held_out(task, y, seed=0)
    model, record = joined(network, (X, y), parts, task, RowCompanion())
    assert record["words"] == "linear model and boosted trees" and not record["network"]["used"]
    assert record["weights"][1] > record["weights"][0] and layer not in model.layers  # a product of two columns
    assert (model.predict(X, verbose=0).argmax(axis=1) == y).mean() > 0.95


def test_large_tables_take_fewer_rows_and_rounds(monkeypatch):
    """Work is rows times columns times trees; at least 20 rounds, of at least 1,000 rows."""
    seen = []
    task = task_class("classification")()
    monkeypatch.setattr(type(task), "boosting", lambda self, max_iter, **_: Fitted(seen, max_iter))
    for samples, columns, classes in ((200, 4, 3), (12_000, 200, 10), (2_000, 4, 200)):
        x = np.zeros((samples, columns), "float32")
        BoostedRows.fitted(x, np.arange(samples) % classes, task, classes, seed=0)
    assert seen == [(100, 200), (20, 3750), (20, 2000)]
