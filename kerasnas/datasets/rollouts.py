"""Rollouts: a network moves the agents of mazes and grid worlds until they arrive or repeat a place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets.mazes import AGENT, GOAL, MOVES, WALL, all_distances

_BATCH = 250
_STEPS = np.array(list(MOVES.values()))


class Rollouts(NamedTuple):
    """The path of each world's agent.

    Args:
        reached: whether it arrived at the goal, bool `(samples,)`.
        moves: number of its moves, those into walls included, int `(samples,)`.
        shortest: number of moves of a shortest path, int `(samples,)`.
    """

    reached: np.ndarray
    moves: np.ndarray
    shortest: np.ndarray

    @property
    def success_rate(self) -> float:
        """Fraction of the agents that arrived."""
        return float(self.reached.mean())

    @property
    def length_ratio(self) -> float:
        """Mean length of the paths of those that arrived, relative to shortest paths; NaN if none arrived."""
        if not self.reached.any():
            return math.nan
        return float((self.moves[self.reached] / self.shortest[self.reached]).mean())


def roll_out(policy: keras.Model | Callable[[np.ndarray], Any], images: Any, max_steps: int | None = None) -> Rollouts:
    """Let a network move the agent of every world, move by move, until it arrives or repeats a place.

    All worlds take a step together: the network receives the images of those still moving, and each agent makes the
    move of the highest output. An agent that would move into a wall stays. As the same image gets the same move, an
    agent that repeats a place never arrives, and is stopped.

    Args:
        policy: a model, or a function, from images `(samples, height, width, 3)` to a score for each of `MOVES`, such
            as logits or probabilities.
        images: as those of `mazes`: walls, goal and agent in three channels of 0 and 1.
        max_steps: maximum number of moves. Defaults to None: no limit.

    Raises:
        TypeError: if `policy` is not callable.
        ValueError: for images that are not such worlds, or whose goal is unreachable; for outputs that are not finite
            scores `(samples, 4)`; and if `max_steps` is not positive.

    Example:

    >>> from kerasnas.datasets import mazes
    >>> always_up = lambda images: np.tile([1.0, 0.0, 0.0, 0.0], (len(images), 1))
    >>> rollouts = roll_out(always_up, mazes(train_samples=1, test_samples=200, size=5).x_test)
    >>> 0 < rollouts.success_rate < 0.5, rollouts.length_ratio
    (True, 1.0)
    """
    if not isinstance(policy, keras.Model):
        checks.function("policy", policy, "a model, or a function of images")
    most = checks.optional(checks.size, "max_steps", max_steps)
    walls, goals, places = _read(images)
    lengths = all_distances(walls, goals)
    samples = np.arange(len(walls))
    shortest = lengths[samples, places[:, 0], places[:, 1]]
    if (far := np.flatnonzero(shortest == np.iinfo(shortest.dtype).max)).size:
        raise ValueError(checks.invalid("images", "goals that can be reached", f"none in sample {far[0]}"))
    state = np.stack([walls, np.zeros_like(walls), np.zeros_like(walls)], axis=-1).astype(np.float32)
    state[samples, goals[:, 0], goals[:, 1], GOAL] = 1
    state[samples, places[:, 0], places[:, 1], AGENT] = 1
    reached, moves = np.zeros(len(samples), bool), np.zeros(len(samples), np.int64)
    been, running = np.zeros(walls.shape, bool), samples
    been[samples, places[:, 0], places[:, 1]] = True
    beyond = np.pad(walls, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    while running.size and (most is None or moves.max() < most):
        before = places[running]
        ahead = before + _STEPS[_scores(policy, state[running]).argmax(axis=-1)]
        blocked = beyond[running, ahead[:, 0] + 1, ahead[:, 1] + 1]
        after = np.where(blocked[:, None], before, ahead)
        state[running, before[:, 0], before[:, 1], AGENT] = 0
        state[running, after[:, 0], after[:, 1], AGENT] = 1
        places[running], moves[running] = after, moves[running] + 1
        reached[running] = (after == goals[running]).all(axis=1)
        again = been[running, after[:, 0], after[:, 1]]
        been[running, after[:, 0], after[:, 1]] = True
        running = running[~(reached[running] | again)]
    return Rollouts(reached, moves, shortest.astype(np.int64))


def _read(images: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return walls `(samples, height, width)`, and rows and columns of goals and agents `(samples, 2)`."""
    x = checks.array("images", images, kinds="biuf")
    expected = "worlds `(samples, height, width, 3)`: walls, goal and agent as 0 and 1"
    if x.ndim != 4 or x.shape[-1] != len((WALL, GOAL, AGENT)) or not x.size:
        raise ValueError(checks.invalid("images", expected, f"shape {x.shape}"))
    if not np.isin(x, (0, 1)).all():
        raise ValueError(checks.invalid("images", expected, f"values from {x.min():g} to {x.max():g}"))
    walls, samples, places = x[..., WALL] == 1, np.arange(len(x)), []
    for channel, name in ((GOAL, "goal"), (AGENT, "agent")):
        numbers = x[..., channel].sum(axis=(1, 2))
        if (wrong := np.flatnonzero(numbers != 1)).size:
            received = f"{numbers[wrong[0]]:g} in sample {wrong[0]}"
            raise ValueError(checks.invalid("images", f"one {name} in each", received))
        places.append(np.argwhere(x[..., channel] == 1)[:, 1:])
        if (wrong := np.flatnonzero(walls[samples, places[-1][:, 0], places[-1][:, 1]])).size:
            raise ValueError(checks.invalid("images", f"a {name} that is not in a wall", f"one in sample {wrong[0]}"))
    goals, agents = places
    if (wrong := np.flatnonzero((goals == agents).all(axis=1))).size:
        raise ValueError(checks.invalid("images", "an agent that is not at the goal", f"one in sample {wrong[0]}"))
    return walls, goals, agents


def _scores(policy: Any, images: np.ndarray) -> np.ndarray:
    outputs = _predict(policy, images) if isinstance(policy, keras.Model) else policy(images)
    outputs, expected = checks.array("policy", outputs, kinds="biuf", finite=False), (len(images), len(MOVES))
    if outputs.shape != expected:
        words = f"outputs of shape {expected}, a score for each of {', '.join(MOVES)}"
        raise ValueError(checks.invalid("policy", words, f"shape {outputs.shape}"))
    if not np.isfinite(outputs).all():
        raise ValueError(checks.invalid("policy", "finite outputs", "some that are not"))
    return outputs


def _predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return the outputs, without the queue of `predict`, which takes longer than a step of few agents."""
    outputs = [model.predict_on_batch(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    if not isinstance(outputs[0], np.ndarray):
        raise ValueError(checks.invalid("policy", "a model of one output", f"{len(outputs[0])} outputs"))
    return np.concatenate(outputs)
