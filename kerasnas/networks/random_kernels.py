"""Random convolutional kernels: many features of a signal, and a linear model of them, as standard Keras layers."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks

TAPS, KERNELS = 9, 84
"""The steps that a kernel reads, and the number of kernels: all that have three weights of 2 and six of -1."""
_DILATIONS = 32  # at most
_GOLDEN = (5**0.5 + 1) / 2
_BIASES = 4032 // KERNELS  # of a kernel in a group, at most: LiteRT hangs in depthwise convolutions of 4,833 channels
_VALUES = 20_000_000  # of the convolutions that are in memory at a time


@dataclasses.dataclass(frozen=True)
class Convolutions:
    """Kernels of one dilation, `(9, channels, 84)`, and the biases of each, `(84, biases)`."""

    dilation: int
    kernels: np.ndarray
    biases: np.ndarray


@dataclasses.dataclass(frozen=True)
class RandomKernels:
    """MiniRocket: for each of many dilated convolutions, the fraction of the steps at which it exceeds a bias.

    All 84 kernels of nine taps with three weights of 2 and six of -1, at up to 32 dilations; biases are quantiles of
    the convolution of a training signal. `of` draws them.

    Differences from the paper: zeros are put around every signal, where the paper leaves out the ends for half of the
    kernels; all dilations have as many features, to within one for each kernel, where the paper gives short ones more;
    kernels of a dilation with more than 48 biases each are drawn several times, of other channels each time.

    Args:
        convolutions: for each dilation, or several for one that has many biases.
        padded: True for signals that end in padding, steps of zeros in all channels, which do not count.

    Reference:
        Dempster, Schmidt and Webb, "MiniRocket: A Very Fast (Almost) Deterministic Transform for Time Series
        Classification", 2021 (arXiv 2012.08791); channels as in its authors' code for several of them.
    """

    convolutions: tuple[Convolutions, ...]
    padded: bool = False

    @classmethod
    def of(cls, x: np.ndarray, features: int, seed: int, padded: bool = False) -> RandomKernels:
        """Draw the kernels for training signals `(samples, length, channels)`.

        Each kernel reads a random subset of the channels at each dilation, one in most cases and nine at most.

        Args:
            x: the signals.
            features: number of features, rounded down to a multiple of 84.
            seed: of the subsets, and of the signals whose convolutions give the biases.
            padded: as for the class. Defaults to False.
        """
        biases = checks.integer("features", features, KERNELS) // KERNELS  # of each kernel
        rng = np.random.default_rng(seed)
        length, channels = x.shape[1:]
        most = max((length - 1) / (TAPS - 1), 1)  # a kernel then spans the whole signal
        dilations = np.unique(np.logspace(0, np.log2(most), min(_DILATIONS, biases), base=2).astype(int))
        levels = np.arange(1, biases * KERNELS + 1) * _GOLDEN % 1  # any number of them is spread evenly
        groups = np.repeat(dilations, -(-biases // (len(dilations) * _BIASES)))
        convolutions, used = [], 0
        for index, dilation in enumerate(groups.tolist()):
            number = biases // len(groups) + (index < biases % len(groups))
            kernels = _kernels(channels, rng)
            rows = x[rng.integers(len(x), size=KERNELS)]
            values = _of_one_each(rows, kernels, dilation)
            there = np.asarray(rows.any(axis=-1)) if padded else np.ones(rows.shape[:-1], bool)
            there[~there.any(axis=1)] = True  # of nothing but padding
            quantiles = levels[used : used + number * KERNELS].reshape(KERNELS, number)
            cuts = [np.quantile(row[kept], level) for row, kept, level in zip(values, there, quantiles, strict=True)]
            used += number * KERNELS
            convolutions.append(Convolutions(dilation, kernels, -np.array(cuts)))
        return cls(tuple(convolutions), padded)

    @property
    def size(self) -> int:
        """Number of features."""
        return sum(group.biases.size for group in self.convolutions)

    def apply(self, x: Any) -> Any:
        """Return the features `(batch, size)` of signals, a KerasTensor, from frozen standard Keras layers."""
        x = ops.cast(x, "float32")
        if self.padded:
            there = ops.cast(ops.any(ops.not_equal(x, 0), axis=-1), "float32")
            steps = ops.expand_dims(there / ops.maximum(ops.sum(there, axis=1, keepdims=True), 1), 1)
        features = []
        for group in self.convolutions:
            above = ops.cast(_convolved(group, x) > 0, "float32")
            features.append(ops.squeeze(ops.matmul(steps, above), 1) if self.padded else ops.mean(above, axis=1))
        return ops.concatenate(features, axis=-1) if len(features) > 1 else features[0]

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return the features of signals in an array, float32 `(samples, size)`, computed in small batches."""
        inputs = keras.Input(x.shape[1:])
        model = keras.Model(inputs, self.apply(inputs))
        model.compile(jit_compile=False)
        widest = max(group.biases.size for group in self.convolutions)
        return model.predict(x, batch_size=int(np.clip(_VALUES // (widest * x.shape[1]), 1, 32)), verbose=0)

    def linear(self, x: Any, weights: np.ndarray) -> Any:
        """Apply a linear model in standard Keras layers: the features, times `weights` `(size, outputs)`.

        Args:
            x: signals, a KerasTensor `(batch, length, channels)`.
            weights: of each feature for each output.
        """
        scale = 2 / self.size**0.5  # features from -1/2 to 1/2 times this: gradient steps are as large as a network's
        layer = keras.layers.Dense(weights.shape[1], dtype="float32", name="weights_of_kernels")
        layer.build((None, self.size))
        layer.set_weights([(weights / scale).astype("float32"), (weights.sum(axis=0) / 2).astype("float32")])
        return layer(keras.layers.Rescaling(scale, -scale / 2, dtype="float32")(self.apply(x)))


def _kernels(channels: int, rng: np.random.Generator) -> np.ndarray:
    """Return the 84 kernels `(9, channels, 84)`, each zero outside a random subset of the channels."""
    kernels = np.zeros((TAPS, channels, KERNELS), "float32")
    for index, twos in enumerate(itertools.combinations(range(TAPS), 3)):
        number = int(2 ** rng.uniform(0, np.log2(min(channels, TAPS) + 1)))
        subset = rng.choice(channels, number, replace=False)
        kernels[:, subset, index] = np.where(np.isin(np.arange(TAPS), twos), 2, -1)[:, None]
    return kernels


def _of_one_each(x: np.ndarray, kernels: np.ndarray, dilation: int) -> np.ndarray:
    """Convolve each of 84 signals with one of the kernels: `(84, length)`."""
    reach, length = (TAPS - 1) // 2 * dilation, x.shape[1]
    around = np.pad(x, ((0, 0), (reach, reach), (0, 0)))
    taps = (around[:, tap * dilation : tap * dilation + length] for tap in range(TAPS))
    return sum(np.einsum("ktc,ck->kt", part, kernel) for part, kernel in zip(taps, kernels, strict=True))


def _convolved(group: Convolutions, x: Any) -> Any:
    """Return the convolutions of signals, a KerasTensor, once with each bias: `(batch, length, features)`."""
    number, frozen = group.biases.shape[1], {"dtype": "float32", "trainable": False}
    convolution = keras.layers.Conv1D(
        KERNELS, TAPS, padding="same", dilation_rate=group.dilation, use_bias=False, **frozen
    )
    copies = keras.layers.DepthwiseConv1D(1, depth_multiplier=number, **frozen)
    y = convolution(x)
    features = copies(y)
    convolution.set_weights([group.kernels])
    copies.set_weights([np.ones((1, KERNELS, number)), group.biases.ravel()])
    return features
