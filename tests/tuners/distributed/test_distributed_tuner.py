"""Chief and workers in processes of their own, which are killed, come late, and come back."""

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras_tuner
import pytest

from kerasnas.spaces import NASBench201Space
from kerasnas.testing.strategies import GridSpace
from tests.files.test_leftovers import dead
from tests.tuners.small import OBJECTIVE
from tuners import DistributedTuner, GenotypeHyperModel, GenotypeTuner, OneShotTuner, PredictorOracle
from tuners.persistence.seals import DamagedFileError

HERE = Path(__file__).parent


class Processes:
    """The processes of one search, and what they do."""

    def __init__(self, server, folder):
        self.server, self.folder, self.started = server, folder, {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def environment(self, name, **more):
        chief = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": self.port}
        return {**chief, "KERASTUNER_TUNER_ID": name, "SEARCH_FOLDER": str(self.folder), **more}

    def start(self, *names, **env):
        for name in names:
            log = str(self.folder / f"log.{name}")
            self.started[name] = self.server(env=self.environment(name, **env), log=log)

    def programs(self, program, *arguments):
        """Start a program as such, as chief and two workers."""
        python = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
        return [
            subprocess.Popen(
                [sys.executable, str(program), *map(str, arguments)],
                stdout=subprocess.PIPE,
                text=True,
                env={**python, **self.environment(name)},
            )
            for name in ("chief", "w1", "w2")
        ]

    def kill(self, name):
        os.kill(self.started[name], signal.SIGKILL)
        assert self.exit_code(name, 10) == -signal.SIGKILL

    def exit_code(self, name, seconds):
        """The exit status of the process, which ends within this number of seconds."""
        end = time.monotonic() + seconds
        while (code := self.server(wait=self.started[name])) is None:
            assert time.monotonic() < end, f"{name} has not left:\n{self.logs()}"
            time.sleep(0.05)
        del self.started[name]
        return code

    def runs(self):
        """The notes of the trials' runs: (trial, what, worker)."""
        path = self.folder / "runs"
        return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []

    def until(self, happened, seconds=30):
        end = time.monotonic() + seconds
        while not happened(self.runs()):
            assert time.monotonic() < end, self.logs()
            time.sleep(0.02)

    def log(self, name):
        return (self.folder / f"log.{name}").read_text()

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("log.*")))

    def all_leave(self, code, seconds=40):
        for name in list(self.started):
            assert self.exit_code(name, seconds) == code, self.logs()

    def close(self):
        for pid in self.started.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server(forking):
    modules = ("tuners", "tuners.distributed.chief", "tuners.distributed.worker")
    with forking(HERE / "search_program.py", *modules) as made:
        yield made


@pytest.fixture
def processes(server, tmp_path):
    made = Processes(server, tmp_path)
    yield made
    made.close()


class Untrained(GenotypeTuner):
    """A trial leaves the files that KerasTuner's own would, of nothing."""

    def run_trial(self, trial, **kwargs):
        folder = Path(self.get_trial_dir(trial.trial_id))
        (folder / "checkpoint.weights.h5").write_bytes(b"weights")
        (folder / "build_config.json").write_text("{}")
        return {"val_accuracy": 0.5}

    def _populate_initial_space(self):
        pass


def untrained(folder, **options):
    oracle = PredictorOracle(GridSpace((3, 3)), OBJECTIVE, 1)
    tuner = Untrained(lambda hp: None, oracle=oracle, directory=str(folder), project_name="project", **options)
    tuner.search(verbose=0)
    return tuner, oracle.trials["0"], folder / "project" / "trial_0"


def test_the_files_of_a_stock_training_are_sealed(tmp_path, monkeypatch):
    tuner, trial, folder = untrained(tmp_path)
    loaded = []
    monkeypatch.setattr(keras_tuner.Tuner, "load_model", lambda self, trial: loaded.append(trial.trial_id))
    (folder / "build_config.json").write_text("")
    with pytest.warns(UserWarning, match=r"build_config.json cannot be used .*It is written again"):
        tuner.load_model(trial)
    assert loaded == ["0"] and (folder / "build_config.json").read_text() == "{}"
    (folder / "checkpoint.weights.h5").write_bytes(b"weighty")
    with pytest.raises(DamagedFileError, match=r"checkpoint.weights.h5 cannot be used: .*Restore it from a copy"):
        tuner.load_model(trial)
    assert loaded == ["0"]


