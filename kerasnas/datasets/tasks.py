"""Families of tasks for meta-learning: what a task is, and how one is asked for by number."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasnas import checks

Pair = tuple[np.ndarray, np.ndarray]
"""Inputs and targets."""


@dataclasses.dataclass(frozen=True, eq=False)  # `==` between arrays has no single answer
class Episode:
    """One task: the few samples to adapt to, and other samples of the same task to be judged by.

    What `TaskFamily.batch` returns is an `Episode` as well, with a leading axis of tasks on every array.

    Args:
        support: `(x, y)`, inputs `(samples, ...)` and labels from 0, int32 `(samples,)`, or targets, float32
            `(samples, ...)`.
        query: as `support`; may hold no sample.
        classes: which classes of the family the labels stand for, in the order of the labels, one task after the
            other; empty where there are no classes. Defaults to `()`.
    """

    support: Pair = dataclasses.field(repr=False)
    query: Pair = dataclasses.field(repr=False)
    classes: tuple[int, ...] = ()


def check_episode(episode: Episode) -> None:
    """Raise a clear error when one task, made by hand, is none that can be learned and judged honestly.

    Args:
        episode: a single one, without a leading axis of tasks.

    Raises:
        ValueError: if the inputs and the targets of a part differ in number, the support has no sample, a query's shape
            is not that of the support, or a sample of the query is, number by number, also in the support.

    Example:

    >>> x, y = np.eye(4, dtype="float32"), np.array([0, 1, 0, 1], "int32")
    >>> check_episode(Episode((x[:2], y[:2]), (x[2:], y[2:])))
    >>> check_episode(Episode((x[:2], y[:2]), (x[1:], y[1:])))
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `episode`. Expected samples in the query that are not in the \
support, since a score on these is no score on new samples. Received: query sample 0 is also support sample 1
    """
    for name, pair in (("support", episode.support), ("query", episode.query)):
        x, y = (np.asarray(array) for array in pair)
        if not x.ndim or not y.ndim or len(x) != len(y):
            expected = f"as many targets as inputs in its {name}"
            raise _invalid("episode", expected, f"inputs of shape {x.shape} and targets of shape {y.shape}")
    support, query = np.asarray(episode.support[0]), np.asarray(episode.query[0])
    if not len(support):
        raise _invalid("episode", "at least one sample in its support", "none")
    if not len(query):
        return
    if support.shape[1:] != query.shape[1:]:
        received = f"support samples of shape {support.shape[1:]}, query samples of shape {query.shape[1:]}"
        raise _invalid("episode", "samples of one shape", received)
    dtype = np.result_type(support, query)
    known = {row.tobytes(): index for index, row in enumerate(support.astype(dtype))}
    for index, row in enumerate(query.astype(dtype)):
        if row.tobytes() in known:
            raise _invalid(
                "episode",
                "samples in the query that are not in the support, since a score on these is no score on new samples",
                f"query sample {index} is also support sample {known[row.tobytes()]}",
            )


class TaskFamily(abc.ABC):
    """Tasks by number: what meta-learners take their episodes from.

    A family writes `draw` and sets `input_shape`, `shots` and `query_shots`; `episode` and `batch` follow. Every
    episode is a function of `(seed, index)` alone, so that a resumed run sees the episodes of an uninterrupted one.

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
        self.seed = checks.integer("seed", seed, 0)

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator) -> Episode:
        """A task, all of its randomness from `rng`."""

    def episode(self, index: int) -> Episode:
        """Task number `index`, the same at every call.

        Raises:
            ValueError: if `index` is negative or no integer.
        """
        return self.draw(np.random.default_rng([self.seed, checks.integer("index", index, 0)]))

    def batch(self, index: int, tasks: int) -> Episode:
        """The episodes from `index * tasks` to `(index + 1) * tasks - 1`, stacked on a leading axis.

        Raises:
            ValueError: if `index` is negative or `tasks` is not positive.
        """
        first = checks.integer("index", index, 0) * checks.integer("tasks", tasks, 1)
        return _stack((self.episode(number) for number in range(first, first + tasks)), tasks)


def stack_episodes(episodes: Sequence[Episode]) -> Episode:
    """Episodes of one shape as a single one, with a leading axis of tasks on every array and all of their classes.

    Raises:
        ValueError: if there is no episode, or their arrays differ in shape.
    """
    if not episodes:
        raise _invalid("episodes", "at least one", "none")
    return _stack(episodes, len(episodes))


def _stack(episodes: Iterable[Episode], tasks: int) -> Episode:
    # One by one into the result, as memory that is new costs more time than the copy.
    stacked: list[np.ndarray] = []
    classes: list[int] = []
    for task, episode in enumerate(episodes):
        arrays = [np.asarray(array) for array in (*episode.support, *episode.query)]
        stacked = stacked or [np.empty((tasks, *array.shape), array.dtype) for array in arrays]
        for whole, array in zip(stacked, arrays, strict=True):
            if whole.shape[1:] != array.shape:
                raise _invalid("episodes", "episodes of one shape", f"arrays of shape {whole.shape[1:]}, {array.shape}")
            whole[task] = array
        classes += episode.classes
    x, y, x_query, y_query = stacked
    return Episode((x, y), (x_query, y_query), tuple(classes))


def _invalid(argument: str, expected: str, received: Any) -> ValueError:
    return ValueError(f"Invalid value received for argument `{argument}`. Expected {expected}. Received: {received}")
