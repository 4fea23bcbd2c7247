"""Pareto dominance: closed forms, and every front against its definition by brute force."""

import math

import numpy as np
import pytest

from kerasnas import pareto


def dominates(one, other):
    """The definition, in plain Python."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))


def random_rewards(objectives, count=60):
    """Small integers, so that many rewards are equal in one objective or in all of them."""
    return np.random.default_rng(objectives).integers(0, 6, (count, objectives)).astype(float)


each_number = pytest.mark.parametrize("objectives", [1, 2, 3])


@each_number
@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8"])
def test_the_front_is_that_of_the_definition(objectives, dtype):
    rewards = random_rewards(objectives).astype(dtype)
    expected = [i for i, own in enumerate(rewards) if not any(dominates(other, own) for other in rewards)]
    assert pareto.non_dominated(rewards).tolist() == expected
    assert pareto.non_dominated(rewards[:0]).tolist() == []


@each_number
def test_fronts_are_those_of_the_definition(objectives):
    rewards = random_rewards(objectives)
    left, expected = list(range(len(rewards))), []
    while left:
        expected.append([i for i in left if not any(dominates(rewards[j], rewards[i]) for j in left)])
        left = [i for i in left if i not in expected[-1]]
    assert [front.tolist() for front in pareto.non_dominated_sort(rewards)] == expected
    assert len(expected) > 1


def test_crowding_distance_in_closed_form():
    rewards = np.array([[0.0, 10], [1, 8], [3, 7], [10, 0]])
    assert pareto.crowding_distance(rewards).tolist() == [math.inf, 3 / 10 + 3 / 10, 9 / 10 + 8 / 10, math.inf]
    assert pareto.crowding_distance(np.ones((3, 2)))[1] == 0  # all alike
    assert np.isinf(pareto.crowding_distance(np.array([[1.0, 2.0]]))).all()
    assert pareto.crowding_distance(np.zeros((0, 2))).shape == (0,)


def test_the_staircase_in_closed_form():
    #        position:  0    1    2    3    4    5
    assert pareto.staircase([2, 1, 3, 3, 1, 5], [0.6, 0.7, 0.9, 0.9, 0.5, 0.8]) == [1, 2]
    assert pareto.staircase([], []) == []


def test_the_staircase_is_the_front_with_equal_points_once():
    points = random_rewards(2)
    costs, values = points.T
    found = pareto.staircase(costs, values)
    front = pareto.non_dominated(np.stack([-costs, values], axis=1))
    assert {tuple(point) for point in points[found]} == {tuple(point) for point in points[front]}
    assert (np.diff(costs[found]) > 0).all() and (np.diff(values[found]) > 0).all()


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: pareto.staircase([1, 2], [1]), "values"),
        (lambda: pareto.non_dominated_sort([[1.0, math.nan]]), "rewards"),
        (lambda: pareto.hypervolume(np.ones((2, 3)), (0, 0)), "rewards"),
        (lambda: pareto.hypervolume(np.ones((2, 2)), (0, 0, 0)), "reference"),
    ],
)
def test_bad_arguments(call, argument):
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        call()


@pytest.mark.parametrize("reference", [(0.0, 0.0), (2.0, -1.0), (4.0, 1.0), (1.0, 4.0), (3.0, 3.0)])
def test_the_hypervolume_is_the_share_of_a_grid(reference):
    """Rewards are whole numbers: unit squares, each dominated or not, have the area."""
    rewards = random_rewards(2, 12)
    squares = [(x, y) for x in range(int(reference[0]), 6) for y in range(int(reference[1]), 6)]
    area = sum(any(x < a and y < b for a, b in rewards) for x, y in squares)
    assert pareto.hypervolume(rewards, reference) == area
    assert pareto.hypervolume(rewards[:0], reference) == pareto.hypervolume(rewards, (9, 9)) == 0
