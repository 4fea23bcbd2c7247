"""What every executor with two workers keeps to; `executor` and `make` are fixtures of the files that inherit it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kerasnas.executors.base import Broadcast, WorkerLostError
from tests.executors import work


def until(condition):
    for _ in range(3000):
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError


def kill(file):
    """Kill the process that left a file of its number."""
    os.kill(int(Path(file).name.partition("-")[2]), signal.SIGKILL)


class ExecutorContract:
    def test_results_are_in_order_and_all_there(self, executor):
        assert executor.map(work.times, range(7), shared=3) == [0, 3, 6, 9, 12, 15, 18]
        assert sorted(executor.completed(work.times, iter("ab"), shared=2)) == [(0, "aa"), (1, "bb")]
        assert executor.map(work.times, []) == []

    def test_an_item_is_taken_when_there_is_room_for_it(self, executor):
        """A generator of items sees the results of all but those that run."""
        found = []

        def items():
            for number in range(5):
                assert len(found) >= number - 1
                yield number

        for number, result in executor.completed(work.times, items(), shared=1):
            found.append((number, result))
        assert sorted(found) == [(number, number) for number in range(5)]

    def test_a_worker_that_is_killed_loses_nothing(self, executor, tmp_path):
        found = {}
        run = threading.Thread(target=lambda: found.update(executor.completed(work.waits, range(4), str(tmp_path))))
        run.start()
        kill(until(lambda: sorted(tmp_path.glob("1-*")))[0])
        until(lambda: len(list(tmp_path.glob("1-*"))) == 2)
        (tmp_path / "go").touch()
        run.join()
        assert found == {0: 0, 1: 1, 2: 2, 3: 3}
        assert len(list(tmp_path.glob("[023]-*"))) == 3  # no other item was done again

    def test_what_is_kept_is_sent_once_to_each_worker(self, executor, tmp_path):
        kept = Broadcast(work.Counted(str(tmp_path), 3))
        for _ in range(3):
            assert executor.map(work.times_kept, range(4), shared=kept) == [0, 3, 6, 9]
        arrived = [file.name.partition("-")[0] for file in tmp_path.iterdir()]
        assert len(arrived) == len(set(arrived)) <= 2
        assert executor.map(work.times_kept, [1, 2], shared=Broadcast(work.Counted(str(tmp_path), 5))) == [5, 10]

    def test_an_item_that_kills_every_worker_is_named(self, executor):
        words = rf"Item 1 was lost with its worker {executor.retries + 1} times, the last one by .*: 1\."
        with pytest.raises(WorkerLostError, match=words):
            executor.map(work.dies, range(3))
        assert executor.map(work.times, [2], shared=2) == [4]

    def test_exceptions_are_raised_here_with_their_place(self, executor):
        with pytest.raises(ValueError, match=r"math domain error|nonnegative") as caught:
            executor.map(work.root, [4, -1, 9])
        assert "item 1 in a worker" in caught.value.__notes__[0] and "work.py" in caught.value.__notes__[0]
        assert executor.map(work.root, [4]) == [2.0]

    def test_the_setup_comes_before_what_is_shared(self, make):
        with make(setup=work.begin) as executor:
            assert executor.map(work.shared, [0], shared=work.Begun()) == ["yes"]
