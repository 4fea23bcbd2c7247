"""The formats that a trained network can be handed over in, each checked against the Keras model as it is written."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from kerasnas import checks
from kerasnas.export import litert, micro, onnx, savedmodel
from kerasnas.export.classifier import Classifier
from kerasnas.export.loaded import Loaded
from kerasnas.files import storage
from kerasnas.wording import first_line

_CALIBRATION = 200  # training samples by which the ranges of 8-bit integers are found
_SAME = 0.995  # of the samples, that two runtimes have to answer alike
_STEPS = 2 / 255  # of the range of answers: two integers of 8 bits
_ROUNDING = 1e-3  # by which a probability may differ where nothing but the order of sums does


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of trained networks.

    Args:
        title: what it is, for a person.
        path: name of its file, or of its folder, which then ends with no suffix.
        write: `(classifier, path, samples of the training data)` writes the model.
        load: reads it back with the library that others will read it with.
        packages: what has to be installed for it beside KerasNAS, by the names that are imported. Defaults to nothing.
        tolerance: the most that a probability may differ from that of the Keras model. Defaults to 0.001.
        extra: of KerasNAS, that installs the packages. Defaults to `"export"`.
        twin: reads it back by another runtime, whose answers it has to have. Defaults to None: there is none.
    """

    title: str
    path: str
    write: Callable[[Classifier, Path, np.ndarray], None]
    load: Callable[[Path], Loaded]
    packages: tuple[str, ...] = ()
    tolerance: float = _ROUNDING
    extra: str = "export"
    twin: Callable[[Path], Loaded] | None = None

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


FORMATS = {
    "savedmodel": Format("TensorFlow SavedModel", "savedmodel", savedmodel.write, savedmodel.load),
    "onnx": Format("ONNX", "model.onnx", onnx.write, onnx.load, onnx.PACKAGES),
    "litert": Format("LiteRT, float32", "model.tflite", litert.write, litert.load),
    "litert-int8": Format("LiteRT, int8", "model-int8.tflite", litert.write_int8, litert.load, tolerance=math.inf),
    "c": Format(
        "C, int8, TensorFlow Lite Micro", "c", micro.write, micro.load, micro.PACKAGES, math.inf, "micro", micro.twin
    ),
}
"""Name -> format. Exact ones are refused where a probability is off; int8 rounds, and says how often it agrees."""


@dataclasses.dataclass(frozen=True)
class Export:
    """An exported model, and how it compares with the Keras model.

    Attributes:
        format: its name, a key of `FORMATS`.
        path: its file or folder.
        size: bytes on the disk; of C, those of the array.
        samples: how many raw samples it was compared on.
        agreement: the share of them for which the most probable class is the same, or all labels, or all numbers up
            to a hundredth of their deviation.
        difference: the largest absolute difference of a probability, or of a number in units of its deviation.
        latency_ms: the milliseconds that one sample takes here, the median of many calls.
        threads: how many it computed with then.
        memory: bytes that it computes in; 0 where its runtime has no bound.
        answers: of the file to these samples, `(samples, outputs)`; None where nothing was exported.
    """

    format: str
    path: Path
    size: int
    samples: int
    agreement: float
    difference: float
    latency_ms: float
    threads: int
    memory: int = 0
    answers: np.ndarray | None = dataclasses.field(default=None, compare=False, repr=False)


def check_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """Return the names of formats, each once, if all of them are known and can be written here.

    Raises:
        ValueError: for an unknown name (the nearest is named), for none at all, where a package is missing, and on
            another backend than TensorFlow.

    Example:

    >>> check_formats(["litert", "litert"])
    ('litert',)
    >>> check_formats(["savemodel"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: Unknown format 'savemodel'. Did you mean 'savedmodel'? Known: ['c', 'litert', ...
    """
    wrong = checks.invalid("formats", f"some of {', '.join(FORMATS)}", formats)
    if not isinstance(formats, Iterable) or isinstance(formats, (bytes, Mapping)):
        raise TypeError(wrong)
    given = formats.split(",") if isinstance(formats, str) else list(formats)
    if not all(isinstance(name, str) for name in given):
        raise TypeError(wrong)
    names = tuple(dict.fromkeys(given))
    if not names:
        raise ValueError(wrong)
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"Unknown format {name!r}. {checks.nearest(name, FORMATS)}")
    for name in names:
        if missing := FORMATS[name].missing:
            raise ValueError(
                f"Format '{name}' needs {' and '.join(missing)}, not installed here. Install the extra: "
                f"pip install 'kerasnas[{FORMATS[name].extra}]'"
            )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"Models are exported by Keras' TensorFlow backend. Received: KERAS_BACKEND={keras.backend.backend()}. "
            "The model.keras of a run can be read by any: set KERAS_BACKEND=tensorflow for this command alone."
        )
    return names


