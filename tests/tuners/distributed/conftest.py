"""A chief in a thread, with clients."""

import socket
import threading

import keras_tuner
import pytest

from kerasnas.testing.strategies import GridSpace
from tuners import PredictorOracle
from tuners.distributed.chief import serve
from tuners.distributed.worker import WorkerOracle


@pytest.fixture
def oracle_of():
    """Make an oracle, the same one everywhere."""

    def make(max_trials=4, **options):
        objective = keras_tuner.Objective("val_accuracy", "max")
        oracle = PredictorOracle(GridSpace((4, 4, 3, 3)), objective, max_trials, lease=10, **options)
        oracle.verbose = 0
        return oracle

    return make


@pytest.fixture
def environment(monkeypatch):
    """KerasTuner's variables of a worker, with a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
    monkeypatch.setattr("tuners.distributed.worker._IDLE", 0.25)


@pytest.fixture
def served(environment, oracle_of, tmp_path):
    """Start a chief in a thread; return a function that makes its clients."""
    threads = []

    def own(oracle):
        oracle._set_project_dir(str(tmp_path), "project")
        return oracle

    def start(oracle, errors=None):
        def run():
            try:
                serve(own(oracle), tmp_path / "project")
            except Exception as error:
                if errors is None:
                    raise
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        threads.append(thread)
        folder = tmp_path / "project"
        return lambda name="worker": WorkerOracle(own(oracle_of(oracle.max_trials)), name, folder, patience=20)

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
