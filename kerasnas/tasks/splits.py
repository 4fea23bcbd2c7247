"""Splits: of samples, stratified by class; of whole groups of samples; and of the classes themselves; a few of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.tasks import Task
from kerasnas.wording import wrong_value


def spread_rows(samples: int, most: int) -> np.ndarray:
    """Return the numbers of so many samples at most, evenly spread, as data are often sorted by class.

    Example:

    >>> spread_rows(5, most=3).tolist(), spread_rows(2, most=3).tolist()
    ([0, 2, 4], [0, 1])
    """
    return np.linspace(0, samples - 1, min(most, samples)).astype(int)


def stratified_split(y: Any, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the samples in two so that both parts have the classes in the same proportion.

    Every class has `fraction` of its samples in the second part, rounded so that the second part
    has `fraction` of all samples; a class of two samples or more has at least one in both
    parts, a class of one sample is in the first.

    Args:
        y: class labels, an array `(samples,)`.
        fraction: share of the second part, strictly between 0 and 1: `validation_split` in the words of `fit`.
        seed: the same seed gives the same split.

    Returns:
        `(first, second)`: two sorted arrays of indices into `y`, together all of them.

    Raises:
        ValueError: if `fraction` is not strictly between 0 and 1, `y` is not one-dimensional, no
            class has two samples, or `seed` is not an integer of at least 0.

    Example:

    >>> first, second = stratified_split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(first), len(second)
    (6, 2)
    """
    try:
        fraction = checks.number("fraction", fraction, above=0, below=1)
    except (TypeError, ValueError):
        raise ValueError(
            "Invalid value received for argument `fraction`, or `validation_split`. Expected a number strictly between "
            f"0 and 1, the share of the samples in the second part. Received: {fraction!r}"
        ) from None
    seed = checks.seed(seed)
    y = _labels(y)
    if y.ndim != 1:
        raise wrong_value("y", "labels of shape (samples,)", f"shape {y.shape}")
    _, members, counts = np.unique(y, return_inverse=True, return_counts=True)
    if not (counts >= 2).any():
        expected = "at least one class with two samples, to have one in both parts"
        raise wrong_value("y", expected, f"{len(y)} samples of {len(counts)} classes")
    # The largest remainders are rounded up; 1e-9 forgives products such as 0.57 * 100 = 56.99...
    exact = fraction * counts
    taken = np.floor(exact + 1e-9).astype(int)
    missing = round(exact.sum()) - taken.sum()
    taken[np.argsort(taken - exact, kind="stable")[:missing]] += 1
    taken = np.clip(taken, np.minimum(1, counts - 1), counts - 1)

    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(y), dtype=bool)
    for label, number in enumerate(taken):
        chosen[generator.permutation(np.flatnonzero(members == label))[:number]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def grouped_split(y: Any, groups: Any, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the samples in two so that no group is in both parts: to be compared on unseen speakers, patients, sites.

    Of many random orders of the groups, each filled into the second part until that has its share, the one whose
    second part has the classes most nearly in the proportion of all samples.

    Raises:
        ValueError: if a class is in one group alone, there is not one group for each label, or as for
            `stratified_split`.

    Example:

    >>> first, second = grouped_split(np.array([0, 1] * 6), np.repeat([7, 8, 9], 4), 0.3, seed=0)
    >>> len(first), len(second)
    (8, 4)
    """
    fraction = checks.number("fraction", fraction, above=0, below=1)
    y, groups = _labels(y), _labels(groups, "groups")
    if y.ndim != 1:
        raise wrong_value("y", "labels of shape (samples,)", f"shape {y.shape}")
    if groups.shape != y.shape:
        raise wrong_value("groups", f"a group for each of the {len(y)} labels", f"shape {groups.shape}")
    _, of_class = np.unique(y, return_inverse=True)
    _, of_group = np.unique(groups, return_inverse=True)
    number = of_group.max() + 1
    if number < 2:
        raise wrong_value("groups", "at least two groups, to have one in both parts", f"{number}")
    counts = np.zeros((number, of_class.max() + 1))
    np.add.at(counts, (of_group, of_class), 1)
    wanted, rng = fraction * counts.sum(0), np.random.default_rng(checks.seed(seed))
    best, least = np.zeros(number, bool), np.inf
    for _ in range(200):
        order = rng.permutation(number)
        sizes = counts[order].sum(1).cumsum()
        taken = np.clip(1 + np.argmin(abs(sizes - wanted.sum())), 1, number - 1)
        second = counts[order[:taken]].sum(0)
        distance = np.square(second - wanted).sum()
        if distance < least and (second < counts.sum(0)).all():  # every class can be learned
            least, best = distance, np.isin(np.arange(number), order[:taken])
    if not best.any():
        raise wrong_value("groups", "groups such that every class is in at least two of them", f"{number} groups")
    chosen = best[of_group]
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def split_samples(
    task: Task, y: np.ndarray, fraction: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split the samples in two as suits their task: classes, rarest labels or tenths of numbers in equal shares.

    Args:
        task: what the labels are.
        y: the labels, as networks learn them.
        fraction, seed: as for `stratified_split`.
        groups: as for `grouped_split`; of another task than classification, whole groups at random. Defaults to None.

    Example:

    >>> from kerasnas.tasks.regression import Regression
    >>> first, second = split_samples(Regression(), np.linspace(-1, 1, 100)[:, None], 0.2, seed=0)
    >>> len(first), len(second)
    (80, 20)
    """
    checks.instance("task", task, Task, "a `kerasnas.tasks.Task`")
    y = _labels(y)
    task.check_splittable(y)
    if isinstance(groups, np.ndarray) and groups.ndim == 1 and len(groups) != len(y):
        raise wrong_value("y", f"as many labels as `groups`, {len(groups)}", f"{len(y)}")
    if groups is None:
        return stratified_split(task.strata(y), fraction, seed)
    return grouped_split(task.group_strata(y), groups, fraction, seed)


def split_classes(y: Any, sizes: Sequence[float], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Split the classes, not the samples, at random, to evaluate on classes that were not seen in training.

    Args:
        y: labels of the samples, an integer array.
        sizes: sizes of the parts: all of them numbers of classes (integers), or all shares of the classes (floats).
            Classes that remain are in no part.
        seed: the same seed gives the same parts. Defaults to 0.

    Returns:
        The labels of each part, sorted; no label is in two of them.

    Raises:
        ValueError: if the parts ask for more classes than there are, or one of them would be empty.

    Example:

    >>> train, test = split_classes(np.repeat(np.arange(10), 20), (0.8, 0.2), seed=0)
    >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()])
    (8, 2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    labels = _labels(y)
    if not labels.ndim:
        raise wrong_value("y", "the labels of the samples", y)
    if labels.dtype.kind not in "iu":
        raise wrong_value("y", "labels of an integer dtype", f"dtype {labels.dtype}")
    labels = np.unique(labels)
    try:
        given = np.atleast_1d(np.asarray(sizes))
    except ValueError:  # rows of several lengths
        given = np.zeros((0, 0))
    given = given if given.ndim == 1 else np.zeros(0)
    ends = np.cumsum(given) if given.dtype.kind in "iuf" else np.zeros(0)
    if ends.dtype.kind == "f":
        ends = np.round(ends * len(labels))  # of the sums: the parts of (1/3, 1/3, 1/3) are all of the classes
    counts = np.diff(ends, prepend=0)
    if not len(counts) or not (counts >= 1).all() or ends[-1] > len(labels):
        expected = f"numbers or shares of the {len(labels)} classes, at least one class a part and no more than all"
        raise wrong_value("sizes", expected, sizes)
    shuffled = np.random.default_rng(checks.seed(seed)).permutation(labels)
    return tuple(np.sort(part) for part in np.split(shuffled[: int(ends[-1])], ends[:-1].astype(int)))


def _labels(y: Any, argument: str = "y") -> np.ndarray:
    labels = checks.as_array(argument, y, "an array of labels of one type")
    try:
        np.unique(labels)
    except (TypeError, ValueError):
        raise ValueError(checks.invalid(argument, "an array of labels of one type", y)) from None
    return labels
