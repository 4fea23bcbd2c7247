"""Folders of files of a sample each: the parts of a split, the classes in each, and groups within the classes."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.modalities.base import Modality, Reading
from kerasnas.modalities.decoding import Decoded
from kerasnas.modalities.grouping import grouped_files
from kerasnas.modalities.lookup import all_modalities, of_files
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import grouped_split, stratified_split

_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Name of a folder in lower case -> the part of a split that it holds."""
_MOST_LEFT_OUT = 0.05  # share of the files
_SHOWN = 4  # names that a message lists

Classes = dict[str, list[Path]]
"""Name of a class -> its files; both sorted."""


@dataclasses.dataclass(frozen=True)
class _Split:
    """The folders of the training part and of the test part, the first of each in the lead.

    Args:
        train: folders with a folder for each class; the classes of the first are those of the data.
        test: as `train`. Defaults to none: a share of the training part is held out.
        notes: lines on what was found.
    """

    train: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Part:
    """The files of a part of a split, by the names of its classes."""

    files: Classes

    @classmethod
    def joined(cls, classes: Iterable[str], folders: Sequence[Classes]) -> _Part:
        """Return the files of each class in all of the folders."""
        found = {label: [path for one in folders for path in one.get(label, ())] for label in classes}
        return cls({label: files for label, files in found.items() if files})

    @property
    def paths(self) -> list[Path]:
        return [path for files in self.files.values() for path in files]

    @property
    def groups(self) -> np.ndarray:
        """The name of the folder of each file."""
        return np.array([path.parent.name for path in self.paths])

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        return np.array([classes.index(label) for label, files in self.files.items() for _ in files], np.int64)

    def is_grouped(self) -> bool:
        """Return True if each class has several folders: of a single one there is nothing to tell apart."""
        return all(len({path.parent.name for path in files}) > 1 for files in self.files.values())

    def readable(self, decoded: Decoded, own: Modality) -> _Part:
        """Return the files that could be read.

        Raises:
            ValueError: if a class is left with none.
        """
        read = set(decoded.paths)
        found = {label: [path for path in files if path in read] for label, files in self.files.items()}
        if empty := next((label for label in found if not found[label]), None):
            reason = decoded.unreadable[self.files[empty][0]]
            raise ValueError(f"No {own.singular} of class {empty} can be read: {reason}")
        return _Part(found)


