"""Integers that are pixels."""

from __future__ import annotations

import numpy as np

from kerasnas import checks


def unit_pixels(x: np.ndarray) -> np.ndarray:
    """`x`, or of images in integers from 0 to 255, as files hold them, `x / 255` in float32, with a warning.

    Signals, integers of another range and images of no value above 1 are returned as they are.

    Example:

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     unit_pixels(np.array([0, 51, 255], "uint8").reshape(1, 1, 3, 1)).ravel().round(1)
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if x.ndim != 4 or not x.size or not np.issubdtype(x.dtype, np.integer):
        return x
    smallest, largest = int(x.min()), int(x.max())
    if smallest < 0 or not 1 < largest <= 255:
        return x
    checks.warn(
        f"Images of dtype {x.dtype} with values from {smallest} to {largest} are read as `x / 255`. Pass the same to "
        'whatever is trained or evaluated by hand: `x.astype("float32") / 255`.'
    )
    return x.astype("float32") / 255
