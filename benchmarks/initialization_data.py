"""The domains of initializations.py and pretrain_folds.py as data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import value

from kerasnas.datasets import Dataset


def dataset(data, name):
    """A domain of the folder of real data, split for training and test."""
    if name == "omniglot":
        file = next(Path(data, "omniglot").glob("*.npz"))
        with np.load(file) as arrays:
            images = arrays["images"]
        classes, drawers = images.shape[:2]
        ink = images.astype("float32")[..., None] / 15
        labels = np.repeat(np.arange(classes), drawers).reshape(classes, drawers)
        parts = [1 - ink[:, 2:].reshape(-1, 28, 28, 1), labels[:, 2:].ravel()]
        parts += [1 - ink[:, :2].reshape(-1, 28, 28, 1), labels[:, :2].ravel()]
    else:
        found = value.load(data, name)
        parts = [part / np.float32(255) if index % 2 == 0 else part for index, part in enumerate(found)]
    parts[1::2] = [part.astype("int64") for part in parts[1::2]]
    classes = int(max(parts[1].max(), parts[3].max())) + 1
    return Dataset(name, *parts, tuple(map(str, range(classes))), scale=255.0)
