"""Nonsense that no constraint on a single argument excludes: refused where it enters, instead of changing results."""

import numpy as np
import pytest

from kerasnas import ImageClassifier, search, spaces
from kerasnas.datasets import load
from kerasnas.modalities.lookup import check_images
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.trainers.data_split import class_weight_table
from tuners import EvolutionOracle, GenotypeHyperModel, GenotypeTuner

CLASSES = 3
X, Y = np.zeros((24, 8, 8, 1), "float32"), np.arange(24) % CLASSES
IDS = np.where(np.arange(24) == 3, 10**12, Y)  # a single label that is an id
WAY_OUT = r"np\.unique\(y, return_inverse=True\)|numpy\.unique\(y, return_inverse=True\)"
SPACE = spaces.ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])


def bilevel():
    cells = spaces.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])
    return search.BilevelTrainer(cells.build_supernet(X.shape[1:], CLASSES), auxiliary_skip=0.0)


def one_shot():
    supernet = WeightSharingSupernet(SPACE, X.shape[1:], CLASSES)
    return search.ENASTrainer(supernet, SPACE, search.RandomSearch(SPACE, unique=False))


@pytest.mark.parametrize("make", [bilevel, one_shot])
def test_ids_are_no_labels_for_a_search(make):
    trainer = make()
    trainer.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=WAY_OUT):
        trainer.fit(X, IDS, epochs=1)


def test_ids_are_no_labels_where_the_number_of_classes_is_unknown():
    with pytest.raises(ValueError, match=WAY_OUT):
        check_images(X, IDS)
    check_images(X[:2], np.array([0, 90]), what="test")  # which may lack samples of a class


@pytest.mark.parametrize(("train", "test"), [(IDS, Y), (Y, IDS)])
def test_ids_are_no_labels_in_a_file(tmp_path, train, test):
    np.savez(tmp_path / "data.npz", x_train=X, y_train=train, x_test=X, y_test=test)
    with pytest.raises(ValueError, match=r"labels.*1000000000000"):
        load(tmp_path / "data.npz")


def test_an_estimator_numbers_any_labels_itself():
    parts = ImageClassifier()._arrays(X, np.repeat([7, 10**12], 12), None)
    assert sorted(parts["labels"]) == [7, 10**12] and set(parts["y_train"]) == {0, 1}


@pytest.mark.parametrize(("class_weight", "classes"), [({10**12: 1.0}, None), ({CLASSES: 1.0}, CLASSES)])
def test_a_class_weight_of_an_id_makes_no_table(class_weight, classes):
    with pytest.raises(ValueError, match="`class_weight`"):
        class_weight_table(class_weight, num_classes=classes)


def test_a_sample_is_of_the_population():
    with pytest.raises(ValueError, match="`sample_size`"):
        search.RegularizedEvolution(SPACE, population_size=2, sample_size=3)


def test_a_state_is_of_one_space():
    other = search.RandomSearch(spaces.NASBench201Space())
    with pytest.raises(ValueError, match="of space 'enas_micro'"):
        search.RandomSearch(SPACE).set_state({**other.get_state(), "observed": [[[0] * 6, 1.0]]})


def test_a_project_is_of_one_seed(tmp_path):
    def tuner(seed):
        oracle = EvolutionOracle(SPACE, "val_accuracy", max_trials=2, seed=seed)
        hypermodel = GenotypeHyperModel(SPACE, X.shape[1:], CLASSES)
        return GenotypeTuner(hypermodel, oracle=oracle, directory=tmp_path, project_name="project")

    tuner(0).save()
    tuner(0)
    with pytest.raises(ValueError, match="seed: 0 there, 1 here"):
        tuner(1)
