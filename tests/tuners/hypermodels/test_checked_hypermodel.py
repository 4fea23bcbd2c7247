"""CheckedHyperModel and TunedFit: a model that cannot be trained ends the search; batch sizes and epochs are tuned."""

import keras
import keras_tuner
import pytest

from kerasnas import DARTSSpace
from kerasnas.testing.strategies import GridSpace
from tuners import GenotypeHyperModel, SupernetHyperModel
from tuners.hypermodels.checked_hypermodel import CheckedHyperModel, TunedFit, check_data, require_compiled

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


@pytest.mark.parametrize("as_class", [False, True])
def test_models_that_are_none_or_not_compiled_are_an_error_at_once(as_class, tmp_path):
    """Stock tuners take a None for a space without hyperparameters, and an uncompiled model for a failed trial."""

    def check(build, **options):
        class Own(keras_tuner.HyperModel):
            def build(self, hp):
                return build(hp)

        hypermodel = CheckedHyperModel(Own() if as_class else build)
        return keras_tuner.RandomSearch(hypermodel, objective="loss", max_trials=1, directory=tmp_path, **options)

    with pytest.raises(TypeError, match=r"returned None. Expected a compiled Keras model: does it end with `return"):
        check(lambda hp: None)
    with pytest.raises(TypeError, match=r"returned 3 of type int"):
        check(lambda hp: 3)
    with pytest.raises(ValueError, match=r"left the model uncompiled. Call `model.compile"):
        check(lambda hp: keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(TypeError, match=r"argument `hypermodel`"):
        CheckedHyperModel("model")


def test_a_hypermodel_keeps_its_declarations_and_its_fit():
    hp, hypermodel = keras_tuner.HyperParameters(), CheckedHyperModel(Own(name="mine", tunable=False))
    hypermodel.declare_hyperparameters(hp)
    assert hp.values == {"units": 1} and (hypermodel.name, hypermodel.tunable) == ("mine", False)
    hp.values["units"] = 3
    model = hypermodel.build(hp)
    assert model.output_shape == (None, 3)
    assert hypermodel.fit(hp, model, X, epochs=2) == {"loss": 3.0, "epochs": 2}


def test_a_function_is_trained_by_keras(monkeypatch):
    hp, hypermodel = keras_tuner.HyperParameters(), CheckedHyperModel(lambda hp: compiled(hp.Int("units", 2, 4)))
    hypermodel.declare_hyperparameters(hp)
    assert not hp.values
    model = hypermodel.build(hp)
    monkeypatch.setattr(model, "fit", lambda *args, **kwargs: (args, kwargs))
    assert hp.values == {"units": 2} and hypermodel.fit(hp, model, X, epochs=2) == ((X,), {"epochs": 2})


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
    with pytest.raises(ValueError, match=r"argument `epochs`. Expected positive integers"):
        tuned(epochs=[0])


@pytest.mark.parametrize("kind", [GenotypeHyperModel, SupernetHyperModel])
@pytest.mark.parametrize(
    ("argument", "wrong", "error"),
    [
        *(("space", wrong, TypeError) for wrong in (None, "darts", DARTSSpace)),
        *(
            ("input_shape", wrong, ValueError)
            for wrong in (None, (), 8, "8,8,1", (8, 8), (8, 8, None), (8, 8, 0), (8, 8, 0.5))
        ),
        *(("num_classes", wrong, ValueError) for wrong in (None, 0, "3", 2.0)),
    ],
)
def test_no_hypermodel_is_made_of_what_is_no_space_or_no_shape(kind, argument, wrong, error):
    """Before, a search began and each trial failed."""
    right = {"space": DARTS, "input_shape": (8, 8, 1), "num_classes": 3}
    kind(**right)
    with pytest.raises(error, match=f"argument `{argument}`"):
        kind(**{**right, argument: wrong})


@pytest.mark.parametrize("wrong", [None, (), "12", (0,), (None,)])
def test_a_space_without_a_skeleton_has_a_shape_too(wrong):
    check_data(GridSpace((2, 2)), (12,), 3)
    with pytest.raises(ValueError, match="argument `input_shape`"):
        check_data(GridSpace((2, 2)), wrong, 3)