def check_convertible(classifier: Classifier, names: Iterable[str]) -> None:
    """Raise ValueError for a format that cannot hold the classifier, as its modality says."""
    modality = classifier.modality
    if modality.formats is None:
        return
    if unfit := [name for name in names if name not in modality.formats]:
        known = ",".join(modality.formats)
        raise ValueError(
            f"A network of {modality.plural} is exported as {known} alone (--format={known}): other formats cannot "
            f"hold what reads its samples. Received: {', '.join(unfit)}"
        )


def export_classifier(
    classifier: Classifier, name: str, folder: str | os.PathLike, x: np.ndarray, calibration: np.ndarray
) -> Export:
    """Write a classifier in a format, read it back, and compare it with the Keras model.

    The file takes what `classifier.model` takes, raw samples in float32, and answers what it answers; of 8-bit
    integers, it takes and answers integers. It is checked before it gets its name: after a failure there is what was
    there before.

    Args:
        classifier: what is exported.
        name: a key of `FORMATS`.
        folder: where it is written; made when missing.
        x: raw samples to compare on, `(samples, ...)`.
        calibration: raw samples of the training data, 200 of which are for integers of 8 bits.

    Raises:
        ValueError: as for `check_formats`; and where a library cannot convert the network.
        ArithmeticError: where an answer differs by more than the format's tolerance.
        OSError: if it cannot be written.
    """
    (name,) = check_formats([name])
    kind, folder = FORMATS[name], Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    check_convertible(classifier, [name])
    calibration = classifier.modality.some(calibration, _CALIBRATION)
    x, calibration = classifier.samples("x", x), classifier.samples("calibration", calibration)
    x, calibration = (one if one.dtype == object else one.astype("float32") for one in (x, calibration))
    path = folder / kind.path
    whole = storage.atomic_path if path.suffix else storage.atomic_folder
    with whole(path) as temporary:
        try:
            kind.write(classifier, temporary, calibration)
            loaded = kind.load(temporary)
            found = loaded.answers(x, len(classifier.modality.some(x, loaded.batch)))
        except OSError:  # such as a full disk
            raise
        except Exception as error:
            raise ValueError(f"The network cannot be exported as {kind.title}: {first_line(error)}") from error
        expected = classifier.answers(x)
        # Of numbers in units of their deviation: a probability has one of its own.
        difference = float((np.abs(found - expected) / np.array(getattr(classifier.task, "scale", 1.0))).max())
        if not difference <= kind.tolerance:
            raise ArithmeticError(
                f"The {kind.title} model is not the Keras model: a probability differs by {difference:.2g}, where "
                f"{kind.tolerance:g} is allowed. It was not kept."
            )
        if kind.twin is not None and (share := _alike(classifier, found, kind.twin(temporary).answers(x))) < _SAME:
            raise ArithmeticError(
                f"The {kind.title} model is not that of LiteRT: they answer {100 * share:.1f} % of {len(x)} samples "
                f"alike, where {100 * _SAME:g} % is expected. It was not kept."
            )
        files = [temporary] if temporary.is_file() else [file for file in temporary.rglob("*") if file.is_file()]
        return Export(
            name,
            path,
            loaded.flash or sum(file.stat().st_size for file in files),
            len(x),
            float(classifier.task.same(found, expected).mean()),
            difference,
            loaded.latency_ms(classifier.modality.some(x, 1)),
            loaded.threads,
            loaded.memory,
            found,
        )


def _alike(classifier: Classifier, found: np.ndarray, expected: np.ndarray) -> float:
    """Return the share of samples with the same answer, or with answers of which none differs by two integers."""
    near = np.abs(found - expected).max(axis=1) <= _STEPS * np.ptp(expected)
    return float((classifier.task.same(found, expected) | near).mean())
