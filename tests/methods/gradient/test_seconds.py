"""The seconds of a stage add up over the processes that worked on it."""

import time

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.files.stages import Stages
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.search_stage import run_search

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
RNG = np.random.default_rng(0)
DATA = RNG.random((24, 8, 8, 1)).astype("float32"), np.arange(24) % 3
NAP = 0.3


class Interrupted(keras.callbacks.Callback):
    """Sleeps through its first epoch; the process ends with the second."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        time.sleep(NAP)


def search(stages, *callbacks):
    def build():
        trainer = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3, seed=0))
        trainer.compile(run_eagerly=True)
        return trainer

    fit = {"epochs": 2, "batch_size": 4, "verbose": 0}
    return run_search(stages, build, DATA, fit, lambda: callbacks, log=lambda line: None)


def train(stages, *callbacks):
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(2, 8))
    genotype = SPACE.sample(np.random.default_rng(0))
    return training.run(stages, "one", genotype, DATA, DATA, callbacks=lambda: callbacks, log=lambda line: None)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [search, train])
def test_seconds_add_up(tmp_path, stage):
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        stage(Stages(tmp_path), Interrupted())
    resumed = time.perf_counter()
    record = stage(Stages(tmp_path))
    ended = time.perf_counter()
    assert ended - resumed + NAP < record["seconds"] < ended - began
