"""Evaluations in processes: results, failures, and processes that are killed."""

import functools
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kerasnas.executors.base import Broadcast, Local, WorkerLostError, cores
from kerasnas.executors.processes import Processes

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def work():
    """The functions, as a module that a worker can import too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        yield importlib.import_module("work")


@pytest.fixture(scope="module")
def two():
    with Processes(2) as executor:
        yield executor


def until(condition):
    for _ in range(3000):
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError


def both(work, executor):
    """The two processes, as soon as both are there."""
    return until(lambda: len(found := set(executor.map(work.pid, range(4), shared=0.05))) == 2 and found)


@pytest.mark.parametrize("kind", ["here", "two"])
def test_results_are_in_order_and_all_there(kind, work, two):
    executor = two if kind == "two" else Local()
    assert executor.map(work.times, range(7), shared=3) == [0, 3, 6, 9, 12, 15, 18]
    assert sorted(executor.completed(work.times, iter("ab"), shared=2)) == [(0, "aa"), (1, "bb")]
    assert executor.map(work.times, []) == []


def test_processes_remain_and_share_the_cores(work, two, monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with Processes(2) as executor:
        first, again = (both(work, executor) for _ in range(2))
        assert first == again and os.getpid() not in first
        each = str(max(1, cores() // 2))
        assert executor.map(work.threads, range(2)) == [(each, each)] * 2
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_threads_that_are_set_remain(work, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    with Processes(2) as executor:
        assert executor.map(work.threads, [0])[0][0] == "7"
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "7"


def test_an_item_is_taken_when_there_is_room_for_it(work, two):
    """A generator of items sees the results of all but those that run."""
    found = []

    def items():
        for number in range(5):
            assert len(found) >= number - 1
            yield number

    for number, result in two.completed(work.times, items(), shared=1):
        found.append((number, result))
    assert sorted(found) == [(number, number) for number in range(5)]


def test_what_is_kept_is_sent_once_to_each_worker(work, tmp_path):
    """Called again, with another job in between, and to a process in place of one that was killed."""
    kept = Broadcast(work.Counted(str(tmp_path), 3))
    with Processes(1) as executor:
        for arrived, before in ((1, ""), (1, ""), (2, "another job"), (3, "a kill")):
            if before == "another job":
                executor.map(work.times, [1], shared=1)
            elif before:
                os.kill(executor.map(work.pid, [0], shared=0)[0], signal.SIGKILL)
            assert executor.map(work.times_kept, [1, 2], shared=kept) == [3, 6]
            assert len(list(tmp_path.iterdir())) == arrived
        assert executor.map(work.times_kept, [1, 2], shared=Broadcast(work.Counted(str(tmp_path), 5))) == [5, 10]
    assert Local().map(work.times_kept, [1, 2], shared=kept) == [3, 6]


def test_a_worker_that_is_killed_loses_nothing(work, tmp_path):
    with Processes(2) as executor:
        before = both(work, executor)
        assert executor.map(work.dies_once, range(5), shared=str(tmp_path)) == [0, 10, 20, 30, 40]
        tries = {file.name: len(file.read_text()) for file in tmp_path.iterdir()}
        assert tries == {"0": 1, "1": 1, "2": 2, "3": 1, "4": 1}  # nothing but what it was at is done again
        assert len(before & both(work, executor)) == 1  # the other one remains


def test_a_worker_that_is_killed_from_outside_or_idle_is_replaced(work, two, tmp_path):
    found = {}
    thread = threading.Thread(target=lambda: found.update(two.completed(work.waits, range(3), shared=str(tmp_path))))
    thread.start()
    first = until(lambda: sorted(tmp_path.glob("0-*")))[0]
    os.kill(int(first.name.partition("-")[2]), signal.SIGKILL)
    until(lambda: len(list(tmp_path.glob("0-*"))) == 2)
    (tmp_path / "go").touch()
    thread.join()
    assert found == {0: 0, 1: 1, 2: 2}
    os.kill(two.map(work.pid, [0], shared=0)[0], signal.SIGKILL)
    assert two.map(work.times, range(4), shared=1) == [0, 1, 2, 3]


def test_an_item_that_kills_every_worker_is_named(work, two):
    with pytest.raises(
        WorkerLostError, match=r"Item 1 was lost with its worker 4 times, the last one by signal 9: 1\."
    ):
        two.map(work.dies, range(3))
    assert two.map(work.times, [2], shared=2) == [4]


def test_exceptions_are_raised_here_with_their_place(work, two):
    with pytest.raises(ValueError, match=r"math domain error|nonnegative") as caught:
        two.map(work.root, [4, -1, 9])
    assert "item 1 in a worker" in caught.value.__notes__[0] and "work.py" in caught.value.__notes__[0]
    assert two.map(work.root, [4]) == [2.0]
    with pytest.raises(RuntimeError, match="Odd: one and two"):  # which cannot be made again from its words
        two.map(work.odd, [0])
    with pytest.raises(TypeError, match="pickle"):
        two.map(work.lock, [0])


def test_what_cannot_be_sent_is_said_at_once(work, two):
    with pytest.raises((AttributeError, TypeError), match=r"pickle|local object"):  # before Python 3.13, and since
        two.map(lambda shared, item: item, [0])
    with pytest.raises(TypeError, match="pickle"):
        two.map(work.times, [threading.Lock()])
    assert two.map(work.times, [1], shared=1) == [1]


def test_a_call_that_is_left_ends_what_it_began(work, two, tmp_path):
    both(work, two)
    results = two.completed(work.sleeps, [0, 60], shared=str(tmp_path))
    assert next(results) == (0, 0)
    begun = until(lambda: list(tmp_path.glob("60-*")))[0]
    with pytest.raises(RuntimeError, match="busy"):
        next(two.completed(work.times, [1], shared=1))
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.name.partition("-")[2]), 0)
    assert two.map(work.times, range(3), shared=1) == [0, 1, 2]


def test_the_setup_comes_first_and_its_failure_is_no_item_s(work, capfd):
    with Processes(1, setup=work.begin) as executor:
        assert executor.map(work.begun, [0]) == ["yes"]
    with Processes(1, setup=work.fail) as executor, pytest.raises(WorkerLostError, match="before it was ready"):
        executor.map(work.times, [1], shared=1)
    assert "the setup fails" in capfd.readouterr().err


def test_workers_that_are_still_starting_end_at_once_and_say_nothing(work, tmp_path, capfd):
    with Processes(2, setup=functools.partial(work.slowly, str(tmp_path / "first"))) as executor:
        assert executor.map(work.times, iter([1, 2]), shared=1) == [1, 2]
        start = time.perf_counter()
    assert time.perf_counter() - start < 5 and "Traceback" not in capfd.readouterr().err


PARENT = """
import work
from kerasnas.executors.processes import Processes

if __name__ == "__main__":
    with Processes(1) as executor:
        executor.map(work.waits, [0], shared={folder!r})
"""


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(tmp_path)))
    env = {**os.environ, "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}
    parent = subprocess.Popen([sys.executable, str(script)], env=env)
    worker = int(until(lambda: list(tmp_path.glob("0-*")))[0].name.partition("-")[2])
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def gone():
        stat = Path(f"/proc/{worker}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    until(gone)
