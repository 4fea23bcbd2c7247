"""Drift reference of a finished run's test data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kerasnas import datasets
from kerasnas.drift.files import RECORD
from kerasnas.drift.monitor import DriftMonitor
from kerasnas.drift.two_sample import FEWEST
from kerasnas.export.classifier import Classifier
from kerasnas.modalities.lookup import all_modalities


def check_watched(classifier: Classifier) -> None:
    """Raise ValueError for a network of samples without drift statistics."""
    if not classifier.modality.drift:
        known = ", ".join(one.plural for one in all_modalities() if one.drift)
        raise ValueError(f"Drift detection supports {known}. This network takes {classifier.modality.plural}.")


def save_reference(
    folder: str | os.PathLike, classifier: Classifier, data: datasets.Dataset, answers: np.ndarray | None = None
) -> bool:
    """Write the drift reference of a run's test data to its folder, unless it exists.

    Returns:
        False for fewer than 40 test samples, which are too few; else True.
    """
    if (Path(folder) / RECORD).exists():
        return True
    if len(data.x_test) < 2 * FEWEST:
        return False
    check_watched(classifier)
    x, y = data.raw("test", classifier.scale), classifier.labels(data, "test")
    task = classifier.task.name
    made = DriftMonitor(classifier.model, x, y, classes=classifier.classes, task=task, outputs=answers)
    made.save(folder)
    return True
