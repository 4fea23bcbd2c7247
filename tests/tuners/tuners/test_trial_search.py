"""TrialSearch: the search of a trial in a worker, and folds there, as here."""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.reduction import ForkingPickler

import keras_tuner
import pytest

import kerasnas
from kerasnas.executors.processes import Processes
from kerasnas.training.network_training import NetworkTraining
from tests.tuners.small import EAGER, SPACE, X, Y
from tuners import SupernetHyperModel, SupernetTuner, TrainingRecipe
from tuners.tuners.supernet_tuner import TrialSearch
from tuners.tuners.trial_networks import TrialNetworks, silent

RECIPE = TrainingRecipe(epochs=2, batch_size=12)


def hypermodel():
    return SupernetHyperModel(SPACE, (8, 8, 1), 3, filters=[2], compile_options=EAGER)


def test_a_copy_in_a_worker_is_the_same_search_and_silent(noted_scope, tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("filters", 2)
    networks = TrialNetworks(NetworkTraining(SPACE, (8, 8, 1), 3, RECIPE), 2, False, noted_scope, [].append)
    search = TrialSearch(hypermodel(), hp, None, networks, tmp_path, "0", 7, {"epochs": 1}, None, lambda line: None)
    there = ForkingPickler.loads(ForkingPickler.dumps(search))
    assert there.taken_over is there.networks.say is silent
    with there.networks.scope():
        assert not noted_scope.notes
    assert there.hyperparameters.values == {"filters": 2} and (there.seed, there.folder) == (7, tmp_path)
    assert [own.shape for own in there._build().variables] == [own.shape for own in search._build().variables]
    assert noted_scope.notes == ["entered", "left"]


@pytest.mark.slow
def test_folds_in_workers_are_those_of_this_process_and_a_kill_loses_nothing(tmp_path, one_order, monkeypatch, capsys):
    """Each fold's search leaves checkpoints, from which another worker continues."""
    for name, value in one_order.items():
        monkeypatch.setenv(name, value)
    supernet = SPACE.build_supernet((8, 8, 1), 3, seed=5)
    options = {"folds": 2, "max_trials": 1, "training": RECIPE, "report": False, "project_name": "project"}
    options["initializer"] = kerasnas.meta.ReptileInitializer(supernet)
    folds, killed = {}, []

    def kill():
        while not list((tmp_path / "there").rglob("fold_0/**/*.npz")):
            time.sleep(0.01)
        killed.append(multiprocessing.active_children()[0])
        os.kill(killed[0].pid, signal.SIGKILL)

    with Processes(2) as executor:
        thread = threading.Thread(target=kill)
        thread.start()
        for name, own in (("there", executor), ("here", None)):
            tuner = SupernetTuner(hypermodel(), executor=own, directory=tmp_path / name, **options)
            tuner.search(X, Y, batch_size=6, epochs=3, verbose="rows")
            folds[name] = tuner.result("0")["folds"]
            assert "Warm start:" in capsys.readouterr().out
        thread.join()
        assert killed[0].pid not in {child.pid for child in multiprocessing.active_children()}
    assert len(folds["here"]) == 2
    for own, other in zip(folds["there"], folds["here"], strict=True):
        assert own == pytest.approx(other, rel=1e-5)
