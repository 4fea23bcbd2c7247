"""Nonsense that was once accepted in silence, and changed the results: refused where it enters."""

import math

import numpy as np
import pytest

from kerasnas import BilevelTrainer, ImageClassifier, datasets, search, spaces
from kerasnas.datasets import load
from kerasnas.trainers.data_split import class_weight_table
from tests.bad_inputs.calls_of_networks import CLASSES, SHAPE, SPACE, X, Y, one_shot, supernet, trainer
from tuners import EvolutionOracle, GenotypeHyperModel, GenotypeTuner, SupernetHyperModel

IDS = np.where(np.arange(24) == 3, 10**12, Y)  # a single label that is an id
WAY_OUT = r"np\.unique\(y, return_inverse=True\)|numpy\.unique\(y, return_inverse=True\)"


def test_ids_are_no_labels_for_a_search():
    with pytest.raises(ValueError, match=WAY_OUT):
        trainer().fit(X, IDS, epochs=1)
    with pytest.raises(ValueError, match=WAY_OUT):
        one_shot().fit(X, IDS, epochs=1)


def test_ids_are_no_labels_where_nothing_says_how_many_classes_there_are():
    with pytest.raises(ValueError, match=WAY_OUT):
        datasets.check_images(X, IDS)


def test_a_test_set_may_have_classes_that_it_lacks_samples_of():
    datasets.check_images(X[:2], np.array([0, 90]), what="test")


def test_ids_are_no_labels_in_a_file(tmp_path):
    np.savez(tmp_path / "data.npz", x_train=X, y_train=IDS, x_test=X, y_test=Y)
    with pytest.raises(ValueError, match=WAY_OUT):
        load(tmp_path / "data.npz")
    np.savez(tmp_path / "data.npz", x_train=X, y_train=Y, x_test=X, y_test=IDS)
    with pytest.raises(ValueError, match=r"labels.*1000000000000"):
        load(tmp_path / "data.npz")


def test_ids_are_names_for_the_estimator():
    """It takes any labels, and numbers them itself."""
    parts = ImageClassifier()._parts(X, np.repeat([7, 10**12], 12), None)
    assert sorted(parts["labels"]) == [7, 10**12] and set(parts["y_train"]) == {0, 1}


def test_a_class_weight_of_an_id_makes_no_table():
    with pytest.raises(ValueError, match="`class_weight`"):
        class_weight_table({10**12: 1.0}, num_classes=None)
    with pytest.raises(ValueError, match="`class_weight`"):
        class_weight_table({CLASSES: 1.0}, num_classes=CLASSES)


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan])
def test_a_controller_has_a_temperature_above_0(temperature):
    with pytest.raises(ValueError, match="`temperature`"):
        search.Controller(SPACE, temperature=temperature)


def test_a_sample_is_of_the_population():
    with pytest.raises(ValueError, match="`sample_size`"):
        search.RegularizedEvolution(SPACE, population_size=2, sample_size=3)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("epochs", 0),
        ("sample_weight", -np.ones(24)),
        ("class_weight", {CLASSES: 1.0}),
        ("callbacks", "all"),
        ("verbose", "loud"),
        ("initial_epoch", -1),
        ("seed", None),
    ],
)
def test_a_search_is_not_begun_with(argument, value):
    with pytest.raises((ValueError, TypeError), match=f"`{argument}`"):
        trainer().fit(X, Y, **{"epochs": 1, argument: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [("learning_rate", math.nan), ("metrics", "accuracy"), ("jit_compile", "yes"), ("optimizer", "sdg"), ("loss", "x")],
)
def test_a_trainer_is_not_compiled_with(argument, value):
    with pytest.raises((ValueError, TypeError), match=f"`{argument}`"):
        trainer().compile(**{argument: value})


@pytest.mark.parametrize(
    ("argument", "value"), [("hypergradient", None), ("objective", "cost"), ("supernet", None), ("max_skips", [1])]
)
def test_a_trainer_is_not_made_with(argument, value):
    with pytest.raises((ValueError, TypeError), match=f"`{argument}`"):
        BilevelTrainer(**{"supernet": supernet(), argument: value})


def test_a_state_is_of_one_space():
    other = search.RandomSearch(spaces.NASBench201Space())
    with pytest.raises(ValueError, match="of space 'darts'"):
        search.RandomSearch(SPACE).set_state({**other.get_state(), "observed": [[[0] * 6, 1.0]]})


@pytest.mark.parametrize("make", [GenotypeHyperModel, SupernetHyperModel])
@pytest.mark.parametrize(("argument", "value"), [("space", None), ("input_shape", None), ("num_classes", None)])
def test_a_hypermodel_has_a_space_and_shapes_before_the_first_trial(make, argument, value):
    right = {"space": SPACE, "input_shape": SHAPE, "num_classes": CLASSES}
    with pytest.raises((ValueError, TypeError), match=f"`{argument}`"):
        make(**{**right, argument: value})


def test_a_project_is_of_one_seed(tmp_path):
    def tuner(seed):
        oracle = EvolutionOracle(SPACE, "val_accuracy", max_trials=2, seed=seed)
        hypermodel = GenotypeHyperModel(SPACE, SHAPE, CLASSES)
        return GenotypeTuner(oracle, hypermodel, directory=tmp_path, project_name="project")

    tuner(0).save()
    tuner(0)
    with pytest.raises(ValueError, match="seed: 0 there, 1 here"):
        tuner(1)
