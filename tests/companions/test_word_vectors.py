"""Linear model that reads vectors of words: words that no training text has, and a choice by held-out texts."""

import keras
import numpy as np
import pytest

from kerasnas.companions import base, linear, mixing
from kerasnas.companions.word_vectors import VectorCompanion
from kerasnas.spaces import TextSpace
from kerasnas.tasks.known import CLASSIFICATION
from tests.companions.test_linear import TASKS, joined, labels_of

LEARNED, IDS = 300, 400
SPACE = TextSpace(vocabulary=LEARNED, dimensions=4, filters=4, num_nodes=1)
GENOTYPE = SPACE.genotype(dict.fromkeys(SPACE.choices, "skip_connect"))


def vectors(meaning):
    """Vectors of ids: of even ones with `meaning` on the first axis, of odd ones with its negative, and noise."""
    found = np.random.default_rng(1).standard_normal((IDS, 8)) * 0.3
    found[:, 0] += meaning * np.where(np.arange(IDS) % 2, -1, 1)
    found[:2] = 0
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def texts(number, first, last, seed=0):
    """Texts of 5 words; three words in four are even where the label is 1, and odd where it is 0."""
    rng = np.random.default_rng(seed)
    y = np.arange(number) % 2
    ids = 2 * rng.integers(first // 2, last // 2, (number, 5))
    return (ids + (rng.random((number, 5)) < np.where(y, 0.25, 0.75)[:, None])).astype("int32"), y


def beside(kind, x, y, task=CLASSIFICATION, outputs=2):
    network = SPACE.build_network(GENOTYPE, (5,), outputs)
    return joined(network, (x, y), base.held_out(task, y, seed=0), task, kind)


@pytest.mark.parametrize(
    "task", [TASKS[0], *(pytest.param(task, marks=pytest.mark.slow) for task in TASKS[1:])], ids=lambda task: task.name
)
def test_it_knows_words_that_no_training_text_has(task, tmp_path):
    (x, y), (new, hidden) = texts(240, 2, LEARNED), texts(200, LEARNED, IDS, seed=1)
    labels = labels_of(task, y)
    outputs = 2 if labels.ndim == 1 else labels.shape[1]
    kind = VectorCompanion(2, vectors(1.0), LEARNED)
    model, record = beside(kind, x, labels, task, outputs)
    assert record["pretrained"]["used"] and record["pretrained"]["with"] < record["pretrained"]["without"]
    found = np.asarray(model(new, training=False))
    sure = found[:, 1] - found[:, 0] if task.name == "classification" else found[:, 0]
    assert ((sure > 0) == hidden).mean() > 0.75  # the best possible is 0.9
    unknown = np.asarray(beside(linear.NGramCompanion(2), x, labels, task, outputs)[0](np.where(new > 1, 1, new)))
    assert np.ptp(unknown, axis=0).max() < 1e-4  # to n-grams all of these are one word
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(again(new), found, rtol=1e-4, atol=1e-5)
    assert all(type(operation).__module__.startswith("keras.") for operation in model.operations)
    assert all(variable.shape[-1] != 8 for variable in model.variables)  # a weight for each word, not its vector


def test_the_model_is_the_sum_of_its_parts():
    x, y = texts(240, 2, LEARNED)
    kind, parts = VectorCompanion(2, vectors(1.0), LEARNED), base.held_out(CLASSIFICATION, y, seed=0)
    _, whole = kind.learn(x, y, parts, CLASSIFICATION, 2)
    ids, _ = texts(50, 2, IDS, seed=2)
    known = np.where(ids < LEARNED, ids, 1)
    shares, inputs = np.array([0.2, 0.3, 0.4]), keras.Input((5,), dtype="int32")
    plain, ratios = linear.fit(x, y, CLASSIFICATION, 2, longest=2)
    expected = 0.2 * plain.outputs(known) + 0.3 * ratios.outputs(known)
    expected += 0.4 * kind.fit(x, y, CLASSIFICATION, 2).outputs(ids)
    found = whole(shares)
    np.testing.assert_allclose(found.outputs(ids), expected, rtol=1e-5, atol=1e-6)
    model = keras.Model(inputs, found.apply(inputs))
    np.testing.assert_allclose(np.asarray(model(ids)) + found.bias, expected, rtol=1e-3, atol=1e-4)


def test_vectors_that_say_nothing_are_left_out():
    rng = np.random.default_rng(3)
    x, y = texts(2000, 2, 12)
    random = np.concatenate([np.zeros((2, 8)), rng.standard_normal((IDS - 2, 8))])
    model, record = beside(VectorCompanion(2, random, LEARNED), x, y)
    pretrained = record["pretrained"]
    assert pretrained["used"] == (pretrained["with"] < pretrained["without"])
    assert not pretrained["used"] and record["weights"][-2] == 0
    assert not [layer.name for layer in model.layers if "vectors" in layer.name]
    new, _ = texts(50, 2, IDS, seed=2)
    np.testing.assert_allclose(model(new), model(np.where(new < LEARNED, new, 1)), atol=1e-5)


@pytest.mark.slow
def test_texts_of_one_word_and_of_none():
    x, y = texts(240, 2, LEARNED)
    x[:, 1:] = 0
    x[::7] = 0
    kind = VectorCompanion(2, vectors(1.0), LEARNED)
    model, _ = beside(kind, x, y)
    assert np.isfinite(np.asarray(model(np.array([[0, 0, 0, 0, 0], [399, 0, 0, 0, 0]])))).all()
    no_vectors = beside(VectorCompanion(1, np.zeros((IDS, 8)), LEARNED), x, y)[1]
    assert np.isfinite(list(no_vectors["losses"].values())).all()


def test_each_half_is_mixed_as_the_other_one_wants():
    y = np.arange(400) % 2
    right, wrong = 3 * np.eye(2)[y], 3 * np.eye(2)[1 - y]
    assert (mixing.crossed(CLASSIFICATION, [right, wrong], y).argmax(axis=1) == y).all()
    turned = np.where(y[:, None] == 0, right, wrong)  # right on one half alone, which the other half speaks for
    mixed = mixing.crossed(CLASSIFICATION, [turned, 0 * wrong], y)
    assert np.abs(mixed[y == 0]).max() < 0.1 < np.abs(mixed[y == 1]).max()
