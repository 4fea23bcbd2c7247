"""Generated mazes and grid worlds: from walls, goal and agent, the next move of a shortest path."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kerasnas import checks
from kerasnas.datasets.dataset import DATASETS, Dataset

MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
"""Name of each move -> its change of row and column."""
WALL, GOAL, AGENT = range(3)
"""The channels of an image."""
_UNREACHED = np.iinfo(np.int32).max
_LARGEST = 1001  # rows of a world


class World(NamedTuple):
    """A grid world: its walls and its goal.

    Args:
        walls: True for walls, `(size, size)`; the border is wall.
        goal: row and column.
    """

    walls: np.ndarray
    goal: tuple[int, int]


def draw(rng: np.random.Generator, size: int, kind: str, density: float) -> tuple[World, np.ndarray]:
    """Draw a world; return it, and the distances to its goal. The arguments are those of `mazes`."""
    while True:  # of small worlds, most of whose cells are walls, a third has no connected places
        walls = _maze(rng, size, density) if kind == "maze" else rng.random((size, size)) < density
        walls[[0, -1]] = walls[:, [0, -1]] = True
        free = np.argwhere(~walls)
        if len(free) > 1:
            row, column = map(int, free[rng.integers(len(free))])
            lengths = all_distances(walls[None], np.array([[row, column]]))[0]
            if (lengths < _UNREACHED).sum() > 1:
                return World(walls, (row, column)), lengths


def _maze(rng: np.random.Generator, size: int, opened: float) -> np.ndarray:
    """Return corridors by depth-first search, with a fraction of the remaining inner walls opened."""
    walls = np.ones((size, size), bool)
    stack = [(1, 1)]
    walls[1, 1] = False
    while stack:
        row, column = stack[-1]
        steps = [(row + 2 * down, column + 2 * right) for down, right in MOVES.values()]
        new = [(i, j) for i, j in steps if 0 < i < size - 1 and 0 < j < size - 1 and walls[i, j]]
        if not new:
            stack.pop()
            continue
        i, j = new[rng.integers(len(new))]
        walls[i, j] = walls[(row + i) // 2, (column + j) // 2] = False
        stack.append((i, j))
    inner = walls & (np.add.outer(np.arange(size), np.arange(size)) % 2 == 1)  # between two cells
    return walls & ~(inner & (rng.random(walls.shape) < opened))


def all_distances(walls: np.ndarray, goals: np.ndarray) -> np.ndarray:
    """Return the number of moves from each place of several worlds to the goal, by dynamic programming.

    Args:
        walls: bool, `(worlds, height, width)`.
        goals: row and column of each goal, int, `(worlds, 2)`.

    Returns:
        int32 `(worlds, height, width)`; the largest one where the goal cannot be reached.

    Example:

    >>> walls = np.ones((1, 3, 5), bool)
    >>> walls[0, 1, 1:4] = False
    >>> all_distances(walls, np.array([[1, 1]]))[0, 1, 1:4].tolist()
    [0, 1, 2]
    """
    lengths, front = np.full(walls.shape, _UNREACHED, np.int32), np.zeros(walls.shape, bool)
    places = (np.arange(len(walls)), goals[:, 0], goals[:, 1])
    lengths[places], front[places] = 0, True
    steps = 0
    while front.any():
        steps += 1
        near = np.zeros_like(front)
        near[:, 1:] |= front[:, :-1]
        near[:, :-1] |= front[:, 1:]
        near[:, :, 1:] |= front[:, :, :-1]
        near[:, :, :-1] |= front[:, :, 1:]
        front = near & ~walls & (lengths == _UNREACHED)
        lengths[front] = steps
    return lengths


def best_move(lengths: np.ndarray, place: tuple[int, int]) -> int:
    """Return the index of the first of `MOVES` that shortens the way to the goal."""
    return int(np.argmin([lengths[place[0] + down, place[1] + right] for down, right in MOVES.values()]))


def image_of(world: World, place: tuple[int, int]) -> np.ndarray:
    """Return the network's input: walls, goal and agent in three channels, float32 `(size, size, 3)`."""
    image = np.zeros((*world.walls.shape, 3), np.float32)
    image[..., WALL] = world.walls
    image[(*world.goal, GOAL)] = image[(*place, AGENT)] = 1
    return image


def mazes(
    train_samples: int = 5000,
    test_samples: int = 1000,
    size: int = 11,
    kind: str = "maze",
    density: float = 0.25,
    seed: int = 0,
) -> Dataset:
    """Generate worlds with an agent at a random place of each, and the next move on a shortest path to the goal.

    If several moves are optimal, the first of `MOVES` is the label. Training and test data have different worlds.

    Args:
        train_samples, test_samples: number of samples. Default to 5000 and 1000.
        size: rows and columns of a world; odd for a maze. Defaults to 11.
        kind: `"maze"`: corridors of one cell that form a tree, in which a few further walls are opened; or
            `"obstacles"`: walls drawn cell by cell. Defaults to `"maze"`.
        density: fraction of the cells that are walls, or, in a maze, of the further walls that are opened. Defaults to
            0.25.
        seed: the same seed gives the same data. Defaults to 0.

    Raises:
        ValueError: for a size below 5, an even one for a maze, an unknown kind, a density outside of [0, 0.6], and
            another argument out of range.

    Example:

    >>> data = mazes(train_samples=40, test_samples=10, size=7)
    >>> data.input_shape, data.classes
    ((7, 7, 3), ('up', 'right', 'down', 'left'))
    """
    seed, size = checks.seed(seed), checks.integer("size", size, 5, _LARGEST)
    density = checks.number("density", density, least=0, most=0.6)
    if checks.one_of("kind", kind, ("maze", "obstacles")) == "maze" and size % 2 == 0:
        raise ValueError(checks.invalid("size", "an odd number, for a maze", size))
    sizes = {"train": checks.integer("train_samples", train_samples, 1)}
    sizes["test"] = checks.integer("test_samples", test_samples, 1)
    arrays: dict[str, Any] = {}
    for index, (part, samples) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, index])
        x, y = np.zeros((samples, size, size, 3), np.float32), np.zeros(samples, np.int64)
        for sample in range(samples):
            world, lengths = draw(rng, size, kind, density)
            places = np.argwhere((lengths > 0) & (lengths < _UNREACHED))
            row, column = map(int, places[rng.integers(len(places))])
            place = (row, column)
            x[sample], y[sample] = image_of(world, place), best_move(lengths, place)
        arrays |= {f"x_{part}": x, f"y_{part}": y}
    return Dataset("mazes" if kind == "maze" else "grid_worlds", **arrays, classes=tuple(MOVES))


DATASETS.register("mazes", lambda cache_dir: mazes())
DATASETS.register("grid_worlds", lambda cache_dir: mazes(kind="obstacles"))