def test_a_seal_that_cannot_be_written_does_not_end_a_search(tmp_path, monkeypatch):
    def full(folder, names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tuners.persistence.seals.seal", full)
    with pytest.warns(UserWarning, match="trial_0 could not be sealed .*No space left"):
        _, trial, _ = untrained(tmp_path)
    assert trial.score == 0.5


def test_a_tuner_makes_its_own_oracle(tmp_path):
    hypermodel = GenotypeHyperModel(NASBench201Space(), (8, 8, 1), 2)
    made = Untrained(hypermodel, OBJECTIVE, 7, seed=3, max_retries_per_trial=1, directory=tmp_path).oracle
    assert type(made) is PredictorOracle and made.space is hypermodel.space and made.objective.name == "val_accuracy"
    assert (made.max_trials, made.seed, made.max_retries_per_trial) == (7, 3, 1)
    default = Untrained(hypermodel, OBJECTIVE, directory=tmp_path / "default").oracle
    assert (default.max_trials, default.seed) == (20, 0)
    with pytest.raises(ValueError, match=r"argument `oracle`. Expected None with `lease`, `max_trials`. Received"):
        Untrained(hypermodel, max_trials=7, lease=5, oracle=made, directory=tmp_path)
    with pytest.raises(TypeError, match=r"argument `hypermodel`. Expected what builds models; an oracle is `oracle=`"):
        Untrained(made, hypermodel, directory=tmp_path)


def test_overwriting_needs_no_state(tmp_path):
    (tmp_path / "project" / "trial_0").mkdir(parents=True)
    (tmp_path / "project" / "trial_0" / "trial.json").write_text("{}")
    (tmp_path / "project" / "tuner0.previous.json").write_text("{")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is read of what is removed
        _, trial, _ = untrained(tmp_path, overwrite=True)
    assert trial.score == 0.5


def test_opening_a_project_removes_what_killed_writers_left(tmp_path):
    left = dead(tmp_path / "project", "oracle.json")
    left.parent.mkdir()
    left.write_text("{")
    untrained(tmp_path)
    assert not left.exists()


def test_only_oracles_of_this_package(become, tmp_path):
    become("chief")
    with pytest.raises(TypeError, match=r"argument `oracle`. Expected one of this package with chief and workers"):
        DistributedTuner(keras_tuner.oracles.RandomSearchOracle(), None, str(tmp_path))
    with pytest.raises(RuntimeError, match="OneShotTuner runs in one process"):
        OneShotTuner(GridSpace((4, 4)), (8, 8, 1), 2)


def ended(runs):
    return [trial for trial, what, _ in runs if what == "ends"]


def saved_trials(folder):
    paths = sorted((folder / "project").glob("trial_*/trial.json"))
    return {path.parent.name.removeprefix("trial_"): json.loads(path.read_text()) for path in paths}


@pytest.mark.slow
def test_killed_workers_a_killed_chief_and_a_late_worker(processes, tmp_path):
    """With stock KerasTuner the dead worker's trial stays for ever, and a killed chief ends everything."""
    processes.start("chief", "w1", "w2", "w3", SEARCH_HANG="w1:3")
    processes.until(lambda runs: any(what == "hangs" for _, what, _ in runs))
    processes.kill("w1")
    (hung,) = [trial for trial, what, _ in processes.runs() if what == "hangs"]
    processes.until(lambda runs: len(ended(runs)) >= 9)
    processes.kill("chief")
    time.sleep(0.5)
    processes.start("chief", "w4")
    processes.all_leave(0)

    runs = processes.runs()
    assert collections.Counter(ended(runs)) == {f"{number:02d}": 1 for number in range(30)}
    begun = collections.Counter(trial for trial, what, _ in runs if what == "begins")
    assert begun.pop(hung) == 2 and set(begun.values()) == {1}
    assert "w4" in {worker for _, _, worker in runs}
    trials = saved_trials(tmp_path)
    assert {trial["status"] for trial in trials.values()} == {"COMPLETED"} and len(trials) == 30
    assert len({json.dumps(trial["hyperparameters"]["values"]) for trial in trials.values()}) == 30
    for trial in trials.values():  # to the last digit
        digits = [int(value[-1]) for _, value in sorted(trial["hyperparameters"]["values"].items())]
        assert trial["score"] == sum((i + 1.5) * index for i, index in enumerate(digits)) / 30
    # All processes know the result, though the scores in KerasTuner's messages have four bytes.
    best = [json.loads((tmp_path / f"best.{name}").read_text()) for name in ("chief", "w2", "w3", "w4")]
    assert best[0] == best[1] == best[2] == best[3]
    assert best[0][-1] == 0 and best[0][0][1] == max(trial["score"] for trial in trials.values())
    assert "Worker 'w1' was silent for" in processes.log("chief")

    # Who comes when all is over leaves, and changes nothing.
    before = json.loads((tmp_path / "project" / "oracle.json").read_text())
    processes.start("chief", "w5")
    processes.all_leave(0)
    after = json.loads((tmp_path / "project" / "oracle.json").read_text())
    assert {**after, "display": None} == {**before, "display": None}
    assert json.loads((tmp_path / "best.w5").read_text()) == best[0]


@pytest.mark.slow
def test_an_error_of_the_oracle_ends_all_processes_with_its_traceback(processes, tmp_path):
    """Stock KerasTuner keeps its lock: the chief and all other workers hang."""
    processes.start("chief", "w1", "w2", SEARCH_BREAK="04")
    processes.all_leave(1)
    for name in ("chief", "w1", "w2"):
        assert "in trial_finished" in processes.log(name), name
        assert "ArithmeticError: the oracle is broken" in processes.log(name), name
    assert set(ended(processes.runs())) >= {f"{number:02d}" for number in range(4)}


@pytest.mark.slow
def test_errors_of_trials(processes, tmp_path):
    """A trial's traceback is lost on its way to a stock chief; an error that is fatal ends one worker there."""
    processes.start("chief", "w1", "w2", SEARCH_RAISE="w1", SEARCH_TRIALS="4")
    processes.all_leave(0)
    (failed,) = [trial for trial in saved_trials(tmp_path).values() if trial["status"] == "FAILED"]
    assert "in run_trial" in failed["message"] and "out of numbers" in failed["message"]
    assert "out of numbers" in processes.log("w1")

    before = len(processes.runs())
    processes.start("chief", "w2", SEARCH_TRIALS="100")
    processes.until(lambda runs: any(worker == "w2" for _, _, worker in runs[before:]))  # who comes later waits
    processes.start("w1", SEARCH_RAISE="fatal:w1", SEARCH_TRIALS="100")
    processes.all_leave(1)
    for name in ("chief", "w1", "w2"):
        assert "what a fool" in processes.log(name), name


@pytest.mark.slow
def test_only_the_chief_overwrites(processes, tmp_path):
    """A stock worker with `overwrite=True` removes the project of all."""
    own = {"SEARCH_OVERWRITE": "1", "SEARCH_TRIALS": "8"}
    processes.start("chief", "w1", **own)
    processes.until(lambda runs: len(ended(runs)) >= 3)
    processes.start("w2", **own)
    processes.until(lambda runs: any(worker == "w2" for _, _, worker in runs))
    processes.all_leave(0)
    assert len(saved_trials(tmp_path)) == len(ended(processes.runs())) == 8

    # A worker that is still in a trial of the search before reports nothing of it to the next.
    processes.start("chief", "w1", "w2", **own, SEARCH_HANG="w1:2", SEARCH_HANG_SECONDS="1.5")
    processes.until(lambda runs: any(what == "hangs" for _, what, _ in runs))
    processes.kill("chief")
    processes.start("chief", **own, SEARCH_SEED="1")
    processes.all_leave(0)
    assert "The chief has started another search" in processes.log("w1")
    scores = [trial["score"] for trial in saved_trials(tmp_path).values()]
    assert len(scores) == 8 and json.loads((tmp_path / "best.w1").read_text())[0][1] == max(scores)
    (state,) = (tmp_path / "project").glob("oracle.json")
    reported = [reward for _, reward in json.loads(state.read_text())["search"]["observations"]]
    assert sorted(reported) == sorted(scores)


@pytest.mark.slow
def test_stock_tuners_with_our_oracle(processes, tmp_path):
    """The oracle's part alone: stock workers know no heartbeat, and the stock chief looks every 20 s."""
    processes.start("chief", "w1", "w2", SEARCH_TUNER="stock", SEARCH_HANG="w1:3", SEARCH_TRIALS="12")
    processes.until(lambda runs: any(what == "hangs" for _, what, _ in runs))
    processes.kill("w1")
    processes.all_leave(0, seconds=90)
    assert collections.Counter(ended(processes.runs())) == {f"{number:02d}": 1 for number in range(12)}


NETWORKS = """
import sys
import numpy as np
import tuners
from tests.tuners.small import CLASSES, SHAPE, SPACE, VALIDATION, X, Y, eager, search, supernet_tuner

oracle = tuners.EvolutionOracle(SPACE, "val_accuracy", max_trials=4, lease=20)
hypermodel = tuners.GenotypeHyperModel(SPACE, SHAPE, CLASSES, eager)
first = tuners.GenotypeTuner(hypermodel, oracle=oracle, directory=sys.argv[1], project_name="first")
first.search(X, Y, validation_data=VALIDATION, epochs=1, verbose=0)
second = search(supernet_tuner(sys.argv[1], max_trials=4, project_name="second", report=True))
for tuner in (first, second):
    assert tuner.remaining_trials == 0
    print("found", np.round(tuner.get_best_models(1)[0].predict(X[:2], verbose=0), 3).tolist())
"""


@pytest.mark.slow
def test_networks_are_trained_by_workers_and_loaded_by_all(processes, tmp_path):
    """Two searches in one program: stock models with GenotypeTuner, then SupernetTuner."""
    (tmp_path / "program.py").write_text(NETWORKS)
    started = processes.programs(tmp_path / "program.py", tmp_path)
    said = [process.communicate(timeout=400)[0].splitlines() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    found = [[line for line in lines if line.startswith("found")] for lines in said]
    assert len(found[0]) == 2 and found[0] == found[1] == found[2]


@pytest.mark.slow
def test_the_program_as_such(processes, tmp_path):
    """Not forked: each process imports everything, and ends as Python ends."""
    started = processes.programs(HERE / "search_program.py")
    assert [process.wait(240) for process in started] == [0, 0, 0]
    assert collections.Counter(ended(processes.runs())) == {f"{number:02d}": 1 for number in range(30)}
