"""Executors compared: overhead, throughput, cost of a kill, and idle time of two workers, as Markdown.

    python benchmarks/executors.py                                  # all, some ten minutes on two cores
    python benchmarks/executors.py --parts=overhead,kill --executors=local,processes:2

- overhead: milliseconds of an evaluation that does nothing, once the workers exist; seconds until the first result,
  a worker's imports included; milliseconds of one that sends 1 MB there and back.
- throughput: evaluations a minute, each the training of a small network in one thread, with 1 and with 2 workers, and
  the CPU seconds of each, which show how much of a busy machine it got.
- kill: a worker is killed in the middle of its item; seconds more than without, of items that take a second each.
- idle: the fraction of the time, from the first item to the last, in which two workers had no work: in a race and in a
  shortlist, through `--executor=processes:2`: the median of `--repeats` runs, and the machine's load meanwhile.
"""

import dataclasses
import functools
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import skeleton
import tracked

import kerasnas
from kerasnas import methods, racing
from kerasnas.executors import Executor
from kerasnas.executors.base import Function
from kerasnas.files.stages import Stages
from kerasnas.runs import open_executor
from kerasnas.runs.folder import RunFolder
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe

ITEMS = 8  # of a measurement of throughput, and of a kill
EXECUTORS = ("local", "processes:1", "processes:2", "ray")
CODE = ["kerasnas/executors", "kerasnas/platforms/ray_executor.py", "kerasnas/racing"]
PARTS = {
    "overhead": "What does an evaluation cost in other processes and on Ray?",
    "throughput": "How many trainings do one and two workers complete?",
    "kill": "What does a killed worker cost?",
    "idle": "How long are two workers idle?",
}


def nothing(shared: Any, item: Any) -> Any:
    return item


def second(shared: str, item: int) -> int:
    """Sleep for a second; leave a file that names the process."""
    Path(shared, f"{item}-{os.getpid()}").touch()
    time.sleep(1.0)
    return item


def train(shared: Any, seed: int) -> float:
    """Train a small network; return the CPU seconds."""
    import keras

    start = time.process_time()
    rng = np.random.default_rng(seed)
    x, y = rng.random((512, 16, 16, 1)).astype("float32"), rng.integers(0, 10, 512)
    space = kerasnas.spaces.NASBench201Space(filters=4, num_cells=1)
    model = space.build_network(space.sample(rng), (16, 16, 1), 10, seed=seed)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.fit(x, y, batch_size=32, epochs=shared, verbose=0)
    return time.process_time() - start


def timed(function: Function, shared: Any, item: Any) -> tuple[Any, float]:
    """Return what a function returns, and its duration."""
    start = time.perf_counter()
    return function(shared, item), time.perf_counter() - start


class Watched(Executor):
    """An executor that measures how long its workers were busy, and how long they could have been."""

    def __init__(self, executor: Executor):
        self.executor, self.workers = executor, executor.workers
        self.busy = self.room = 0.0
        self.items = 0

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        begun: list[float] = []

        def noted() -> Iterator[Any]:
            for item in items:
                begun.append(time.perf_counter())
                yield item

        for number, (result, seconds) in self.executor.completed(functools.partial(timed, function), noted(), shared):
            self.busy += seconds
            self.items += 1
            yield number, result
        if begun:
            self.room += self.workers * (time.perf_counter() - begun[0])

    def close(self) -> None:
        self.executor.close()


def measure_overhead(name: str) -> dict[str, float]:
    start = time.perf_counter()
    with open_executor(name) as executor:
        executor.map(nothing, range(executor.workers))
        first = time.perf_counter() - start
        number = 100_000 if executor.here else 300
        start = time.perf_counter()
        executor.map(nothing, range(number))
        each = (time.perf_counter() - start) / number
        large = [os.urandom(1 << 20) for _ in range(30)]
        start = time.perf_counter()
        executor.map(nothing, large)
        return {"first_s": first, "each_ms": 1000 * each, "megabyte_ms": 1000 * (time.perf_counter() - start) / 30}


def measure_throughput(name: str) -> dict[str, float]:
    with open_executor(name) as executor:
        executor.map(train, range(executor.workers), shared=1)  # the imports
        start = time.perf_counter()
        spent = executor.map(train, range(ITEMS), shared=4)
        seconds = time.perf_counter() - start
        return {"per_minute": 60 * ITEMS / seconds, "cpu_s": sum(spent) / ITEMS, "workers": executor.workers}


