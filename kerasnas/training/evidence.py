"""Evidence for a report, of the data and the mistakes on them: small images, counts of classes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.datasets import Dataset
from kerasnas.intervals import paired_difference
from kerasnas.tasks import CLASSIFICATION, Task

_MISTAKES = 12
_MOST_RESIDUALS = 500
_BATCH = 250
_MOST_CLASSES = 100  # of a confusion matrix
_EXAMPLES, _MOST_EXAMPLES = 4, 40  # images of a class, of all classes


def worst_mistakes(probabilities: np.ndarray, labels: np.ndarray, number: int = _MISTAKES) -> list[dict[str, Any]]:
    """The samples that a network is wrong about, the surest first.

    Args:
        probabilities: of each class, `(samples, classes)`.
        labels: class numbers, `(samples,)`.
        number: how many at most. Defaults to 12.

    Returns:
        Of each its `"index"`, `"label"`, `"taken_for"` (class numbers), and the `"probability"` of the latter.

    Example:

    >>> worst_mistakes(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]), np.array([1, 1, 0]), number=1)
    [{'index': 0, 'label': 1, 'taken_for': 0, 'probability': 0.9}]
    """
    found = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(found != labels)
    sure = probabilities[wrong, found[wrong]]
    chosen = wrong[np.argsort(-sure, kind="stable")[:number]]
    return [
        {
            "index": int(index),
            "label": int(labels[index]),
            "taken_for": int(found[index]),
            "probability": float(probabilities[index, found[index]]),
        }
        for index in chosen
    ]


def evaluation_record(task: Task, answers: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The test metrics of a network, with an interval where there is no closed form, and what it got wrong.

    Args:
        task: what the network predicts.
        answers: of a deployed model, `(samples, outputs)`.
        y: the labels, as networks learn them.

    Returns:
        `"test_loss"` and all metrics; `"mistakes"`; of a classification `"confusion"`, of several labels `"labels"`,
        of numbers `"residuals"`; and of these two `"interval"`, of the task's metric.
    """
    record: dict[str, Any] = {f"test_{name}": value for name, value in task.evaluation(answers, y).items()}
    if task.name == "classification":
        return (
            record | {"mistakes": worst_mistakes(answers, y)} | confusion(answers.argmax(axis=1), y, answers.shape[1])
        )
    record["interval"] = list(task.interval(answers, y))
    if task.name == "multilabel":
        return record | {"mistakes": worst_labels(answers, y), "labels": label_record(answers, y)}
    true = task.raw(y)
    shown = np.linspace(0, len(y) - 1, min(_MOST_RESIDUALS, len(y))).astype(int)
    residuals = {"true": true[shown].tolist(), "found": answers[shown].tolist()}
    return record | {"mistakes": worst_numbers(task, answers, true), "residuals": residuals}


