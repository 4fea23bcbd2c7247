"""Rollouts: an oracle always arrives, and of simple policies it is known which agents do, and in how many moves."""

import keras
import numpy as np
import pytest

from kerasnas.datasets import mazes, roll_out
from kerasnas.datasets.mazes import AGENT, GOAL, MOVES, WALL, World, image_of
from tests.datasets.test_mazes import lengths_of

UP, RIGHT, DOWN, LEFT = range(4)
WORLDS = {kind: mazes(1, 60, 9, kind).x_test for kind in ("maze", "obstacles")}


def places(image):
    return (tuple(map(int, np.argwhere(image[..., channel])[0])) for channel in (GOAL, AGENT))


def constant(move):
    return lambda images: np.eye(4)[np.full(len(images), move)]


def oracle(images):
    return np.eye(4)[[np.argmin(lengths_of(image)[2]) for image in images]]


def ring():
    """Eight places around a wall: an agent at each but the goal, the nearest clockwise first."""
    walls = np.ones((5, 5), bool)
    walls[1:4, 1:4] = False
    walls[2, 2] = True
    clockwise = [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1), (2, 1)]
    goal, *others = reversed(clockwise)
    moves = dict(zip(clockwise, [RIGHT, RIGHT, DOWN, DOWN, LEFT, LEFT, UP, UP], strict=True))

    def policy(images):
        return np.eye(4)[[moves[tuple(places(image))[1]] for image in images]]

    return np.stack([image_of(World(walls, goal), place) for place in others]), policy


@pytest.mark.parametrize("kind", list(WORLDS))
def test_an_oracle_always_arrives_by_a_shortest_path(kind):
    found = roll_out(oracle, WORLDS[kind])
    assert found.success_rate == found.length_ratio == 1
    expected = [lengths[place] for lengths, place, _ in map(lengths_of, WORLDS[kind])]
    assert found.moves.tolist() == found.shortest.tolist() == expected


@pytest.mark.parametrize("kind", list(WORLDS))
@pytest.mark.parametrize("move", [UP, RIGHT, DOWN, LEFT])
def test_of_one_move_alone_those_arrive_that_have_the_goal_straight_ahead(kind, move):
    found = roll_out(constant(move), WORLDS[kind])
    step = np.array(list(MOVES.values())[move])
    for image, reached, moves in zip(WORLDS[kind], found.reached, found.moves, strict=True):
        goal, place = map(np.array, places(image))
        ahead = 0
        while image[(*(place + (ahead + 1) * step), WALL)] == 0 and (place + ahead * step != goal).any():
            ahead += 1
        at_goal = (place + ahead * step == goal).all()
        assert reached == at_goal and moves == ahead + (not at_goal)  # the last one goes into a wall
    assert found.success_rate == found.reached.mean() < 0.5


def test_the_length_of_detours():
    images, clockwise = ring()
    found = roll_out(clockwise, images)
    assert found.reached.all() and found.moves.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert found.shortest.tolist() == [1, 2, 3, 4, 3, 2, 1]
    assert found.length_ratio == pytest.approx((4 + 5 / 3 + 3 + 7) / 7)


def test_a_limit_of_steps():
    images, clockwise = ring()
    found = roll_out(clockwise, images, max_steps=3)
    assert found.reached.tolist() == [True] * 3 + [False] * 4 and found.moves.tolist() == [1, 2, 3, 3, 3, 3, 3]
    assert found.length_ratio == 1  # of those that arrived
    assert np.isnan(roll_out(clockwise, images[3:], max_steps=1).length_ratio)


def test_agents_that_go_round_are_stopped():
    """One place sends them back to the one before it, where they are for the second time; nobody is moved after."""
    images, clockwise = ring()
    seen = []

    def policy(own):
        seen.append(len(own))
        moves = clockwise(own)
        for index, image in enumerate(own):
            if tuple(places(image))[1] == (1, 2):
                moves[index] = np.eye(4)[LEFT]
        return moves

    found = roll_out(policy, images)
    assert found.reached.tolist() == [True] * 5 + [False] * 2 and found.moves.tolist() == [1, 2, 3, 4, 5, 2, 2]
    assert sum(seen) == found.moves.sum() and len(seen) == found.moves.max()


