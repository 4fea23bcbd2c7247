"""Batches of several data sets at once: their images at one size, their classes one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets.dataset import Dataset
from kerasnas.modalities.augmentations import shift


def as_color(x: Any, size: int) -> np.ndarray:
    """Return images as `(samples, size, size, 3)` uint8.

    Grayscale images get three equal channels. Images of at least three quarters of `size` are padded by their edges,
    like letters; all others are resized, bilinearly and with antialiasing.

    Args:
        x: images `(samples, height, width, channels)` with 1 or 3 channels, float32 in [0, 1].
        size: pixels per side.
    """
    x = np.asarray(x)
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(checks.invalid("x", "images (samples, height, width, 1 or 3)", x.shape))
    sides = x.shape[1:3]
    if all(3 * size <= 4 * side <= 4 * size for side in sides):
        before = [(size - side) // 2 for side in sides]
        margins = [(first, size - side - first) for first, side in zip(before, sides, strict=True)]
        x = np.pad(x, ((0, 0), *margins, (0, 0)), mode="edge")
    parts = [_resized(x[start : start + 1000], size) for start in range(0, len(x), 1000)]
    return np.concatenate(parts)


def _resized(x: np.ndarray, size: int) -> np.ndarray:
    if x.shape[1:3] != (size, size):
        x = keras.ops.convert_to_numpy(keras.ops.image.resize(x, (size, size), antialias=True))
    return np.repeat(np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8), 3 // x.shape[-1], axis=-1)


class JointBatches(keras.utils.PyDataset):
    r"""Batches with samples of several data sets, each batch a function of `(seed, epoch, index)` alone.

    A sample is from data set $d$ with probability $n_d^{1/2} / \sum_e n_e^{1/2}$, so that large data sets do not
    dominate, and any of its training images with equal probability. An epoch has as many samples as all data sets
    together.

    Args:
        data: data sets of images with 1 or 3 channels; their training parts are used.
        batch_size: samples in a batch. Defaults to 64.
        size: pixels of the images' sides; see `as_color`. Defaults to 32.
        seed: of what is drawn, and of the shift of each image. Defaults to 0.

    Attributes:
        y: the classes of all samples: those of the first data set, then those of the second, and so on.
        groups: `(classes,)`, the index of the data set of each class.
    """

    def __init__(self, data: Sequence[Dataset], batch_size: int = 64, size: int = 32, seed: int = 0):
        super().__init__()
        if not data:
            raise ValueError(checks.invalid("data", "at least one data set", data))
        self.batch_size, self.size = checks.size("batch_size", batch_size), checks.size("size", size)
        self.seed = checks.seed(seed)
        self.x = [as_color(part.x_train, size) for part in data]
        lengths = [len(x) for x in self.x]
        classes = [part.num_classes for part in data]
        first = np.cumsum([0, *classes])
        self.groups = np.repeat(np.arange(len(data)), classes)
        self._labels = [part.y_train + start for part, start in zip(data, first, strict=False)]
        self.y = np.concatenate(self._labels)
        shares = np.sqrt(lengths)
        self._shares = shares / shares.sum()
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, len(self.y) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Continue with the batches of `epoch`."""
        self.epoch = checks.integer("epoch", epoch, 0)

    def on_epoch_end(self) -> None:
        """Advance to the next epoch."""
        self.epoch += 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        sources = rng.choice(len(self.x), self.batch_size, p=self._shares)
        rows = [int(rng.integers(len(self.x[source]))) for source in sources]
        pairs = list(zip(sources, rows, strict=True))
        x = np.stack([self.x[source][row] for source, row in pairs]).astype(np.float32) / 255
        return shift(x, rng), np.array([self._labels[source][row] for source, row in pairs])