def label_record(answers: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """For each label its number of samples, and how well it is found.

    Example:

    >>> label_record(np.array([[0.9], [0.9], [0.1]]), np.array([[1], [0], [0]]))
    [{'samples': 1, 'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666}]
    """
    found, true = answers > 0.5, np.asarray(y) > 0.5
    both, of_found, of_true = ((one).sum(axis=0).tolist() for one in (found & true, found, true))
    return [
        {
            "samples": own,
            "precision": hit / given if given else None,
            "recall": hit / own if own else None,
            "f1": 2 * hit / (given + own) if given + own else None,
        }
        for hit, given, own in zip(both, of_found, of_true, strict=True)
    ]


def worst_labels(answers: np.ndarray, y: np.ndarray, number: int = _MISTAKES) -> list[dict[str, Any]]:
    """The samples of which the most labels are wrong, then the surest: index, true and found labels by number."""
    found, true = answers > 0.5, np.asarray(y) > 0.5
    wrong = (found != true).sum(axis=1)
    sure = np.where(found != true, np.abs(answers - 0.5), 0).sum(axis=1)
    order = [index for index in np.lexsort((-sure, -wrong))[:number] if wrong[index]]
    return [
        {
            "index": int(index),
            "label": np.flatnonzero(true[index]).tolist(),
            "taken_for": np.flatnonzero(found[index]).tolist(),
        }
        for index in order
    ]


def worst_numbers(task: Task, answers: np.ndarray, true: np.ndarray, number: int = _MISTAKES) -> list[dict[str, Any]]:
    """The samples whose numbers are furthest off, in units of their deviation: index, true and found numbers."""
    scale = np.array(getattr(task, "scale", 1.0))
    order = np.argsort(-np.abs((answers - true) / scale).max(axis=1), kind="stable")[:number]
    return [
        {"index": int(index), "label": true[index].tolist(), "taken_for": answers[index].tolist()} for index in order
    ]


def scores_record(network: keras.Model, x: np.ndarray, y: np.ndarray, task: Task = CLASSIFICATION) -> dict[str, str]:
    """The scores of a network on samples, in base64: `{"hits": text}`, a bit for each, or `{"scores": text}`."""
    found = task.scores(network.predict(x, batch_size=_BATCH, verbose=0), y)
    if found.dtype == bool:
        return {"hits": base64.b64encode(np.packbits(found).tobytes()).decode("ascii")}
    return {"scores": base64.b64encode(found.astype("<f4").tobytes()).decode("ascii")}


def paired(searched: Mapping[str, Any], random: Sequence[Mapping[str, Any]], samples: int) -> dict[str, Any]:
    """The lead of a network over the mean of others on the same samples, as `{"paired": ...}`.

    Args:
        searched, random: records with the entry of `scores_record`.
        samples: how many there are.

    Returns:
        Nothing where one lacks that entry; else `"difference"` of the mean scores, its standard `"error"` from sample
        to sample, and `"samples"`.

    Example:

    >>> def record(*right):
    ...     return {"hits": base64.b64encode(np.packbits(np.array(right, bool)).tobytes()).decode()}
    >>> found = paired(record(1, 1, 1, 0), [record(1, 0, 1, 0), record(1, 0, 1, 0)], samples=4)
    >>> found["paired"]["difference"], round(found["paired"]["error"], 3)
    (0.25, 0.25)
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


def confusion(found: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, list[list[int]]]:
    """The confusion matrix as `{"confusion": rows}`, a row for each true class; nothing for more than 100 classes.

    Example:

    >>> confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    {'confusion': [[1, 1], [0, 1]]}
    """
    if classes > _MOST_CLASSES:
        return {}
    counts = np.bincount(labels * classes + found, minlength=classes**2)
    return {"confusion": counts.reshape(classes, classes).tolist()}


def samples_record(data: Dataset, mistakes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Images of the worst mistakes, and of each class its number of samples and some images.

    Args:
        data: the data of the run.
        mistakes: of `worst_mistakes`, on its test data.

    Returns:
        `{"mistakes": [{"image", "label", "taken_for", "probability"}], "classes": [{"name", "train", "test",
        "images"}]}`: names of classes, numbers of samples, and images as `data:` URIs of PNG files, None and none for
        signals.

    Example:

    >>> from kerasnas import datasets
    >>> record = samples_record(datasets.load("fashion_mnist_mini"), [])
    >>> record["classes"][0]["train"], len(record["classes"][0]["images"]), record["classes"][0]["images"][0][:15]
    (600, 4, 'data:image/png;')
    """
    shown = max(1, min(_EXAMPLES, _MOST_EXAMPLES // data.num_classes))
    classes: list[dict[str, Any]] = []
    several = data.task.name == "multilabel"
    for number, name in enumerate(() if data.task.name == "regression" else data.classes):
        train, test = ((y[:, number] > 0.5) if several else y == number for y in (data.y_train, data.y_test))
        own = np.flatnonzero(train)
        few = own[np.linspace(0, len(own) - 1, min(shown, len(own))).astype(int)] if number < _MOST_EXAMPLES else []
        images = [data.modality.thumbnail(data.x_train[index]) for index in few]
        classes.append(
            {
                "name": name,
                "train": len(own),
                "test": int(test.sum()),
                "images": [image for image in images if image],
            }
        )
    wrong = [
        {
            "image": data.modality.thumbnail(data.x_test[one["index"]]),
            **_text_of(data, one["index"]),
            "label": _in_words(one["label"], data),
            "taken_for": _in_words(one["taken_for"], data),
            "probability": one.get("probability"),
        }
        for one in mistakes
    ]
    return {"mistakes": wrong, "classes": classes}


def _text_of(data: Dataset, index: int) -> dict[str, str]:
    """Return the beginning of a test sample that is text, as `{"text": ...}`; nothing of other data."""
    text = "" if data.raw_test is None else data.modality.excerpt(data.raw_test[index])
    return {"text": text} if text else {}


def _in_words(label: Any, data: Dataset) -> str:
    """The class of a number, the labels of numbers, or the numbers themselves, as text."""
    if data.task.name == "classification":
        return data.classes[label]
    if data.task.name == "multilabel":
        return data.task.in_words({name: float(number in label) for number, name in enumerate(data.classes)})
    return data.task.in_words(dict(zip(data.classes, label, strict=True)))
