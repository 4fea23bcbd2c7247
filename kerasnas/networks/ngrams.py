"""N-grams of tokens: their counts in a text, and a linear model of them, as standard Keras layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

SMALLEST = float(np.finfo(np.float32).tiny)
"""Lower bound of the squared length by which a text is divided."""
BUCKETS = (16_381, 65_521, 262_139, 1_048_573)
"""Options for the number of buckets of runs: primes, each four times as large."""
_LARGEST = 2**31 - 1
_BATCH = 1000


def run_numbers(ids: Any, longest: int, tokens: int, buckets: int) -> tuple[Any, Any]:
    """Return a number from 0 to `buckets - 1` for each run of 1 to `longest` tokens (n-gram) of padded texts.

    Two runs may share a number. The start of a text is a token of the runs that are longer than one.

    Args:
        ids: token ids `(batch, length)`, of which 0 is padding, at the end: a tensor or a KerasTensor.
        longest: number of tokens of the longest runs.
        tokens: number of ids.
        buckets: number of buckets.
    """
    ids = ops.cast(ids, "int32")
    numbers, there = [ids % buckets], [ops.not_equal(ids, 0)]
    padded = ops.pad(ids, ((0, 0), (1, 0)))
    within = _LARGEST // tokens - 1  # times the number of tokens, plus one token, stays within 32 bits
    for length in range(2, 1 + min(longest, padded.shape[1])):
        places = padded.shape[1] - length + 1
        number = padded[:, :places] + 1
        for position in range(1, length):
            last = padded[:, position : position + places]
            number = (number % within) * tokens + last
        numbers.append(number % buckets)
        there.append(ops.not_equal(last, 0))
    return ops.concatenate(numbers, axis=1), ops.concatenate(there, axis=1)


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of tokens of some texts, as rows of a table; row 0 stands for all others.

    Args:
        longest, tokens: as for `run_numbers`.
        rows: the row of each number.
    """

    longest: int
    tokens: int
    rows: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, longest: int, most: int | None = None) -> Runs:
        """Collect the `most` frequent runs of texts, by default all; `ids` are token ids `(samples, length)`."""
        tokens = int(ids.max(initial=1)) + 1
        distinct = len(np.unique(_numbered(ids, longest, tokens, BUCKETS[-1])[1]))
        buckets = next((size for size in BUCKETS if size >= 16 * distinct), BUCKETS[-1])
        used, times = np.unique(_numbered(ids, longest, tokens, buckets)[1], return_counts=True)
        used = np.sort(used[np.argsort(-times, kind="stable")[:most]])
        rows = np.zeros(buckets, int)
        rows[used] = 1 + np.arange(len(used))
        return cls(longest, tokens, rows)

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.rows.max()) + 1

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return all runs of texts: two arrays, the text of each, and its row."""
        texts, numbers = _numbered(ids, self.longest, self.tokens, len(self.rows))
        return texts, self.rows[numbers]

    def linear(self, x: Any, weights: np.ndarray, squares: np.ndarray, name: str = "runs") -> Any:
        """Apply a linear model in standard Keras layers: `sum_r w_r / sqrt(sum_r s_r)` over a text's runs.

        Args:
            x: token ids, a KerasTensor `(batch, length)`.
            weights: of each row, `(size, outputs)`.
            name: end of the layers' names. Defaults to `"runs"`.
            squares: of each row, `(size,)`, at least 0: its contribution to the squared length of a text's vector. A
                text without any has outputs of 0.
        """
        numbers, there = run_numbers(x, self.longest, self.tokens, len(self.rows))
        rows = ops.cast(ops.squeeze(_table(self.rows[:, None], f"rows_of_{name}", False)(numbers), -1), "int32")
        there = ops.expand_dims(ops.cast(there, "float32"), -1)
        total = ops.sum(_table(weights, f"weights_of_{name}", True)(rows) * there, axis=1)
        length = ops.sum(_table(squares[:, None], f"squares_of_{name}", False)(rows) * there, axis=1)
        return total / ops.sqrt(ops.maximum(length, SMALLEST))


def _numbered(ids: np.ndarray, longest: int, tokens: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all runs of texts: two arrays, the text of each, and its number."""
    texts, numbers = [np.zeros(0, int)], [np.zeros(0, int)]
    for start in range(0, len(ids), _BATCH):
        batch = ops.convert_to_tensor(ids[start : start + _BATCH])
        hashed, there = map(ops.convert_to_numpy, run_numbers(batch, longest, tokens, buckets))
        text, column = np.nonzero(there)
        texts.append(text + start)
        numbers.append(hashed[text, column])
    return np.concatenate(texts), np.concatenate(numbers)


def _table(values: np.ndarray, name: str, trainable: bool) -> Any:
    """Return a built embedding of these values."""
    layer = keras.layers.Embedding(*values.shape, dtype="float32", trainable=trainable, name=name)
    layer.build()
    layer.set_weights([np.asarray(values, "float32")])
    return layer
