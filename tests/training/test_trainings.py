"""Trainings through executors: the same records as in one process, wherever they run and whoever is killed."""

import json
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.executors.processes import Processes
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.racing import Shortlist, run_shortlist
from kerasnas.spaces import DARTSSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.trainings import Trainings

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])
NAMES = {
    "a": Genotype("darts", {"reduce": [("avg_pool_3x3", 0, 2), ("skip_connect", 1, 2)]}),
    "b": Genotype("darts", {"reduce": [("skip_connect", 0, 2), ("skip_connect", 1, 2)]}),
}


class Elsewhere(Executor):
    """What a worker of another machine sees: copies, and another folder."""

    workers = 2

    def __init__(self, folder):
        self.folder, self.numbers = folder, []

    def completed(self, function, items, shared=None):
        for number, item in reversed(list(enumerate(items))):
            there, own = ForkingPickler.loads(ForkingPickler.dumps((function, shared)))
            if isinstance(own, Trainings):
                own.stages.path = self.folder
            self.numbers.append(number)
            yield number, there(own, item)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 8, 8, 1)).astype("float32"), np.arange(64) % 3
    return (x[:32], y[:32]), (x[32:], y[32:])


def trainings(stages, data, epochs=2, rate=0.1):
    recipe = TrainingRecipe(epochs=epochs, batch_size=8, learning_rate=rate)
    return Trainings(NetworkTraining(SPACE, (8, 8, 1), 3, recipe), stages, *data, 0, "val")


def without_seconds(record):
    return {name: value for name, value in record.items() if name != "seconds"}


def records(folder, data, executor, **settings):
    found = dict(trainings(Stages(folder), data, **settings).run(executor, NAMES))
    return {name: without_seconds(found[name]) for name in NAMES}


@pytest.mark.slow
def test_a_folder_of_another_machine_changes_nothing(tmp_path, data):
    here = records(tmp_path / "here", data, Local())
    there = Elsewhere(tmp_path / "node")
    assert records(tmp_path / "run", data, there) == here and there.numbers == [1, 0]
    written = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "run" / "stages").iterdir()}
    assert {name: without_seconds(record) for name, record in written.items()} == here
    assert records(tmp_path / "run", data, there) == here and there.numbers == [1, 0]  # nothing again


def test_a_loss_that_is_not_finite_is_none_and_no_record(tmp_path, data):
    own = trainings(Stages(tmp_path / "run"), data, rate=1e30)
    found = dict(own.run(Elsewhere(tmp_path / "node"), {"a": NAMES["a"]}))
    assert found == {"a": None} and Stages(tmp_path / "run").stage("a") is None


@pytest.mark.slow
def test_a_shortlist_is_the_same_in_any_order(tmp_path, data):
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(epochs=2, batch_size=8))
    found, settings = list(NAMES.values()), Shortlist(2, (4,), evaluations=2)
    here = run_shortlist(Stages(tmp_path / "here"), settings, found, training, *data, log=str)
    there = run_shortlist(
        Stages(tmp_path / "run"), settings, found, training, *data, log=str, executor=Elsewhere(tmp_path / "node")
    )
    assert without_seconds(there) == without_seconds(here)


@pytest.mark.slow
def test_processes_give_what_one_gives_and_a_kill_costs_an_epoch(tmp_path, data, one_order, monkeypatch):
    for name, value in one_order.items():
        monkeypatch.setenv(name, value)
    with Processes(1) as one:
        alone = records(tmp_path / "one", data, one, epochs=20)
    with Processes(2) as two:
        together = records(tmp_path / "two", data, two, epochs=20)
        assert together == alone
        found = {}
        thread = threading.Thread(target=lambda: found.update(records(tmp_path / "killed", data, two, epochs=20)))
        thread.start()
        folder = tmp_path / "killed" / "checkpoints"
        while not (begun := list(folder.glob("*/checkpoint-*"))):
            time.sleep(0.001)
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)
        thread.join()
    assert found == alone and len(begun[0].name) == len("checkpoint-000001.npz")
