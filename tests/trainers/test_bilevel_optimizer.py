"""BilevelOptimizer: two optimizers in one, each on its own level."""

import keras
import numpy as np
import pytest

from kerasnas.relaxations.base import add_alphas
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer


def two_levels():
    """A weight and alphas, with the gradients of a quadratic `|v - 3|^2 / 2`."""
    layer = keras.layers.Layer()
    weight = layer.add_weight(shape=(2,), initializer="ones", name="weight")
    alphas = add_alphas(layer, (1, 3))
    return weight, alphas


def gradients(variables):
    return [keras.ops.convert_to_tensor(variable) - 3.0 for variable in variables]


def make(**options):
    return BilevelOptimizer(
        keras.optimizers.SGD(0.1, momentum=0.9), keras.optimizers.Adam(0.05, beta_1=0.5, beta_2=0.9), **options
    )


@pytest.mark.parametrize("order", [1, -1])
def test_equals_the_two_applied_separately(order):
    pairs = [two_levels(), two_levels()]
    both, (first, second) = make(), make().inner
    for _ in range(5):
        variables = list(pairs[0])[::order]
        both.apply(gradients(variables), variables)
        weight, alphas = pairs[1]
        first.apply(gradients([weight]), [weight])
        second.apply(gradients([alphas]), [alphas])
    for left, right in zip(*pairs, strict=True):
        assert np.array_equal(left.numpy(), right.numpy())
    assert int(both.iterations) == 5


def test_one_level_alone():
    weight, alphas = two_levels()
    both = make()
    both.build([weight, alphas])
    before = alphas.numpy()
    both.apply(gradients([weight]), [weight])
    assert np.array_equal(before, alphas.numpy())
    assert not np.array_equal(weight.numpy(), np.ones(2))


def test_variables_hold_both_states():
    weight, alphas = two_levels()
    both = make()
    both.build([weight, alphas])
    inner = [variable for optimizer in both.inner for variable in optimizer.variables]
    assert {id(v) for v in inner} <= {id(v) for v in both.variables}
    assert both.inner[0].variables and any("momentum" in v.path for v in both.variables)
    assert any("velocity" in v.path for v in both.variables)


def test_config_round_trip():
    both = make(name="levels")
    config = keras.saving.serialize_keras_object(both)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is BilevelOptimizer
    assert again.get_config() == both.get_config()
    assert [type(optimizer) for optimizer in again.inner] == [keras.optimizers.SGD, keras.optimizers.Adam]
    assert again.inner[1].beta_1 == 0.5


def test_names_are_taken_as_keras_takes_them():
    both = BilevelOptimizer("adam", "rmsprop")
    assert [type(optimizer) for optimizer in both.inner] == [keras.optimizers.Adam, keras.optimizers.RMSprop]


def test_one_object_for_both_is_refused():
    shared = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="an optimizer each"):
        BilevelOptimizer(shared, shared)
