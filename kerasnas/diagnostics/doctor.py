"""Examination of a machine: versions, devices, distribution, a search step, XLA, two replicas beside one device."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.backend import split_cpu
from kerasnas.distribution import resolve_strategy
from kerasnas.distribution.resolve import DISTRIBUTIONS
from kerasnas.primitives import MixedOp
from kerasnas.runs.settings import Settings, setting
from kerasnas.search import BilevelTrainer
from kerasnas.spaces import DARTSSpace

PACKAGES = (
    *("kerasnas", "keras", "tensorflow", "tensorflow-tpu", "jax", "jaxlib", "libtpu", "jax-cuda12-plugin"),
    *("keras-tuner", "numpy"),
)
_MARK = "doctor: "  # before what a process of checks answers
TOLERANCE = 1e-4
"""The relative distance that a loss may move by another order of summation."""
START = np.array([[0.1, -0.1]], "float32")  # alphas of the search on two replicas


@dataclasses.dataclass(frozen=True)
class DoctorConfig(Settings):
    """Settings of `kerasnas doctor`."""

    distribution: str = setting(
        "auto", "What the search is to run on, on TensorFlow: auto, cpu, gpu, tpu or multi_worker.", known=DISTRIBUTIONS
    )
    timeout: int = setting(600, "Seconds after which a check counts as failed: one that hangs would not end.", least=1)


# Checks: each says in a line what it found, and raises where something is wrong ----------------------------------
def devices(distribution: str) -> str:
    """Return the devices of the backend."""
    found = keras.distribution.list_devices()
    if not found:
        raise RuntimeError("the backend found no device")
    return f"{', '.join(found)}; {os.cpu_count()} CPU cores"


def chosen_distribution(distribution: str) -> str:
    """Return the distribution of a search."""
    if keras.backend.backend() != "tensorflow":
        return f"keras.distribution.DataParallel over {len(keras.distribution.list_devices())} device(s)"
    lines: list[str] = []
    resolve_strategy(distribution, log=lines.append)
    return lines[0].removeprefix("Strategy: ").removesuffix(".")


def search_step(distribution: str) -> str:
    """A few steps of a tiny search without XLA; on JAX that is operation by operation."""
    _, first, step = _search(False)
    return f"first step after {first:.1f} s, then {1e3 * step:.1f} ms a step"


def xla(distribution: str) -> str:
    """Return the same steps compiled by XLA: the same losses."""
    plain, *_ = _search(False)
    compiled, first, step = _search(True)
    distance = _distance(compiled, plain)
    if not distance <= TOLERANCE:
        raise RuntimeError(f"losses {compiled} where {plain} were expected: {distance:.1e} apart")
    return f"compiled after {first:.1f} s, then {1e3 * step:.1f} ms a step; losses {distance:.0e} apart"


def two_replicas(distribution: str) -> str:
    """A search on two devices, made of the CPU, finds the alphas and losses of one on one device."""
    split_cpu(2)
    one = _parity_search()
    if keras.backend.backend() == "tensorflow":
        replicas = resolve_strategy("cpu", log=None)
        with replicas.scope():
            two = _parity_search()
        count = replicas.num_replicas_in_sync
    else:
        chosen = keras.distribution.list_devices("cpu")[:2]
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=chosen))
        two, count = _parity_search(), len(chosen)
    if count != 2:
        raise RuntimeError(f"expected 2 replicas, received {count}")
    moved = float(np.abs(one[1] - START).max())
    distance = max(_distance(two[0], one[0]), float(np.abs(two[1] - one[1]).max()) / moved)
    if not distance <= TOLERANCE:
        raise RuntimeError(f"{two} where {one} was expected: {distance:.1e} apart")
    return f"losses of 4 steps, and what they moved the alphas by, {distance:.0e} from one device's"


CHECKS: dict[str, Callable[[str], str]] = {
    "devices": devices,
    "distribution": chosen_distribution,
    "search step": search_step,
    "XLA": xla,
    "two replicas": two_replicas,
}
# Devices are set up once in a process.
PROCESSES = (("devices", "distribution", "search step", "XLA"), ("two replicas",))


def _data() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).random((32, 8, 8, 1)).astype("float32"), np.arange(32) % 2


@functools.cache
def _search(jit_compile: bool) -> tuple[list[float], float, float]:
    """Losses of a tiny search on one device, seconds to the end of its first epoch, seconds of a later step."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "nor_conv_1x1"])
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 2), architecture_warmup_epochs=0, curvature_ratio=None)
    search.compile(jit_compile=jit_compile)
    begin, ends = time.perf_counter(), []
    follow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    history = search.fit(*_data(), batch_size=8, epochs=3, verbose=0, callbacks=[follow]).history
    return history["loss"], ends[0] - begin, (ends[-1] - ends[0]) / 4


