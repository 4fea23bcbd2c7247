"""Generated signals: noisy waveforms in classes that differ in shape and in course over time."""

from __future__ import annotations

import numpy as np

from kerasnas import checks
from kerasnas.datasets.dataset import DATASETS, Dataset, dataset_of
from kerasnas.modalities.signals import Signals

WAVEFORMS = ("sine", "square", "sawtooth", "chirp up", "chirp down", "amplitude-modulated")


def waveforms(
    train_samples: int = 2000, test_samples: int = 500, length: int = 128, noise: float = 0.8, seed: int = 0
) -> Dataset:
    """Noisy signals of one channel in six balanced classes, the waveforms of `WAVEFORMS`.

    Frequency (4 to 12 periods), phase and amplitude (root mean square 0.5 to 1.5) are drawn for each signal, with the
    same distributions in all classes. The classes differ in the shape of a period (sine, square, sawtooth) and in its
    course over time (the frequency of a chirp rises to three times its first value, or falls to a third of it; the
    amplitude swells and fades one to three times).

    Args:
        train_samples: number of training signals. Defaults to 2000.
        test_samples: number of test signals. Defaults to 500.
        length: number of steps in a signal. Defaults to 128.
        noise: standard deviation of the additive normal noise. Defaults to 0.8.
        seed: the same seed gives the same signals. Defaults to 0.

    Raises:
        ValueError: if a number is not positive, there are fewer samples than classes, `noise` is negative, or `seed` is
            not an integer of at least 0.

    Example:

    >>> data = waveforms(train_samples=60, test_samples=12)
    >>> data.input_shape, data.num_classes, data.x_train.shape
    ((128, 1), 6, (60, 128, 1))
    """
    sizes = {"train": checks.integer("train_samples", train_samples, len(WAVEFORMS))}
    sizes["test"] = checks.integer("test_samples", test_samples, len(WAVEFORMS))
    length, noise = checks.integer("length", length, 1), checks.number("noise", noise, least=0)
    seed = checks.seed(seed)
    arrays: dict[str, np.ndarray] = {}
    for index, (part, samples) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, index])
        labels = rng.permutation(np.arange(samples) % len(WAVEFORMS))
        signals = _clean(labels, length, rng) + noise * rng.standard_normal((samples, length))
        arrays |= {f"x_{part}": signals[..., None], f"y_{part}": labels}
    return dataset_of(Signals(), "waveforms", arrays, WAVEFORMS)


def _clean(labels: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Signals of these classes, without noise."""
    time = np.arange(length) / length
    frequency, phase, amplitude, swells, swelling = (
        rng.uniform(low, high, (len(labels), 1)) for low, high in ((4, 12), (0, 1), (0.5, 1.5), (1, 3), (0, 1))
    )
    periods = frequency * time + phase

    def sine(periods: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * periods)

    shapes = (  # in the order of WAVEFORMS, each divided by its root mean square
        sine(periods) * np.sqrt(2),
        np.sign(sine(periods)),
        (2 * (periods % 1) - 1) * np.sqrt(3),
        sine(frequency * (time + time**2) / 2 + phase) * np.sqrt(2),  # of frequency times (1/2 + time)
        sine(frequency * (3 * time - time**2) / 2 + phase) * np.sqrt(2),
        sine(periods) * (1 + sine(swells * time + swelling)) * np.sqrt(4 / 3),
    )
    return amplitude * np.select([labels[:, None] == label for label in range(len(shapes))], shapes)


DATASETS.register("waveforms", lambda cache_dir: waveforms())
