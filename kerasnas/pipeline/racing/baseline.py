"""The baseline that needs no network: a support vector machine on the pixels, to be told where it is as good."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

MOST_SAMPLES = 3000  # of more, its time grows with the square
_COMPONENTS, _PENALTY = 60, 10.0


def pixel_baseline(data: tuple[Any, Any], held_out: tuple[Any, Any], seed: int = 0) -> dict[str, Any] | None:
    """The accuracy of a support vector machine on the principal components of the pixels.

    Args:
        data: `(x, y)` to fit.
        held_out: `(x, y)` to evaluate.
        seed: of the principal components. Defaults to 0.

    Returns:
        `{"name", "accuracy", "seconds"}`, or None for more than `MOST_SAMPLES` samples, or of a single class.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> x = rng.random((60, 8, 8, 1)) + y[:, None, None, None]
    >>> pixel_baseline((x[:40], y[:40]), (x[40:], y[40:]))["accuracy"]
    1.0
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    (x, y), (x_other, y_other) = data, held_out
    if len(x) > MOST_SAMPLES or len(np.unique(y)) < 2:
        return None
    start = time.perf_counter()
    components = min(_COMPONENTS, len(x) - 1, int(np.prod(x.shape[1:])))
    machine = make_pipeline(PCA(components, whiten=True, random_state=seed), SVC(C=_PENALTY))
    machine.fit(np.reshape(x, (len(x), -1)), y)
    accuracy = float(machine.score(np.reshape(x_other, (len(x_other), -1)), y_other))
    return {
        "name": "support vector machine on the pixels",
        "accuracy": accuracy,
        "seconds": time.perf_counter() - start,
    }
