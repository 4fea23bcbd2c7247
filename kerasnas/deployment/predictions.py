"""Predictions for files and texts with a finished run's network, and its evaluation on labeled data."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks, datasets
from kerasnas.datasets.dataset import DATASETS
from kerasnas.export.classifier import METADATA, Classifier, load_classifier
from kerasnas.modalities.csv_labels import CSV_FILES
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.preset_folders import preset_folder

ADAPTATION = "adaptation.json"
"""File that marks a folder as one of an adapted network."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Answer of a network for a file or a text: its class, its labels, or its numbers.

    Args:
        path: the file, or the text.
        label: the name of the most probable class; the labels that are more probable than not, comma-separated; or the
            numbers.
        probability: of the class; None of other tasks.
        probabilities: of all classes or labels, by name; or the numbers.
    """

    path: Path | str
    label: str
    probability: float | None
    probabilities: dict[str, float] = dataclasses.field(repr=False)


@checks.arguments(folder=checks.path)
def predict(folder: str | os.PathLike, paths: Sequence[str | os.PathLike]) -> tuple[list[Prediction], dict[Path, str]]:
    """Classify image files, or texts, with the network of a finished run.

    Each is turned upright by its EXIF tag, converted to the colors and resized to the size that the network was trained
    on.

    Args:
        folder: the run's folder; or a preset, as `kerasnas.load` takes it.
        paths: image files, and folders of them; of a network for texts, texts, and `.txt` files of one in each line.

    Returns:
        The predictions; and why each file that could not be read was left out.

    Raises:
        FileNotFoundError: if the run is not finished, or a path is not there.
        ValueError: if the network takes neither images nor texts, or there is none in a folder.
    """
    return classify(finished(folder), paths)


def classify(classifier: Classifier, paths: Sequence[str | os.PathLike]) -> tuple[list[Prediction], dict[Path, str]]:
    """As `predict`, with a loaded classifier."""
    names, samples, failed = classifier.modality.from_paths(paths, classifier.reading)
    return predictions_of(classifier, names, samples), failed


def predictions_of(classifier: Classifier, names: Sequence[Path | str], samples: np.ndarray) -> list[Prediction]:
    """Return the predictions for raw samples, by their names."""
    predictions = []
    rows = classifier.answers(samples).tolist() if len(names) else []
    for name, row in zip(names, rows, strict=True):
        by_name = dict(zip(classifier.classes, row, strict=True))
        label = classifier.task.in_words(by_name)
        probability = classifier.task.confidence(row)
        predictions.append(Prediction(name, label, probability, by_name))
    return predictions


@checks.arguments(folder=checks.path, dataset=checks.text)
def evaluate(folder: str | os.PathLike, dataset: str = "") -> dict[str, Any]:
    """Evaluate the network of a finished run on the test part of a dataset.

    Args:
        folder: the run's folder; or a preset, as `kerasnas.load` takes it.
        dataset: a name or a path, as for a search. Its classes are those of the network by name, all or some of them.
            Defaults to the run's own.

    Returns:
        `"accuracy"`, its 95 % `"interval"`, `"loss"`, `"samples"`, and of each of `"classes"` the same three. Of other
        tasks all their metrics, the `"interval"` of the task's own, and of each of `"labels"` how well it is found.

    Raises:
        FileNotFoundError: if the run is not finished.
        ValueError: if the data cannot be read, or do not fit the network.
    """
    run, classifier = run_of(folder), finished(folder)
    data, task = labeled_data(run, classifier, dataset), classifier.task
    test = data.rows("test")
    if not len(test):
        raise ValueError(f"{data.name} has no test {classifier.modality.plural} to evaluate on.")
    y = task.prepared(classifier.labels(data, "test"))
    return task.summary(classifier.answers(data.raw("test", classifier.scale))[test], y, classifier.classes, data.name)


def labeled_data(run: RunFolder, classifier: Classifier, dataset: str = "") -> Any:
    """Return a run's data, or others, as `Dataset` or `GraphDataset`; images are read in the size of the network.

    Raises:
        ValueError: if they cannot be read, their samples have another shape than the network takes, or they are
            another graph than that of the network.
    """
    modality, name = classifier.modality, dataset or getattr(run.config, "dataset", "")
    read: dict[str, Any] = {}
    table = Path(name).suffix.lower() in CSV_FILES
    if name not in DATASETS:
        read["modality"] = modality
        if Path(name).is_dir() or table:
            read |= modality.load_options(classifier.reading)
    if table:
        target = classifier.classes if classifier.task.outputs_are_columns else getattr(run.config, "target", ())
        read["target"] = target
        read["text_column"] = getattr(run.config, "text_column", "")
    read["task"] = "auto" if name in DATASETS else classifier.task.name
    data: Any = datasets.graph_dataset(name) if modality.transductive else datasets.load(name, **read)
    modality.check_data(data, classifier.input_shape)
    return data


def finished(folder: str | os.PathLike) -> Classifier:
    """Return the classifier of a run or a preset, or an adapted one that `kerasnas monitor --adapt` wrote.

    Raises:
        FileNotFoundError: if the run is not finished, or there is none.
    """
    folder, run = preset_folder(folder), run_of(folder)
    if (folder / ADAPTATION).exists():
        return load_classifier(folder)
    if not (run.path / METADATA).exists():
        raise FileNotFoundError(f"The run in {run.path} is not finished. Continue it: kerasnas resume {run.path}")
    return load_classifier(run.path)


def run_of(folder: str | os.PathLike) -> RunFolder:
    """Return the run in a folder or of a preset; for an adapted network, the run that its folder lies in."""
    folder = preset_folder(folder)
    return RunFolder.open(folder.resolve().parent if (folder / ADAPTATION).exists() else folder)
