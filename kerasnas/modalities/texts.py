"""Texts: strings, whose vocabulary is that of the training texts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.companions.base import Companion
from kerasnas.companions.linear import NGramCompanion
from kerasnas.companions.word_vectors import VectorCompanion
from kerasnas.modalities.base import FromPaths, Modality, Paths, Reading, TextLimits, dataset_arguments
from kerasnas.modalities.columns import Columns
from kerasnas.modalities.csv_labels import TEXT_COLUMNS
from kerasnas.modalities.fronts import Front, Vocabulary
from kerasnas.modalities.parts import Parts, words
from kerasnas.modalities.token_vectors import find_vectors
from kerasnas.tasks import Task
from kerasnas.wording import shortened

_BUCKETS = 512  # of the counts of words, on which the nearest text is found
_MOST_LETTERS = 160  # of an excerpt
_LONGEST_PATH = 250  # longer strings are no paths, and no file system may be asked for them
_EXPECTED = "texts, strings of shape (samples,), at least one"
_STATISTICS = ("characters", "words", "characters a word", "share of letters", "share of digits", "share of capitals")

_USAGE = """\
import json, keras, numpy  # the network is made of standard layers: KerasNAS is not needed

classes = json.load(open("model.json"))["classes"]
model = keras.models.load_model("model.keras")
{answers} = model.predict(numpy.array(["a text"], object))[0]
{shown}"""


class Texts(Modality):
    """Texts, to networks token ids `(length,)`, of which 0 is padding."""

    name = "texts"
    singular, plural = "text", "texts"
    input_plural = "token ids"
    inputs = "text"
    axes = ("length",)
    sizes = ("length", "vocabulary")
    kinds = "iu"
    value = "token id"
    fixes = {
        4: "These are images: a space for images takes them",
        3: "These are signals: a space for signals takes them",
        1: "Texts become token ids by `kerasnas.datasets.load`, or by TextVectorization",
    }
    columns = TEXT_COLUMNS
    augmentations = ("drop_words",)
    gradient_space = race_space = "text"
    baseline = False
    most_epochs = 10
    race_share = 0.3
    companion_setting = "ngrams"
    formats = ("savedmodel",)
    adapts = False
    example = '"a text"'
    hub_tasks = {"classification": "text-classification", "multilabel": "text-classification"}
    in_words = "{length:.1f} words"

    def claims(self, x: np.ndarray) -> bool:
        return x.dtype.kind == "U" and x.ndim == 1

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        found, y = self.raw_parts(arrays, task, _are_strings, _EXPECTED)
        raw = {part: texts.astype(object) for part, texts in found.items()}
        pretrained, about = find_vectors(limits.starts)
        front, note = Vocabulary.learned(raw["train"].tolist(), limits.words, limits.length, limits.tokens, pretrained)
        ids = {part: front.ids(texts.tolist()) for part, texts in raw.items()}
        return dataset_arguments(ids, y, task, raw, front=front, notes=(note, *([about] if about else [])))

    def sample_column(self, columns: Columns, reading: Reading) -> str:
        if reading.text_column:
            return checks.one_of("text_column", reading.text_column, columns)
        return super().sample_column(columns, reading)

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        found = np.asarray(list(x) if hasattr(x, "__iter__") and not isinstance(x, str | bytes) else x, object)
        try:
            texts = [one.decode() if isinstance(one, bytes) else one for one in found.ravel()]
        except UnicodeDecodeError as error:
            raise ValueError(checks.invalid("x", "texts in UTF-8", str(error))) from None
        if found.ndim != 1 or not all(isinstance(text, str) for text in texts):
            kinds = ", ".join(sorted({type(text).__name__ for text in texts if not isinstance(text, str)}))
            received = f"shape {found.shape}" + (f" of {kinds}" if kinds else "")
            raise ValueError(checks.invalid("x", "texts, a sequence of strings", received))
        return np.array(texts, dtype=str)

    def queries(self, x: Any, reading: Reading) -> np.ndarray:
        if isinstance(x, str):
            return np.array(read_texts([x]), object)
        return self.samples(self.column(x, reading), reading).astype(object)

    def from_paths(self, paths: Paths, reading: Reading) -> FromPaths:
        texts = read_texts(paths)
        return texts, np.array(texts, object), {}

    def checked(self, argument: str, x: Any, model: keras.Model, finite: bool = True) -> np.ndarray:
        found = checks.strings(argument, x, _EXPECTED)
        if not len(found):
            raise ValueError(checks.invalid(argument, _EXPECTED, x))
        return found

    def array(self, argument: str, x: Any) -> np.ndarray:
        return checks.strings(argument, x)

    def companion_size(self, front: Front | None, samples: int, limited: bool) -> int:
        return front.ngrams if isinstance(front, Vocabulary) else 0

    def companion(
        self, size: int, seed: int, padded: bool, front: Front | None = None, divisions: Sequence[str] = ()
    ) -> Companion | None:
        if size and isinstance(front, Vocabulary) and front.vectors is not None:
            return VectorCompanion(size, front.vectors, front.sizes["vocabulary"])
        return NGramCompanion(size) if size else None

    def shaped(self, shape: Sequence[int]) -> str:
        return f"texts of {shape[0]} tokens"

    def measured(self, x: np.ndarray) -> tuple[float, ...]:
        return float((x != 0).sum() / len(x)), len(np.unique(x[x != 0]))

    def small(self, x: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(x), _BUCKETS), np.float32)
        rows, places = np.nonzero(x)
        np.add.at(counts, (rows, x[rows, places].astype(int) % _BUCKETS), 1)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)

    def statistics(self, x: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        found = np.zeros((len(x), len(_STATISTICS)), "float32")
        for row, text in zip(found, x, strict=True):
            words = len(text.split())
            shares = (sum(map(kind, text)) / max(len(text), 1) for kind in (str.isalpha, str.isdigit, str.isupper))
            row[:] = (len(text), words, len(text) / max(words, 1), *shares)
        return found, _STATISTICS

    def parts(self, raw: Any) -> Parts:
        return words(str(raw))

    def usage(self, record: Mapping[str, Any], answers: str, shown: str) -> str:
        return _USAGE.format(answers=answers, shown=shown)

    def blank(self, shape: tuple[int | None, ...]) -> np.ndarray:
        return np.array([""], object)

    def excerpt(self, raw: Any) -> str:
        return shortened(raw, _MOST_LETTERS)


def _are_strings(x: np.ndarray) -> bool:
    return x.ndim == 1 and x.dtype.kind in "UO" and all(isinstance(one, str) for one in x[:1000])


def read_texts(texts: Sequence[str | os.PathLike]) -> list[str]:
    """Return texts, and those in the lines of `.txt` files.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file of another kind, one that is not UTF-8, and where there is no text.

    Example:

    >>> read_texts(["a fine film", "dull"])
    ['a fine film', 'dull']
    """
    found: list[str] = []
    for text in map(str, texts):
        if text.endswith(".txt"):
            if not Path(text).is_file():
                raise FileNotFoundError(f"There is no file {text}.")
            try:
                lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError as error:
                raise ValueError(f"{text}: expected texts in UTF-8 ({error})") from None
            found += [line for line in lines if line.strip()]
        elif len(text) < _LONGEST_PATH and Path(text).exists():
            raise ValueError(
                f"The network takes texts: in quotes, or a .txt file with one in each line. Received: {text}"
            )
        else:
            found.append(text)
    if not found:
        raise ValueError("Expected texts, or .txt files with one in each line. Received: none")
    return found
