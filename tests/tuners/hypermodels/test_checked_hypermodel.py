"""TunedFit: a model that cannot be trained ends the search; batch sizes and epochs are tuned."""

import keras
import keras_tuner
import pytest

from kerasnas import DARTSSpace
from kerasnas.testing.strategies import GridSpace
from tuners import GenotypeHyperModel, SupernetHyperModel
from tuners.hypermodels.checked_hypermodel import TunedFit, require_compiled

DARTS = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
X = [[0.0]]


def compiled(units=1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    model.compile("sgd", "mse")
    return model


class Own(keras_tuner.HyperModel):
    """Declares what `build` does not ask for, and trains in its own way."""

    def declare_hyperparameters(self, hp):
        hp.Int("units", 1, 4)

    def build(self, hp):
        return compiled(hp.get("units"))

    def fit(self, hp, model, *args, **kwargs):
        return {"loss": float(hp.get("units")), **kwargs}


def test_a_compiled_model_is_returned_as_it_is():
    model = compiled()
    assert require_compiled(model, "build") is model


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (None, TypeError, r"returned None. Expected a compiled Keras model: does it end with `return"),
        (3, TypeError, r"returned 3 of type int"),
        (keras.Sequential([keras.layers.Dense(1)]), ValueError, r"left the model uncompiled. Call `model.compile"),
    ],
)
def test_models_that_are_none_or_not_compiled_are_an_error(model, error, words):
    with pytest.raises(error, match=words):
        require_compiled(model, "build")


def tuned(**options):
    return TunedFit(DARTS, (8, 8, 1), 3, **options)


def test_batch_size_and_epochs_are_tuned():
    calls = []

    class Model:
        def fit(self, *args, **kwargs):
            calls.append(kwargs)

    hypermodel = tuned(batch_size=[4, 8], epochs=[2, 3])
    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    assert {one.name: one.values for one in hp.space} == {"batch_size": [4, 8], "epochs": [2, 3]}
    hp.values.update(batch_size=8, epochs=3)
    hypermodel.fit(hp, Model(), X, verbose=0)
    hp.values["tuner/epochs"] = 9  # of a multi-fidelity oracle
    hypermodel.fit(hp, Model(), X)
    tuned(batch_size=16).fit(keras_tuner.HyperParameters(), Model(), X, epochs=4)
    assert calls == [
        {"verbose": 0, "batch_size": 8, "epochs": 3},
        {"batch_size": 8, "epochs": 9},
        {"batch_size": 16, "epochs": 4},
    ]
    with pytest.raises(ValueError, match=r"`search` received batch_size=4, but the hypermodel was made with"):
        hypermodel.fit(hp, Model(), X, batch_size=4)
    with pytest.raises(ValueError, match=r"argument `epochs`. Expected a positive integer"):
        tuned(epochs=[0])


@pytest.mark.parametrize("kind", [GenotypeHyperModel, SupernetHyperModel])
@pytest.mark.parametrize(
    ("argument", "wrong", "error"),
    [
        ("space", DARTSSpace, TypeError),
        *(("input_shape", wrong, ValueError) for wrong in ((), (8, 8), (8, 8, 0))),
        ("num_classes", 0, ValueError),
    ],
)
def test_no_hypermodel_is_made_of_what_is_no_space_or_no_shape(kind, argument, wrong, error):
    """Before, a search began and each trial failed."""
    right = {"space": DARTS, "input_shape": (8, 8, 1), "num_classes": 3}
    kind(**right)
    with pytest.raises(error, match=f"argument `{argument}`"):
        kind(**{**right, argument: wrong})


@pytest.mark.parametrize("wrong", [(), (0,)])
def test_a_space_without_a_skeleton_has_a_shape_too(wrong):
    GenotypeHyperModel(GridSpace((2, 2)), (12,), 3)
    with pytest.raises(ValueError, match="argument `input_shape`"):
        GenotypeHyperModel(GridSpace((2, 2)), wrong, 3)
