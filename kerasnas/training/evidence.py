"""Evidence for a report, of the data and the mistakes on them: small images, counts of classes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.datasets import Dataset
from kerasnas.intervals import paired_difference
from kerasnas.modalities.lazy_images import predicted
from kerasnas.tasks import Task
from kerasnas.tasks.splits import spread_rows

_BATCH = 250
_EXAMPLES, _MOST_EXAMPLES = 4, 40  # images of a class, of all classes


def evaluation_record(task: Task, answers: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the test metrics of a network, with an interval if it has no closed form, and what it got wrong."""
    record: dict[str, Any] = {f"test_{name}": value for name, value in task.measures(answers, y).items()}
    if not task.metric_is_mean:
        record["interval"] = list(task.interval(answers, y))
    return record | {"mistakes": task.mistakes(answers, y), **task.evidence(answers, y)}


def scores_record(network: keras.Model, x: np.ndarray, y: np.ndarray, task: Task) -> dict[str, str]:
    """Return the scores of a network on samples, in base64: `{"hits": text}`, a bit for each, or `{"scores": text}`."""
    found = task.scores(predicted(network, x, _BATCH), y)
    if found.dtype == bool:
        return {"hits": base64.b64encode(np.packbits(found).tobytes()).decode("ascii")}
    return {"scores": base64.b64encode(found.astype("<f4").tobytes()).decode("ascii")}


def paired(searched: Mapping[str, Any], random: Sequence[Mapping[str, Any]], samples: int) -> dict[str, Any]:
    """Return the lead of a network over the mean of others on the same samples, as `{"paired": ...}`.

    Example:

    >>> def record(*right):
    ...     return {"hits": base64.b64encode(np.packbits(np.array(right, bool)).tobytes()).decode()}
    >>> found = paired(record(1, 1, 1, 0), [record(1, 0, 1, 0), record(0, 0, 0, 0)], samples=4)
    >>> found["paired"]["difference"], round(found["paired"]["error"], 3)
    (0.5, 0.204)
    """
    if not random or any("hits" not in one and "scores" not in one for one in (searched, *random)):
        return {}

    def right(record: Mapping[str, Any]) -> np.ndarray:
        if "scores" in record:
            return np.frombuffer(base64.b64decode(record["scores"]), "<f4").astype(float)
        return np.unpackbits(np.frombuffer(base64.b64decode(record["hits"]), np.uint8), count=samples)

    others = np.mean([right(one) for one in random], axis=0)
    difference, error = paired_difference(right(searched), others)
    return {"paired": {"difference": difference, "error": error, "samples": samples}}


def samples_record(data: Dataset, mistakes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Images of the worst mistakes, of each class its number of samples and some images, and files left out.

    Example:

    >>> from kerasnas import datasets
    >>> record = samples_record(datasets.load("fashion_mnist_mini"), [])
    >>> record["classes"][0]["train"], len(record["classes"][0]["images"]), record["classes"][0]["images"][0][:15]
    (600, 4, 'data:image/png;')
    """
    shown = max(1, min(_EXAMPLES, _MOST_EXAMPLES // data.num_classes))
    classes: list[dict[str, Any]] = []
    members = zip(*(data.task.members(y, data.num_classes) for y in (data.y_train, data.y_test)), strict=True)
    for number, (name, (train, test)) in enumerate(zip(data.classes, members, strict=False)):
        own = np.flatnonzero(train)
        few = own[spread_rows(len(own), shown)] if number < _MOST_EXAMPLES else []
        shown_of = {index: image for index in few if (image := data.modality.thumbnail(data.x_train[index]))}
        entry = {"name": name, "train": len(own), "test": int(test.sum()), "images": list(shown_of.values())}
        files = {"files": [data.files["train"][index] for index in shown_of]} if data.files.get("train") else {}
        classes.append({**entry, **files})
    wrong = [
        {
            "image": data.modality.thumbnail(data.x_test[one["index"]]),
            **_text_of(data, one["index"]),
            **({"file": data.files["test"][one["index"]]} if data.files.get("test") else {}),
            "label": data.task.label_in_words(one["label"], data.classes),
            "taken_for": data.task.label_in_words(one["taken_for"], data.classes),
            "probability": one.get("probability"),
        }
        for one in mistakes
    ]
    left_out = [{"file": file, "reason": reason} for file, reason in data.left_out.items()]
    return {"mistakes": wrong, "classes": classes, "left_out": left_out}


def _text_of(data: Dataset, index: int) -> dict[str, str]:
    """Return the beginning of a test sample that is text, as `{"text": ...}`; nothing of other data."""
    text = "" if data.raw_test is None else data.modality.excerpt(data.raw_test[index])
    return {"text": text} if text else {}
