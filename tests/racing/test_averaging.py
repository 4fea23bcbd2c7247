"""The average of weights, against its closed form, and left where it belongs."""

import keras
import numpy as np
import pytest

from kerasnas.racing.entrants.averaging import WeightAverage


def network():
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1)]
    )


@pytest.mark.parametrize("eta", [0.0, 2.0, 8.0])
def test_average_is_the_published_weighted_mean(eta):
    """The weight of step t among n is the product that the recursion unrolls to."""
    model, rng = network(), np.random.default_rng(0)
    average, past = WeightAverage(model, eta, every=1), []
    for step in range(1, 9):
        past.append([rng.standard_normal(v.shape) for v in model.weights[:2]])
        for variable, value in zip(model.weights, past[-1], strict=False):
            variable.assign(value)
        average.update(step)
    n = len(past)
    gammas = [(1 + eta) / (t + eta) for t in range(1, n + 1)]
    shares = [gammas[t] * np.prod([1 - gamma for gamma in gammas[t + 1 :]]) for t in range(n)]
    assert sum(shares) == pytest.approx(1)
    for index in range(2):
        expected = sum(share * values[index] for share, values in zip(shares, past, strict=True))
        np.testing.assert_allclose(average.values[index], expected, rtol=1e-5)


def test_statistics_take_part_and_random_states_do_not():
    model = network()
    average = WeightAverage(model, every=1)
    kernel, moving = model.layers[0].kernel, model.layers[1].moving_mean
    before, seeds = kernel.numpy(), model.layers[2].seed_generator.state.numpy()
    kernel.assign(kernel + 1.0)
    moving.assign([5.0, 6.0])
    average.update(1)
    moving.assign([7.0, 8.0])
    model(np.ones((1, 3)), training=True)
    with average.applied():
        np.testing.assert_allclose(kernel, before + 1)
        np.testing.assert_allclose(moving, [5.0, 6.0])
        assert (model.layers[2].seed_generator.state.numpy() != seeds).any()
    assert abs(moving.numpy() - [7.0, 8.0]).max() < 0.1
    average.apply()
    np.testing.assert_allclose(moving, [5.0, 6.0])


def test_an_error_inside_leaves_the_own_weights():
    model = network()
    average = WeightAverage(model)
    model.layers[0].kernel.assign(np.full((3, 2), 3.0))
    with pytest.raises(KeyError), average.applied():
        raise KeyError
    np.testing.assert_array_equal(model.layers[0].kernel, np.full((3, 2), 3.0))


def test_of_every_four_steps_one_counts():
    model = network()
    average = WeightAverage(model)
    for step in range(1, 8):
        model.layers[0].kernel.assign(np.full((3, 2), float(step)))
        average.update(step)
    # 1 + eta steps weigh what is past by 0: step 4, the first that counts, is all there is.
    np.testing.assert_allclose(average.values[0], np.full((3, 2), 4.0), rtol=1e-6)
