"""Augmentations in NumPy: shift, zoom, flips, quarter turns, cutout, color jitter, left-out lines; their composition.

Each takes a batch, images `(samples, height, width, channels)` unless it says otherwise, and a generator, and returns
another batch. What is no generator is a TypeError; a batch of another kind, or an option out of range, a ValueError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from kerasnas import checks
from kerasnas.registry import Registry
from kerasnas.wording import shown

Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""`(batch, rng) -> batch`, on images `(samples, height, width, channels)` or signals `(samples, length, channels)`."""


def shift(batch: np.ndarray, rng: np.random.Generator, pixels: int = 2) -> np.ndarray:
    """Shift every image by its own integer number of pixels, up to `pixels` along each axis, padded with zeros.

    Signals `(samples, length, channels)` are shifted in time, by up to `pixels` steps.
    """
    pixels = checks.integer("pixels", pixels, 0)
    _check_batch("shift", batch, rng, (3, 4))
    samples, *sizes, _ = batch.shape
    padded = np.pad(batch, ((0, 0), *[(pixels, pixels)] * len(sizes), (0, 0)))
    starts = rng.integers(0, 2 * pixels + 1, size=(len(sizes), samples, 1))
    moved = [start + np.arange(size) for start, size in zip(starts, sizes, strict=True)]  # (samples, size) each
    if len(sizes) == 1:
        return padded[np.arange(samples)[:, None], moved[0]]
    return padded[np.arange(samples)[:, None, None], moved[0][:, :, None], moved[1][:, None, :]]


def zoom(batch: np.ndarray, rng: np.random.Generator, amount: float = 0.2, aspect: float = 0.1) -> np.ndarray:
    """Enlarge or shrink every image about its center, to the nearest pixels, padded with zeros.

    Height and width are multiplied by $e^{s + a}$ and $e^{s - a}$, with $s$ uniform in ±`amount` and $a$ in ±`aspect`.
    """
    amount, aspect = (checks.number(*given, least=0) for given in (("amount", amount), ("aspect", aspect)))
    _check_batch("zoom", batch, rng)
    samples, height, width, _ = batch.shape
    scale, ratio = (rng.uniform(-most, most, size=(samples, 1)) for most in (amount, aspect))
    rows, columns = resampled(height, np.exp(scale + ratio)), resampled(width, np.exp(scale - ratio))
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    places = np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None]
    return np.where(inside[..., None], batch[np.arange(samples)[:, None, None], *places], np.zeros((), batch.dtype))


def resampled(size: int, factor: float | np.ndarray) -> np.ndarray:
    """Return the pixels of a line that those of the line enlarged by `factor` show, the nearest; beyond it where none.

    Example:

    >>> resampled(4, 2.0), resampled(4, 0.5)
    (array([1, 1, 2, 2]), array([-2,  0,  2,  4]))
    """
    center = (size - 1) / 2
    return np.rint((np.arange(size) - center) / factor + center).astype(int)


