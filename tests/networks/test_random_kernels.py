"""Random kernels: the features of standard layers are those of the formula, padding counts for nothing."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas.networks.random_kernels import RandomKernels

pytestmark = pytest.mark.usefixtures("eagerly")


def series(channels=1, length=40):
    return np.random.default_rng(0).standard_normal((12, length, channels)).astype("float32")


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 12])
def test_features_are_shares_of_steps_above_a_bias(channels):
    x = series(channels)
    kernels = RandomKernels.of(x, 420, seed=1)
    assert [one.dilation for one in kernels.convolutions] == [1, 2, 3, 4] and kernels.size == 420
    expected = []
    for one in kernels.convolutions:
        reach = 4 * one.dilation
        around = np.pad(x, ((0, 0), (reach, reach), (0, 0)))
        taps = np.stack([around[:, start : start + 40] for start in range(0, 2 * reach + 1, one.dilation)])
        values = np.einsum("insc,ick->nsk", taps, one.kernels)[..., None] + one.biases
        expected.append((values > 0).mean(1).reshape(len(x), -1))
    np.testing.assert_allclose(kernels.features(x), np.concatenate(expected, axis=1), atol=0.026)  # a step at a bias
    assert np.abs(kernels.features(x) - np.concatenate(expected, axis=1)).mean() < 1e-3


def test_the_kernels_are_all_84_of_the_paper_on_subsets_of_the_channels():
    (alone,) = RandomKernels.of(series(), 84, seed=0).convolutions
    own = {tuple(kernel) for kernel in alone.kernels[:, 0].T.tolist()}
    assert own == {
        tuple(2.0 if tap in twos else -1.0 for tap in range(9)) for twos in itertools.combinations(range(9), 3)
    }
    (several,) = RandomKernels.of(series(12), 84, seed=0).convolutions
    counts = several.kernels.any(axis=0).sum(axis=0)
    assert counts.min() == 1 and 3 < counts.max() <= 9


def test_biases_are_quantiles_of_convolutions():
    """So that over the training signals every share of steps is about as common."""
    found = RandomKernels.of(series(length=100), 840, seed=0).features(series(length=100)).mean(axis=0)
    assert np.abs(np.quantile(found, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.06


def test_no_feature_depends_on_the_padding():
    x = series(2)
    x[3, 20:], x[4] = 0, 0
    kernels = RandomKernels.of(x, 168, seed=0, padded=True)
    longer = np.pad(x, ((0, 0), (0, 8), (0, 0)))
    np.testing.assert_allclose(kernels.features(longer), kernels.features(x), atol=1e-5)
    assert not kernels.features(x)[4].any() and kernels.features(x)[3].max() == pytest.approx(1)


def test_the_seed_and_short_signals():
    x = series(3, length=5)
    first, again, other = (RandomKernels.of(x, 200, seed=seed).features(x) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (12, 168) and np.abs(first - other).max() > 0
    many = RandomKernels.of(x, 9996, seed=0)  # of one dilation: in groups that LiteRT can convolve
    assert many.size == 9996 and [one.biases.size for one in many.convolutions] == [3360, 3360, 3276]
    with pytest.raises(ValueError, match=r"at least 84\. Received: 83"):
        RandomKernels.of(x, 83, seed=0)


def test_nothing_but_the_linear_model_is_trained():
    x = series()
    inputs = keras.Input((40, 1))
    kernels = RandomKernels.of(x, 168, seed=0)
    model = keras.Model(inputs, kernels.linear(inputs, np.ones((168, 2))))
    assert [tuple(one.shape) for one in model.trainable_variables] == [(168, 2), (2,)]
    assert all(type(operation).__module__.startswith("keras.") for operation in model.operations)
    # Of each of the 84 kernels one convolution, and two numbers for each feature: its factor of 1 and its bias.
    assert model.count_params() == 84 * 9 * len(kernels.convolutions) + 168 * (2 + 2) + 2
