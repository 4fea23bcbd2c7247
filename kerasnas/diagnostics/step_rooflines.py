"""Rooflines of the steps of a search and of a training: `kerasnas time --roofline`."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasnas import backend, checks
from kerasnas.annotations import Log
from kerasnas.cost.counting import parameters
from kerasnas.datasets import Dataset
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.diagnostics.roofline import Peaks, Roofline, measure_peaks, pooled, table
from kerasnas.diagnostics.step_timing import TimingConfig, in_words, make_search
from kerasnas.methods.assembly import checked_data, make_space
from kerasnas.methods.gradient.supernet import search_batch_size
from kerasnas.networks.fused import fused
from kerasnas.reporting.tables import show
from kerasnas.search import BilevelTrainer
from kerasnas.training import loop
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe

MOST_STEPS = 20
"""Steps that are timed, and recorded, at most: TensorFlow no longer records what was quick in all of the last tens."""
NOTE = """
runs: how often in a step. ms: of those operations alone. MB: operands and results, each once.
GFLOP: two for each multiply-add of convolutions and matrix products, none where values only move, else one for each
element of the largest operand or result. compute %, memory %: of the core's peaks; above 100 % of the memory's, values
came from the cache. roof %: the least time that both peaks allow for each operation, as a share of the time it took."""
"""The meaning of the columns."""


def recorded_step(fit: Callable[[keras.callbacks.Callback], Any], steps: int, peaks: Peaks) -> Roofline:
    """Record the operations of a step.

    Args:
        fit: makes a model, and trains it for at least `2 * steps + 1` steps with a callback.
        steps: how many are timed after the first, and how many are recorded after those.
        peaks: of `measure_peaks`.

    Raises:
        ValueError: if TensorFlow records no operation.
    """
    with backend.recorded_operations() as recording:
        watch = _Steps(steps, recording)
        fit(watch)
    if not recording.operations:
        raise ValueError("TensorFlow recorded no operation of the step.")
    timed = slice(1, 1 + steps)
    wall, cpu = statistics.median(watch.wall[timed]), statistics.median(watch.cpu[timed])
    return Roofline(wall, cpu, statistics.mean(watch.wall[1 + steps :]), pooled(recording.operations, steps, peaks))


class _Steps(keras.callbacks.Callback):
    """Times the steps of `fit`, has the last of them recorded, and ends it."""

    def __init__(self, steps: int, recording: Any):
        super().__init__()
        self.steps, self.recording = steps, recording
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if len(self.wall) == 1 + self.steps:
            self.recording.start()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.wall.append(time.perf_counter() - self._wall)
        self.cpu.append(time.process_time() - self._cpu)
        if len(self.wall) == 1 + 2 * self.steps:
            self.recording.stop()
            self.model.stop_training = True


def rooflines(config: TimingConfig, data: Dataset, peaks: Peaks) -> Iterator[tuple[str, Roofline]]:
    """Yield the search step of these settings, and a training step of the network that is derived then, in words."""
    space, batch_size = make_space(config, data), search_batch_size(config, data)
    steps = min(config.steps, MOST_STEPS)
    x, y, epochs = data.x_train, data.y_train, 2 * steps + 1
    searches: list[BilevelTrainer] = []

    def search(watch: keras.callbacks.Callback) -> None:
        searches.append(make_search(dataclasses.replace(config, architecture_warmup_epochs=0), space, data))
        how: dict[str, Any] = {"validation_split": config.validation_split, "callbacks": [watch], "verbose": 0}
        searches[0].fit(x, y, batch_size=batch_size, epochs=epochs, **how)

    yield "Search step", recorded_step(search, steps, peaks)
    training = NetworkTraining(space, data.input_shape, data.num_classes, TrainingRecipe(task=data.task))
    network, batches = training.build(searches[0].derive(), epochs), ArrayBatches(x, y, batch_size)
    loop.prepare(network, batches)
    with fused(network):
        step = recorded_step(lambda watch: loop.fit(network, batches, epochs, callbacks=[watch]), steps, peaks)
    yield f"Training step of the derived network ({show(parameters(network))} parameters)", step


@checks.arguments(config=TimingConfig, log=checks.function)
def measure(config: TimingConfig, log: Log = print) -> None:
    """Print the rooflines of the search step of these settings, and of a training step of the network it derives.

    Args:
        config: the settings.
        log: called with each line. Defaults to `print`.

    Raises:
        ValueError: if the data or the settings do not fit; on JAX; if TensorFlow has started on more than one core.
    """
    backend.use_one_core()
    data = checked_data(config)
    log(f"Rooflines of one core: {in_words(config, data, search_batch_size(config, data))}.")
    peaks = measure_peaks()
    log(
        f"Peaks of the core: {peaks.flops / 1e9:.1f} GFLOP/s (products of float32 matrices), "
        f"{peaks.bytes / 1e9:.1f} GB/s (copies and sums of arrays of 256 MB)."
    )
    for name, step in rooflines(config, data, peaks):
        wall, cpu, recorded = (1e3 * seconds for seconds in step[:3])
        log(f"\n{name}: {wall:.1f} ms, {cpu:.1f} ms of CPU; while it is recorded {recorded:.1f} ms.")
        for line in table(step, peaks):
            log(line)
        if step.operations.seconds < step.recorded / 2:
            log("Less than half of it is time of operations: the step is too small to learn much from them.")
    log(NOTE)
