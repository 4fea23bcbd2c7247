"""Evidence for a report, of the data and the mistakes on them: small images, counts of classes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from PIL import Image

from kerasnas.datasets import ImageDataset
from kerasnas.datasets.folders import MODES
from kerasnas.intervals import paired_difference

_MISTAKES, _SIDE = 12, 64
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


def hits(network: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, str]:
    """Which samples a network is right about, as `{"hits": text}`: a bit for each, in base64."""
    found = network.predict(x, batch_size=_BATCH, verbose=0).argmax(axis=1)
    return {"hits": base64.b64encode(np.packbits(found == y).tobytes()).decode("ascii")}


def paired(searched: Mapping[str, Any], random: Sequence[Mapping[str, Any]], samples: int) -> dict[str, Any]:
    """The lead of a network over the mean of others on the same samples, as `{"paired": ...}`; nothing without `hits`.

    Args:
        searched, random: records with the entry of `hits`.
        samples: how many there are.

    Returns:
        `"difference"` of the accuracies, its standard `"error"` from sample to sample, and `"samples"`.

    Example:

    >>> def record(*right):
    ...     return {"hits": base64.b64encode(np.packbits(np.array(right, bool)).tobytes()).decode()}
    >>> found = paired(record(1, 1, 1, 0), [record(1, 0, 1, 0), record(1, 0, 1, 0)], samples=4)
    >>> found["paired"]["difference"], round(found["paired"]["error"], 3)
    (0.25, 0.25)
    """
    if not random or any("hits" not in one for one in (searched, *random)):
        return {}

    def right(record: Mapping[str, Any]) -> np.ndarray:
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


def samples_record(data: ImageDataset, mistakes: Sequence[dict[str, Any]]) -> dict[str, Any]:
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
    classes = []
    for number, name in enumerate(data.classes):
        own = np.flatnonzero(data.y_train == number)
        few = own[np.linspace(0, len(own) - 1, min(shown, len(own))).astype(int)] if number < _MOST_EXAMPLES else []
        images = [thumbnail(data.x_train[index]) for index in few]
        classes.append(
            {
                "name": name,
                "train": len(own),
                "test": int((data.y_test == number).sum()),
                "images": [image for image in images if image],
            }
        )
    wrong = [
        {
            "image": thumbnail(data.x_test[one["index"]]),
            "label": data.classes[one["label"]],
            "taken_for": data.classes[one["taken_for"]],
            "probability": one["probability"],
        }
        for one in mistakes
    ]
    return {"mistakes": wrong, "classes": classes}


def thumbnail(image: np.ndarray) -> str | None:
    """An image as the `data:` URI of a PNG file, of at most 64 pixels along the longer side; None of a signal.

    Args:
        image: `(height, width, channels)`, of 1, 3 or 4 channels, from 0 to 1.
    """
    if image.ndim != 3 or image.shape[-1] not in MODES:
        return None
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
