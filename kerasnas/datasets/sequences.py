"""Datasets of texts, of recordings and of series of several lengths, from arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.fronts import SPLITS, LogMel, Vocabulary
from kerasnas.tasks import CLASSIFICATION, Classification, Task

PARTS = (("train", "training"), ("test", "test"))


@dataclasses.dataclass(frozen=True)
class TextLimits:
    """The limits within which texts become token ids.

    Args:
        words: the most words of the vocabulary. Defaults to 20000.
        length: number of ids of a text. Defaults to 0: what 98 % of the training texts need, 256 at most.
        tokens: `"words"`, `"characters"`, or `"auto"`, the default.
    """

    words: int = 20_000
    length: int = 0
    tokens: str = "auto"

    def __post_init__(self) -> None:
        checks.integer("words", self.words, least=1)
        checks.integer("length", self.length, least=0)
        checks.one_of("tokens", self.tokens, ("auto", *SPLITS))


def text_parts(arrays: Mapping[str, np.ndarray], limits: TextLimits, task: Task = CLASSIFICATION) -> dict[str, Any]:
    """The arguments of an `ImageDataset` of texts; the vocabulary is that of the training texts.

    Args:
        arrays: `x_train` and `x_test` are strings, `(samples,)`; `y_train` and `y_test` their labels.
        limits: of the vocabulary and the length.
        task: what the labels are.

    Raises:
        ValueError: for arrays that are no texts, for none, for labels of another number or of one class, and where no
            text has a word.
    """
    raw, y = {}, {}
    for part, what in PARTS:
        texts, labels = np.asarray(arrays[f"x_{part}"]), arrays[f"y_{part}"]
        if texts.ndim != 1 or texts.dtype.kind not in "UO" or not all(isinstance(one, str) for one in texts[:1000]):
            raise ValueError(
                f"Invalid value received for argument `x` ({what} data). Expected texts, strings of shape (samples,). "
                f"Received: shape {texts.shape}, dtype {texts.dtype}"
            )
        if isinstance(task, Classification):
            labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
        check_labels(labels, len(texts), "texts", what, task)
        raw[part], y[part] = texts.astype(object), labels
    front, note = Vocabulary.learned(raw["train"].tolist(), limits.words, limits.length, limits.tokens)
    ids = {part: front.ids(texts.tolist()) for part, texts in raw.items()}
    notes = [note]
    for part, what in PARTS:
        if empty := int((ids[part] == 0).all(axis=1).sum()):
            notes.append(f"{empty:,} of {len(ids[part]):,} {what} texts have no word in them")
    return _arguments(ids, y, raw, front, tuple(notes), task)


def audio_parts(arrays: Mapping[str, np.ndarray], task: Task = CLASSIFICATION) -> dict[str, Any]:
    """The arguments of an `ImageDataset` of recordings, whose networks read log-mel spectrograms.

    Args:
        arrays: `x_train` and `x_test` are `(recordings, samples)`, floats or 16-bit integers; `rate` the samples a
            second; `y_train` and `y_test` the labels.
        task: what the labels are.

    Raises:
        ValueError: for arrays that are no recordings of one length and finite values, or without a rate.
    """
    if "rate" not in arrays or np.size(arrays["rate"]) != 1 or not float(np.ravel(arrays["rate"])[0]) >= 1:
        raise ValueError("Expected the array `rate`, the number of samples a second, with audio. There is none")
    raw: dict[str, np.ndarray] = {}
    y: dict[str, np.ndarray] = {}
    for part, what in PARTS:
        x, labels = np.asarray(arrays[f"x_{part}"]), arrays[f"y_{part}"]
        if x.ndim != 2 or not x.size or x.dtype.kind not in "if" or x.shape[1:] != raw.get("train", x).shape[1:]:
            raise ValueError(
                f"Invalid value received for argument `x` ({what} data). Expected audio, (recordings, samples), all of "
                f"one length. Received: shape {x.shape}, dtype {x.dtype}"
            )
        x = x.astype("float32") / (32768 if x.dtype == np.int16 else 1)
        if bad := int((~np.isfinite(x).all(axis=1)).sum()):
            raise ValueError(
                f"Expected finite samples. Received: NaN or infinity in {bad} of {len(x)} {what} recordings"
            )
        if isinstance(task, Classification):
            labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
        check_labels(labels, len(x), "recordings", what, task)
        raw[part], y[part] = x, labels
    front = LogMel.fitted(raw["train"], int(np.ravel(arrays["rate"])[0]))
    frames = {part: front.frames(own) for part, own in raw.items()}
    length, bands = frames["train"].shape[1:]
    note = f"Log-mel spectrograms: {length} frames of {bands} bands, at {front.rate:,} samples a second"
    return _arguments(frames, y, raw, front, (note,), task)


def without_padding(
    arrays: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], tuple[str, ...]]:
    """Signals with zeros in place of the NaN that they end in, the raw signals, and a note; no raw ones where none do.

    Args:
        arrays: `x_train` and `x_test` are `(samples, length)` or `(samples, length, channels)`.

    Raises:
        ValueError: for a signal without a step. NaN elsewhere are left for the check of values.
    """
    found, raw, padded = dict(arrays), {}, 0
    for part, what in PARTS:
        x = np.asarray(arrays[f"x_{part}"])
        x = x[..., None] if x.ndim == 2 else x
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


def check_labels(y: np.ndarray, samples: int, kind: str, what: str, task: Task) -> None:
    """Raise ValueError unless `y` are as many labels of `task` as there are samples, of two classes at least."""
    if len(y) != samples or not samples:
        raise ValueError(
            f"Invalid value received for argument `y` ({what} data). Expected as many labels as {kind}, one at least. "
            f"Received: {samples} {kind} and {len(y)} labels"
        )
    if isinstance(task, Classification) and y.ndim == 1 and what == "training" and len(np.unique(y)) < 2:
        raise ValueError(
            f"Invalid value received for argument `y` ({what} data). Expected at least two classes. Received: only "
            f"label {y[0]}, {len(y)} times: there is nothing to learn"
        )


def _arguments(
    x: dict[str, np.ndarray], y: dict[str, np.ndarray], raw: dict[str, np.ndarray], front: Any, notes: Any, task: Task
) -> dict[str, Any]:
    own = isinstance(task, Classification)
    return {
        **{f"x_{part}": x[part] for part in x},
        **{f"y_{part}": y[part].astype(np.int64) if own else y[part] for part in y},
        **{f"raw_{part}": raw[part] for part in raw},
        "front": front,
        "notes": notes,
        "task": task,
    }
