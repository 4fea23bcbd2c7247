"""Latency measured on this machine: each part of a space's networks timed by itself, kept as JSON, added up."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import backend, checks
from kerasnas.cost.model import COSTS, CostModel, tabulate
from kerasnas.files import storage, untrusted
from kerasnas.networks.measured import NetworkParts, Part
from kerasnas.spaces import SearchSpace

FORMAT = 2
_SECONDS = 0.02  # minimum time for which a part is timed in each round
# LiteRT computes in this thread, whose own time does not depend on what else the machine does. On Windows it is coarse.
_LITE_CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-5 else time.perf_counter


def device_name() -> str:
    """Return the device that latencies were measured on: processor, cores, backend."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = models[0] if models else processor
    return f"{processor}, {os.cpu_count()} cores, {backend.devices()}, {keras.backend.backend()}"


@checks.arguments(model=keras.Model, batch_size=checks.size, rounds=checks.size)
def network_latency(model: keras.Model, batch_size: int = 1, rounds: int = 5) -> float:
    """Return the milliseconds of a forward pass of `model` here: the median over rounds of the mean over calls.

    By LiteRT, in float32 on one thread of the CPU, as an exported file of it takes; by Keras, on its device, where
    LiteRT lacks an operation of the model, and on Keras' JAX backend.

    Args:
        model: a functional Keras model.
        batch_size: images in a batch. Defaults to 1.
        rounds: number of measurements. Defaults to 5.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> network_latency(keras.Model(inputs, keras.layers.Conv2D(8, 3)(inputs)), rounds=1) > 0
    True
    """
    return _interleaved([_timer(model, batch_size)], rounds)[0]


def keras_latency(model: keras.Model, samples: int = 1) -> float:
    """Return the milliseconds of a forward pass of `model` for a number of samples by Keras, on its device."""
    return _interleaved([_timer(model, samples, by_keras=True)], rounds=5)[0]


