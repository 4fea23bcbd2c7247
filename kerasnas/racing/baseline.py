"""Baseline that needs no network: a support vector machine on the pixels, to be told where it is as good."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

MOST_SAMPLES = 3000  # of more, its time grows with the square
_COMPONENTS = 60


def pixel_baseline(
    data: tuple[Any, Any], held_out: tuple[Any, Any], seed: int = 0, task: Task = CLASSIFICATION
) -> dict[str, Any] | None:
    """Return the mean score of a support vector machine on the principal components of the pixels.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> x = rng.random((60, 8, 8, 1)) + y[:, None, None, None]
    >>> pixel_baseline((x[:40], y[:40]), (x[40:], y[40:]))["accuracy"]
    1.0
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    (x, y), (x_other, y_other) = data, held_out
    if len(x) > MOST_SAMPLES or any(len(np.unique(column)) < 2 for column in np.reshape(y, (len(y), -1)).T):
        return None
    start = time.perf_counter()
    components = min(_COMPONENTS, len(x) - 1, int(np.prod(x.shape[1:])))
    machine = make_pipeline(PCA(components, whiten=True, random_state=seed), task.machine())
    machine.fit(np.reshape(x, (len(x), -1)), y)
    predicted = machine.predict(np.reshape(x_other, (len(x_other), -1)))
    return {
        "name": "support vector machine on the pixels",
        "accuracy": task.machine_score(predicted, y_other),
        "seconds": time.perf_counter() - start,
    }
