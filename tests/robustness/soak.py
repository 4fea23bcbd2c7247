"""Long work in one process, which tells memory, threads and open files after each part: `soak.py NAME FOLDER`."""

import gc
import json
import os
import socket
import sys
import threading
from pathlib import Path

import keras
import keras_tuner
import numpy as np
from counting import counted_race

import kerasnas
import tuners
from kerasnas import methods
from kerasnas.datasets import EpisodeSampler
from kerasnas.meta import MAML, Reptile
from kerasnas.networks import few_shot_network

CELLS = kerasnas.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
RNG = np.random.default_rng(0)
X, Y = RNG.random((48, 8, 8, 1)).astype("float32"), np.arange(48) % 3
DATA = {"x": X[:24], "y": Y[:24], "validation_data": (X[24:36], Y[24:36]), "verbose": 0}


_FILES = [0.0]


def tell():
    """A line: memory in MB, Python's threads, all threads, open files.

    Memory is what is the process' own, and the most that it has had of files (its libraries), which a system that is
    short of memory takes away at any time: 400 MB less would hide what grows.
    """
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, of_files = (int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    _FILES[0] = max(_FILES[0], of_files)
    resident = own + _FILES[0]
    counts = [len(os.listdir(f"/proc/self/{kind}")) for kind in ("task", "fd")]
    print("SOAK", json.dumps([resident, threading.active_count(), *counts]), flush=True)


def searches(folder):
    """Two hundred runs from data to report: two of three are gradient searches with their training, one a race."""
    counted_race()
    np.savez(folder / "tiny.npz", x_train=X[:36], y_train=Y[:36], x_test=X[36:], y_test=Y[36:])
    cells = {"space": "darts", "dataset": str(folder / "tiny.npz"), "num_nodes": 1, "stem_strides": 1}
    cells |= {"primitives": ("skip_connect", "max_pool_3x3", "sep_conv_3x3"), "retrain_epochs": 1}
    cells |= {"retrain_filters": 2, "retrain_cells": 2, "retrain_batch_size": 12}
    search = {"filters": 2, "num_cells": 1, "batch_size": 9, "epochs": 2, "random_genotypes": 0, "shortlist": 0}
    for number in range(200):
        settings = methods.SearchConfig(**cells, **search, seed=number)
        if number % 3 == 2:
            settings = methods.RaceConfig(
                dataset=cells["dataset"], minutes=1.5, candidates=3, max_parameters=9000, initializer="none"
            )
        methods.search(settings, folder / str(number), log=lambda line: None)
        tell()


class TellAtEnd:
    """Mixin of a tuner that tells after each trial."""

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        tell()


def supernet_trials(folder):
    """Fifty trials of a `SupernetTuner`."""

    class Told(TellAtEnd, tuners.SupernetTuner):
        pass

    hypermodel = tuners.SupernetHyperModel(CELLS, (8, 8, 1), 3)
    training = tuners.TrainingRecipe(1, 12)
    Told(hypermodel, max_trials=50, training=training, directory=folder).search(**DATA, epochs=1, batch_size=12)


def genotype_trials(folder):
    """Fifty trials of a `GenotypeTuner`."""

    class Told(TellAtEnd, tuners.GenotypeTuner):
        pass

    hypermodel = tuners.GenotypeHyperModel(CELLS, (8, 8, 1), 3)
    Told(tuners.RandomOracle("val_accuracy", 50), hypermodel, directory=folder).search(**DATA, epochs=1, batch_size=12)


def reptile_steps(folder):
    """A thousand steps of Reptile."""
    _meta_steps(Reptile)


def maml_steps(folder):
    """A thousand steps of MAML."""
    _meta_steps(MAML)


def _meta_steps(learner):
    x, y = RNG.random((400, 28, 28, 1), "float32"), np.repeat(np.arange(20), 20)
    sampler = EpisodeSampler(x, y, query_shots=5)
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: tell())
    made = learner(few_shot_network((28, 28, 1), 5, filters=8), inner_steps=2)
    made.compile()
    made.fit(sampler, steps=1000, tasks=4, steps_per_epoch=20, callbacks=[told], verbose=0)


def chief(folder, hours=8, minute=60.0, workers=4):
    """Eight hours of a chief by its own clock: trials of a minute, a worker that dies every ten, heartbeats between."""
    from tuners.distributed.chief import serve
    from tuners.distributed.worker import WorkerOracle

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
        "KERASTUNER_TUNER_ID": "chief",
    }
    now, objective = [0.0], keras_tuner.Objective("val_accuracy", "max")

    def oracle():
        hp = keras_tuner.HyperParameters()
        for name in "abcd":
            hp.Float(name, 0.0, 1.0)
        made = tuners.RandomOracle(objective, 100_000, hyperparameters=hp)
        made.verbose = 0
        made._set_project_dir(str(folder), "project")
        return made

    served = oracle()
    served.leases.clock = lambda: now[0]
    threading.Thread(target=serve, args=(served, folder / "project"), daemon=True).start()

    def worker(name):
        return WorkerOracle(oracle(), name, folder / "project", patience=20)

    names = iter(range(100_000))
    there = {f"w{next(names)}": None for _ in range(workers)}
    there = {name: worker(name) for name in there}
    for number in range(int(hours * 60)):
        trials = {name: one.create_trial(name) for name, one in there.items()}
        if number % 10 == 9:  # one dies in its trial, and another comes
            name = next(iter(there))
            there.pop(name)._stop_beating.set()
            trials.pop(name)
            other = f"w{next(names)}"
            there[other] = worker(other)
        for _ in range(5):
            now[0] += minute / 5
            for name, trial in trials.items():
                served.heartbeat(name, trial.trial_id)
        for name, trial in trials.items():
            there[name].update_trial(trial.trial_id, {"val_accuracy": float(RNG.random())})
            trial.status = "COMPLETED"
            there[name].end_trial(trial)
        if number % 6 == 5:
            tell()
    print("TRIALS", len(served.leases.ended), len(served.trials), flush=True)
    os._exit(0)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
