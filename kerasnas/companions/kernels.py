"""Ridge regressions on features; that of random convolutional kernels, beside a network of signals."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from kerasnas.companions.base import Companion, Learned, Parts, Weights
from kerasnas.companions.mixing import mix
from kerasnas.networks.random_kernels import KERNELS, RandomKernels
from kerasnas.tasks import Task

_USUAL, _FEW_SAMPLES, _FEWER, _VALUES = 9_996, 3_000, 2_940, 30_000_000
_FLOOR = 0.01  # added to the deviation of each feature
_LEAST_WEIGHT = 1e-9  # of a sample, whose own output is asked for too
_STRENGTHS = np.logspace(-4, 2, 13)  # of the penalty, times the number of features
_SCALE, _SCALE_STRENGTH = 3.0, 1.0  # of outputs that were fitted to -1 and 1, as logits: the usual one; in samples


def usual_features(samples: int) -> int:
    """The number of features where none is asked for: 9996, and fewer where there are more than 3000 signals.

    The time of the fit grows with the cube of the smaller one of both numbers, its memory with their product.

    Example:

    >>> usual_features(200), usual_features(5_000), usual_features(100_000)
    (9996, 2940, 300)
    """
    return _USUAL if samples <= _FEW_SAMPLES else max(min(_FEWER, _VALUES // samples), KERNELS)


class Features(Protocol):
    """Features of samples: `features` as an array; `linear`, times weights, in standard Keras layers."""

    def features(self, x: np.ndarray) -> np.ndarray:
        """`(samples, features)`."""

    def linear(self, x: Any, weights: np.ndarray) -> Any:
        """`(samples, outputs)`, for inputs of a network, a KerasTensor."""


@dataclasses.dataclass(frozen=True)
class FeatureModel:
    """A linear model of features."""

    reading: Features
    weights: np.ndarray
    bias: np.ndarray

    def apply(self, x: Any) -> Any:
        """See `kerasnas.companions.base.Linear`."""
        return self.reading.linear(x, self.weights)


@dataclasses.dataclass(frozen=True)
class KernelCompanion(Companion):
    """A ridge regression on the features of random kernels, MiniRocket, beside a network of signals.

    Features are standardized. Classes and labels are fitted as -1 and 1, numbers as they are. The outputs for each
    signal of the regression on all others have a closed form, so that one fit to all signals is enough. By them the
    penalty is chosen, for the least squared error; the factor that makes logits of them; and, where signals are held
    out from the network, how much either counts.

    Args:
        features: their number, at least 84, rounded down to a multiple of 84.
        seed: of the kernels.
        padded: as for `RandomKernels`. Defaults to False.
    """

    features: int
    seed: int = 0
    padded: bool = False
    samples = "signals"
    prior = (0.9, 0.1)

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        kernels = RandomKernels.of(x, self.features, self.seed, self.padded)
        return ridge_learned(kernels, x, y, parts, task, outputs, weights)

    def __str__(self) -> str:
        return f"linear model on {self.features // KERNELS * KERNELS:,} random kernels"

    def get_config(self) -> dict[str, Any]:
        return {"kernels": self.features // KERNELS * KERNELS}


def ridge_learned(
    features: Features, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
) -> Learned:
    """Return a ridge regression on features, as `Companion.learn` does."""
    kernel, bias, left_out = ridge_logits(features.features(x), y, task, outputs, weights)
    return [left_out[parts[1]]], lambda shares: FeatureModel(features, shares[0] * kernel, shares[0] * bias)


def ridge_logits(
    x: np.ndarray, y: np.ndarray, task: Task, outputs: int, weights: Weights = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `ridge` does, fitted to features and labels, times the factor that makes logits of its outputs."""
    found = ridge(x, task.ridge_targets(task.targets(y, outputs)), weights)
    scale = ridge_scale(found[-1], y, task, weights)
    kernel, bias, left_out = (scale * part for part in found)
    return kernel, bias, left_out


def ridge(x: np.ndarray, y: np.ndarray, weights: Weights = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ridge regression on standardized features, with the penalty that is best where each sample is left out.

    Args:
        x: the features `(samples, features)`.
        y: the targets `(samples, outputs)`.
        weights: of the samples. Defaults to None: they count alike.

    Returns:
        The weights of the features as they are, `(features, outputs)`; the bias; and the outputs for each sample of the
        regression on all others.
    """
    middle, mean, deviation = y.mean(axis=0), x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float) + _FLOOR
    root = np.ones((len(x), 1))
    if weights is not None:
        root = np.sqrt(np.maximum(weights, _LEAST_WEIGHT))[:, None]
        middle, mean = (np.average(part, axis=0, weights=root[:, 0] ** 2) for part in (y, x))
    z = (x - mean) / deviation
    z *= root
    wide = len(z) <= z.shape[1]
    squares, vectors = np.linalg.eigh(z @ z.T if wide else z.T @ z)
    kept = squares > squares[-1] * 1e-10
    squares, vectors = squares[kept], vectors[:, kept]
    left = vectors if wide else z @ vectors / np.sqrt(squares)  # the left singular vectors of z
    counts, centered = (root**2 / (root**2).sum())[:, 0], root * (y - middle)  # of each sample in the mean
    turned = left.T @ centered
    best = None
    for strength in _STRENGTHS * z.shape[1]:
        shrunk = squares / (squares + strength)
        own = 1 - counts - np.square(left) @ shrunk  # 1 less what each sample's target counts in its own output
        errors = (centered - left @ (shrunk[:, None] * turned)) / np.maximum(own, 1e-6)[:, None]
        if best is None or np.square(errors).sum() < best[0]:
            best = np.square(errors).sum(), strength, errors
    assert best is not None
    _, strength, errors = best
    kernel = (z.T @ (left @ (turned / (squares + strength)[:, None]))) / deviation[:, None]
    return kernel, middle - mean @ kernel, y - errors / root


def ridge_scale(left_out: np.ndarray, y: np.ndarray, task: Task, weights: Weights = None) -> float:
    """The factor that makes logits of what a ridge regression answers for each sample, fitted to all others."""
    return float(mix(task, [left_out], y, [_SCALE if task.logits else 1.0], _SCALE_STRENGTH, weights)[0])
