"""Simple statistics of each input, in which drift shows."""

from __future__ import annotations

import numpy as np

from kerasnas import checks
from kerasnas.modalities.lookup import of_raw


def input_statistics(x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """A few numbers of each sample: of images brightness, contrast and sharpness of each channel, of texts length.

    Args:
        x: images `(samples, height, width, channels)` or signals `(samples, length, channels)`: of each channel the
            mean, the standard deviation, and the mean absolute difference of neighbors; or vectors
            `(samples, numbers)`, whose columns are taken as they are, 32 of them evenly spaced where there are more; or
            texts, an array of `str` of dtype object, `(samples,)`: number of characters, of words, characters a word,
            and the shares of letters, digits and capitals.

    Returns:
        `(samples, columns)`, float32, and the name of each column.

    Raises:
        ValueError: if `x` is no such array of finite numbers.

    Example:

    >>> values, names = input_statistics(np.array([[[0.0], [1.0]], [[3.0], [3.0]]]))
    >>> names, values.tolist()
    (('brightness', 'contrast', 'sharpness'), [[0.5, 0.5, 1.0], [3.0, 0.0, 0.0]])
    """
    modality = of_raw(x)
    x = modality.array("x", x)
    if (x.dtype.kind != "O" and not 2 <= x.ndim <= 4) or 0 in x.shape[1:]:
        expected = "images (samples, height, width, channels), signals (samples, length, channels) or vectors"
        raise ValueError(checks.invalid("x", expected, f"shape {x.shape}"))
    return modality.statistics(x)
