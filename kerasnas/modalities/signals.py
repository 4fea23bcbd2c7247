"""Signals: series of numbers, all as long or padded with NaN at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from kerasnas import checks
from kerasnas.companions.base import Companion
from kerasnas.companions.kernels import KernelCompanion, usual_features
from kerasnas.modalities.base import PARTS, ByPart, FromPaths, Modality, Paths, Reading, TextLimits, dataset_arguments
from kerasnas.modalities.fronts import Front, Levels, Padding
from kerasnas.modalities.lazy_images import as_array
from kerasnas.modalities.parts import WINDOWS, Parts, blocks
from kerasnas.modalities.series_files import read_series, read_unlabeled
from kerasnas.modalities.shapes import channel_statistics, part_means
from kerasnas.tasks import Task

_NEAR, _RATIO = 0.5, 5.0  # deviations that means may be off 0; times that deviations may be off 1, or each other
_PARTS = 32  # of the time axis, on which the nearest signal is found


class Signals(Modality):
    """Signals `(length, channels)`: of sensors, machines, bodies."""

    name = "signals"
    singular, plural = "signal", "signals"
    inputs = "signal"
    axes = ("length", "channels")
    fixes = {
        2: "Signals without a channel axis get one by x[..., None]",
        4: "These are images: a space for images takes them",
    }
    augmentations = ("shift",)
    gradient_space, race_space = "signals", "macro"
    most_epochs = 300
    race_share = 0.3
    companion_setting = "kernels"
    example = "new.ts"
    near = 0.999999  # different ones of a device reach 0.99999
    in_words = "{length:g} steps of {channels} channels"
    archives: ClassVar[Mapping[str, Any]] = {".ts": read_series}
    gaps = (
        ". Fill gaps, but not the ends of shorter signals: `for row in x: "
        "row[:] = pandas.DataFrame(row).interpolate(limit_area='inside').bfill().to_numpy().reshape(row.shape)`"
    )

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        arrays, raw, notes = without_padding(arrays)
        x, y = checked_parts(self, arrays, task)
        x = {part: one.astype(np.float32, order="C") for part, one in x.items()}
        levels = _levels((raw or x)["train"])
        front = Padding(levels) if raw else levels
        if levels is not None:
            notes += ("Values are brought to a mean of 0 and a deviation of 1 in each channel",)
            raw = raw or x
            x = {part: np.nan_to_num(levels.inputs(one)) for part, one in raw.items()}
        return dataset_arguments(x, y, task, raw, front=front, notes=notes)

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        return with_channels(checks.array("x", x, finite=False), len(self.axes))  # shorter ones end in NaN

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        return *read_unlabeled(paths, reading.shape[0] if reading.shape else 0), {}

    def gathered(self, x: Any, reading: Reading) -> tuple[Any, dict[str, np.ndarray]]:
        return self.samples(x, reading), {"kind": np.array(self.name)}

    def suited_space(self, front: Front | None, limited: bool = False) -> str:
        return "padded_signals" if isinstance(front, Padding) and not limited else self.race_space

    def companion_size(self, front: Front | None, samples: int, limited: bool) -> int:
        return 0 if limited else usual_features(samples)

    def companion(
        self, size: int, seed: int, padded: bool, front: Front | None = None, divisions: Sequence[str] = ()
    ) -> Companion | None:
        return KernelCompanion(size, seed, padded) if size else None

    def small(self, x: np.ndarray) -> np.ndarray:
        return part_means(x, (_PARTS,))

    def parts(self, raw: Any) -> Parts:
        return blocks(raw, WINDOWS, lambda steps: f"steps {steps[0]} to {steps[1] - 1}")

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        return channel_statistics(x)


def _levels(x: np.ndarray) -> Levels | None:
    """Return what brings signals near a mean of 0 and a deviation of 1; None where they are near those already.

    Of values around 1,000, the zeros that convolutions pad with would be all that a network sees; and of channels of
    unlike deviations, which would share the 256 values of an 8-bit file, the smaller ones would keep few.
    """
    levels = Levels.fitted(x, mean=0, deviation=1)
    near = all(
        abs(low) < _NEAR * span and 1 / _RATIO < span < _RATIO
        for low, span in zip(levels.low, levels.span, strict=True)
    )
    alike = max(levels.span) < _RATIO * min(levels.span)
    return None if near and alike else levels


def with_channels(x: Any, axes: int) -> Any:
    """Return samples of so many axes, to which those without channels get one.

    Example:

    >>> with_channels(np.zeros((3, 8)), axes=2).shape, with_channels(np.zeros((3, 8, 2)), axes=2).shape
    ((3, 8, 1), (3, 8, 2))
    """
    return x[..., None] if x.ndim == axes else x


def checked_parts(modality: Modality, arrays: Mapping[str, np.ndarray], task: Task) -> tuple[ByPart, ByPart]:
    """Return samples, with a channel axis, and labels of "train" and "test", of one shape and valid."""
    x, y = ByPart(), ByPart()
    shape: tuple[int | None, ...] = (None,) * len(modality.axes)
    classes = len(np.ravel(arrays["classes"])) if "classes" in arrays else None
    for part, what in PARTS:
        samples, labels = as_array(arrays[f"x_{part}"]), task.table(arrays[f"y_{part}"])
        samples = with_channels(samples, len(shape))
        modality.check(samples, labels, num_classes=classes, input_shape=shape, what=what, task=task)
        x[part], y[part], shape = samples, labels, samples.shape[1:]
    return x, y


def without_padding(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], ByPart, tuple[str, ...]]:
    """Return signals with zeros in place of trailing NaN, the raw signals, and a note; no raw ones if none is padded.

    Args:
        arrays: `x_train` and `x_test` are `(samples, length)` or `(samples, length, channels)`.

    Raises:
        ValueError: for a signal without a step. NaN elsewhere are left for the check of values.
    """
    found, raw, padded = dict(arrays), {}, 0
    for part, what in PARTS:
        x = with_channels(np.asarray(arrays[f"x_{part}"]), 2)
        if x.ndim != 3 or x.dtype.kind != "f":
            return dict(arrays), {}, ()
        missing = np.isnan(x).all(axis=2)
        ends = missing[:, ::-1].cumprod(axis=1)[:, ::-1].astype(bool)
        if empty := int(ends.all(axis=1).sum()):
            raise ValueError(f"Expected signals of at least one step. Received: {empty} {what} signals of NaN alone")
        padded += int(ends.any(axis=1).sum())
        raw[part], found[f"x_{part}"] = x.astype("float32"), np.where(ends[..., None], 0, x)
    total = sum(len(x) for x in raw.values())
    note = f"{padded:,} of {total:,} signals are shorter than {raw['train'].shape[1]} steps, and are padded"
    return (found, raw, (note,)) if padded else (dict(arrays), {}, ())