def read_folder(
    folder: Path, task: str, reading: Reading, seed: int, cache: Path, modality: Modality | None = None
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Read `folder/<class>/<file>`, split 80/20, or `folder/train/<class>/<file>` with `folder/test/...`.

    The parts of a split are recognized by name, in any capitals: `train` or `training`; `val`, `valid` or
    `validation`; `test` or `testing`. Without a test part, the validation part is the test part; with one, its samples
    join the training samples. One part alone is split 80/20.

    A class may have folders in turn, `<class>/<group>/<file>`: groups of samples that belong together, by their name,
    if each class has at least two. Where all classes have the same ones, these need numbered names, such as
    `patient 1`: else they could be the classes.

    Args:
        folder: the folder; hidden folders and files are skipped.
        task: `"auto"` or `"classification"`.
        reading: how images are brought to size.
        seed: seed of the 80/20 split.
        cache: folder for decoded images that do not fit into memory.
        modality: of the samples. Defaults to None: the one that reads most of the files.

    Returns:
        `x_train`, `y_train`, `x_test`, `y_test`, images as uint8 (`LazyImages` if they are many) with one channel if
        all are grayscale, else three; their names, `files_train` and `files_test`; `left_out`, file -> reason; and
        `groups` of the training samples, if there are any; the names of the classes, sorted; and notes on what was
        found, and on files that were left out: of another kind, or that cannot be read.

    Raises:
        ValueError: for another task, if a class has no file, a part has a class that the training part lacks, folders
            could be parts as well as classes, more than 5 % of the files would be left out, or the samples do not fit
            into memory.
    """
    checks.one_of("task", task, ("auto", CLASSIFICATION.name))
    split = _find_split(folder)
    others: list[Path] = []
    places = (*split.train, *split.test)
    inside = (path for place in places for depth in ("*/*", "*/*/*") for path in place.glob(depth))
    own = modality if modality is not None and modality.suffixes else of_files(inside)
    listed = {place: _list_files(place, folder, others, own) for place in places}
    classes = tuple(listed[split.train[0]])
    for place, found in listed.items():
        _check_classes(place, found, split.train[0], classes)
    parts = [_Part.joined(classes, [listed[place] for place in part]) for part in (split.train, split.test) if part]

    paths = [path for part in parts for path in part.paths]
    decoded = own.decode(paths, folder, reading, cache)
    parts = [part.readable(decoded, own) for part in parts]
    train = parts[0]
    sizes, *held = decoded.notes
    notes = [f"Found {len(decoded.paths):,} {own.plural}, {len(classes)} classes, {sizes}", *split.notes, *held]
    notes += left_out(others, decoded.unreadable, len(paths), own)
    groups, grouped = train.groups, train.is_grouped()
    if grouped:
        notes.append(f"Folders in the classes are groups, none of which is split: {_listed(sorted(set(groups)))}")
    elif hint := grouped_files({label: [path.name for path in files] for label, files in train.files.items()}):
        notes.append(hint)
    columns = [(decoded.of(part.paths), part.labels(classes), relative(part.paths, folder)) for part in parts]
    if not split.test:
        y = columns[0][1]
        rows = grouped_split(y, groups, 0.2, seed) if grouped else stratified_split(y, 0.2, seed)
        columns = [tuple(column[part] for column in columns[0]) for part in rows]
        groups = groups[rows[0]]
    (x, y, names), (x_test, y_test, names_test) = columns
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    arrays |= {"files_train": names, "files_test": names_test, "kind": np.array(own.name), **decoded.more}
    arrays["left_out"] = reasons(others, decoded.unreadable, folder, own)
    arrays["traits"] = np.array([decoded.traits[folder / name] for name in names])
    return arrays | ({"groups": groups} if grouped else {}), classes, tuple(notes)


def relative(paths: Iterable[Path], root: Path) -> np.ndarray:
    """Return the names of files, as seen from a folder."""
    return np.array([path.relative_to(root).as_posix() for path in paths], object)


def reasons(others: Iterable[Path], unreadable: Mapping[Path, str], root: Path, own: Modality) -> dict[str, str]:
    """Return why each file is left out, by its name as seen from a folder."""
    found = {**dict.fromkeys(others, f"no {own.singular}"), **unreadable}
    return dict(zip(relative(found, root).tolist(), found.values(), strict=True))


def _find_split(folder: Path) -> _Split:
    """Return the parts of a folder, by their names; the folder itself where it has none.

    Raises:
        ValueError: if two folders are the same part, or there are parts without a training part.
    """
    places = sorted(filter(_is_place, folder.iterdir()))
    named: dict[str, list[Path]] = {}
    for place in places:
        if part := _PARTS.get(place.name.lower()):
            named.setdefault(part, []).append(place)
    unnamed = [place.name for place in places if place.name.lower() not in _PARTS]
    if len(unnamed) == 1 and not named and any(map(_is_place, places[0].iterdir())):  # as archives are unpacked
        inner = _find_split(places[0])
        return dataclasses.replace(inner, notes=(f"Read from its only folder, {unnamed[0]}/", *inner.notes))
    if not named or (len(named) == 1 and unnamed):  # a class may be called train, next to bus and car
        return _Split((folder,))
    for part, found in named.items():
        if len(found) > 1:
            names = " and ".join(f"{place.name}/" for place in found)
            raise ValueError(f"Expected one folder for the {part} part. Received: {names}")
    notes = [f"{_listed(unnamed, '/')} next to the parts: not read"] if unnamed else []
    one = {part: found[0] for part, found in named.items()}
    if len(one) == 1:
        (place,) = one.values()
        return _Split((place,), (), (f"{place.name}/ is the only part: split 80/20 into training and test",))
    if "train" not in one:
        raise ValueError(
            f"Expected a folder train next to {' and '.join(place.name for place in one.values())}. Received: none"
        )
    train, validation = one["train"], one.get("validation")
    if "test" not in one:
        assert validation is not None  # of at least two parts
        notes.insert(0, f"There is no test part: {validation.name}/ is the test part, on which results are reported")
        return _Split((train,), (validation,), tuple(notes))
    if validation is None:
        return _Split((train,), (one["test"],), tuple(notes))
    joined = f"{validation.name}/ joins the training data, of which a search holds out its own share"
    notes.insert(0, f"{joined}; results are reported on {one['test'].name}/")
    return _Split((train, validation), (one["test"],), tuple(notes))


def _check_classes(place: Path, listed: Classes, train: Path, classes: Sequence[str]) -> None:
    """Raise ValueError if a part has a class that the training part lacks."""
    unknown = [name for name in listed if name not in classes]
    if unknown:
        capitals = {name.lower(): name for name in classes}
        same = [f"{name} is {capitals[name.lower()]} there" for name in unknown if name.lower() in capitals]
        hint = f" ({', '.join(same)})" if same else ""
        raise ValueError(f"The folder {place.name} has classes that the folder {train.name} lacks: {unknown}{hint}")


def _check_layout(folder: Path) -> None:
    """Raise ValueError if the folders in a folder could be parts of a split, data sets or groups as well as classes."""
    classes = sorted(filter(_is_place, folder.iterdir()))
    below = {place.name: {path.name.lower() for path in place.iterdir() if _is_place(path)} for place in classes}
    split = [name for name, names in below.items() if len({_PARTS[one] for one in names if one in _PARTS}) > 1]
    if split:
        raise ValueError(
            f"Expected one folder for each class. Received: parts of a split ({_listed(sorted(below[split[0]]))}) in "
            f"{_listed(split)}. If that is a data set, pass its folder; if it is a class, put the parts outside, as in "
            f"train/{split[0]} and test/{split[0]}"
        )
    names = next(iter(below.values()), set())
    same = len(below) > 1 and len(names) > 1 and all(other == names for other in below.values())
    if same and not (_are_numbered(names) and not _are_numbered(below)):
        raise ValueError(
            f"Expected one folder for each class. Received: {_listed(list(below))}, all with the same folders "
            f"{_listed(sorted(names))}: either could be the classes. Rename parts of a split to train and test (or "
            "val), and join other parts into one folder for each class. Groups within classes need numbered names, "
            "such as patient 1 and patient 2, or a .csv file with the columns image, label and group"
        )


def _are_numbered(names: Collection[str]) -> bool:
    """Return True for names that are one word with a number, as groups and folds are, and classes are not.

    Example:

    >>> _are_numbered(["patient 1", "patient 12"]), _are_numbered(["ant", "bee"]), _are_numbered(["0", "1"])
    (True, False, False)
    """
    words = {re.sub(r"\d+", "", name).strip(" -_").lower() for name in names}
    return len(words) == 1 and words != {""} and all(re.search(r"\d", name) for name in names)


def _listed(names: Sequence[str], end: str = "") -> str:
    """Return the first names, and how many there are besides.

    Example:

    >>> _listed(["a", "b"]), _listed(list("abcdefg"), "/")
    ('a, b', 'a/, b/, c/, d/ and 3 others')
    """
    more = len(names) - _SHOWN
    shown = ", ".join(f"{name}{end}" for name in names[:_SHOWN])
    return f"{shown} and {more} other{'s' if more > 1 else ''}" if more > 0 else shown


def left_out(others: Collection[Path], unreadable: Mapping[Path, str], samples: int, own: Modality) -> list[str]:
    """A line on the files that are left out, if there are some: those of other kinds by suffix, and the unreadable.

    Raises:
        ValueError: with that line, if they are more than one and more than 5 %.
    """
    if not others and not unreadable:
        return []
    kinds = collections.Counter(path.suffix.lower() for path in others)
    parts = [f"{number} {suffix or 'without a suffix'}" for suffix, number in kinds.most_common()]
    if unreadable:
        parts.append(f"{len(unreadable)} that cannot be read (the first: {next(iter(unreadable.values()))})")
    number, files = len(others) + len(unreadable), samples + len(others)
    kind = f"{own.plural.capitalize()} are {', '.join(own.suffixes)} files"
    line = f"{number:,} of {files:,} files are left out: {', '.join(parts)}. {kind}."
    if number > max(1, _MOST_LEFT_OUT * files):
        raise ValueError(f"{line} Move the others out of the folder.")
    return [line]


def _list_files(folder: Path, root: Path, others: list[Path], own: Modality) -> Classes:
    """Return the files of each class, both in the order of their names; those of other kinds are added to `others`."""
    _check_layout(folder)
    found: Classes = {}
    for child in sorted(filter(_is_place, folder.iterdir())):
        places = [child, *filter(_is_place, child.iterdir())]  # its own, and those of its groups
        files = [path for place in places for path in place.iterdir()]
        found[child.name] = sorted(filter(own.holds, files))
        others += (path for path in files if path.is_file() and not own.holds(path) and not path.name.startswith("."))
    empty = [name for name, paths in found.items() if not paths]
    if not found or empty:
        part = "" if folder == root else f" in {folder.name}"
        received = f"no {own.singular} in {empty}" if empty else "no folder"
        files_of = f"with {', '.join(suffix for one in all_modalities() for suffix in one.suffixes)} files"
        raise ValueError(f"Expected one folder for each class{part}, {files_of}. Received: {received}")
    return found


def _is_place(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))
