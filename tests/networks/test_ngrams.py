"""Runs of tokens: numbers that tell them apart within 32 bits, and layers that compute what NumPy does."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.networks.ngrams import BUCKETS, Runs, run_numbers

RNG = np.random.default_rng(0)
IDS = RNG.integers(1, 40, (50, 7))
IDS[IDS == 20] = 21
IDS[:25, 4:] = 0


def reference(run, tokens, buckets):
    """The number of one run in Python's integers, which have no last bit."""
    number = run[0] + (len(run) > 1)
    for token in run[1:]:
        number = number % ((2**31 - 1) // tokens - 1) * tokens + token
    return number % buckets


@pytest.mark.parametrize("tokens", [40, 5000, 20_002, 400_000])
@pytest.mark.parametrize("buckets", BUCKETS[::3])
def test_numbers_do_not_overflow(tokens, buckets):
    ids = RNG.integers(max(tokens - 30, 1), tokens, (3, 5))
    numbers, there = (np.asarray(part) for part in run_numbers(ops.convert_to_tensor(ids), 4, tokens, buckets))
    assert there.all() and numbers.shape == (3, 5 + 5 + 4 + 3)
    begun = np.pad(ids, ((0, 0), (1, 0)))
    runs = [(begun if k > 1 else ids)[:, i : i + k] for k in (1, 2, 3, 4) for i in range(5 + (k > 1) - k + 1)]
    expected = [[reference([int(token) for token in one], tokens, buckets) for one in run] for run in runs]
    np.testing.assert_array_equal(numbers, np.transpose(expected))


def test_pairs_of_words_are_told_apart():
    """From each other, from single words and, at the beginning of a text, from those within."""
    pairs = np.array([[first, second] for first in range(1, 60) for second in range(1, 60)])
    numbers = np.asarray(run_numbers(ops.convert_to_tensor(pairs), 2, 20_002, BUCKETS[-1])[0])
    single, begins, inner = set(numbers[:, :2].ravel()), set(numbers[:, 2]), set(numbers[:, 3])
    assert (len(single), len(begins), len(inner)) == (59, 59, 59 * 59)
    assert not single & begins and not single & inner and not begins & inner


def test_rows_are_of_what_was_seen():
    runs = Runs.of(IDS, longest=2)
    distinct = {(token,) for token in IDS.ravel() if token}
    distinct |= {(0, first) for first in IDS[:, 0]}
    distinct |= {pair for text in IDS for pair in itertools.pairwise(text) if pair[1]}
    assert runs.size == 1 + len(distinct) and len(runs.rows) == BUCKETS[0]
    texts, rows = runs.find(IDS)
    assert (rows > 0).all() and len(rows) == 2 * (IDS != 0).sum()
    assert set(texts) == set(range(50))
    assert runs.find(np.array([[20, 0]]))[1].tolist() == [0, 0]


def test_the_most_frequent_runs_are_kept():
    ids = np.array([[3, 4], [3, 4], [3, 5], [3, 6]])
    runs = Runs.of(ids, longest=1, most=2)
    assert runs.size == 3 and runs.find(ids)[1].tolist() == [1, 2, 1, 2, 1, 0, 1, 0]


def test_layers_compute_the_sum_and_padding_does_not_matter(tmp_path):
    runs = Runs.of(IDS, longest=3)
    weights, squares = RNG.standard_normal((runs.size, 2)), RNG.uniform(1, 2, runs.size)
    weights[0], squares[0] = 0, 0
    texts, rows = runs.find(IDS)
    expected = np.stack([np.bincount(texts, column[rows]) for column in weights.T], axis=1)
    expected /= np.sqrt(np.bincount(texts, squares[rows]))[:, None]
    for length in (7, 12):
        inputs = keras.Input((length,), dtype="int32")
        model = keras.Model(inputs, runs.linear(inputs, weights, squares))
        padded = np.pad(IDS, ((0, 0), (0, length - 7)))
        np.testing.assert_allclose(model(padded), expected, rtol=1e-4, atol=1e-5)
        assert not np.asarray(model(0 * padded)).any()
    assert all(type(layer).__module__.startswith("keras.") for layer in model.operations)
    assert [variable.path.split("/")[0] for variable in model.trainable_variables] == ["weights_of_runs"]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(padded), expected, rtol=1e-4, atol=1e-5)


def test_texts_shorter_than_the_longest_run():
    assert Runs.of(np.array([[3, 4]]), longest=6).size == 1 + 2 + 2 + 1
