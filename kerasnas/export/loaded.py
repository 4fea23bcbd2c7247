"""An exported model, read back by the library that others will read it with."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np

_CALLS, _SECONDS, _WARMUP = 100, 2.0, 3


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model that was read back from its file.

    Args:
        predict: raw samples, float32 `(samples, ...)` or strings `(samples,)` -> probabilities, or numbers,
            `(samples, outputs)`.
        threads: how many it computes with.
        batch: the most samples that `predict` takes at once. Defaults to 100.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    threads: int
    batch: int = 100

    def answers(self, x: np.ndarray) -> np.ndarray:
        """The probabilities, or the numbers, of each of the raw samples `x`, an array `(samples, outputs)`.

        Example:

        >>> halves = Loaded(lambda x: np.full((len(x), 2), 0.5, "float32"), threads=1, batch=2)
        >>> halves.answers(np.zeros((3, 8, 8, 1), "float32")).shape
        (3, 2)
        """
        return np.concatenate([self.predict(x[i : i + self.batch]) for i in range(0, len(x), self.batch)])

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
