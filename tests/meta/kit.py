"""What the tests of this folder compare: values of variables, meta-gradients, configurations."""

import keras
import numpy as np
from keras import ops

from kerasnas.backend import values
from kerasnas.datasets.tasks import Episode
from kerasnas.meta import SearchExperience
from tests.strategies.kit import SPACE, architectures


def experience(reward, count=60, seed=0, space=SPACE, name="task"):
    """The record of a random search."""
    observations = tuple((cell, float(reward(cell))) for cell in architectures(count, seed, space))
    return SearchExperience(space.name, space.cardinalities, observations, name)


def linear_tasks(tasks=3):
    """Linear regressions in float64: x (tasks, samples, 4), y (tasks, samples, 1)."""
    rng = np.random.default_rng(0)
    x, x_query = rng.standard_normal((tasks, 5, 4)), rng.standard_normal((tasks, 7, 4))
    truth = rng.standard_normal((tasks, 4, 1))
    return Episode((x, x @ truth), (x_query, x_query @ truth))


def arrays(variables):
    """Copies of the values of variables."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def same(first, second):
    """Assert that all arrays are equal, to the bit."""
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def state_of(learner):
    """The values that a meta-gradient is taken at."""
    return values(learner.trainable_variables), values(learner.non_trainable_variables)


def gradients_of(learner, episode):
    """The meta-gradient of a batch of tasks, as arrays by the path of the variable."""
    _, gradients = learner.meta_gradients(*state_of(learner), (episode.support, episode.query))
    pairs = zip(learner.trainable_variables, gradients, strict=True)
    return {
        variable.path.removeprefix(f"{learner.name}/"): ops.convert_to_numpy(gradient) for variable, gradient in pairs
    }


def assert_central_differences(learner, episode, received, groups=("",)):
    """Assert that `received` are the slopes of the loss along random directions in variables whose name has a group."""
    point, state = state_of(learner)

    def loss(trainable):
        (results, _), _ = learner.meta_gradients(trainable, state, (episode.support, episode.query))
        return float(ops.mean(results["loss"]))

    rng = np.random.default_rng(0)
    for group in groups:
        chosen = [group in name for name in received]
        assert any(chosen)
        direction = [rng.standard_normal(part.shape) * own for part, own in zip(point, chosen, strict=True)]
        ends = [loss([p + sign * 1e-5 * d for p, d in zip(point, direction, strict=True)]) for sign in (1, -1)]
        slope = sum(np.sum(g * d) for g, d in zip(received.values(), direction, strict=True))
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, err_msg=group)


def assert_saved_whole(learner, folder):
    """Save and load a learner; assert that its settings and all of its variables are the same, and return it."""
    learner.save(folder / "learner.keras")
    loaded = keras.models.load_model(folder / "learner.keras")
    settings, others = ({**each.get_config(), "model": None} for each in (learner, loaded))
    assert settings == others and loaded.compiled and type(loaded.optimizer) is type(learner.optimizer)
    assert loaded.get_compile_config()["scheduled"] == learner.get_compile_config()["scheduled"]
    same(arrays(learner.variables), arrays(loaded.variables))
    return loaded