def measure_kill(name: str) -> dict[str, float]:
    seconds = {}
    with open_executor(name) as executor:
        executor.map(nothing, range(2 * executor.workers))
        for kill in (False, True):
            folder = tempfile.mkdtemp()
            killer = threading.Thread(target=_kill, args=(folder, ITEMS // 2), daemon=True)
            start = time.perf_counter()
            if kill:
                killer.start()
            assert executor.map(second, range(ITEMS), shared=folder) == list(range(ITEMS))
            seconds[kill] = time.perf_counter() - start
            runs = len(list(Path(folder).iterdir()))
            assert runs == ITEMS + kill, f"{runs} runs of {ITEMS} items"
    return {"without_s": seconds[False], "with_s": seconds[True], "cost_s": seconds[True] - seconds[False]}


def _kill(folder: str, item: int) -> None:
    """Kill the worker of an item half a second after it started."""
    while not (begun := list(Path(folder).glob(f"{item}-*"))):
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(int(begun[0].name.partition("-")[2]), signal.SIGKILL)


def measure_race(minutes: float) -> dict[str, float]:
    from kerasnas.methods.race.making import make_race
    from kerasnas.runs.method import Context
    from kerasnas.runs.progress import Progress
    from kerasnas.runs.tracking import Tracking

    config = methods.RaceConfig(minutes=minutes, initializer="none", no_experience=True)
    data = methods.METHODS["race"]().load(config)
    small = {name: np.ascontiguousarray(getattr(data, name)[:, ::2, ::2]) for name in ("x_train", "x_test")}
    data = dataclasses.replace(data, **small)  # many candidates in little time
    folder = RunFolder.begin(Path(tempfile.mkdtemp(), "run"), config)
    with Watched(open_executor("processes:2")) as executor:
        context = Context(folder, Progress("lines"), Tracking(folder, print), data, config.budget())
        found = make_race(context, executor).run()
    return {**_idle(executor), "rungs": len(found["rungs"])}


def measure_shortlist() -> dict[str, float]:
    data = kerasnas.datasets.load("fashion_mnist_mini")
    space = kerasnas.spaces.NASBench201Space(filters=8, num_cells=1)
    halves = (data.x_train[:2048], data.y_train[:2048]), (data.x_train[2048:3072], data.y_train[2048:3072])
    training = NetworkTraining(space, data.input_shape, 10, TrainingRecipe(epochs=20))
    settings, found = racing.Shortlist(6, (200, 600), evaluations=20), [space.decode([3, 3, 1, 2, 1, 3])]
    with Watched(open_executor("processes:2")) as executor:
        racing.run_shortlist(Stages(tempfile.mkdtemp()), settings, found, training, *halves, executor=executor)
    return _idle(executor)


def _idle(executor: Watched) -> dict[str, float]:
    return {
        "idle": 1 - executor.busy / executor.room,
        "busy_s": executor.busy,
        "items": executor.items,
        "load": os.getloadavg()[1],  # of the last five minutes
    }


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        parts=skeleton.listed(PARTS),
        executors=skeleton.listed(EXECUTORS),
        minutes=(10.0, "of the race; about a third of it is run"),
        repeats=(1, "runs of a race and of a shortlist, for their medians"),
    )
    names, parts = arguments.executors.split(","), skeleton.names(arguments.parts, PARTS)

    def note(part: str, table: tracked.Table, runs: Iterable[dict[str, Any]] = ()) -> None:
        tracked.record(arguments, table.rows, code=CODE, part=part, question=PARTS[part], seeds=[], runs=runs)

    if "overhead" in parts:
        table = tracked.Table(["executor", "first result, s", "an evaluation, ms", "with 1 MB, ms"])
        for name in names:
            got = measure_overhead(name)
            table.add([name, f"{got['first_s']:.1f}", f"{got['each_ms']:.3g}", f"{got['megabyte_ms']:.3g}"])
        note("overhead", table)
    if "throughput" in parts:
        table = tracked.Table(["executor", "workers", "trainings a minute", "CPU seconds of each"])
        for name in names:
            got = measure_throughput(name)
            table.add([name, str(got["workers"]), f"{got['per_minute']:.1f}", f"{got['cpu_s']:.2f}"])
        note("throughput", table)
    if "kill" in parts:
        table = tracked.Table(["executor", "8 items of 1 s, s", "with a kill, s", "cost, s"])
        for name in [name for name in names if name != "local"]:
            got = measure_kill(name)
            table.add([name, *(f"{got[column]:.1f}" for column in ("without_s", "with_s", "cost_s"))])
        note("kill", table)
    if "idle" in parts:
        table = tracked.Table(["two workers", "idle, %", "of all runs, %", "items", "load"])
        runs: list[dict[str, Any]] = []
        for name, measure in (("race", lambda: measure_race(arguments.minutes)), ("shortlist", measure_shortlist)):
            own = [{"part": name, **measure()} for _ in range(arguments.repeats)]
            runs += own
            idle, items, load = ([one[column] for one in own] for column in ("idle", "items", "load"))
            each = " ".join(f"{100 * share:.0f}" for share in idle)
            table.add([name, f"{100 * median(idle):.0f}", each, f"{median(items):.0f}", f"{median(load):.1f}"])
            note("idle", table, runs)  # after each: it takes long


if __name__ == "__main__":
    main()
