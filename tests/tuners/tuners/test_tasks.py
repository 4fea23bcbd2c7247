"""Several labels and numbers in tuners: loss and metrics follow from the task, in the search and in the training."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.search import ENASTrainer
from kerasnas.spaces import ENASMicroSpace, NASBench201Space
from kerasnas.tasks.known import MULTILABEL
from kerasnas.tasks.regression import Regression
from kerasnas.training.recipe import TrainingRecipe
from tuners import EvolutionOracle, GenotypeHyperModel, OneShotTuner, SupernetHyperModel, SupernetTuner

SPACE = NASBench201Space(filters=2, num_cells=1, primitives=["skip_connect", "avg_pool_3x3"])
CHILDREN = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
RNG = np.random.default_rng(0)
X = RNG.random((24, 8, 8, 1)).astype("float32")
LABELS = {"multilabel": (RNG.random((24, 2)) < 0.5).astype("float32"), "regression": RNG.normal(size=(24, 2))}
TASKS = {"multilabel": MULTILABEL, "regression": Regression((0.0, 0.0), (1.0, 1.0))}


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", ["multilabel", "regression"])
def test_shared_weights_and_the_best_from_scratch(name, tmp_path):
    training = TrainingRecipe(epochs=1, batch_size=8, task=TASKS[name])
    options = {"max_trials": 3, "retrain_best": 1, "training": training, "report": False, "directory": tmp_path}
    tuner = OneShotTuner(CHILDREN, (8, 8, 1), 2, **options)
    tuner.search(X, LABELS[name], validation_split=0.25, epochs=1, batch_size=8, verbose=0)
    assert tuner.objective.name == {"multilabel": "val_f1", "regression": "val_r2"}[name]
    assert len({trial.score for trial in tuner.oracle.get_best_trials(3)}) > 1
    assert tuner.result(tuner.trained_trials()[0])["metrics"].keys() >= {tuner.objective.name}


@pytest.mark.parametrize("name", TASKS)
def test_children_are_rewarded_by_the_score_of_the_task(name):
    trainer = ENASTrainer(CHILDREN.build_supernet((8, 8, 1), 2), CHILDREN)
    trainer.compile(loss=TASKS[name].loss(), metrics=[], run_eagerly=True)
    child = CHILDREN.sample(RNG)
    outputs = trainer.supernet(X, architecture=CHILDREN.encode(child)).numpy()
    expected = {
        "multilabel": ((outputs > 0) == (LABELS[name] > 0.5)).mean(),
        "regression": 1 - ((outputs - LABELS[name]) ** 2).mean(),
    }
    assert trainer.reward(child, X, LABELS[name]) == pytest.approx(expected[name], rel=1e-4)
    with pytest.raises(ValueError, match="with a label `y` each"):
        trainer.reward(child, X, LABELS[name][:, :1])


def test_genotypes_have_the_loss_of_the_task():
    model = GenotypeHyperModel(SPACE, (8, 8, 1), 2, task=MULTILABEL).build(keras_tuner.HyperParameters())
    assert type(model.loss).__name__ == "BinaryCrossentropy"


def test_tasks_that_do_not_go_together(tmp_path):
    hypermodel = SupernetHyperModel(SPACE, (8, 8, 1), 2, task=MULTILABEL)
    with pytest.raises(ValueError, match=r"`training`.*multilabel.*classification"):
        SupernetTuner(hypermodel, training=TrainingRecipe(), directory=tmp_path)
    oracle = EvolutionOracle(CHILDREN, "val_accuracy", max_trials=2)
    with pytest.raises(ValueError, match=r"`oracle`. Expected the objective 'val_score'"):
        OneShotTuner(
            CHILDREN, (8, 8, 1), 2, training=TrainingRecipe(task=MULTILABEL), oracle=oracle, directory=tmp_path
        )
    with pytest.raises(ValueError, match="`y`"):
        SupernetTuner(hypermodel, directory=tmp_path, project_name="labels").search(
            X, np.arange(24) % 2, validation_split=0.25
        )
