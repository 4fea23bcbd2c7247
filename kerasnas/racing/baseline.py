"""Baseline that needs no network: a support vector machine on the pixels, or on means of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from kerasnas.modalities.shapes import part_means
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

MOST_SAMPLES = 3000  # of more, its time grows with the square
_COMPONENTS = 60
_SIDE = 32  # pixels
_ROUNDING = 1e-6  # of the largest variance: components of less are rounding errors, which whitening would enlarge


def pixel_baseline(
    data: tuple[Any, Any],
    held_out: tuple[Any, Any],
    seed: int = 0,
    task: Task = CLASSIFICATION,
    values: str = "pixels",
) -> dict[str, Any] | None:
    """Return the mean score of a support vector machine on the principal components of the pixels.

    Photographs are reduced to means of 32x32 parts. `values` are the pixels in words.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> x = rng.random((60, 8, 8, 1)) + y[:, None, None, None]
    >>> pixel_baseline((x[:40], y[:40]), (x[40:], y[40:]))["accuracy"]
    1.0
    """
    from sklearn.decomposition import PCA

    (x, y), (x_other, y_other) = data, held_out
    if len(x) > MOST_SAMPLES or any(len(np.unique(column)) < 2 for column in np.reshape(y, (len(y), -1)).T):
        return None
    start = time.perf_counter()
    x, x_other = (part_means(part, (_SIDE,) * (part.ndim - 2)) for part in (x, x_other))
    components = PCA(min(_COMPONENTS, len(x) - 1, x.shape[1]), whiten=True, random_state=seed).fit(x)
    varied = components.explained_variance_ >= _ROUNDING * components.explained_variance_[0]
    machine = task.machine().fit(components.transform(x)[:, varied], y)
    predicted = machine.predict(components.transform(x_other)[:, varied])
    return {
        "name": f"support vector machine on the {values}",
        "accuracy": task.machine_score(predicted, y_other),
        "seconds": time.perf_counter() - start,
    }
