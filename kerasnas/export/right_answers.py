"""Labels of data in the order of a classifier's outputs."""

from __future__ import annotations

import numpy as np

from kerasnas import checks, datasets
from kerasnas.export.classifier import Classifier


def class_numbers(data: datasets.Dataset | datasets.GraphDataset, classifier: Classifier) -> np.ndarray:
    """The number that each class of `data` has with the network, by name.

    Raises:
        ValueError: if the network does not know one of them.
    """
    unknown = [name for name in data.classes if name not in classifier.classes]
    if unknown:
        raise ValueError(
            f"The network does not know class '{unknown[0]}' of {data.name}. "
            f"{checks.nearest(unknown[0], classifier.classes)}"
        )
    return np.array([classifier.classes.index(name) for name in data.classes])


def right_answers(data: datasets.Dataset, classifier: Classifier, part: str) -> np.ndarray:
    """The labels of a part of `data` as the network answers: class numbers, or a column for each label or number.

    Args:
        data: the data.
        classifier: the network.
        part: `"train"` or `"test"`.

    Raises:
        ValueError: if the network does not know a class of the data, or the data lack a label or a number.
    """
    y = getattr(data, f"y_{part}")
    if classifier.task.name == "classification":
        return class_numbers(data, classifier)[y]
    missing = [name for name in classifier.classes if name not in data.classes]
    if missing:
        raise ValueError(f"{data.name} lacks '{missing[0]}'. {checks.nearest(missing[0], data.classes)}")
    return data.task.raw(y)[:, [data.classes.index(name) for name in classifier.classes]]
