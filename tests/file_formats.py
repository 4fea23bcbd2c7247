"""The files that are read, each as a whole one with the call that reads it; and all that can be wrong with a file."""

import copy
import functools
import itertools
import json
import math
import os
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from PIL import Image

from kerasnas import cli, datasets
from kerasnas.cli.flags import parse, settings
from kerasnas.cost.latency import LatencyTable
from kerasnas.drift import DriftMonitor
from kerasnas.export.classifier import load_classifier, save_classifier
from kerasnas.files import storage
from kerasnas.files.stages import Stages
from kerasnas.genotypes import DARTS_V2, Genotype
from kerasnas.meta.experience import SearchExperience, load_experiences, save_experiences
from kerasnas.meta.experience_store import ExperienceStore
from kerasnas.meta.initializer import ReptileInitializer
from kerasnas.meta.race_experience import RaceExperience
from kerasnas.meta.tasks import features
from kerasnas.methods import RaceConfig, SearchConfig, TrainingConfig
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.pretraining import PretrainingConfig
from kerasnas.methods.rebuilding import Rebuilt, read_given
from kerasnas.modalities.decoding import read_image
from kerasnas.runs.folder import GIVEN, RunFolder, read_config
from kerasnas.runs.record import read_result
from kerasnas.tabular import NASBench201
from tests.drift.test_monitor import MODEL

SECONDS = 5  # after which a reader hangs
CLEAR = (ValueError, TypeError, OSError, NotImplementedError)


class FileFormat(NamedTuple):
    """A format: what writes a whole file and returns its path, what reads it, and which parts are anything."""

    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    free: tuple[str, ...] = ()  # names of entries, or arrays, that may be anything: notes, and what the reader checks
    may_lack: tuple[str, ...] = ()  # names of entries that have a default; null is the same
    optional: bool = False  # a folder without the file is a whole one too


def _npz(name: str, **arrays: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / name, **arrays)
        return folder / name

    return write


