"""Mazes: every label leads nearer to the goal, by another search than the one that made it."""

import collections
import importlib

import numpy as np
import pytest

from kerasnas.datasets import load, mazes
from kerasnas.datasets.mazes import AGENT, GOAL, MOVES, WALL, all_distances, best_move, draw


def breadth_first(walls, goal):
    found, queue = {goal: 0}, collections.deque([goal])
    while queue:
        row, column = queue.popleft()
        for down, right in MOVES.values():
            place = row + down, column + right
            if not walls[place] and place not in found:
                found[place] = found[row, column] + 1
                queue.append(place)
    return found


def lengths_of(image):
    """Of the image of a world: lengths of the ways to its goal, the agent's place, and the lengths behind each move."""
    goal, place = (tuple(map(int, np.argwhere(image[..., channel])[0])) for channel in (GOAL, AGENT))
    lengths = breadth_first(image[..., WALL] > 0, goal)
    return lengths, place, [lengths.get((place[0] + down, place[1] + right), 10**6) for down, right in MOVES.values()]


@pytest.mark.parametrize("kind", ["maze", "obstacles"])
def test_labels_are_first_moves_of_shortest_paths(kind):
    data = mazes(train_samples=60, test_samples=20, size=9, kind=kind)
    for image, label in zip(data.x_train, data.y_train, strict=True):
        assert image[..., GOAL].sum() == image[..., AGENT].sum() == 1
        lengths, place, options = lengths_of(image)
        assert options[label] == min(options) == lengths[place] - 1 and label == options.index(min(options))


def test_distances_are_those_of_breadth_first_search():
    for seed in range(5):
        world, found = draw(np.random.default_rng(seed), 11, "obstacles", 0.4)
        expected = breadth_first(world.walls, world.goal)
        assert {place: int(found[place]) for place in expected} == expected
        assert (found < np.iinfo(np.int32).max).sum() == len(expected)


def test_mazes_are_connected_and_have_a_border():
    world, lengths = draw(np.random.default_rng(0), 15, "maze", 0.0)
    free = ~world.walls
    assert free.sum() == 7 * 7 + 48  # cells, and as many passages as a tree of them has edges
    assert (lengths < np.iinfo(np.int32).max).sum() == free.sum()
    assert not free[0].any() and not free[:, -1].any()
    opened, _ = draw(np.random.default_rng(0), 15, "maze", 0.5)
    assert (~opened.walls).sum() > free.sum()


def test_the_same_seed_gives_the_same_worlds_and_test_worlds_are_others():
    first, again, other = mazes(40, 40, 7), mazes(40, 40, 7), mazes(40, 40, 7, seed=1)
    assert (first.x_train == again.x_train).all() and (first.x_train != other.x_train).any()
    assert (first.x_train != first.x_test).any()


def test_mazes_and_grid_worlds_by_name(monkeypatch):
    module = importlib.import_module("kerasnas.datasets.mazes")
    monkeypatch.setattr(module, "mazes", lambda **more: mazes(20, 5, 7, **more))  # fewer than 5,000
    for name, kind in (("mazes", "maze"), ("grid_worlds", "obstacles")):
        data = load(name)
        assert data.name == name and (data.x_train == mazes(20, 5, 7, kind=kind).x_train).all()


def test_the_best_move_of_a_corridor():
    walls = np.ones((3, 5), bool)
    walls[1, 1:4] = False
    assert list(MOVES)[best_move(all_distances(walls[None], np.array([[1, 1]]))[0], (1, 3))] == "left"
