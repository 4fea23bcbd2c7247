"""Searches on two processes of this machine: the same result as one, and what becomes of workers that die."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "run_worker.py"
pytestmark = pytest.mark.slow


def start(folder, name, *arguments, workers=2, last=()):
    """Start all workers, the last one with arguments of its own; their processes and logs."""
    ports = []
    for _ in range(workers):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports.append(server.getsockname()[1])
    addresses = [f"127.0.0.1:{port}" for port in ports]
    started = []
    for index in range(workers):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment.pop("TF_CONFIG", None)
        if workers > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        own = last if index == workers - 1 else ()
        command = [sys.executable, str(SCRIPT), str(folder / f"{name}-{index}.npz"), *arguments, *own]
        log = open(folder / f"{name}-{index}.log", "w")  # noqa: SIM115
        started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
    return started


def run(folder, name, *arguments, workers=2):
    """Run all workers to their end; what each wrote."""
    codes = [process.wait(1200) for process in start(folder, name, *arguments, workers=workers)]
    assert codes == [0] * workers, (folder / f"{name}-0.log").read_text()[-3000:]
    return [np.load(folder / f"{name}-{index}.npz") for index in range(workers)]


def log_of(folder, name, index):
    return (folder / f"{name}-{index}.log").read_text()


def assert_same(found, expected, leave_out=()):
    for name in expected.files:
        if name.split("-")[0] not in leave_out:
            a, b = found[name].astype("float64"), expected[name].astype("float64")
            assert np.linalg.norm(a - b) <= 1e-8 * max(np.linalg.norm(b), 1e-6), name


def test_two_workers_do_what_one_device_does(tmp_path):
    """Weights, alphas, statistics, momenta, metrics, and the scores of `evaluate`."""
    (expected,) = run(tmp_path, "one", workers=1)
    for found in run(tmp_path, "two"):
        assert_same(found, expected)
    said = 'Strategy: 2 workers with 1 CPU each, 2 replicas in all ("multi_worker").'
    assert said in log_of(tmp_path, "two", 0)


def test_two_workers_learn_from_the_tasks_of_both(tmp_path):
    (expected,) = run(tmp_path, "one", "--meta", workers=1)
    for found in run(tmp_path, "two", "--meta"):
        assert_same(found, expected)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_resumes_where_a_worker_died(tmp_path, number):
    """Killed, it resumes from the end of the last epoch; terminated, from the step after which it was."""
    (expected,) = run(tmp_path, "one", "--epochs=3", f"--folder={tmp_path / 'one'}", workers=1)
    folder = f"--folder={tmp_path / 'checkpoints'}"
    processes = start(tmp_path, "first", "--epochs=3", folder, last=(f"--die=1,3,{int(number)}",))
    assert processes[1].wait(600) == (-9 if number == signal.SIGKILL else 143)
    began = time.monotonic()
    assert processes[0].wait(300) != 0  # the other one does not wait for ever
    print(f"the other worker ended after {time.monotonic() - began:.0f} s")
    for found in run(tmp_path, "second", "--epochs=3", folder):
        assert_same(found, expected, leave_out=("logs",))
    done = 0 if number == signal.SIGKILL else 4
    assert f"starts at epoch 1, after {done} steps" in log_of(tmp_path, "second", 0)


def test_a_worker_whose_peer_never_comes_names_it(tmp_path):
    cluster = {"worker": ["127.0.0.1:39871", "127.0.0.1:39872"]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    code = "from kerasnas.distribution import resolve_strategy; resolve_strategy('multi_worker', timeout=2)"
    environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "No answer from 127.0.0.1:39872 within 2 s" in done.stderr
