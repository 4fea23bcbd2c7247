"""The network of a finished run, monitored for drift, and adapted beside it: `kerasnas monitor`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks, datasets
from kerasnas.deployment.predictions import (
    ADAPTATION,
    finished,
    labeled_data,
    run_of,
)
from kerasnas.deployment.readapting import Readaptation, readapt
from kerasnas.drift import DriftMonitor, DriftReport
from kerasnas.drift.files import RECORD
from kerasnas.drift.reference import check_watched, save_reference
from kerasnas.drift.two_sample import FEWEST
from kerasnas.export import METADATA, Classifier, write_model
from kerasnas.files import storage

Log = Callable[[str], Any]
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
    """Say whether new images, signals or texts drifted from those of a finished run: `kerasnas monitor`.

    All new ones together are one window, which without drift is taken for drift in one of 100 cases; with labels,
    the accuracy in another one. The reference is what the run noted of its test data, in `drift.npz` and `drift.json`;
    a run that has none gets it now from its data.

    An adapted network is written to the folder `adapted-1` (or -2, ...) in that of the run, for `kerasnas predict`,
    `evaluate` and `monitor`; the run's own stays as it is. Where there was no drift, or nothing better came out, none
    is written.

    Args:
        folder: the run's folder, or that of an adapted network in it.
        new: image files and folders of them; of a network for texts, texts and `.txt` files of one in each line; or,
            alone, the name or the path of a dataset with labels, of which all count.
        labels: `new` has labels: a folder for each class, an `.npz` or a `.csv` file. Defaults to False: they are not
            looked at.
        adapt: adapt the network where there is drift, but one for texts. Defaults to False.
        minutes: budget of the adaptation, above 0. Defaults to 1.
        dataset: where the run's data are now. Defaults to where they were.
        seed: of the adaptation. Defaults to 0.
        log: called with each line. Defaults to `print`.

    Returns:
        The report as a mapping, as `DriftReport.to_dict`, with `"samples"`, and with `"adaptation"` where one was
        tried: `"adopted"`, `"reason"`, `"before"`, `"after"`, `"steps"`, `"seconds"`, and the `"folder"` or None.

    Raises:
        FileNotFoundError: if the run is not finished, or something is not there.
        ValueError: if there are fewer than 20 samples, they do not fit the network, or a class is unknown to it.

    Example:

        kerasnas.deployment.monitor("runs/first", "photos_of_may/")
    """
    labels, adapt = checks.boolean("labels", labels), checks.boolean("adapt", adapt)
    minutes, seed = checks.number("minutes", minutes, above=0), checks.seed(seed)
    folder, classifier = Path(folder), finished(folder)
    check_watched(classifier)
    if adapt and not classifier.modality.adapts:
        raise ValueError(
            f"Networks of {classifier.modality.plural} cannot be adapted. Leave out --adapt, or run a new search."
        )
    x, y = _new_samples(folder, classifier, new, labels, log)
    if len(x) < FEWEST:
        raise ValueError(f"Expected at least {FEWEST} samples, of which drift can be told. Received: {len(x)}")
    watching = _monitor_of(folder, classifier, dataset)
    if y is not None and not watching.labeled:
        raise ValueError(f"The reference in {folder} has no labels. Leave out --labels.")
    report = watching.examine(x, y)
    log(f"{len(x)} {classifier.modality.plural}. {report}")
    found: dict[str, Any] = {**report.to_dict(), "samples": len(x)}
    if not adapt:
        return found
    if not report.drift:
        log("There is nothing to adapt to: the network stays as it is.")
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
    found["adaptation"] = {
        name: getattr(result, name) for name in ("adopted", "reason", "before", "after", "steps", "seconds")
    }
    with run_of(folder).held():
        written = _written(folder, result, watching, x, y, report, found["adaptation"])
    found["adaptation"]["folder"] = None if written is None else str(written)
    if written is None:
        log(f"No adapted network was written: {result.reason}.")
    else:
        log(f"Adapted: {result.reason}. Use it: kerasnas predict {written} image.png")
    return found


def _monitor_of(folder: Path, classifier: Classifier, dataset: str) -> DriftMonitor:
    """The monitor of a folder; that of a run is made of its data where it lacks one."""
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
            f"The run in {folder} has no {RECORD}, and its data cannot be read to make one ({error}). Say where they "
            "are now: --dataset=PATH"
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
    """The new images in the scale of the network, and their class numbers if `labels`."""
    paths = [new] if isinstance(new, str | os.PathLike) else list(new)
    if not paths:
        raise ValueError("Expected image files, or folders of them, after the folder of the run. Received: none")
    alone = os.fspath(paths[0]) if len(paths) == 1 else ""
    if labels or alone in datasets.DATASETS or alone.endswith((".npz", ".csv")):
        if not alone:
            raise ValueError(f"Expected one folder or file of labeled images. Received: {len(paths)} paths")
        data = labeled_data(run_of(folder), classifier, alone)
        x = np.concatenate([classifier.raw(data, part) for part in ("train", "test")])
        if not labels:
            return x, None
        return x, np.concatenate([classifier.labels(data, part) for part in ("train", "test")])
    _, x, failed = classifier.modality.from_paths(paths, classifier.reading)
    for reason in failed.values():
        log(f"Left out: {reason}")
    return x, None


def _earlier(folder: Path, classifier: Classifier, dataset: str, log: Log) -> Arrays | None:
    """The training data of the run, to replay; None where they cannot be read."""
    try:
        data = labeled_data(run_of(folder), classifier, dataset)
        return classifier.raw(data, "train"), classifier.labels(data, "train")
    except (OSError, ValueError) as error:
        log(f"The run's data cannot be read: nothing earlier is replayed, and may be forgotten ({error}).")
        return None


def _written(
    folder: Path,
    result: Readaptation,
    watching: DriftMonitor,
    x: np.ndarray,
    y: np.ndarray | None,
    report: DriftReport,
    record: dict[str, Any],
) -> Path | None:
    """The folder of an adapted network, written as a whole; None where it was not adopted."""
    if not result.adopted:
        return None
    home = run_of(folder).path
    number = 1
    while (target := home / f"adapted-{number}").exists():
        number += 1
    unseen = np.arange(len(x)) if y is None else result.held_out
    with storage.atomic_folder(target) as temporary:
        write_model(temporary, result.model)
        storage.write_text(temporary / METADATA, (folder / METADATA).read_text(encoding="utf-8"))
        if len(unseen) >= 2 * FEWEST:
            watching.renewed(result.model, x[unseen], None if y is None else y[unseen]).save(temporary)
        storage.write_json(
            temporary / ADAPTATION, {"samples": len(x), "report": report.to_dict(), "adaptation": record}
        )
    return target