def _json(name: str, value: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        storage.write_json(folder / name, value)
        return folder / name

    return write


def _run(config: Any) -> Callable[[Path], Path]:
    return lambda folder: RunFolder.create(folder, config).path / "config.json"


def _genotype(folder: Path) -> Path:
    DARTS_V2.save(folder / "genotype.json")
    return folder / "genotype.json"


def _classifier(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        inputs = keras.Input((4, 4, 1))
        outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
        save_classifier(folder, keras.Model(inputs, outputs), ("a", "b"))
        return folder / name

    return write


def _monitor(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        x = np.random.default_rng(0).normal(size=(200, 2))
        monitor = DriftMonitor(MODEL, x, (x[:, 0] > 0).astype("int64"), window=50, classes=("low", "high"))
        monitor.observe(x[:30], (x[:30, 0] > 0).astype("int64"))
        monitor.save(folder)
        return folder / name

    return write


def _initializer(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        ReptileInitializer(None, {"logits": np.zeros((3, 2))}, {"space": "darts", "strategy": "Reinforce"}).save(folder)
        return folder / name

    return write


def _races(folder: Path) -> Path:
    one = {"name": "a", "kind": "given", "genotype": json.loads(DARTS_V2.to_json()), "curve": [[150, 0.5]]}
    store = ExperienceStore(folder)
    store.append(
        RaceExperience(dict.fromkeys(features("image"), 1), {"seconds": 300, "cpu": False}, (one,), "a", 0.9, 0.4)
    )
    return store.path


def _read_races(path: Path) -> Any:
    found, notes = ExperienceStore(path.parent).read()
    if notes or not found:
        raise ValueError("; ".join(notes) or "no experience")  # told to the user, line by line
    return found


def _searches(folder: Path) -> Path:
    save_experiences(folder / "searches.json", [SearchExperience("toy", (2, 3), (((0, 1), 0.5), ((1, 2), 0.7)), "one")])
    return folder / "searches.json"


def _latencies(folder: Path) -> Path:
    LatencyTable("darts", "a processor", (8, 8, 1), 1, 0.1, {"conv; 8x8x1": 0.5}).save(folder / "latencies.json")
    return folder / "latencies.json"


def _checkpoint(folder: Path) -> Path:
    storage.CheckpointStore(folder).save(1, {"w": np.ones((2, 3))}, {"epoch": 1})
    return folder / "checkpoint-000001.npz"


def _read_checkpoint(path: Path) -> Any:
    found = storage.CheckpointStore(path.parent, log=lambda line: None).load_latest()
    if found is None:
        raise ValueError("every checkpoint is damaged: the run begins from its start")
    return {**found[1], "record": np.array(str(found[2]))}


def _image(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"image{suffix}")
        return folder / f"image{suffix}"

    return write


def _flags(suffix: str) -> Callable[[Path], Path]:
    chosen = {"minutes": 10.5, "max_parameters": 50000, "augment": ["shift", "flip"], "seed": 3, "remember": True}

    def write(folder: Path) -> Path:
        yaml = "".join(f"{name}: {json.dumps(value)}\n" for name, value in chosen.items())
        (folder / f"flags{suffix}").write_text(yaml if suffix == ".yaml" else json.dumps(chosen), encoding="utf-8")
        return folder / f"flags{suffix}"

    return write


def _read_flags(path: Path) -> Any:
    values = cli.COMMANDS["search"].flags()
    parse(values, "search", [f"--config={path}", "--output_dir=x"])
    cli.COMMANDS["search"].complete(values)
    return settings(RaceConfig, values)


_RESULT = ("genotype", "searched", "dataset", "settings")
_GIVEN = ("mine", "normal", "reduce")
_FLAGS = ("minutes", "max_parameters", "augment", "seed", "remember")
_NOT_KNOWN = (
    "parameters",
    "macs",
    "step_seconds",
    "augment",
    "baseline",
    "normal",
    "reduce",
)
_RNG = np.random.default_rng(0)
_Y = np.arange(40) % 3
_IMAGES = {"x_train": _RNG.random((40, 8, 8, 1)).astype("float32"), "y_train": _Y}
_IMAGES |= {"x_test": _RNG.random((20, 8, 8, 1)).astype("float32"), "y_test": _Y[:20]}
_CELLS = np.array([[0] * 6, [1, 0, 0, 0, 0, 0], [2] * 6, [4, 3, 2, 1, 0, 0]], "uint8")
_COLUMNS = {f"cifar10_{what}_{n}": np.arange(4, dtype="float32") for what in ("valid", "test") for n in (12, 200)}
_NAMES = np.array(["nor_conv_3x3", "none", "avg_pool_3x3", "skip_connect", "nor_conv_1x1"])
_OMNIGLOT = {
    "images": np.zeros((3, 20, 28, 28), "uint8"),
    "split": np.array([0, 1, 1]),
    "alphabet": np.array([1, 0, 0]),
}
_OMNIGLOT |= {"alphabet_names": np.array(["Greek", "Latin"]), "class_names": np.array(["L/a", "G/b", "G/c"])}
_REBUILT = Rebuilt(DARTS_V2, TrainingConfig(space="darts", num_nodes=4)).to_dict()

_NOTES = ("kerasnas_version", "directory", "secret")  # of a run's config.json: no settings
FORMATS: dict[str, FileFormat] = {
    "genotype.json": FileFormat(_genotype, Genotype.load, may_lack=("normal", "reduce")),
    "config.json of a race": FileFormat(_run(RaceConfig()), read_config, _NOTES),
    "config.json of a search": FileFormat(_run(SearchConfig()), read_config, _NOTES),
    "config.json of a search on a graph": FileFormat(_run(GraphConfig(dataset="graph.npz")), read_config, _NOTES),
    "config.json of a training": FileFormat(_run(TrainingConfig()), read_config, _NOTES),
    "config.json of a pre-training": FileFormat(_run(PretrainingConfig(datasets=("cifar10",))), read_config, _NOTES),
    "given.json": FileFormat(
        _json(GIVEN, {"mine": _REBUILT}), lambda path: read_given(path.parent), may_lack=_GIVEN, optional=True
    ),
    "result.json": FileFormat(
        _json("result.json", {name: {} for name in _RESULT}), lambda path: read_result(path.parent), _RESULT
    ),
    "record of a stage": FileFormat(
        lambda folder: Stages(folder).finish("one", {"a": 1}) and folder / "stages" / "one.json",
        lambda path: Stages(path.parents[1]).stage("one"),
        ("a",),
        optional=True,
    ),
    "model.json": FileFormat(
        _classifier("model.json"), lambda path: load_classifier(path.parent), ("input_shape",), ("image_fit",)
    ),
    "model.keras": FileFormat(_classifier("model.keras"), lambda path: load_classifier(path.parent)),
    "drift.json": FileFormat(
        _monitor("drift.json"), lambda path: DriftMonitor.load(path.parent, MODEL), (), ("reference_errors",)
    ),
    "drift.npz": FileFormat(_monitor("drift.npz"), lambda path: DriftMonitor.load(path.parent, MODEL)),
    "initializer.json": FileFormat(
        _initializer("initializer.json"), lambda path: ReptileInitializer.load(path.parent), ("space", "strategy")
    ),
    "policy.npz": FileFormat(
        _initializer("policy.npz"), lambda path: ReptileInitializer.load(path.parent).parameters, ("logits",)
    ),
    "experience.jsonl": FileFormat(_races, _read_races, ("date", "kerasnas_version", "machine"), _NOT_KNOWN),
    "search experiences": FileFormat(_searches, load_experiences, ("name",)),
    "latency table": FileFormat(_latencies, LatencyTable.load, ("device",), ("conv; 8x8x1",)),
    "checkpoint": FileFormat(_checkpoint, _read_checkpoint, ("w", "__record__")),
    "images .npz": FileFormat(_npz("data.npz", **_IMAGES), datasets.load),
    "NAS-Bench-201 .npz": FileFormat(
        _npz("nb201.npz", ops=_CELLS, op_names=_NAMES, params_cifar10=np.array([4, 3, 2, 1]), **_COLUMNS),
        NASBench201.open,
    ),
    "Omniglot .npz": FileFormat(
        _npz("omniglot.npz", **_OMNIGLOT), lambda path: datasets.omniglot("evaluation", path=path)
    ),
    "flags .yaml": FileFormat(_flags(".yaml"), _read_flags),
    "flags .json": FileFormat(_flags(".json"), _read_flags, may_lack=_FLAGS),
    **{
        f"image {suffix}": FileFormat(_image(suffix), lambda path: read_image(path, (8, 8, 3)))
        for suffix in (".png", ".jpg", ".gif", ".bmp", ".webp", ".tiff")
    },
}


# What is wrong with a file ----------------------------------------------------------------------------
DEEP = "[" * 100_000
JSON_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "-1": -1,
    "0.5": 0.5,
    "NaN": math.nan,
    "infinity": math.inf,
    "10**400": 10**400,
    "text": "no such name",
    "no text": "",
    "list": [],
    "nested": [[[]]],
    "object": {},
    "surrogate": "\ud800",
}
HARMLESS = ("flip", "extra")  # what a file with these may mean is another whole file


def whole_file_damages(path: Path, optional: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What can be wrong with a file of any format: name -> does it, in place."""
    content = path.read_bytes()
    part = len(content) // 2

    def replace(make: Callable[[], Any]) -> None:
        path.unlink()
        make()

    yield "empty", lambda: path.write_bytes(b"")
    yield "half", lambda: path.write_bytes(content[:part])
    yield "a byte short", lambda: path.write_bytes(content.rstrip()[:-1])
    yield "zeros", lambda: path.write_bytes(bytes(len(content)))
    yield "Latin-1", lambda: path.write_bytes(b"\xe4\xf6\xfc\x00")
    yield "HTML", lambda: path.write_bytes(b"<!DOCTYPE html><title>404</title>")
    yield "another JSON", lambda: path.write_bytes(b'{"left": [1, 2]}')
    yield "JSON null", lambda: path.write_bytes(b"null")
    yield "JSON text", lambda: path.write_bytes(b'"text"')
    yield "deep JSON", lambda: path.write_text(DEEP)
    yield "deep objects", lambda: path.write_text('{"a":' * 50_000)
    yield "long number", lambda: path.write_text("9" * 100_000)
    yield "a pickle", lambda: path.write_bytes(b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.")
    yield "EPS", lambda: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    yield "an .npy", lambda: replace(lambda: _save_npy(path))
    yield "a zip of text", lambda: replace(lambda: _save_zip(path, {"a.txt": b"text"}))
    yield "2 TB .npz", lambda: replace(lambda: _save_zip(path, {"x_train.npy": npy_header("(1000000, 500000)")}))
    yield "folder", lambda: replace(path.mkdir)
    if not optional:
        yield "missing", path.unlink
        yield "broken link", lambda: replace(lambda: path.symlink_to(path.parent / "nowhere"))
        yield "link to itself", lambda: replace(lambda: path.symlink_to(path))
    yield "pipe", lambda: replace(lambda: os.mkfifo(path))
    yield "endless device", lambda: replace(lambda: path.symlink_to("/dev/zero"))
    yield "empty device", lambda: replace(lambda: path.symlink_to("/dev/null"))


class Trap:
    """Damages a file right before it is opened for the first or the second time: after it was listed, or read."""

    path: Path | None = None

    def __init__(self) -> None:
        sys.addaudithook(self)  # for ever: it does nothing while no trap is set

    def set(self, path: Path, damage: Callable[[], Any], openings: int) -> None:
        self.path, self.damage, self.openings = path, damage, openings

    def __call__(self, event: str, arguments: tuple) -> None:
        if event == "open" and self.path is not None and str(arguments[0]) == str(self.path):
            self.openings -= 1
            if self.openings < 0 and self.disarm():
                self.damage()

    def disarm(self) -> bool:
        """Remove the trap; return whether there was one."""
        there, self.path = self.path is not None, None
        return there


TRAP = Trap()
WHILE_READ = ("empty", "half", "another JSON", "a zip of text", "folder", "missing")


def changes(path: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Removed, shortened or replaced between being listed and being read, or between two readings."""
    damages = [one for one in whole_file_damages(path, optional=False) if one[0] in WHILE_READ]
    for openings, (what, damage) in itertools.product((0, 1), damages):
        set_trap = functools.partial(TRAP.set, path, damage, openings)
        yield f"{what} while it is read, opening {openings}", set_trap


def npy_header(shape: str, dtype: str = "'<f4'", more: str = "") -> bytes:
    """The header of an array of NumPy that claims a shape and a type, without the array."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, {more}}}".encode()
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


def _save_npy(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def _save_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # A date of its own: the clock's bytes would decide how many lines a reader of text sees.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def flips(path: Path, rng: np.random.Generator, number: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Damages at random places: one byte, or a stretch of them."""
    content = path.read_bytes()
    for index in range(number):
        damaged = bytearray(content)
        place, length = int(rng.integers(len(content))), int(rng.choice([1, 1, 8]))
        damaged[place : place + length] = rng.bytes(length)
        yield f"flip {index}", lambda damaged=damaged: path.write_bytes(damaged)


_CHECKED = ("format", "hypergradient", "relaxation", "cost", "cost_form", "image_fit", "winner")


def _right(place: tuple, name: str, before: Any, wrong: Any) -> bool:
    """True for a value that an entry may have: another text, where any is a name or a path; another truth or number."""
    if isinstance(before, str) and isinstance(wrong, str):
        return place[-1] not in _CHECKED or ("settings" in place and not wrong)  # no text is the default of settings
    if (name == "list" and isinstance(before, list)) or (name == "object" and isinstance(before, dict)):
        return place[-1] not in (
            "experiences",
            "input_shape",
        )  # no edge, nothing but defaults
    return (isinstance(before, bool) and isinstance(wrong, bool)) or (isinstance(before, float) and wrong == 0.5)


def json_damages(path: Path, form: FileFormat) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every entry of a JSON file missing, and of every wrong value; an entry too many."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return

    def write(changed: Any) -> None:
        path.write_text(json.dumps(changed), encoding="utf-8")

    yield "extra entry", lambda: write({**value, "extra entry": 1})
    for place in _places(value):
        if any(name in form.free for name in place):
            continue
        shown = ".".join(map(str, place))
        lacking = place[-1] in form.may_lack
        if not lacking and not isinstance(place[-1], int) and "settings" not in place[:-1]:  # these have defaults
            yield f"without {shown}", lambda place=place: write(_changed(value, place, None, remove=True))
        before = _at(value, place)
        for name, wrong in JSON_VALUES.items():
            if lacking and wrong is None:
                continue
            if type(before) is not type(wrong) or (before != wrong and not _right(place, name, before, wrong)):
                yield f"{shown} is {name}", lambda place=place, wrong=wrong: write(_changed(value, place, wrong))
        yield (
            f"{shown} is deep",
            lambda place=place: path.write_text(
                json.dumps(_changed(value, place, "DEEP")).replace('"DEEP"', "[" * 50_000 + "]" * 50_000)
            ),
        )


def _places(value: Any, before: tuple = ()) -> Iterator[tuple]:
    """The paths of all entries of a JSON value, of each list the first two."""
    entries = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, one in entries:
        yield (*before, key)
        yield from _places(one, (*before, key))


def _at(value: Any, place: tuple) -> Any:
    for key in place:
        value = value[key]
    return value


def _changed(value: Any, place: tuple, wrong: Any, remove: bool = False) -> Any:
    changed = copy.deepcopy(value)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    if remove:
        del parent[place[-1]]
    else:
        parent[place[-1]] = wrong
    return changed


def array_damages(path: Path, free: tuple[str, ...]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every array of an `.npz` file missing, and of every wrong kind; headers that lie; members that claim too much."""
    if path.suffix != ".npz":
        return
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}

    def write(changed: dict[str, Any]) -> None:
        np.savez(path, **changed)

    yield "extra array", lambda: write({**arrays, "extra": np.zeros(1)})
    for name, array in arrays.items():
        kinds = {
            "of text": np.full(array.shape, "text"),
            "of objects": np.array([{}], dtype=object),
            "of NaN": np.full(array.shape, np.nan),
            "of infinity": np.full(array.shape, -np.inf),
            "of complex numbers": np.zeros(array.shape, complex),
            "of dates": np.zeros(array.shape, "datetime64[s]"),
            "of records": np.zeros(array.shape, [("a", "i4"), ("b", "f4")]),
            "of no rows": array[:0] if array.ndim else np.zeros((0,)),
            "of more rows": np.concatenate([array, array]) if array.ndim else np.zeros((2,)),
            "a number": np.float64(3),
            "of another rank": array[None, None],
            "of huge numbers": np.full(array.shape, 2**62),
            "of negative numbers": np.full(array.shape, -5),
        }
        if name not in free:
            yield f"without {name}", lambda name=name: write({key: one for key, one in arrays.items() if key != name})
        for kind, wrong in () if name in free or not array.size else kinds.items():
            yield f"{name} {kind}", lambda name=name, wrong=wrong: write({**arrays, name: wrong})
        headers = {
            "of 2 TB": npy_header("(1000000, 500000)") + bytes(400),
            "of 10**60 rows": npy_header(f"({10**60},)") + bytes(400),
            "of negative size": npy_header("(-5,)") + bytes(400),
            "of no bytes a row": npy_header(
                "(10**3, 10**15)".replace("10**3", "1000").replace("10**15", str(10**15)), "'<U0'"
            ),
            "of a deep header": npy_header("(" * 3000 + ")" * 3000),
            "of an unknown type": npy_header("(3,)", "'<q9'") + bytes(27),
            "of no header": b"\x93NUMPY\x01\x00\xff\xff",
            "of another version": b"\x93NUMPY\x09\x00" + bytes(100),
            "of bytes": b"no array",
        }
        for kind, content in headers.items():
            yield f"{name} {kind}", lambda name=name, content=content: _with_member(path, arrays, name, content)


def _with_member(path: Path, arrays: dict[str, np.ndarray], name: str, content: bytes) -> None:
    np.savez(path, **{key: one for key, one in arrays.items() if key != name})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{name}.npy", content)


# What comes of it -------------------------------------------------------------------------------------
def outcome(read: Callable[[], Any], harmless: bool) -> tuple[str, str]:
    """`clear`, `raw`, `hung`, `accepted` or `harmless`, and the words."""

    def late(signum: int, frame: Any) -> None:
        raise _Hung

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        found = _told(read)
    except _Hung:
        return "hung", ""
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return found or ("harmless" if harmless else "accepted", "")


def _told(read: Callable[[], Any]) -> tuple[str, str] | None:
    """What comes of a failure: `clear` or `raw`; None where there is none."""
    try:
        read()
    except CLEAR as error:
        words = str(error)
        internal = isinstance(error, TypeError) and "Invalid value received" not in words
        lines = "\n" in words.strip() or len(words) > 1200 or not words.strip()
        return ("raw" if internal or lines else "clear"), f"{type(error).__name__}: {words}"
    except Exception as error:  # noqa: BLE001 (it is what is counted)
        return "raw", f"{type(error).__name__}: {error}"
    return None


class _Hung(BaseException):
    """A reader has taken too long."""
