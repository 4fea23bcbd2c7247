"""EpisodeSampler: episodes of few-shot classification, drawn from labeled samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets.pools import read_pool
from kerasnas.datasets.tasks import Episode, Pair, TaskFamily
from kerasnas.wording import wrong_value


class EpisodeSampler(TaskFamily):
    """N-way K-shot classification: episodes of a few classes and a few samples of each (Vinyals et al., 2016).

    An episode draws `ways` different classes in random order, labeled 0, 1, ..., and from each of them `shots +
    query_shots` different samples. Samples are in random order within the support and within the query.

    Args:
        x: inputs, an array `(samples, ...)`, with their labels in `y`; or, without `y`, a finite `tf.data.Dataset` or
            another iterable of pairs `(x, y)`, batched or not, which is read into memory. Inputs are returned as
            float32: integers, which must be from 0 to 255, divided by 255, floats unchanged.
        y: labels, an integer array `(samples,)`. Defaults to None.
        ways: number of classes in an episode. Defaults to 5.
        shots: number of support samples of each class. Defaults to 1.
        query_shots: number of query samples of each class; 0 for training on the support alone. Defaults to 15.
        rotations: degrees, multiples of 90, counterclockwise. Each rotation of a class is a further class (Santoro et
            al., 2016); an episode may contain several rotations of one class. Defaults to `(0,)`.
        classes: labels to draw from, such as a part of `split_classes`, in any order. Defaults to None, for all.
        seed: the same seed gives the same episodes. Defaults to 0.

    Attributes:
        pool: `(label, rotation)` of every class that episodes draw from, in order of label, then of `rotations`;
            `Episode.classes` are indices into it.
        num_classes: number of classes of a network for the episodes: `ways`.
        input_shape: shape of a sample.

    Raises:
        ValueError: if `x` and `y` are not labeled inputs, a class has too few samples, there are too few classes,
            `classes` has an unknown one, or the inputs cannot be rotated.

    Example:

    >>> x, y = np.zeros((60, 8, 8, 1), "uint8"), np.repeat(np.arange(6), 10)
    >>> sampler = EpisodeSampler(x, y, ways=5, shots=1, query_shots=9, rotations=(0, 90, 180, 270))
    >>> len(sampler.pool), sampler.pool[5]
    (24, (1, 90))
    >>> sampler.episode(0).support[0].shape, sampler.batch(0, tasks=2).query[1].shape
    ((5, 8, 8, 1), (2, 45))

    Reference: [Matching Networks for One Shot Learning](https://arxiv.org/abs/1606.04080), for the episodes;
        [One-shot Learning with Memory-Augmented Neural Networks](https://arxiv.org/abs/1605.06065), for rotations.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        ways: int = 5,
        shots: int = 1,
        query_shots: int = 15,
        rotations: Sequence[int] = (0,),
        classes: Any = None,
        seed: int = 0,
    ):
        super().__init__(seed)
        self.ways = checks.integer("ways", ways, 2)
        self.shots = checks.integer("shots", shots, 1)
        self.query_shots = checks.integer("query_shots", query_shots, 0)
        self._x, labels = read_pool(x, y)
        self.input_shape = self._x.shape[1:]
        self.rotations = _check_rotations(rotations, self.input_shape)
        self.classes = _check_classes(classes, labels)
        self.pool = tuple((label, rotation) for label in self.classes for rotation in self.rotations)
        if self.ways > len(self.pool):
            rotated = f" ({len(self.classes)} x {len(self.rotations)} rotations)" if len(self.rotations) > 1 else ""
            raise wrong_value("ways", f"at most the number of classes, {len(self.pool)}{rotated}", ways)
        order = np.argsort(labels, kind="stable")
        starts, ends = (np.searchsorted(labels, self.classes, side, order) for side in ("left", "right"))
        self._members = [order[start:end] for start, end in zip(starts, ends, strict=True)]
        fewest, label = min(zip((ends - starts).tolist(), self.classes, strict=True))
        if self.shots + self.query_shots > fewest:
            expected = f"`shots` + `query_shots` of at most {fewest}, the number of samples of class {label}"
            raise wrong_value("shots", expected, f"{shots} + {query_shots}")

    @property
    def num_classes(self) -> int:
        """Number of classes of a network for the episodes."""
        return self.ways

    def draw(self, rng: np.random.Generator) -> Episode:
        numbers = rng.choice(len(self.pool), self.ways, replace=False)
        labels, turns = np.divmod(numbers, len(self.rotations))
        members = [self._members[label] for label in labels]
        samples = self.shots + self.query_shots
        x = self._x[[rows[rng.choice(len(rows), samples, replace=False)] for rows in members]]  # (ways, samples, ...)
        for turn in set(turns.tolist()):
            if self.rotations[turn]:
                x[turns == turn] = np.rot90(x[turns == turn], self.rotations[turn] // 90, axes=(2, 3))
        support = self._shuffle(x[:, : self.shots], rng)
        return Episode(support, self._shuffle(x[:, self.shots :], rng), tuple(numbers.tolist()))

    def _shuffle(self, x: np.ndarray, rng: np.random.Generator) -> Pair:
        """Return samples `(ways, samples, ...)` in random order, as float32, and their labels."""
        ways, order = np.divmod(rng.permutation(self.ways * x.shape[1]), max(x.shape[1], 1))
        x = x[ways, order]
        scaled = np.divide(x, 255, dtype=np.float32) if x.dtype.kind in "iu" else x.astype(np.float32, copy=False)
        return scaled, ways.astype(np.int32)


def _check_rotations(rotations: Sequence[int], input_shape: tuple[int, ...]) -> tuple[int, ...]:
    degrees = _integers(rotations, axes=1)
    if degrees is None or (degrees % 90).any():
        raise wrong_value("rotations", "multiples of 90 degrees, such as (0, 90, 180, 270)", rotations)
    turns = (degrees % 360).tolist()
    if len(set(turns)) < len(turns):
        raise wrong_value("rotations", "every rotation once (360 degrees are 0)", rotations)
    if any(turns) and len(input_shape) != 3:
        expected = "(0,), since only images (samples, height, width, channels) can be rotated"
        raise wrong_value("rotations", expected, f"{rotations!r} for samples of shape {input_shape}")
    if any(turn % 180 for turn in turns) and input_shape[0] != input_shape[1]:
        expected = "0 or 180 degrees, since the images are not square"
        raise wrong_value("rotations", expected, f"{rotations!r} for images of shape {input_shape}")
    return tuple(turns)


def _check_classes(classes: Any, labels: np.ndarray) -> tuple[int, ...]:
    present = np.unique(labels)
    if classes is None:
        return tuple(present.tolist())
    wanted = _integers(classes)
    if wanted is None:
        raise wrong_value("classes", "None or integer labels", classes)
    unknown = np.setdiff1d(wanted, present)
    if len(unknown):
        expected = f"labels that `y` has, {len(present)} from {present[0]} to {present[-1]}"
        raise wrong_value("classes", expected, f"{unknown[:5].tolist()}{' and more' * (len(unknown) > 5)}")
    chosen = np.unique(wanted)
    if len(chosen) < len(wanted):
        raise wrong_value("classes", "every label once", f"{len(wanted)} labels, {len(chosen)} of them different")
    return tuple(chosen.tolist())


def _integers(values: Any, axes: int = 0) -> np.ndarray | None:
    """Return integers as an array `(values,)`, of at least one, as a value alone is with `axes` of 1; else None."""
    try:
        found = np.array(values, ndmin=axes)
    except ValueError:  # rows of several lengths
        return None
    return found if found.ndim == 1 and found.dtype.kind in "iu" and found.size else None