def test_a_model_and_the_function_that_it_is():
    """Scores of a model are read in the order of `MOVES`, and images are not changed."""
    images = WORLDS["maze"].copy()
    model = keras.Sequential([keras.Input(images.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(4)])
    model.set_weights([np.zeros(model.layers[-1].kernel.shape), np.array([0.1, 0.2, 0.7, 0.0])])
    of_model, of_function = roll_out(model, images), roll_out(constant(DOWN), images)
    assert all((one == other).all() for one, other in zip(of_model, of_function, strict=True))
    assert (images == WORLDS["maze"]).all()


def test_a_model_is_not_traced_again_as_fewer_agents_are_under_way():
    images, clockwise = ring()
    images = np.repeat(images, 40, axis=0)  # 280 agents, forty of which arrive with each move

    class Clockwise(keras.layers.Layer):
        sizes = []

        def call(self, inputs):
            self.sizes.append(inputs.shape[0])
            place = keras.ops.sum(inputs[..., AGENT] * table, axis=(1, 2))
            return keras.ops.one_hot(keras.ops.cast(place, "int32"), 4)

    table = np.zeros((5, 5), "float32")
    for image in images[::40]:
        table[tuple(places(image))[1]] = clockwise(image[None]).argmax()
    inputs = keras.Input(images.shape[1:])
    layer = Clockwise()
    found = roll_out(keras.Model(inputs, layer(inputs)), images)
    assert found.reached.all() and found.moves.tolist() == np.repeat([1, 2, 3, 4, 5, 6, 7], 40).tolist()
    assert len(layer.sizes) <= 3  # as it is built, for the first batch, for batches of any size
    with pytest.raises(ValueError, match=r"`policy`.*one output.*2 outputs"):
        roll_out(keras.Model(inputs, [inputs, inputs]), images)


def test_without_a_border_nobody_leaves():
    images = np.zeros((1, 3, 3, 3), "float32")
    images[0, 0, 0, GOAL] = images[0, 2, 2, AGENT] = 1
    assert roll_out(constant(DOWN), images).moves.tolist() == [1]
    assert roll_out(constant(UP), images).moves.tolist() == [3]  # two, and one against the edge


def broken(kind):
    images = WORLDS["maze"][:3].copy()
    goal, _ = places(images[1])
    if kind == "two agents":
        images[1, ..., AGENT] = 1 - images[1, ..., WALL]
    elif kind == "no goal":
        images[1, ..., GOAL] = 0
    elif kind == "at the goal":
        images[1, ..., AGENT] = images[1, ..., GOAL]
    elif kind == "scaled":
        images *= 255
    else:
        images[1, ..., AGENT] = 0
        images[1, 0, 0, AGENT] = 1  # in a wall
        if kind == "no way":  # two places, at a corner and within
            images[1, ..., WALL] = 1
            images[(1, *goal, WALL)] = images[1, 0, 0, WALL] = 0
    return images


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("two agents", r"one agent in each.* in sample 1"),
        ("no goal", r"one goal in each.*0 in sample 1"),
        ("at the goal", "not at the goal.*sample 1"),
        ("in a wall", "agent that is not in a wall.*sample 1"),
        ("no way", "can be reached.*sample 1"),
        ("scaled", "0 and 1.*values from 0 to 255"),
    ],
)
def test_images_that_are_no_worlds(kind, words):
    with pytest.raises(ValueError, match=f"`images`.*{words}"):
        roll_out(constant(UP), broken(kind))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"policy": lambda images: np.zeros((len(images), 10))}, r"`policy`.*\(60, 4\).*up, right, down, left.*60, 10"),
        ({"policy": lambda images: np.full((len(images), 4), np.nan)}, "`policy`.*finite"),
        ({"policy": "up"}, "`policy`"),
        ({"images": np.zeros((2, 9, 9, 1))}, r"`images`.*shape \(2, 9, 9, 1\)"),
        ({"max_steps": 0}, "`max_steps`"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        roll_out(**{"policy": constant(UP), "images": WORLDS["maze"], **arguments})