def _made_up(x: Any, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a batch for an input of a model: noise, token ids without padding, or texts of 20 words."""
    shape = batch_size, *x.shape[1:]
    if x.dtype == "string":
        return np.full(shape, " ".join(["word"] * 20), object)
    return np.ones(shape, x.dtype) if "int" in x.dtype else rng.standard_normal(shape, "float32")


def _timer(model: keras.Model, batch_size: int, by_keras: bool = False) -> Callable[[], float]:
    """Return a function that times one round of calls of `model`, in ms a call: by LiteRT if it can, or by Keras."""
    rng = np.random.default_rng(0)
    samples = [_made_up(x, batch_size, rng) for x in model.inputs]
    call, clock = None if by_keras else backend.lite_call(model, samples), _LITE_CLOCK
    if call is None:
        call, clock = _keras_call(model, samples), time.perf_counter
    call()  # the first one compiles it
    start = clock()
    call()
    calls = max(3, int(_SECONDS / max(clock() - start, 1e-6)))

    def round() -> float:
        start = clock()
        for _ in range(calls):
            call()
        return 1e3 * (clock() - start) / calls

    return round


def _keras_call(model: keras.Model, samples: Sequence[np.ndarray]) -> Callable[[], None]:
    """Return a call of `model` with `samples` by Keras."""
    inputs = [keras.ops.convert_to_tensor(x) for x in samples]
    forward = backend.traced_once(lambda *x: model(list(x) if len(x) > 1 else x[0], training=False))

    def call() -> None:
        keras.ops.convert_to_numpy(forward(*inputs))  # an accelerator returns before it has computed

    return call


def _interleaved(timers: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Return the median of each timer; they take turns, so that other work on the machine affects all alike."""
    times = [[timer() for timer in timers] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


@checks.fields(
    space=checks.name,
    device=checks.name,
    input_shape=checks.shape,
    batch_size=checks.size,
    call_ms=checks.not_negative,
    parts=checks.entries(checks.not_negative),
)
@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """Latencies of each part of a space's networks on one device, for one size of image.

    Args:
        space: name of the space.
        device: name of the device.
        input_shape: of one image.
        batch_size: images in a batch.
        call_ms: milliseconds of a call, whatever the network computes.
        parts: name and shapes of a part -> what it adds, in milliseconds.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])
    >>> table = LatencyTable.measure(space, (8, 8, 3), 10, rounds=1)
    >>> table.cost_model(space, (8, 8, 3), 10).name
    'latency'

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019 (arXiv
        1812.00332), section 3.3.
    """

    space: str
    device: str
    input_shape: tuple[int, ...]
    batch_size: int
    call_ms: float
    parts: dict[str, float]

    @classmethod
    @checks.arguments(
        space=SearchSpace,
        input_shape=checks.shape,
        num_classes=checks.size,
        batch_size=checks.size,
        rounds=checks.size,
    )
    def measure(
        cls,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        batch_size: int = 1,
        rounds: int = 5,
        **sizes: Any,
    ) -> LatencyTable:
        """Time every part of the space's networks on this machine, which should be idle.

        Args:
            space: a space with `parts`.
            input_shape, num_classes: of the networks.
            batch_size: images in a batch. Defaults to 1.
            rounds: number of measurements of each part; the median counts. Defaults to 5.
            sizes: as for the space's `build_network`.
        """
        parts = _distinct(space.parts(input_shape, num_classes, **sizes))
        inputs = keras.Input(tuple(input_shape))
        empty = keras.Model(inputs, keras.layers.Identity()(inputs))
        timers = [_timer(model, batch_size) for model in (empty, *(part.model() for part in parts))]
        call, *times = _interleaved(timers, rounds)
        call = min(call, *times)  # on a busy machine an empty network may seem slower than another
        added = {_key(part): max(ms - call, 0.0) for part, ms in zip(parts, times, strict=True)}
        return cls(space.name, device_name(), tuple(input_shape), batch_size, call, added)

    @checks.arguments(space=SearchSpace, input_shape=checks.shape, num_classes=checks.size)
    def cost_model(self, space: SearchSpace, input_shape: tuple[int, ...], num_classes: int, **sizes: Any) -> CostModel:
        """Return the latency of every network of `space`, in ms.

        Raises:
            ValueError: if the table was measured on another device, for another size of image or for another space.
        """
        here = {"space": space.name, "device": device_name(), "input_shape": tuple(input_shape)}
        for name, value in here.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"This latency table was measured for another {name.replace('_', ' ')}: {getattr(self, name)}. "
                    f"Received: {value}. Measure one for it with `LatencyTable.measure`."
                )

        def measured(part: Part) -> float:
            if _key(part) not in self.parts:
                raise ValueError(
                    f"This latency table lacks the part '{_key(part)}': it was measured for networks of another size. "
                    "Measure one for these with `LatencyTable.measure`."
                )
            return self.parts[_key(part)]

        model = tabulate(
            space.parts(input_shape, num_classes, **sizes), measured, name="latency", unit=" ms", least="fastest"
        )
        return dataclasses.replace(model, base=model.base + self.call_ms)

    @checks.arguments(path=checks.path)
    def save(self, path: str | os.PathLike) -> None:
        """Write the table as JSON, atomically."""
        storage.write_json(Path(path), {"format": FORMAT, **dataclasses.asdict(self)})

    @classmethod
    @checks.arguments(path=checks.path)
    def load(cls, path: str | os.PathLike) -> LatencyTable:
        """Read a file written by `save`.

        Raises:
            ValueError: if the file is no latency table.
        """
        try:
            record = untrusted.read_json(path)
            version = record.pop("format")
            if type(version) is not int or version != FORMAT:
                raise ValueError("of another version")
            table = cls(**{**record, "input_shape": tuple(record["input_shape"])})
            if len(checks.shape("input_shape", table.input_shape)) not in (2, 3):
                raise ValueError(f"a shape of {len(table.input_shape)} sizes")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} is not a latency table ({error}). Expected what `LatencyTable.save` writes."
            ) from None
        return table


def _key(part: Part) -> str:
    return f"{part.name}; {' '.join('x'.join(map(str, shape)) for shape in part.shapes)}"


def _distinct(parts: NetworkParts) -> list[Part]:
    pieces = [piece for rows in parts.options.values() for row in rows for option in row for piece in option]
    return list(dict.fromkeys([*parts.fixed, *pieces]))


@COSTS.register("latency")
def latency(space: SearchSpace, input_shape: tuple[int, ...], num_classes: int, **sizes: Any) -> CostModel:
    """Return the latency of one image, from a table measured now."""
    table = LatencyTable.measure(space, input_shape, num_classes, **sizes)
    return table.cost_model(space, input_shape, num_classes, **sizes)
