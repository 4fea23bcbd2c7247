"""Evaluations as tasks of Ray: with the real package, on a cluster of this machine, whose workers are killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import ray

from kerasnas.executors.base import Broadcast, WorkerLostError
from kerasnas.platforms.ray_executor import RayExecutor

# Functions for workers are made inside of tests: Ray sends those by value, and workers cannot import this file.


@pytest.fixture(scope="module")
def executor(cluster):
    with RayExecutor() as executor:
        yield executor


@pytest.mark.slow
def test_results_are_in_order_and_workers_remain(executor):
    def times(shared, item):
        return shared * item

    def place(shared, item):
        time.sleep(shared)
        return os.getpid(), os.environ["TF_NUM_INTRAOP_THREADS"], "tensorflow" in sys.modules

    assert executor.workers == 2 and not executor.here
    assert executor.map(times, range(5), shared=3) == [0, 3, 6, 9, 12]
    assert executor.map(times, []) == []
    processes, threads, loaded = zip(
        *(row for _ in range(3) for row in executor.map(place, range(4), shared=0.2)), strict=True
    )
    assert len(set(processes)) == 2 and set(threads) == {"1"} and not any(loaded)


@pytest.mark.slow
def test_an_item_is_taken_when_there_is_room_for_it(executor):
    found = []

    def items():
        for number in range(5):
            assert len(found) >= number - 1
            yield number

    for number, result in executor.completed(lambda shared, item: item, items()):
        found.append((number, result))
    assert sorted(found) == [(number, number) for number in range(5)]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(executor, tmp_path):
    def waits(shared, item):
        folder = Path(shared)
        (folder / f"{item}-{os.getpid()}").touch()
        while item == 1 and not (folder / "go").exists():
            time.sleep(0.01)
        return 10 * item

    found = {}
    thread = threading.Thread(target=lambda: found.update(executor.completed(waits, range(4), str(tmp_path))))
    thread.start()
    while not (first := list(tmp_path.glob("1-*"))):
        time.sleep(0.01)
    os.kill(int(first[0].name.partition("-")[2]), signal.SIGKILL)
    while len(list(tmp_path.glob("1-*"))) < 2:
        time.sleep(0.01)
    (tmp_path / "go").touch()
    thread.join()
    assert found == {0: 0, 1: 10, 2: 20, 3: 30}
    assert len(list(tmp_path.glob("[023]-*"))) == 3  # no other item was done again


@pytest.mark.slow
def test_what_is_kept_is_sent_once(executor, tmp_path):
    class Counted:
        def __setstate__(self, state):
            vars(self).update(state)
            Path(self.folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()

    counted = Counted()
    counted.folder = str(tmp_path)
    kept = Broadcast(counted)

    def has(shared, item):
        time.sleep(0.05)
        return item + len(shared.value.folder)

    for _ in range(3):
        assert executor.map(has, range(4), shared=kept) == [number + len(str(tmp_path)) for number in range(4)]
    processes = [file.name.partition("-")[0] for file in tmp_path.iterdir()]
    assert len(processes) == len(set(processes)) <= 2


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_named(executor):
    def dies(shared, item):
        if item == 1:
            os.kill(os.getpid(), 9)
        return item

    with (
        RayExecutor(retries=1) as fewer,
        pytest.raises(WorkerLostError, match=r"Item 1 was lost with its worker 2 times, .*WorkerCrashedError: 1\."),
    ):
        fewer.map(dies, range(3))
    assert executor.map(lambda shared, item: item, [4]) == [4]


@pytest.mark.slow
def test_exceptions_are_raised_here_with_their_place(executor):
    def fails(shared, item):
        if item:
            raise ValueError(f"not {item}")

    with pytest.raises(ValueError, match=r"^not 1") as caught:
        executor.map(fails, range(2))
    assert "item 1 in a worker" in caught.value.__notes__[0] and "in fails" in caught.value.__notes__[0]


@pytest.mark.slow
def test_the_setup_comes_before_what_is_shared(executor):
    def begin():
        os.environ["BEGUN"] = "yes"

    class Shared:
        def __reduce__(self):
            return os.getenv, ("BEGUN",)

    with RayExecutor(setup=begin) as other:
        assert other.map(lambda shared, item: shared, [0], shared=Shared()) == ["yes"]


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
