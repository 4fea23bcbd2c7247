"""Families of tasks for meta-learning: a task as an episode, and families that draw tasks by number."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.wording import wrong_value

Pair = tuple[np.ndarray, np.ndarray]
"""Inputs and targets."""


@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class Episode:
    """A task: a few samples to adapt to, and other samples of the same task to evaluate on.

    `TaskFamily.batch` returns an `Episode` too, with a leading axis of tasks on every array.

    Args:
        support: `(x, y)`, inputs `(samples, ...)` and labels from 0, int32 `(samples,)`, or targets, float32
            `(samples, ...)`.
        query: as `support`; may be empty.
        classes: the family's classes behind the labels, in the order of the labels, one task after the other. Defaults
            to `()`: no classes.

    Raises:
        ValueError: if `support` or `query` is not a pair of arrays.
    """

    support: Pair = dataclasses.field(repr=False)
    query: Pair = dataclasses.field(repr=False)
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("support", "query"):
            pair = getattr(self, name)
            arrays = isinstance(pair, (tuple, list)) and [hasattr(a, "shape") or isinstance(a, list) for a in pair]
            if arrays != [True, True]:
                raise ValueError(checks.invalid(name, "a pair (x, y) of arrays, inputs and targets", pair))


def check_episode(episode: Episode) -> None:
    """Raise an error if a task cannot be learned and evaluated honestly.

    Raises:
        TypeError: if `episode` is not an `Episode`.
        ValueError: if inputs and targets differ in number or are not numbers, the support is empty, samples differ in
            shape, or a sample of the query equals one of the support.
    """
    checks.instance("episode", episode, Episode)
    for name, pair in (("support", episode.support), ("query", episode.query)):
        x, y = (checks.array("episode", array, kinds="iufb", finite=False) for array in pair)
        if not x.ndim or not y.ndim or len(x) != len(y):
            expected = f"as many targets as inputs in its {name}"
            raise wrong_value("episode", expected, f"inputs of shape {x.shape} and targets of shape {y.shape}")
    support, query = np.asarray(episode.support[0]), np.asarray(episode.query[0])
    if not len(support):
        raise wrong_value("episode", "at least one sample in its support", "none")
    if not len(query):
        return
    if support.shape[1:] != query.shape[1:]:
        received = f"support samples of shape {support.shape[1:]}, query samples of shape {query.shape[1:]}"
        raise wrong_value("episode", "samples of one shape", received)
    dtype = np.result_type(support, query)
    known = {row.tobytes(): index for index, row in enumerate(support.astype(dtype))}
    for index, row in enumerate(query.astype(dtype)):
        if row.tobytes() in known:
            raise wrong_value(
                "episode",
                "samples in the query that are not in the support, since a score on these is no score on new samples",
                f"query sample {index} is also support sample {known[row.tobytes()]}",
            )


class TaskFamily(abc.ABC):
    """Tasks by number: the source of episodes for meta-learners.

    A family implements `draw` and sets `input_shape`, `shots` and `query_shots`; `episode` and `batch` follow. Every
    episode depends on `(seed, index)` alone, so that a resumed run sees the episodes of an uninterrupted one.

    Args:
        seed: the same seed gives the same episodes. Defaults to 0.

    Example:

    >>> class Lines(TaskFamily):
    ...     input_shape, shots, query_shots = (1,), 2, 3
    ...
    ...     def draw(self, rng):
    ...         x = rng.uniform(-1, 1, (5, 1)).astype("float32")
    ...         y = rng.uniform(-1, 1) * x
    ...         return Episode((x[:2], y[:2]), (x[2:], y[2:]))
    >>> Lines(seed=1).batch(0, tasks=4).query[0].shape
    (4, 3, 1)
    """

    input_shape: tuple[int, ...]
    shots: int
    query_shots: int

    def __init__(self, seed: int = 0):
        self.seed = checks.seed(seed)

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator) -> Episode:
        """Return a task, with all randomness from `rng`."""

    def episode(self, index: int) -> Episode:
        """Return task number `index`, the same at every call; raises ValueError for a negative one."""
        return self.draw(np.random.default_rng([self.seed, checks.integer("index", index, 0)]))

    def batch(self, index: int, tasks: int) -> Episode:
        """Return the episodes from `index * tasks` to `(index + 1) * tasks - 1`, stacked on a leading axis."""
        first = checks.integer("index", index, 0) * checks.integer("tasks", tasks, 1)
        episodes = [self.episode(number) for number in range(first, first + tasks)]
        arrays = zip(*((*episode.support, *episode.query) for episode in episodes), strict=True)
        x, y, x_query, y_query = map(_stacked, arrays)
        return Episode((x, y), (x_query, y_query), tuple(label for episode in episodes for label in episode.classes))


def _stacked(arrays: Sequence[Any]) -> np.ndarray:
    shapes = [np.shape(array) for array in arrays]
    for shape in shapes:
        if shape != shapes[0]:
            raise wrong_value("episodes", "episodes of one shape", f"arrays of shape {shapes[0]}, {shape}")
    return np.stack(arrays)
