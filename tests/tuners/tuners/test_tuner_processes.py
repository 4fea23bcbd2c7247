"""The tuners as whole processes: killed and started again, and on two devices."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

HEAD = """
import pathlib, sys, time
import keras, keras_tuner, numpy as np
import tuners
from tests.tuners.small import CHILDREN, SPACE, VALIDATION, X, Y

folder, data = pathlib.Path(sys.argv[1]), {"x": X, "y": Y, "validation_data": VALIDATION, "verbose": 0}
"""
PYTHON = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
KILLED = (
    HEAD
    + """
def log(*words):
    with open(folder / "log.txt", "a") as file:
        print(*words, file=file, flush=True)
    time.sleep(0.1)  # to be killed in

class Log(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        log(type(self.model).__name__, epoch)

class LoggedOneShotTuner(tuners.OneShotTuner):
    def run_trial(self, trial, *args, **kwargs):
        log("child", trial.trial_id)
        return super().run_trial(trial, *args, **kwargs)

training = tuners.TrainingRecipe(epochs=12, batch_size=8)
settings = {"training": training, "directory": folder, "project_name": "project"}
if sys.argv[2] == "supernet":
    hypermodel = tuners.SupernetHyperModel(
        SPACE, (8, 8, 1), 3, filters=[2, 4], trainer_options={"curvature_ratio": None}
    )
    tuner = tuners.SupernetTuner(hypermodel, max_trials=1, **settings)
else:
    tuner = LoggedOneShotTuner(CHILDREN, (8, 8, 1), 3, max_trials=12, retrain_best=1, **settings)
tuner.search(**data, epochs=12, batch_size=4, callbacks=[Log()])
"""
)


def start(folder, which, one_order):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), which],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**PYTHON, **one_order, "KERASTUNER_TUNER_ID": "tuner0"},
    )


def logged(folder, kind):
    path = folder / "log.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(kind)]


def kill_in(folder, which, kind, one_order):
    """Start, and kill in the midst of what is logged as `kind`."""
    process, deadline = start(folder, which, one_order), time.monotonic() + 1200
    while len(logged(folder, kind)) < 3:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[0])
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output


def untimed(text):
    """A JSON file without times and memory, also in the texts of files that it holds, and without their checksums."""
    return re.sub(r'(seconds\\?"|memory_gib\\?"|"bytes"|"checksum"): [0-9.e-]+', r"\1: 0", text)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("which", "kinds"),
    [("supernet", ["BilevelTrainer", "Functional"]), ("one_shot", ["ENASTrainer", "child", "Functional"])],
)
def test_a_search_killed_in_each_phase_resumes_inside_it_and_ends_as_if_uninterrupted(
    which, kinds, one_order, tmp_path
):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    other = start(whole, which, one_order)
    for kind in kinds:
        kill_in(killed, which, kind, one_order)
        assert not list((killed / "project").glob("trial_*/result.json"))
    last = start(killed, which, one_order)
    for process in (last, other):
        output, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, output
    for kind in kinds:
        steps = logged(killed, kind)
        assert sorted(set(steps)) == list(range(12)) == logged(whole, kind)
        assert len(steps) <= 13 and steps.count(0) == 1  # what it was killed in is done again
    files = sorted(
        path.relative_to(whole) for path in whole.glob("project/trial_*/*.json") if "previous" not in path.name
    )
    names = {path.name for path in files}
    assert {"trial.json", "result.json", "genotype.json"} <= names
    for path in files:
        first, second = (json.loads(untimed((run / path).read_text())) for run in (killed, whole))
        first.pop("environment", None), second.pop("environment", None)  # has the memory of the process
        assert first == second, path
    for path in whole.glob("project/supernet/*.npz"):  # the shared weights
        with np.load(path) as first, np.load(killed / path.relative_to(whole)) as second:
            assert set(first.files) == set(second.files)
            different = {name for name in first.files if not np.array_equal(first[name], second[name])}
            assert different <= {"__record__"}, path  # which has times


MIRRORED = (
    """
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
"""
    + HEAD
    + """
def replicas(variable):
    return [np.asarray(one) for one in getattr(variable.value, "values", [variable.value])]

class Replicas(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        alphas = [replicas(one) for one in getattr(model, "architecture_parameters", model.trainable_variables)]
        same = all(np.array_equal(one, copies[0]) for copies in alphas for one in copies)
        print("FIT", type(model).__name__, model.distribute_strategy.num_replicas_in_sync, len(alphas[0]), same)

training = tuners.TrainingRecipe(epochs=1, batch_size=8)
settings = {"training": training, "distribution_strategy": strategy, "directory": folder}
hypermodel = tuners.SupernetHyperModel(SPACE, (8, 8, 1), 3, filters=2)
supernet = tuners.SupernetTuner(hypermodel, max_trials=1, project_name="supernet", **settings)
one_shot = tuners.OneShotTuner(
    CHILDREN, (8, 8, 1), 3, max_trials=2, retrain_best=1, project_name="one_shot", **settings
)
oracle = tuners.EvolutionOracle(SPACE, "val_accuracy", max_trials=1)
stock = keras_tuner.Tuner(
    oracle, tuners.GenotypeHyperModel(SPACE, (8, 8, 1), 3), distribution_strategy=strategy, directory=folder,
    project_name="stock",
)
for tuner in (supernet, one_shot, stock):
    tuner.search(**data, epochs=1, batch_size=8, callbacks=[Replicas()])
    (model,) = tuner.get_best_models()
    print("SCORE", type(tuner).__name__, model.evaluate(*data["validation_data"], verbose=0)[1])
    if tuner is not stock:
        print("RESULT", tuner.result(tuner.best_trials(1)[0])["metrics"]["val_accuracy"])
    else:
        print("RESULT", oracle.get_best_trials()[0].score)
"""
)


def test_on_two_devices_with_a_mirrored_strategy(tmp_path):
    done = subprocess.run([sys.executable, "-c", MIRRORED, str(tmp_path)], capture_output=True, text=True, env=PYTHON)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    fits = [line[1:] for line in lines if line and line[0] == "FIT"]
    both = ["2", "2", "True"]  # replicas, copies of the first variable, which are the same after the epoch
    kinds = ["BilevelTrainer", "Functional", "ENASTrainer", "Functional", "Functional"]
    assert fits == [[kind, *both] for kind in kinds]
    scores = [float(line[-1]) for line in lines if line and line[0] in ("SCORE", "RESULT")]
    assert len(scores) == 6 and scores[::2] == pytest.approx(scores[1::2])
