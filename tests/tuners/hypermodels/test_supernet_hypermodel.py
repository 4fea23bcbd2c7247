"""SupernetHyperModel: what is one value is fixed, what is several is tuned; a trial is one differentiable search."""

import keras
import keras_tuner
import numpy as np
import pytest

import kerasnas
from kerasnas.testing.strategies import GridSpace
from tests.tuners.small import SPACE
from tuners import SupernetHyperModel


def make(**options):
    return SupernetHyperModel(SPACE, input_shape=(8, 8, 1), num_classes=3, **options)


def test_the_learning_rate_of_the_weights_is_tuned_by_default():
    hp = keras_tuner.HyperParameters()
    search = make().build(hp)
    assert isinstance(search, kerasnas.BilevelTrainer) and search.compiled
    assert hp.values == {"learning_rate": 0.025}
    assert {one.name: (one.min_value, one.max_value, one.sampling) for one in hp.space} == {
        "learning_rate": (0.01, 0.1, "log")
    }


def test_hyperparameters_are_what_is_built():
    hypermodel = make(
        filters=[2, 4],
        num_cells=[1, 2],
        relaxation=["softmax", "gumbel"],
        batch_size=[8, 12],
        epochs=[1, 2],
        hypergradient=["first_order", "finite_difference"],
        architecture_learning_rate=(1e-4, 3e-3),
    )
    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    small = hypermodel.build(hp)
    chosen = {"filters": 4, "num_cells": 2, "relaxation": "gumbel", "hypergradient": "finite_difference"}
    chosen |= {"learning_rate": 0.05, "architecture_learning_rate": 1e-3}
    assert set(hp.values) == {*chosen, "batch_size", "epochs"}
    hp.values.update(chosen)
    large = hypermodel.build(hp)
    assert large.supernet.count_params() > small.supernet.count_params()
    assert large.hypergradient == "finite_difference"
    assert type(large.supernet.relaxation) is not type(small.supernet.relaxation)
    rates = [float(np.asarray(one.learning_rate)) for one in large.optimizer.inner]
    assert rates == pytest.approx([0.05, 1e-3])


def test_the_alphas_learn_at_the_rate_that_fits_the_steps():
    """At a fixed 3e-4 a trial of some hundred steps was no search."""
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.inner[1].learning_rate))

    search = make().build(keras_tuner.HyperParameters())
    search.run_eagerly = True
    x, y = np.zeros((40, 8, 8, 1), "float32"), np.arange(40) % 3
    search.fit(x, y, epochs=2000, initial_epoch=1999, steps_per_epoch=1, verbose=0, callbacks=[Rates()])
    assert rates == pytest.approx([30 / 1500 * (1 + np.cos(np.pi * 1499 / 1500)) / 2], abs=1e-9)


def test_fixed_values_are_no_hyperparameters():
    hp = keras_tuner.HyperParameters()
    search = make(filters=3, learning_rate=0.03, architecture_learning_rate=2e-3).build(hp)
    assert not hp.values
    assert search.count_params() > make().build(keras_tuner.HyperParameters()).count_params()


def test_sizes_leave_the_choices_as_they_are():
    with pytest.raises(ValueError, match=r"argument `num_cells`. Expected sizes with the choices of the sp") as caught:
        make(num_cells=[1, 3])  # three cells have normal ones too
    assert "Received: [1, 3]" in str(caught.value)
    with pytest.raises(TypeError, match=r"argument `space`. Expected one of which `filters` can be changed"):
        SupernetHyperModel(GridSpace((2, 2)), (8, 8, 1), 3, filters=4)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"argument `relaxation`. .* Did you mean 'softmax'"):
        make(relaxation=["softmx"])
    with pytest.raises(ValueError, match=r"argument `hypergradient`. .* Did you mean 'unrolled'"):
        make(hypergradient="unroled")
    for rate in ((0.1, 0.01), (0.0, 0.1), -1.0, "fast", (0.1, 0.2, 0.3)):
        with pytest.raises(ValueError, match="argument `learning_rate`"):
            make(learning_rate=rate)