def _parity_search() -> tuple[list[float], np.ndarray]:
    """Losses and alphas of a tiny search without batch norm, whose statistics are those of a replica."""
    inputs = keras.Input((8, 8, 1))
    start = {"kernel_initializer": keras.initializers.Constant(0.1)}
    x = keras.layers.Conv2D(2, 3, padding="same", activation="tanh", **start)(inputs)
    x = MixedOp(["none", "skip_connect"], filters=2)(x)
    x = keras.layers.Dense(2, kernel_initializer=lambda shape, dtype: ops.reshape(ops.arange(256.0) / 256, shape))(
        keras.layers.Flatten()(x)
    )
    search = BilevelTrainer(keras.Model(inputs, x), architecture_warmup_epochs=0, curvature_ratio=None)
    search.architecture_parameters[0].assign(START)
    search.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), architecture_optimizer=keras.optimizers.SGD(0.1))
    history = search.fit(*_data(), batch_size=8, epochs=2, verbose=0).history
    return history["loss"], ops.convert_to_numpy(search.architecture_parameters[0])


def _distance(received: list[float], expected: list[float]) -> float:
    return float(np.max(np.abs(np.array(received) / np.array(expected) - 1)))


@checks.arguments(config=DoctorConfig, log=checks.function)
def examine(config: DoctorConfig, log: Log = print) -> None:
    """Run all checks and print what a bug report needs; a check that kills its process is reported too.

    Raises:
        ValueError: names the checks that failed.
    """
    log(f"KerasNAS doctor on {platform.platform()}, Python {platform.python_version()}")
    _row(log, "backend", "", keras.backend.backend())
    _row(log, "versions", "", ", ".join(f"{name} {version}" for name, version in _versions().items()))
    failed = []
    for names in PROCESSES:
        for name, (right, text) in _in_own_process(names, config).items():
            _row(log, name, "ok" if right else "FAILED", text)
            failed += [] if right else [name]
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(CHECKS)} checks failed: {', '.join(failed)}. Put all of this into a bug report."
        )
    log(f"Verdict: all {len(CHECKS)} checks passed.")


def _row(log: Log, name: str, state: str, text: str) -> None:
    log(f"  {name:<14}{state:<8}{text}")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _in_own_process(names: tuple[str, ...], config: DoctorConfig) -> dict[str, tuple[bool, str]]:
    """For each check whether it passed, and what it said."""
    environment = dict(os.environ)
    if "two replicas" in names:  # on the CPU, whatever else there is
        environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        environment.pop("TF_CONFIG", None)
    program = "from kerasnas.diagnostics import doctor; doctor.answer()"
    command = [sys.executable, "-c", program, config.distribution, *names]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=config.timeout)
        output, reason = done.stdout, _end(done)
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else ""
        reason = f"no answer after {config.timeout} s"
    answers = [json.loads(line.removeprefix(_MARK)) for line in output.splitlines() if line.startswith(_MARK)]
    found = {record["name"]: (record["right"], record["text"]) for record in answers}
    for name in names:
        if name not in found:
            found[name] = False, reason
            reason = "not reached"
    return found


def _end(done: subprocess.CompletedProcess) -> str:
    """Return the end of a process, for the check that it did not finish: XLA and drivers abort rather than raise."""
    code, said = done.returncode, done.stderr.splitlines()
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    fatal = [line for line in said if line.startswith("F") and "Check failed" in line] or said[-3:]
    return f"the process ended with {how}: {' | '.join(line.strip() for line in fatal)[:600]}"


def answer() -> None:
    """In the process of some checks: run them, and print a line for each."""
    wanted, *names = sys.argv[1:]
    for name in names:
        try:
            record = {"name": name, "right": True, "text": CHECKS[name](wanted)}
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the machine is the answer
            record = {"name": name, "right": False, "text": f"{type(error).__name__}: {str(error).strip()[:600]}"}
        print(f"{_MARK}{json.dumps(record)}", flush=True)
