"""Evaluations in processes: results, failures, and processes that are killed."""

import functools
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
from tests.executors import work
from tests.executors.contract import ExecutorContract, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two():
    with Processes(2) as executor:
        yield executor


class TestProcesses(ExecutorContract):
    @pytest.fixture
    def executor(self, two):
        return two

    @pytest.fixture
    def make(self):
        return functools.partial(Processes, 1)


def both(executor):
    """The two processes, as soon as both are there."""
    return until(lambda: len(found := set(executor.map(work.pid, range(4), shared=0.05))) == 2 and found)


def test_here_results_are_in_order_and_all_there():
    ExecutorContract().test_results_are_in_order_and_all_there(Local())


def test_processes_remain_and_share_the_cores(monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with Processes(2) as executor:
        first, again = (both(executor) for _ in range(2))
        assert first == again and os.getpid() not in first
        each = str(max(1, cores() // 2))
        assert executor.map(work.threads, range(2)) == [(each, each)] * 2
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    for pid in first:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_threads_that_are_set_remain(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    with Processes(2) as executor:
        assert executor.map(work.threads, [0])[0][0] == "7"
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "7"


def test_what_is_kept_is_sent_again_after_another_job_and_to_a_new_process(tmp_path):
    kept = Broadcast(work.Counted(str(tmp_path), 3))
    with Processes(1) as executor:
        for arrived, before in ((1, ""), (1, ""), (2, "another job"), (3, "a kill")):
            if before == "another job":
                executor.map(work.times, [1], shared=1)
            elif before:
                os.kill(executor.map(work.pid, [0], shared=0)[0], signal.SIGKILL)
            assert executor.map(work.times_kept, [1, 2], shared=kept) == [3, 6]
            assert len(list(tmp_path.iterdir())) == arrived
    assert Local().map(work.times_kept, [1, 2], shared=kept) == [3, 6]


def test_a_worker_that_is_killed_while_idle_is_replaced_and_the_other_remains(two):
    before = both(two)
    os.kill(min(before), signal.SIGKILL)
    assert two.map(work.times, range(4), shared=1) == [0, 1, 2, 3]
    assert len(before & both(two)) == 1


def test_an_exception_that_cannot_be_sent_is_raised_by_its_words(two):
    with pytest.raises(RuntimeError, match="Odd: one and two"):  # which cannot be made again from its words
        two.map(work.odd, [0])
    with pytest.raises(TypeError, match="pickle"):
        two.map(work.lock, [0])


def test_what_cannot_be_sent_is_said_at_once(two):
    with pytest.raises((AttributeError, TypeError), match=r"pickle|local object"):  # before Python 3.13, and since
        two.map(lambda shared, item: item, [0])
    with pytest.raises(TypeError, match="pickle"):
        two.map(work.times, [threading.Lock()])
    assert two.map(work.times, [1], shared=1) == [1]


def test_a_call_that_is_left_ends_what_it_began(two, tmp_path):
    both(two)
    results = two.completed(work.sleeps, [0, 60], shared=str(tmp_path))
    assert next(results) == (0, 0)
    begun = until(lambda: list(tmp_path.glob("60-*")))[0]
    with pytest.raises(RuntimeError, match="busy"):
        next(two.completed(work.times, [1], shared=1))
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.name.partition("-")[2]), 0)
    assert two.map(work.times, range(3), shared=1) == [0, 1, 2]


def test_the_failure_of_a_setup_is_no_item_s(capfd):
    with Processes(1, setup=work.fail) as executor, pytest.raises(WorkerLostError, match="before it was ready"):
        executor.map(work.times, [1], shared=1)
    assert "the setup fails" in capfd.readouterr().err


def test_workers_that_are_still_starting_end_at_once_and_say_nothing(tmp_path, capfd):
    with Processes(2, setup=functools.partial(work.slowly, str(tmp_path / "first"))) as executor:
        assert executor.map(work.times, iter([1, 2]), shared=1) == [1, 2]
        start = time.perf_counter()
    assert time.perf_counter() - start < 5 and "Traceback" not in capfd.readouterr().err


PARENT = """
from kerasnas.executors.processes import Processes
from tests.executors import work

if __name__ == "__main__":
    with Processes(1) as executor:
        executor.map(work.waits, [0], shared={folder!r})
"""


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    worker = int(until(lambda: list(tmp_path.glob("0-*")))[0].name.partition("-")[2])
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def gone():
        stat = Path(f"/proc/{worker}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    until(gone)
