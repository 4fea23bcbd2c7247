"""Every kind of linear models: what it says of samples that are held out, it has not learned from them."""

import keras
import numpy as np
import pytest

from kerasnas.companions.kernels import KernelCompanion
from kerasnas.companions.letters import LetterCompanion
from kerasnas.companions.linear import NGramCompanion
from kerasnas.companions.means import MeansCompanion
from kerasnas.companions.rows import RowCompanion
from kerasnas.companions.word_vectors import VectorCompanion
from kerasnas.tasks.known import CLASSIFICATION

RNG = np.random.default_rng(0)
Y = np.arange(240) % 2
TEXTS = RNG.integers(4, 400, (240, 12)).astype("int32")
TEXTS[:, 0] = 2 + Y
ROWS, WAVES = (RNG.standard_normal(shape).astype("float32") for shape in ((240, 64), (240, 40, 1)))
ROWS[:, 0] += 2 * Y
BOARDS = RNG.standard_normal((240, 4, 4, 8)).astype("float32")
BOARDS[:, 0, 0] += 2 * Y[:, None]
WAVES[..., 0] += np.sin(np.arange(40) * np.where(Y, 0.4, 1.2)[:, None])
LETTERS = np.eye(9, dtype="float32")[RNG.integers(2, 9, (240, 6))][..., None]
LETTERS[:, 0] = np.eye(9, dtype="float32")[Y][..., None]
KINDS = {
    "letters": (LetterCompanion("rows_in_2"), LETTERS),
    "runs": (NGramCompanion(2), TEXTS),
    "vectors": (VectorCompanion(1, RNG.standard_normal((400, 8)), 400), TEXTS),
    "kernels": (KernelCompanion(420), WAVES),
    "rows": (RowCompanion(), ROWS),
    "means": (MeansCompanion(), BOARDS),
}


@pytest.mark.parametrize("name", KINDS)
def test_held_out_samples_are_not_learned_from(name):
    """The label of one of them changes what a model of all samples says of it, but not what is held out."""
    kind, x = KINDS[name]
    parts, changed = (np.arange(2, 240), np.arange(2)), np.where(np.arange(240) == 0, 1 - Y, Y)
    held, known = [], []
    for y in (Y, changed):
        outputs, whole = kind.learn(x, y, parts, CLASSIFICATION, 2)
        models, inputs = [whole(share) for share in np.eye(len(outputs))], keras.Input(x.shape[1:], dtype=x.dtype)
        held.append(outputs)
        known.append([np.asarray(keras.Model(inputs, one.apply(inputs))(x[:2])) + one.bias for one in models])

    def moved(before, after):  # by the scale of the other sample's: one wrong label makes all logits smaller
        first, second = (one[0, 1] - one[0, 0] for one in (before, after))
        return abs(first / np.ptp(before[1]) - second / np.ptp(after[1]))

    for own, other in zip(zip(*held, strict=True), zip(*known, strict=True), strict=True):
        assert 3 * moved(*own) < moved(*other) and moved(*other) > 0.2


@pytest.mark.parametrize("name", KINDS)
def test_samples_without_a_weight_are_not_learned(name):
    (kind, x), wrong = KINDS[name], np.arange(240) // 2 % 3 > 0
    labels, parts = np.where(wrong, 1 - Y, Y), (np.arange(180), np.arange(180, 240))
    for weights, right in ((np.where(wrong, 0.0, 3.0), True), (None, False)):
        held, _ = kind.learn(x, labels, parts, CLASSIFICATION, 2, weights)
        assert all(((one.argmax(axis=1) == Y[180:]).mean() > 0.6) == right for one in held)
