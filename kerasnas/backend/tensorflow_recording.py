"""Operations that a TensorFlow function executes, with their times and the sizes of their tensors."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from kerasnas.backend.tensorflow_internals import all_inlined, executed_graphs, profiled_operations

Size = tuple[tuple[int, ...], int]
"""Shape of a tensor, and bytes of an element: `((0,), 0)` of a handle, and where the shape is not known beforehand."""
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Operation(NamedTuple):
    """A node of the graphs that were executed.

    Args:
        kind: as TensorFlow's registry names it, such as `"_MklNativeConv2D"`.
        runs: how often it was executed.
        seconds: of all runs together.
        operands: sizes of the tensors that it reads.
        results: sizes of the tensors that it makes.
        equation: of an `Einsum`.
    """

    kind: str
    runs: int
    seconds: float
    operands: tuple[Size, ...]
    results: tuple[Size, ...]
    equation: str = ""


class Recording(NamedTuple):
    """A recording, which `start` and `stop` begin and end; after the context `operations` are those in between."""

    start: Callable[[], Any]
    stop: Callable[[], Any]
    operations: list[Operation]


@contextlib.contextmanager
def recorded_operations() -> Iterator[Recording]:
    """A context in which the operations of functions can be recorded, if the functions are made in it.

    TensorFlow leaves out what costs next to nothing: constants, reshapes, and whatever took less than some 3 us in each
    of tens of runs.

    Raises:
        ValueError: at the start, if TensorFlow records something already, or cannot.
    """
    with tempfile.TemporaryDirectory() as folder:
        with all_inlined(), executed_graphs() as graphs, contextlib.ExitStack() as profile:

            def start() -> None:
                try:
                    profile.enter_context(tf.profiler.experimental.Profile(folder))
                except tf.errors.AlreadyExistsError as error:
                    words = "is at work already, or off: unset TF_DISABLE_PROFILING"
                    raise ValueError(f"No operation can be recorded: TensorFlow's profiler {words}.") from error

            yield (recording := Recording(start, profile.close, []))
        recording.operations.extend(_operations(graphs, profiled_operations(Path(folder))))


def _operations(graphs: Iterable[Any], profiled: Iterable[tuple[str, str, float]]) -> Iterator[Operation]:
    runs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for node, kind, seconds in profiled:
        runs[node, kind].append(seconds)
    nodes: dict[tuple[str, str], Any] = {}
    for graph in sorted(graphs, key=lambda one: len(one.node)):  # of equal names, those of the step
        if any(node.name.startswith("_") for node in graph.node):  # of an operation without a function
            continue
        nodes |= {(node.name, node.type): node for node in _sized(graph).get_operations()}
    for key in runs.keys() & nodes.keys():
        node = nodes[key]
        equation = node.get_attr("equation").decode() if node.type == "Einsum" else ""
        yield Operation(node.type, len(runs[key]), sum(runs[key]), _sizes(node.inputs), _sizes(node.outputs), equation)


def _sized(graph: Any) -> tf.Graph:
    """Return a graph whose tensors have shapes."""
    reads = {}
    for node in list(graph.node):
        # TensorFlow 2.21 takes the channels of the images for those of the bias, which its variable then contradicts.
        if node.op.endswith("Conv2DBackpropFilterWithBias"):
            name = reads[f"{node.name}:1"] = f"{node.name}/bias"
            graph.node.add(name=name, op="Placeholder").attr["dtype"].CopyFrom(node.attr["T"])
    for node in graph.node:
        node.input[:] = [reads.get(name, name) for name in node.input]
    with tf.Graph().as_default() as sized:
        tf.graph_util.import_graph_def(graph, name="")
    return sized


def _sizes(tensors: Iterable[Any]) -> tuple[Size, ...]:
    return tuple(
        (tuple(one.shape), one.dtype.size)
        if one.shape.is_fully_defined() and one.dtype not in (tf.resource, tf.variant, tf.string)
        else ((0,), 0)
        for one in tensors
    )


def use_one_core() -> None:
    """Compute on one thread of the CPU from here on.

    Raises:
        ValueError: if TensorFlow has started otherwise.
    """
    try:
        tf.config.set_visible_devices([], "GPU")
        if any(os.environ.get(name) != "1" for name in _THREADS):
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise ValueError(
            "A roofline is that of one core, and TensorFlow has started in this process with more threads, or with a "
            f"GPU. Set {_THREADS[0]}=1, {_THREADS[1]}=1 and CUDA_VISIBLE_DEVICES= before Python starts."
        ) from error
