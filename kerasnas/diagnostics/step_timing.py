"""Cost of a search step on this machine: time, memory, arithmetic, and the time of a whole search from it."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.backend.memory import peak_memory_gib
from kerasnas.cost.counting import macs
from kerasnas.datasets import Dataset
from kerasnas.methods.assembly import checked_data, make_space
from kerasnas.methods.gradient.settings import StepConfig
from kerasnas.methods.gradient.supernet import make_supernet, search_batch_size
from kerasnas.reporting.tables import MISSING, duration, show
from kerasnas.runs.settings import setting
from kerasnas.search import BilevelTrainer
from kerasnas.spaces import SearchSpace
from kerasnas.trainers.data_split import pair_halves

WEIGHT_STEP = 3
"""Work of the weights' step in forward passes: forward, gradients with respect to activations and weights."""

ALPHA_STEP = {"first_order": 2, "finite_difference": 10, "unrolled": 10}
"""The same of the alphas' step, by hypergradient.

First order: forward, and the gradient with respect to the activations. Finite difference: gradients of the training
loss (3) and of the validation loss (3) with respect to the weights, and two with respect to the alphas alone (2 each).
Unrolled: the first two again, and the derivative of the training gradient, for which both products of its backward pass
and of its forward pass are formed once more (4).
"""


@dataclasses.dataclass(frozen=True)
class TimingConfig(StepConfig):
    """Settings of `kerasnas time`: a measurement of the search step."""

    steps: int = setting(10, "Number of steps that are timed, after a first one that is not like the others.", least=1)
    roofline: bool = setting(
        False,
        "Print the operations of a search step, and of a training step of a derived network, in place of the estimate: "
        "their time, arithmetic and memory traffic, beside what one core can do. TensorFlow only.",
    )


@dataclasses.dataclass(frozen=True)
class StepTiming:
    """Results of `measure_step`.

    Args:
        build_s: seconds from nothing to the first step: supernet, optimizers, metrics.
        first_step_s: seconds of the first step, tracing included.
        wall_s: seconds of each later step.
        cpu_s: the same on the CPU's clock, summed over threads.
        warmup_s: wall seconds of each step in the warm-up, with frozen alphas; empty without a warm-up.
        peak_memory_gib: the largest memory that the process has ever held, or None where the system keeps no count.
    """

    build_s: float
    first_step_s: float
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    warmup_s: tuple[float, ...]
    peak_memory_gib: float | None


def measure_step(
    build: Callable[[], BilevelTrainer], x: Any, y: Any, batch_size: int, steps: int, validation_split: float = 0.5
) -> StepTiming:
    """Time the search step as `fit` takes it, reading its batches included."""
    begin = time.perf_counter()
    search = build()
    search.architecture_warmup_epochs = warmup = search.architecture_warmup_epochs or 0

    def run(first_epoch: int, epochs: int) -> _Stopwatch:
        watch = _Stopwatch(steps + 1)
        search.fit(
            x,
            y,
            batch_size=batch_size,
            validation_split=validation_split,
            initial_epoch=first_epoch,
            epochs=first_epoch + epochs,
            callbacks=[watch],
            verbose=0,
        )
        return watch

    frozen = run(0, warmup) if warmup else None
    learning = run(warmup, steps + 1)  # an epoch has at least one step, and the stopwatch ends the last one
    first = frozen or learning
    return StepTiming(
        build_s=first.begun - begin,
        first_step_s=first.wall[0],
        wall_s=tuple(learning.wall[1:]),
        cpu_s=tuple(learning.cpu[1:]),
        warmup_s=tuple(frozen.wall[1:]) if frozen else (),
        peak_memory_gib=peak_memory_gib(),
    )


