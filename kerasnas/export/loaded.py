"""An exported model, read back by the library that others will read it with."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_CALLS, _SECONDS, _WARMUP = 100, 2.0, 3


@dataclasses.dataclass(frozen=True)
class Quantization:
    """Numbers as integers of 8 bits: `(integer - zero_point) * scale`, or of each channel by its own scale and offset.

    Args:
        scale: the difference of neighboring integers; 0 for numbers that are stored as they are.
        zero_point: the integer that stands for 0.
        channels: the scale and the offset of each channel, the last axis: `(integer - zero_point) * scale + offset`.
            Defaults to none.

    Example:

    >>> pixels = Quantization(scale=1.0, zero_point=-128)
    >>> pixels.store(np.array([0.0, 255.0, 300.0])).tolist()
    [-128, 127, 127]
    >>> Quantization(0.1, zero_point=3).behind([1000.0, 0.0], [5.0, 1.0]).store(np.array([[1004.0, 0.5]])).tolist()
    [[11, 8]]
    """

    scale: float
    zero_point: int
    channels: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, details: Mapping[str, Any], channels: Sequence[tuple[float, float]] = ()) -> Quantization:
        """Return the quantization of a tensor, of its details in an interpreter of LiteRT."""
        known = details["quantization_parameters"]
        if not len(known["scales"]):
            return cls(0.0, 0)
        return cls(float(known["scales"][0]), int(known["zero_points"][0]), tuple(channels))

    def behind(self, offset: Sequence[float], scale: Sequence[float]) -> Quantization:
        """Return the quantization of raw numbers `x`, where this one is that of `(x - offset) / scale`."""
        channels = tuple((self.scale * one, shift) for one, shift in zip(scale, offset, strict=True))
        return dataclasses.replace(self, channels=channels)

    def store(self, x: np.ndarray) -> np.ndarray:
        """Return the nearest integers; numbers out of range become the nearest end, and missing ones `zero_point`."""
        if not self.scale:
            return x
        scale, offset = self._scale_and_offset()
        steps = np.nan_to_num((x - offset) / scale)
        return np.clip(np.round(steps) + self.zero_point, -128, 127).astype("int8")

    def restore(self, stored: np.ndarray) -> np.ndarray:
        """Invert `store`, in float32."""
        if not self.scale:
            return stored
        scale, offset = self._scale_and_offset()
        return (stored.astype("float32") - self.zero_point) * scale + offset

    def _scale_and_offset(self) -> np.ndarray:
        return np.array(self.channels or (self.scale, 0.0), "float32").T


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model that was read back from its file.

    Args:
        predict: raw samples, float32 `(samples, ...)` or strings `(samples,)` -> probabilities, or numbers,
            `(samples, outputs)`.
        threads: how many it computes with.
        batch: the most samples that `predict` takes at once. Defaults to 100.
        flash: bytes of the model on a device. Defaults to 0: those of its files.
        memory: bytes that it computes in. Defaults to 0: its runtime has no bound.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    threads: int
    batch: int = 100
    flash: int = 0
    memory: int = 0

    def answers(self, x: np.ndarray, batch: int = 0) -> np.ndarray:
        """The probabilities, or the numbers, of each of the raw samples `x`, an array `(samples, outputs)`.

        `batch` is how many are taken at once, by default the model's own.

        Example:

        >>> halves = Loaded(lambda x: np.full((len(x), 2), 0.5, "float32"), threads=1, batch=2)
        >>> halves.answers(np.zeros((3, 8, 8, 1), "float32")).shape
        (3, 2)
        """
        batch = batch or self.batch
        return np.concatenate([self.predict(x[i : i + batch]) for i in range(0, len(x), batch)])

    def latency_ms(self, sample: np.ndarray) -> float:
        """The milliseconds that one sample takes here: the median of at most 100 calls, or of those of two seconds.

        Example:

        >>> halves = Loaded(lambda x: np.full((len(x), 2), 0.5, "float32"), threads=1)
        >>> halves.latency_ms(np.zeros((1, 8, 8, 1), "float32")) > 0
        True
        """
        for _ in range(_WARMUP):
            self.predict(sample)
        seconds: list[float] = []
        while len(seconds) < _CALLS and sum(seconds) < _SECONDS:
            start = time.perf_counter()
            self.predict(sample)
            seconds.append(time.perf_counter() - start)
        return 1000 * statistics.median(seconds)
