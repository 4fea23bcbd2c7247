"""Linear models of images whose lines are letters."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from kerasnas.companions.base import PRIOR, Companion, Learned, Linear, Parts, Weights
from kerasnas.companions.linear import NGramCompanion
from kerasnas.primitives.parts import Lines
from kerasnas.tasks import Task

_LONGEST = 4  # letters of a run, the sign between words among them


@dataclasses.dataclass(frozen=True)
class LetterCompanion(Companion):
    """Linear models of runs of letters beside a network of images, each line of which is a letter: its lit pixel.

    Args:
        division: the lines, of `LINES`, or the words that they are, of `RUNS`, as a network of the images has it.

    Example:

    >>> images = np.eye(3)[[[0, 1, 2, 2]]][..., None]  # the word 'abcc', or two: 'ab', 'cc'
    >>> [np.asarray(LetterCompanion(division).ids(images)).tolist() for division in ("rows", "rows_in_2")]
    [[[4, 1, 2, 3, 3]], [[4, 1, 2, 4, 3, 3]]]
    """

    division: str
    samples = "images"
    prior = PRIOR

    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        texts = NGramCompanion(_LONGEST)
        held, whole = texts.learn(np.asarray(self.ids(x)), y, parts, task, outputs, weights)
        return held, lambda shares: _OfLetters(whole(shares), self)

    def ids(self, x: Any) -> Any:
        """Return the letters of images as token ids from 1, of words in a row, each behind the last id."""
        lines = Lines(self.division)
        _, length, letters = lines.compute_output_shape(x.shape)
        # Of the one pixel that is lit; not `ops.argmax`, whose operations LiteRT and ONNX do not have.
        places = ops.sum(ops.cast(lines.call(x) > 0, "int32") * np.arange(1, 1 + letters, dtype="int32"), axis=-1)
        words = ops.pad(ops.minimum(places, letters), ((0, 0), (1, 0)), constant_values=1 + letters)
        return ops.reshape(words, (-1, lines.runs * (1 + length)))

    def __str__(self) -> str:
        return f"linear model on runs of up to {_LONGEST} letters"

    def get_config(self) -> dict[str, Any]:
        return {"letters": self.division}


@dataclasses.dataclass(frozen=True)
class _OfLetters:
    """A linear model of token ids, for images."""

    linear: Linear
    reading: LetterCompanion

    @property
    def bias(self) -> np.ndarray:
        return self.linear.bias

    def apply(self, x: Any) -> Any:
        return self.linear.apply(self.reading.ids(x))
