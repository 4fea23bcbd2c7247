"""Export of a finished run's network to other runtimes: written, checked on test data, recorded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.cost.latency import device_name, keras_latency
from kerasnas.deployment.predictions import labeled_data
from kerasnas.export.classifier import MODEL, Classifier, load_classifier
from kerasnas.export.formats import FORMATS, Export, check_convertible, check_formats, export_classifier
from kerasnas.files import storage
from kerasnas.reporting.predictions import exports_text
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.preset_folders import as_run
from kerasnas.runs.record import RESULT, read_result, write_pages

DEFAULT_FORMATS = tuple(name for name, kind in FORMATS.items() if not kind.packages)
"""Formats that need no further package."""


@checks.arguments(folder=checks.path, output=checks.path, dataset=checks.text, samples=checks.size, log=checks.function)
def export(
    folder: str | os.PathLike,
    formats: Iterable[str] = DEFAULT_FORMATS,
    output: str | os.PathLike | None = None,
    dataset: str = "",
    samples: int = 500,
    log: Log = print,
) -> dict[str, Any]:
    """Export the network of a finished run: `kerasnas export` as a function.

    Each file takes what `model.keras` takes, raw samples in float32 (images from 0 to 255), and answers the same; those
    of 8-bit integers take and answer int8, at the scales in the file (of series in any units, those of each channel in
    its metadata). Each is read back and compared with the Keras model on samples of the run's test data before it gets
    its name: a failure leaves no part of a file. The results, with those of earlier exports, enter `result.json`, the
    report and the model card of the run.

    Args:
        folder: the run's folder; or a preset, as `kerasnas.load` takes it, which is copied to `output` first.
        formats: names of formats, keys of `kerasnas.export.FORMATS`, or one comma-separated string. Defaults to those
            that need only TensorFlow: savedmodel, litert, litert-int8; for text networks savedmodel, the only one that
            holds strings. `"onnx"` needs the extra `kerasnas[export]`, `"c"`, for microcontrollers, `kerasnas[micro]`.
        output: folder to write to. Defaults to None: the run's; for a preset, a new one with its name here.
        dataset: name or path of the run's data, if they moved. Defaults to where they were.
        samples: maximum number of test samples that each file is compared on. Defaults to 500.
        log: called with each line of progress. Defaults to `print`.

    Returns:
        `{"machine": str, "samples": int, "files": [...]}`: for `model.keras` and each exported file its `"format"`,
        `"file"`, `"bytes"`, `"latency_ms"` of one sample, `"threads"`, `"agreement"` (share of the samples with the
        same answer, see `Task.same`) and `"difference"` (the largest of an answer); for `"c"` the `"memory"` too.

    Raises:
        FileNotFoundError: if the run is not finished, or there is none.
        FileExistsError: if a file is where a folder is to be written, or a folder where a preset is to be copied to.
        ValueError: for an unknown format, one whose packages are missing, and a network that cannot be converted.
        ArithmeticError: if a file does not answer what the Keras model answers.

    Example:

        kerasnas.deployment.export("runs/first", ["litert", "litert-int8"])
    """
    names = check_formats(formats)
    source = as_run(folder, log, output)
    target = source if output is None else checks.path("output", output)
    run = RunFolder.open(source)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file. Expected a folder to write to.")
    record = read_result(run.path)
    classifier = load_classifier(run.path)
    scale = classifier.scale
    if names == DEFAULT_FORMATS and (held := classifier.modality.formats):
        names = tuple(name for name in names if name in held)
    check_convertible(classifier, names)
    data = labeled_data(run, classifier, dataset)
    x, calibration = classifier.modality.some(data.raw("test", scale), samples), data.raw("train", scale)
    with run.held():
        found: list[Export] = []
        try:
            for name in names:
                log(f"Writing {target / FORMATS[name].path} ({FORMATS[name].title}).")
                found.append(export_classifier(classifier, name, target, x, calibration))
        finally:  # files that were written before a failure are whole, and are recorded
            if found:
                exports = _merged(record.get("exports"), classifier, run.path, found, x)
                record = record.replace(exports=exports)
                storage.write_json(run.path / RESULT, record.to_dict())
                write_pages(run.path, record)
    log(exports_text(record))
    return record["exports"]


def _merged(
    before: Mapping[str, Any] | None, classifier: Classifier, path: Path, found: list[Export], x: np.ndarray
) -> dict[str, Any]:
    """Return the record of all exports: these, and earlier ones that were measured in the same way."""
    machine, samples, least = device_name(), len(x), len(classifier.modality.some(x, 1))
    same = before is not None and (before["machine"], before["samples"]) == (machine, samples)
    rows = {row["format"]: row for row in (before["files"] if same and before else ())}
    threads = next((one.threads for one in found if one.format == "savedmodel"), None) or os.cpu_count() or 1
    size, latency = (path / MODEL).stat().st_size, keras_latency(classifier.model, least)
    named = {"keras": ("Keras", MODEL), **{name: (kind.title, kind.path) for name, kind in FORMATS.items()}}
    for one in (Export("keras", path / MODEL, size, samples, 1.0, 0.0, latency, threads), *found):
        title, file = named[one.format]
        measured = {name: getattr(one, name) for name in ("latency_ms", "threads", "agreement", "difference")}
        measured |= {"memory": one.memory} if one.memory else {}
        rows[one.format] = {"format": one.format, "title": title, "file": file, "bytes": one.size, **measured}
    return {"machine": machine, "samples": samples, "files": [rows[name] for name in named if name in rows]}