def flip(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror every image left to right with probability 1/2."""
    _check_batch("flip", batch, rng)
    return _half_of(batch, batch[:, :, ::-1], rng)


def flip_vertical(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn every image upside down, as in a mirror on the floor, with probability 1/2."""
    _check_batch("flip_vertical", batch, rng)
    return _half_of(batch, batch[:, ::-1], rng)


def rotate(batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn every image by its own number of quarter turns; by half turns only, if they are not square."""
    _check_batch("rotate", batch, rng)
    square = batch.shape[1] == batch.shape[2]
    turns = rng.integers(0, 4, size=len(batch)) if square else 2 * rng.integers(0, 2, size=len(batch))
    turned = np.empty_like(batch)
    for number in range(4):
        chosen = turns == number
        turned[chosen] = np.rot90(batch[chosen], number, axes=(1, 2)) if chosen.any() else batch[chosen]
    return turned


def cutout(batch: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Set a square of `size` x `size` pixels, centered anywhere in the image, to zero (DeVries and Taylor, 2017).

    The part of the square outside the image is clipped, as in the paper.
    """
    size = checks.integer("size", size, 0)
    _check_batch("cutout", batch, rng)
    samples, height, width = batch.shape[:3]

    def inside(length: int) -> np.ndarray:
        first = rng.integers(0, length, size=(samples, 1)) - size // 2
        return (np.arange(length) >= first) & (np.arange(length) < first + size)

    square = inside(height)[:, :, None] & inside(width)[:, None, :]
    return np.where(square[..., None], np.zeros((), batch.dtype), batch)


def color_jitter(batch: np.ndarray, rng: np.random.Generator, amount: float = 0.3) -> np.ndarray:
    """Change the contrast of every image, and the brightness of each of its channels, as another light would.

    An image $x$ becomes $(1 + c) x + b$ with $c$ uniform in ±`amount`, and $b$, one for each channel, in half of it.
    Pixels are floats from 0 to 1 or so, or integers from 0 to 255, which they remain.
    """
    amount = checks.number("amount", amount, least=0, most=1)
    _check_batch("color_jitter", batch, rng)
    samples, channels = len(batch), batch.shape[-1]
    contrast = 1 + rng.uniform(-amount, amount, size=(samples, 1, 1, 1)).astype("float32")
    brightness = rng.uniform(-amount / 2, amount / 2, size=(samples, 1, 1, channels)).astype("float32")
    if np.issubdtype(batch.dtype, np.floating):
        return (contrast * batch + brightness).astype(batch.dtype, copy=False)
    return np.clip(np.rint(contrast * batch + 255 * brightness), 0, 255).astype(batch.dtype)


def drop_lines(batch: np.ndarray, rng: np.random.Generator, rows: bool = True, share: float = 0.15) -> np.ndarray:
    """Set each row, or column, of every image to zero with probability `share`: letters that nobody can read."""
    share = checks.number("share", share, least=0, below=1)
    _check_batch("drop_lines", batch, rng)
    samples, height, width, _ = batch.shape
    kept = rng.random((samples, height, 1, 1) if rows else (samples, 1, width, 1)) >= share
    return np.where(kept, batch, np.zeros((), batch.dtype))


def drop_words(batch: np.ndarray, rng: np.random.Generator, share: float = 0.2) -> np.ndarray:
    """Make each word of texts the unknown one, id 1, with probability `share`.

    The batch is token ids, integers `(samples, length)`, of which 0 is padding.
    """
    share = checks.number("share", share, least=0, below=1)
    checks.instance("rng", rng, np.random.Generator, "a generator, such as np.random.default_rng(0)")
    if not issubclass(type(batch), np.ndarray) or batch.ndim != 2 or batch.dtype.kind not in "iu":
        received = f"shape {batch.shape}, dtype {batch.dtype}" if issubclass(type(batch), np.ndarray) else shown(batch)
        raise ValueError(
            "Invalid value received for argument `batch` of `drop_words`. Expected token ids, integers (samples, "
            f"length). Received: {received}"
        )
    batch[(rng.random(batch.shape) < share) & (batch != 0)] = 1
    return batch


def compose(*functions: Augmentation) -> Augmentation:
    """An augmentation that applies `functions` in turn, with one generator.

    Bind options by `functools.partial`, which also keeps the result picklable for worker processes.
    """
    for function in functions:
        checks.function("functions", function, "callables (batch, rng) -> batch")
    return functools.partial(_in_turn, functions)


def _half_of(batch: np.ndarray, mirrored: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image, or with probability 1/2 its mirror image."""
    return np.where((rng.random(len(batch)) < 0.5)[:, None, None, None], mirrored, batch)


def _in_turn(functions: tuple[Augmentation, ...], batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for function in functions:
        batch = function(batch, rng)
    return batch


def _check_batch(name: str, batch: np.ndarray, rng: np.random.Generator, ranks: tuple[int, ...] = (4,)) -> None:
    if not issubclass(type(batch), np.ndarray) or batch.ndim not in ranks:
        received = f"shape {batch.shape}" if issubclass(type(batch), np.ndarray) else shown(batch)
        signals = " or signals (samples, length, channels)" if 3 in ranks else ""
        hint = "" if signals else ". For signals there is `shift`"
        raise ValueError(
            f"Invalid value received for argument `batch` of `{name}`. Expected images (samples, height, width, "
            f"channels){signals}. Received: {received}{hint}"
        )
    if batch.dtype.kind not in "iufb":
        raise ValueError(checks.invalid("batch", "images of numbers", f"dtype {batch.dtype}"))
    checks.instance("rng", rng, np.random.Generator, "a generator, such as np.random.default_rng(0)")


AUGMENTATIONS = Registry("augmentation")
"""Augmentations by name; `Modality.augmentations` says which of them keep a sample what it is."""
for _function in (shift, zoom, flip, flip_vertical, rotate):
    AUGMENTATIONS.register(_function.__name__, _function)
AUGMENTATIONS.register("cutout", lambda batch, rng: cutout(batch, rng, size=max(1, batch.shape[1] // 4)))
AUGMENTATIONS.register("drop_rows", drop_lines)
AUGMENTATIONS.register("drop_columns", functools.partial(drop_lines, rows=False))
for _function in (color_jitter, drop_words):
    AUGMENTATIONS.register(_function.__name__, _function)
