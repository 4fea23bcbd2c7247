"""Evaluations as tasks of Ray: with the real package, on a cluster of this machine, whose workers are killed."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from kerasnas.platforms.ray_executor import RayExecutor
from tests.executors import work
from tests.executors.contract import ExecutorContract


@pytest.fixture(scope="module")
def executor(cluster):
    ray.cloudpickle.register_pickle_by_value(work)  # workers cannot import it
    with RayExecutor(retries=1) as executor:
        yield executor
    ray.cloudpickle.unregister_pickle_by_value(work)


@pytest.mark.slow
class TestRayExecutor(ExecutorContract):
    @pytest.fixture
    def make(self, executor):
        return RayExecutor


@pytest.mark.slow
def test_workers_remain_and_are_light(executor):
    def place(shared, item):
        time.sleep(shared)
        return os.getpid(), os.environ["TF_NUM_INTRAOP_THREADS"], "tensorflow" in sys.modules

    assert executor.workers == 2 and not executor.here
    rows = [row for _ in range(3) for row in executor.map(place, range(4), shared=0.2)]
    processes, threads, loaded = zip(*rows, strict=True)
    assert len(set(processes)) == 2 and set(threads) == {"1"} and not any(loaded)


def test_bad_arguments():
    for name, value in (
        *(("address", "ray://somewhere"), ("address", "auto")),
        *(("retries", -1), ("num_cpus", 0), ("num_gpus", -1.0), ("seconds", 0)),
    ):
        with pytest.raises(ValueError, match=f"`{name}`"):
            RayExecutor(**{name: value})


def test_an_address_that_does_not_answer_is_named_in_time(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # whatever the other tests began
    with socket.socket() as silent:  # it takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"ray://127.0.0.1:{silent.getsockname()[1]}"
        start = time.perf_counter()
        with pytest.raises(ConnectionError, match=rf"No Ray cluster answers at {address} within 0\.5 s"):
            RayExecutor(address, seconds=0.5)
        assert time.perf_counter() - start < 5


SERVER = """
import ray
from ray.util.client.server.server import serve

ray.init("local", num_cpus=2, include_dashboard=False)
server = serve("127.0.0.1", {port})
print("ready", flush=True)
input()
server.stop(0)
"""
CLIENT = """
from kerasnas.platforms.ray_executor import RayExecutor

with RayExecutor("ray://127.0.0.1:{port}") as executor:
    print(executor.workers, executor.map(lambda shared, item: shared * item, range(4), shared=2))
"""


@pytest.mark.slow
def test_a_cluster_is_reached_by_its_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env}
    server = subprocess.Popen([sys.executable, "-c", SERVER.format(port=port)], **pipes)
    try:
        assert "ready\n" in iter(server.stdout.readline, "")
        client = [sys.executable, "-c", CLIENT.format(port=port)]
        done = subprocess.run(client, capture_output=True, text=True, timeout=120, check=True, env=env)
        assert done.stdout.splitlines()[-1] == "2 [0, 2, 4, 6]"
    finally:
        server.communicate("\n", timeout=60)
