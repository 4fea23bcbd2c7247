"""Drift monitoring and adaptation of a finished run's network: `kerasnas monitor`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.datasets.dataset import DATASETS
from kerasnas.deployment.predictions import ADAPTATION, finished, labeled_data, run_of
from kerasnas.deployment.readapting import readapt
from kerasnas.drift import DriftMonitor
from kerasnas.drift.files import RECORD
from kerasnas.drift.reference import check_watched, save_reference
from kerasnas.drift.two_sample import FEWEST
from kerasnas.export.classifier import METADATA, Classifier, write_model
from kerasnas.files import storage
from kerasnas.modalities.csv_labels import CSV_FILES
from kerasnas.runs.preset_folders import as_run

Arrays = tuple[np.ndarray, np.ndarray]


@checks.arguments(
    folder=checks.path,
    labels=checks.boolean,
    adapt=checks.boolean,
    minutes=checks.positive,
    dataset=checks.text,
    seed=checks.seed,
    log=checks.function,
)
def monitor(
    folder: str | os.PathLike,
    new: str | os.PathLike | Sequence[str | os.PathLike],
    labels: bool = False,
    adapt: bool = False,
    minutes: float = 1.0,
    dataset: str = "",
    seed: int = 0,
    log: Log = print,
) -> dict[str, Any]:
    """Report whether new samples drifted from those of a finished run: `kerasnas monitor`.

    A two-sample test with a 1 % false-alarm rate compares all new samples, as one window, with the reference that the
    run keeps of its test data in `drift.npz` and `drift.json`; with labels, a second test compares the accuracy. A run
    without a reference gets one from its data.

    An adapted network is written to the folder `adapted-1` (or -2, ...) in the run's, for `kerasnas predict`,
    `evaluate` and `monitor`; the run's own network stays. Without drift or an improvement none is written.

    Args:
        folder: the run's folder, or that of an adapted network in it; a preset is copied here first.
        new: image files and folders of them; for text networks texts, and `.txt` files of one text a line; or one
            name or path of a dataset with labels, all parts of which count.
        labels: use the labels of `new`: a folder for each class, an `.npz` or a `.csv` file. Defaults to False.
        adapt: adapt the network if there is drift; not for texts. Defaults to False.
        minutes: budget of the adaptation, above 0. Defaults to 1.
        dataset: path of the run's data, if they moved. Defaults to where they were.
        seed: of the adaptation. Defaults to 0.
        log: called with each line. Defaults to `print`.

    Returns:
        `DriftReport.to_dict` with `"samples"`, and with `"adaptation"` if one was tried: `"adopted"`, `"reason"`,
        `"before"`, `"after"`, `"steps"`, `"seconds"`, and the `"folder"` or None.

    Raises:
        FileNotFoundError: if the run is not finished, or something is not there.
        ValueError: if there are fewer than 20 samples, they do not fit the network, or a class is unknown to it.

    Example:

        kerasnas.deployment.monitor("runs/first", "photos_of_may/")
    """
    folder, classifier = Path(folder), finished(folder)
    check_watched(classifier)
    if adapt and not classifier.modality.adapts:
        raise ValueError(
            f"Networks of {classifier.modality.plural} cannot be adapted. Leave out --adapt, or run a new search."
        )
    x, y = _new_samples(folder, classifier, new, labels, log)
    if len(x) < FEWEST:
        raise ValueError(f"Expected at least {FEWEST} samples to detect drift. Received: {len(x)}")
    folder = as_run(folder, log)
    watching = _monitor_of(folder, classifier, dataset)
    if y is not None and not watching.labeled:
        raise ValueError(f"The reference in {folder} has no labels. Leave out --labels.")
    report = watching.examine(x, y)
    log(f"{len(x)} {classifier.modality.plural}. {report}")
    found = {**report.to_dict(), "samples": len(x)}
    if not adapt:
        return found
    if not report.drift:
        log("No drift: the network is not adapted.")
        return found
    earlier = None if y is None or report.concept else _earlier(folder, classifier, dataset, log)
    result = readapt(
        classifier.model,
        x,
        y,
        seconds=60 * minutes,
        replay=earlier,
        monitor=watching,
        seed=seed,
        task=classifier.task.name,
    )
    told = {name: getattr(result, name) for name in ("adopted", "reason", "before", "after", "steps", "seconds")}
    if not result.adopted:
        log(f"No adapted network was written: {result.reason}.")
        return {**found, "adaptation": {**told, "folder": None}}
    unseen = np.arange(len(x)) if y is None else result.held_out
    enough = len(unseen) >= 2 * FEWEST
    reference = watching.renewed(result.model, x[unseen], None if y is None else y[unseen]) if enough else None
    record = {"samples": len(x), "report": report.to_dict(), "adaptation": told}
    written = _written(folder, result.model, reference, record)
    log(f"Adapted: {result.reason}. Use it: kerasnas predict {written} {classifier.modality.example}")
    return {**found, "adaptation": {**told, "folder": str(written)}}


def _monitor_of(folder: Path, classifier: Classifier, dataset: str) -> DriftMonitor:
    """Return the monitor of a folder; a run without one gets it from its data."""
    if (folder / RECORD).exists():
        return DriftMonitor.load(folder, classifier.model)
    if (folder / ADAPTATION).exists():
        raise FileNotFoundError(
            f"The adapted network in {folder} has no {RECORD}: it was adapted to too few images to hold out a "
            "reference. Adapt it to more, or monitor the network of its run."
        )
    run = run_of(folder)
    try:
        data = labeled_data(run, classifier, dataset)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The run in {folder} has no {RECORD}, and its data cannot be read to make one ({error}). Pass their "
            "path: --dataset=PATH"
        ) from None
    with run.held():
        if not save_reference(folder, classifier, data):
            raise ValueError(
                f"The test data of {data.name} are {len(data.x_test)} samples. Expected at least {2 * FEWEST} to "
                "compare with."
            )
    return DriftMonitor.load(folder, classifier.model)


def _new_samples(
    folder: Path, classifier: Classifier, new: Any, labels: bool, log: Log
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the new raw samples, and their labels if `labels`."""
    paths = [new] if isinstance(new, str | os.PathLike) else list(new)
    if not paths:
        raise ValueError("Expected image files, or folders of them, after the folder of the run. Received: none")
    alone = os.fspath(paths[0]) if len(paths) == 1 else ""
    if labels or alone in DATASETS or alone.lower().endswith((".npz", *CSV_FILES)):
        if not alone:
            raise ValueError(f"Expected one folder or file of labeled images. Received: {len(paths)} paths")
        data = labeled_data(run_of(folder), classifier, alone)
        x = np.concatenate([data.raw(part, classifier.scale) for part in ("train", "test")])
        if not labels:
            return x, None
        return x, np.concatenate([classifier.labels(data, part) for part in ("train", "test")])
    _, x, failed = classifier.modality.from_paths(paths, classifier.reading)
    for reason in failed.values():
        log(f"Left out: {reason}")
    return x, None


def _earlier(folder: Path, classifier: Classifier, dataset: str, log: Log) -> Arrays | None:
    """Return the training data of the run, to replay; None if they cannot be read."""
    try:
        data = labeled_data(run_of(folder), classifier, dataset)
        return data.raw("train", classifier.scale), classifier.labels(data, "train")
    except (OSError, ValueError) as error:
        log(f"The run's data cannot be read, so earlier samples are not replayed and may be forgotten ({error}).")
        return None


def _written(folder: Path, model: keras.Model, reference: DriftMonitor | None, record: dict[str, Any]) -> Path:
    """Write the folder of an adapted network as a whole and return it."""
    run = run_of(folder)
    with run.held():
        number = 1
        while (target := run.path / f"adapted-{number}").exists():
            number += 1
        with storage.atomic_folder(target) as temporary:
            write_model(temporary, model)
            storage.write_text(temporary / METADATA, (folder / METADATA).read_text(encoding="utf-8"))
            if reference is not None:
                reference.save(temporary)
            storage.write_json(temporary / ADAPTATION, record)
    return target
