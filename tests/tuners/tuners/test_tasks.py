"""Several labels and numbers in tuners: loss and metrics follow from the task, in the search and in the training."""

import keras_tuner
import numpy as np
import pytest

from kerasnas.pipeline import TrainingRecipe
from kerasnas.spaces import NASBench201Space
from kerasnas.tasks import MULTILABEL, Regression
from tuners import GenotypeHyperModel, OneShotTuner, SupernetHyperModel, SupernetTuner

SPACE = NASBench201Space(filters=2, num_cells=1, primitives=["skip_connect", "avg_pool_3x3"])
RNG = np.random.default_rng(0)
X = RNG.random((48, 8, 8, 1)).astype("float32")
LABELS = {"multilabel": (RNG.random((48, 2)) < 0.5).astype("float32"), "regression": RNG.normal(size=(48, 2))}
TASKS = {"multilabel": MULTILABEL, "regression": Regression((0.0, 0.0), (1.0, 1.0))}


@pytest.mark.parametrize("name", TASKS)
def test_a_search_of_supernets(name, tmp_path):
    hypermodel = SupernetHyperModel(SPACE, (8, 8, 1), 2, epochs=1, batch_size=8, task=TASKS[name])
    metric = keras_tuner.Objective("val_f1" if name == "multilabel" else "val_r2", "max")
    tuner = SupernetTuner(
        hypermodel,
        objective=metric,
        max_trials=1,
        training=TrainingRecipe(epochs=1, batch_size=8, task=TASKS[name]),
        report=False,
        directory=tmp_path,
        folds=None,
    )
    tuner.search(X, LABELS[name], validation_split=0.25, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    assert np.isfinite(trial.score)
    assert tuner.get_best_models()[0].output_shape == (None, 2)


def test_genotypes_have_the_loss_of_the_task():
    model = GenotypeHyperModel(SPACE, (8, 8, 1), 2, task=MULTILABEL).build(keras_tuner.HyperParameters())
    assert type(model.loss).__name__ == "BinaryCrossentropy"


def test_tasks_that_do_not_go_together(tmp_path):
    hypermodel = SupernetHyperModel(SPACE, (8, 8, 1), 2, task=MULTILABEL)
    with pytest.raises(ValueError, match=r"`training`.*multilabel.*classification"):
        SupernetTuner(hypermodel, training=TrainingRecipe(), directory=tmp_path)
    with pytest.raises(ValueError, match=r"`training`.*classification.*multilabel"):
        OneShotTuner(SPACE, (8, 8, 1), 2, training=TrainingRecipe(task=MULTILABEL), directory=tmp_path)
    with pytest.raises(ValueError, match="`y`"):
        SupernetTuner(hypermodel, directory=tmp_path, project_name="labels").search(
            X, np.arange(48) % 2, validation_split=0.25
        )
