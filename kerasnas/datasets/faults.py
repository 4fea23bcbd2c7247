"""Faults of data that make a result worth less than it looks, found before anything is trained."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasnas.datasets.dataset import Dataset
from kerasnas.modalities.base import PARTS
from kerasnas.modalities.lazy_images import in_parts
from kerasnas.modalities.table_columns import listed

_BLOCK, _SHIFT = 2**19, np.uint64(29)  # bytes that are read at once
_POINTS, _SLACK = 64, 6  # values by which near copies are looked for, and how much further apart they may be on these
_QUERIES, _AT_ONCE = 500, 125  # samples of a part that are compared with all training samples
_VALUES, _ROWS, _ENOUGH, _WORDS = 2**20, 5000, 20, 500  # of which scales and features are read: at most, at least
_FEW, _RARE = 5, 10  # samples of a tiny class, of which others have this many times as many on average
_RATIO, _EQUAL = 8.0, 0.999  # of scales; share of a feature that labels explain
Faults = Iterator[tuple[str, str, str]]  # name of the effect, how many, the first
_SPLIT = "Validation splits between copies favor overfitted networks. Keep one of each, or put them into one `group`."
_EFFECTS = {
    "Constant or empty samples": "Networks can only guess their labels. Remove them, or check how they are read.",
    "Constant in all training samples": "Networks learn nothing from them. Leave them out.",
    "Copies of training samples": "They inflate the test result. Remove them from one part.",
    "Copies of other samples": _SPLIT,
    "Copies with another label": "No network can get both right. Correct the labels, or remove them.",
    "Near copies of training samples": f"In test data, they inflate the result. {_SPLIT}",
    "No training samples": "Networks never predict them. Add samples, or leave them out.",
    "Fewer than 5 training samples": "Networks hardly learn them. Add samples, or leave them out.",
    "No test samples": "The test result does not cover them. Add samples, or leave them out.",
    "Another scale in test data": "The test result is meaningless. Bring training and test data to one scale.",
    "Label given away": "Networks read it there and fail where it is missing. Remove what later samples will not have.",
}


def find_faults(data: Dataset) -> dict[str, str]:
    """Return the faults of data: what, how many, what it does to results and what to do -> the first samples.

    Copies are found among all samples; near copies of 500 test and 500 training samples among all training samples;
    scales, constant channels and features that equal the label in a million values.
    """
    train, test = (_Part(data, *part) for part in PARTS)
    looks = (_constants, _copies, _near_copies, _classes, _scales, _leaks)
    found = (fault for look in looks for fault in look(data, train, test))
    return {f"{name}: {number}. {_EFFECTS[name]}": first for name, number, first in found}


class _Part:
    """Samples of a part, raw where they differ from inputs: of each a hash and a few values, and some as features."""

    def __init__(self, data: Dataset, part: str, words: str):
        raw, self.y = getattr(data, f"raw_{part}"), getattr(data, f"y_{part}")
        raw = self.raw = getattr(data, f"x_{part}") if raw is None else raw
        self.of = f"of {len(raw):,} {words} {data.modality.plural}"
        self.groups = np.arange(len(raw)) if data.groups is None else data.groups  # of training samples
        self.names = [f"{words} {name}" for name in data.names(part)]
        size, shape = int(np.prod(raw.shape[1:])), raw.shape[1:]
        self.rows = np.arange(len(raw))[:: 1 + len(raw) // max(_ENOUGH, min(_ROWS, _VALUES // size))]
        if raw.dtype.kind in "biuf":
            self.keys, self.few, self.empty = _scan(raw, size)
            self.empty &= data.x_train.ndim > 2  # a row of a table may be of one value
            self.values, apart = np.reshape(np.asarray(raw[self.rows]), (-1, size)), raw.ndim > len(data.modality.axes)
            self.columns = self.values.reshape(-1, shape[-1] if apart else 1)
            self.features = [*map(data.modality.entry, range(size if apart and len(shape) == 1 else 0))]
        else:
            texts = [tuple(re.findall(r"\w+", text.casefold())) for text in raw]
            self.keys, self.few = np.array([*map(hash, texts)]), np.zeros((len(texts), 1), np.float32)
            self.empty, self.columns = np.array([not words for words in texts]), np.zeros((0, 0))
            some = [dict.fromkeys(texts[row]) for row in self.rows]
            self.features = [word for word, _ in Counter(word for words in some for word in words).most_common(_WORDS)]
            self.values = np.array([[word in words for word in self.features] for words in some])


def _scan(x: Any, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a hash of each sample, a few of its values, and whether all are the same."""
    row, rng, end = size * x.dtype.itemsize, np.random.default_rng(0), 0
    step = x.dtype.itemsize if row % 8 else 8
    points, factors = np.sort(rng.permutation(size)[:_POINTS]), rng.integers(2**63, size=row // step, dtype=np.uint64)
    keys, few, same = np.empty(len(x), np.uint64), np.empty((len(x), len(points)), np.float32), np.zeros(len(x), bool)
    for part in in_parts(x, max(1, _BLOCK // row)):
        values, rows = np.ascontiguousarray(part).reshape(len(part), -1), slice(end, end := end + len(part))
        words = values.view(f"u{step}")
        # Floats of few digits differ in their upper bits alone, which a product modulo 2^64 would lose.
        keys[rows] = np.einsum("ij,j->i", words ^ (words >> _SHIFT), 2 * factors + 1)
        few[rows] = values[:, points]
        flat = np.flatnonzero(np.ptp(few[rows], axis=1) == 0)
        same[rows][flat] = np.ptp(values[flat], axis=1) == 0
    return keys, few, same


def _constants(data: Dataset, train: _Part, test: _Part) -> Faults:
    for part in (train, test):
        if len(rows := np.flatnonzero(part.empty)):
            yield "Constant or empty samples", f"{len(rows):,} {part.of}", part.names[rows[0]]
    columns = train.columns
    same = np.flatnonzero(np.ptp(columns, axis=0) == 0) if columns.size else np.arange(0)
    for some in in_parts(train.raw, _AT_ONCE) if len(same) else ():
        same = same[(some[..., same] == columns[0, same]).all(axis=tuple(range(some.ndim - 1)))]
    if len(same):
        number = f"{len(same):,} of {columns.shape[1]:,} {data.modality.axes[-1]}"
        yield "Constant in all training samples", number, listed([data.modality.entry(int(one)) for one in same])


def _copies(data: Dataset, train: _Part, test: _Part) -> Faults:
    keys, empty, y = (np.concatenate([getattr(one, name) for one in (train, test)]) for name in ("keys", "empty", "y"))
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    rows, first, y, names = np.arange(len(keys)), first[group], y.reshape(len(keys), -1), train.names + test.names
    again, tested, across = (first < rows) & ~empty, rows >= len(train.y), first < len(train.y)
    apart = np.append(train.groups != train.groups[first[~tested]], tested[tested])
    least = 0 if data.task.members(train.y, data.num_classes) else train.y.std() / 2
    for fault, of, found in (
        ("Copies of training samples", test.of, again & tested & across),
        ("Copies of other samples", train.of, again & apart & ~tested),
        ("Copies of other samples", test.of, again & ~across),
        ("Copies with another label", data.modality.plural, again & (np.abs(y - y[first]) > least).any(axis=1)),
    ):
        if found.any():
            row = int(found.argmax())
            yield fault, f"{found.sum():,} {of}", f"{names[row]}, {names[first[row]]}"


def _near_copies(data: Dataset, train: _Part, test: _Part) -> Faults:
    kept, near = np.sort(np.unique(train.keys, return_index=True)[1]), data.modality.near  # of copies one
    others = _unit(train.few[kept])
    for part in (test, train) if near else ():
        rows = kept if part is train else np.flatnonzero(~np.isin(part.keys, train.keys))
        rows, pairs = rows[:: 1 + len(rows) // (_QUERIES + 1)], []
        for some in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
            alike = _unit(part.few[some]) @ others.T
            alike[(part is train) & (some[:, None] == kept)] = -1
            close = alike.max(axis=1) > 1 - _SLACK * (1 - near)
            pairs += [*zip(some[close], kept[alike[close].argmax(axis=1)], strict=True)]
        wholes = (np.nan_to_num([part.raw[row].ravel(), train.raw[other].ravel()]) for row, other in pairs)
        found = [pair for pair, whole in zip(pairs, wholes, strict=True) if np.corrcoef(whole)[0, 1] > near]
        if found := [(i, j) for i, j in found if part is test or train.groups[i] != train.groups[j]]:
            first = f"{part.names[found[0][0]]}, {train.names[found[0][1]]}"
            yield "Near copies of training samples", f"{len(found):,} of {len(rows):,} compared, {part.of}", first


def _unit(values: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(values)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)


def _classes(data: Dataset, train: _Part, test: _Part) -> Faults:
    members = (data.task.members(part.y, data.num_classes) for part in (train, test))
    counts = [(name, own.sum(), tested.sum()) for name, own, tested in zip(data.classes, *members, strict=False)]
    few = min(_FEW, np.mean([own for _, own, _ in counts] or [0]) / _RARE)
    for fault, names in (
        ("No training samples", [name for name, own, _ in counts if not own]),
        ("Fewer than 5 training samples", [name for name, own, _ in counts if 0 < own < few]),
        ("No test samples", [name for name, own, tested in counts if own and not tested]),
    ):
        if names:
            yield fault, f"{len(names):,} of {len(counts):,} {data.task.outputs_words[1]}", listed(names)


def _scales(data: Dataset, train: _Part, test: _Part) -> Faults:
    named, found = map(data.modality.entry, range(train.columns.shape[1])), []
    pairs = [*zip(named, train.columns.T, test.columns.T, strict=True)]
    if not data.task.members(train.y, data.num_classes):
        pairs += [*zip(data.classes, train.y.T, test.y.T, strict=True)]
    for name, *both in pairs:
        sizes = [np.abs(values[np.isfinite(values) & (values != 0)]) for values in both]
        first, second = (float(np.median(size)) if len(size) >= _ENOUGH else np.nan for size in sizes)
        if second / first > _RATIO or first / second > _RATIO:
            found.append(f"{name}: median {first:.3g} in training, {second:.3g} in test data")
    if found:
        yield "Another scale in test data", f"{len(found):,} of {len(pairs):,} columns or channels", listed(found)


def _leaks(data: Dataset, train: _Part, test: _Part) -> Faults:
    if len(train.rows) < _ENOUGH:
        return
    values, y = np.nan_to_num(train.values.astype(np.float32)), train.y[train.rows]
    targets = data.task.targets(y, data.num_classes)
    basis, strength, _ = np.linalg.svd(targets - targets.mean(axis=0), full_matrices=False)
    basis = basis[:, strength > 1e-6 * max(strength[0], 1e-6)].astype(np.float32)
    spread = values - values.mean(axis=0)
    equal = np.square(basis.T @ spread).sum(axis=0) > _EQUAL * np.maximum(np.square(spread).sum(axis=0), 1e-9)
    equal[equal] = (values[:, equal] != np.median(values[:, equal], axis=0)).sum(axis=0) >= min(_RARE, len(y) // 4)
    for index, own in enumerate(values.T if values.shape[1] <= len(y) else ()):  # such as numbers of sorted rows
        equal[index] |= not (own % 1).any() and len({*own}) == len(y) and _in_turn(own, y)
    shape, named = train.raw.shape[1:], train.features
    found = [
        named[index] if named else f"{data.modality.value} {[*map(int, np.unravel_index(index, shape))]}"
        for index in np.flatnonzero(equal)
    ]
    if data.traits is not None:
        found += [name for name, own in zip(data.modality.traits, data.traits.T, strict=True) if _in_turn(own, train.y)]
    if found:
        yield "Label given away", f"{len(found):,} of {values.shape[1]:,} features", listed(found)


def _in_turn(values: np.ndarray, y: np.ndarray) -> bool:
    """Return True if samples in the order of `values`, equal ones at random, have one class after the other."""
    _, places = np.unique(values, return_inverse=True)
    different, order = int(places.max()) + 1, np.lexsort((np.random.default_rng(0).permutation(len(y)), places))
    most = max(len(np.unique(y)), different if different <= len(y) // _ENOUGH else 0) - 1 + len(y) // 100
    return y.ndim == 1 and different > 1 and 0 < int(np.count_nonzero(np.diff(y[order]))) <= most