class _Stopwatch(keras.callbacks.Callback):
    """Times each step of `fit`, and ends it after `steps` of them."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.begun = math.nan

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        if not self.wall:
            self.begun = self._wall

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        float((logs or {})["loss"])  # an accelerator answers before it has computed; a value read is a step done
        self.wall.append(time.perf_counter() - self._wall)
        self.cpu.append(time.process_time() - self._cpu)
        if len(self.wall) >= self.steps:
            self.model.stop_training = True


def step_flops(supernet: keras.Model, batch_size: int, hypergradient: str) -> int | None:
    """Floating-point operations of a search step: two for each multiply-add; `cost.macs`, `WEIGHT_STEP`, `ALPHA_STEP`.

    None for a hypergradient whose work is not known.
    """
    if hypergradient not in ALPHA_STEP:
        return None
    return (WEIGHT_STEP + ALPHA_STEP[hypergradient]) * batch_size * 2 * macs(supernet)


def matmul_peak(sizes: tuple[int, ...] = (1024, 1536, 2048), repeats: int = 5) -> float:
    """Floating-point operations a second of float32 matrix multiplication: the best of all sizes and repeats.

    It stands for the fastest that the backend does arithmetic on this machine, with the threads that it has.
    """
    best = 0.0
    for size in sizes:
        matrix = ops.full((size, size), 1 / size, dtype="float32")  # its square is itself
        for _ in range(repeats + 1):  # the first sets up
            begin = time.perf_counter()
            product = ops.matmul(ops.matmul(matrix, matrix), matrix)
            float(product[0, 0])  # waits for an accelerator
            best = max(best, 2 * 2 * size**3 / (time.perf_counter() - begin))
    return best


def search_seconds(timing: StepTiming, steps_per_epoch: int, epochs: int, warmup_epochs: int = 0) -> float:
    """Return the seconds of a search by the median step; what is done between epochs is not in it."""
    frozen = steps_per_epoch * min(warmup_epochs, epochs) if timing.warmup_s else 0
    learning = steps_per_epoch * epochs - frozen
    seconds = timing.build_s + timing.first_step_s + learning * statistics.median(timing.wall_s)
    return seconds + (frozen * statistics.median(timing.warmup_s) if frozen else 0.0)


def make_search(config: TimingConfig, space: SearchSpace, data: Dataset) -> BilevelTrainer:
    """Return the compiled search whose step is timed."""
    search = BilevelTrainer(
        make_supernet(config, space, data),
        hypergradient=config.hypergradient,
        architecture_warmup_epochs=config.architecture_warmup_epochs,
        auxiliary_skip=config.auxiliary_skip if "auxiliary_skip" in config.changed() else "auto",
    )
    search.compile(loss=data.task.loss(), metrics=data.task.metrics())
    return search


def in_words(config: TimingConfig, data: Dataset, batch_size: int) -> str:
    """Return what decides the time of a step."""
    return (
        f"{config.space} space, {config.filters} filters, {config.num_cells} cells, "
        f"{config.num_nodes} nodes, {config.hypergradient}, {show(data.input_shape)} "
        f"{data.modality.plural} of {data.name}, batches of 2 x {batch_size}"
    )


@checks.arguments(config=TimingConfig, log=checks.function)
def measure(config: TimingConfig, log: Log = print) -> None:
    """Measure the search step of these settings on this machine, and tell what a whole search would take.

    Args:
        config: the settings.
        log: called with each line. Defaults to `print`.

    Raises:
        ValueError: if the data or the settings do not fit.
    """
    data = checked_data(config)
    space, batch_size = make_space(config, data), search_batch_size(config, data)
    steps_per_epoch = len(
        pair_halves(data.x_train, data.y_train, None, config.validation_split, batch_size=batch_size, task=data.task)
    )
    searches = []

    def build() -> BilevelTrainer:
        searches.append(make_search(config, space, data))
        return searches[0]

    log(f"Measuring a search step: {in_words(config, data, batch_size)}.")
    timing = measure_step(build, data.x_train, data.y_train, batch_size, config.steps, config.validation_split)
    peak, flops = matmul_peak(), step_flops(searches[0].supernet, batch_size, config.hypergradient)
    for name, value in _rows(config, batch_size, timing, peak, flops):
        log(f"  {name:<28}  {value}")
    seconds = search_seconds(timing, steps_per_epoch, config.epochs, config.architecture_warmup_epochs)
    log(
        f"A search of {config.epochs} epochs of {steps_per_epoch} steps takes about {duration(seconds)} on this "
        "machine; the training of the network that it finds is not in it."
    )


def _rows(
    config: TimingConfig, batch_size: int, timing: StepTiming, peak: float, flops: int | None
) -> list[tuple[str, str]]:
    step = statistics.median(timing.wall_s)
    work = share = MISSING
    if flops is not None:
        alphas = ALPHA_STEP[config.hypergradient]
        passes = f"{WEIGHT_STEP} forward passes for the weights, {alphas} for the alphas"
        work = f"{flops / 1e9:.3g} GFLOP: {passes}; convolutions and dense layers"
        share = f"{flops / step / peak:.1%} of {peak / 1e9:.3g} GFLOP/s, float32"
    memory = timing.peak_memory_gib
    return [
        ("time of a step", _milliseconds(timing.wall_s)),
        ("CPU time of a step", _milliseconds(timing.cpu_s)),
        ("step with frozen alphas", _milliseconds(timing.warmup_s)),
        ("images per second", f"{2 * batch_size / step:.0f}, both halves together"),
        ("work of a step", work),
        ("share of the matmul peak", share),
        ("build, then the first step", f"{duration(timing.build_s)}, then {duration(timing.first_step_s)}"),
        ("peak memory of the process", MISSING if memory is None else f"{memory:.2f} GiB"),
    ]


def _milliseconds(seconds: tuple[float, ...]) -> str:
    if not seconds:
        return MISSING
    low, middle, high = (1e3 * value for value in (min(seconds), statistics.median(seconds), max(seconds)))
    return f"{middle:.1f} ms, median of {len(seconds)}, from {low:.1f} to {high:.1f}"
