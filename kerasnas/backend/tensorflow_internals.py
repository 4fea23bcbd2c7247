"""Seam to TensorFlow's private names: one function each, which says why the public API does not suffice.

No other file touches a private name of TensorFlow (`tests/test_architecture.py`), and `tests/backend/test_internals.py`
has one test per name, so that a release of TensorFlow that drops one is identified.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError as ConverterError
from tensorflow.python.eager import context
from tensorflow.python.framework import ops
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.ops import gen_resource_variable_ops
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_PASSES = (
    "arithmetic_optimization",
    "common_subgraph_elimination",
    "constant_folding",
    "dependency_optimization",
    "function_optimization",
    "implementation_selector",
    "layout_optimizer",
    "loop_optimization",
    "remapping",
    "scoped_allocator_optimization",
    "shape_optimization",
    "use_plugin_optimizers",
)
"""Passes of the graph optimizer that `pruned_only` disables, by their names in `RewriterConfig`."""

_all_inlined: list[bool] = []  # one entry per open context of `all_inlined`


def gradient_registry() -> MutableMapping[str, Any]:
    """Return the registry of gradients by name, from which entries can be deleted.

    The public `tf.RegisterGradient` only adds to it.
    """
    return ops.gradient_registry._registry


@contextlib.contextmanager
def gradients_of_their_graphs() -> Iterator[None]:
    """A context in which a graph with custom gradients can be freed: TensorFlow's registry refers to them weakly.

    With the public `tf.custom_gradient`, the registry holds the function behind every custom gradient of a graph, and
    through it the graph, for the life of the process. Made in this context, such a function belongs to its graph and
    the surrounding ones, and its entry goes with the last of them.
    """
    stock = ops.RegisterGradient
    if not issubclass(stock, _GraphsGradient):
        ops.RegisterGradient = _GraphsGradient
    try:
        yield
    finally:
        ops.RegisterGradient = stock


class _GraphsGradient(ops.RegisterGradient):
    def __call__(self, function: Callable) -> Callable:
        graph = tf.compat.v1.get_default_graph()
        if not graph.building_function:
            return super().__call__(function)
        name, entries = self._op_type, gradient_registry()
        gradient: Callable[[], Any] = weakref.ref(function, lambda _: entries.pop(name, None))
        super().__call__(lambda operation, *gradients: gradient()(operation, *gradients))
        while graph.building_function:
            graph._kerasnas_gradients = [*getattr(graph, "_kerasnas_gradients", ()), function]
            graph = graph.outer_graph
        return function


def share_handle_kernels() -> None:
    """Let variables of the same shape share the kernel that makes their handles.

    `tf.Variable` passes its name, for error messages alone, as an attribute of the operation that makes its handle.
    Operations with different attributes have different kernels: 0.5 ms and 34 KB for each variable, the memory for the
    life of the process, since Keras numbers its layers. The public API has no variables without a name.
    """
    stock = gen_resource_variable_ops.var_handle_op
    if stock.__module__ == __name__:
        return

    def var_handle_op(*arguments: Any, debug_name: str = "", **options: Any) -> Any:
        return stock(*arguments, **options)

    gen_resource_variable_ops.var_handle_op = var_handle_op


def traced_once(function: Callable) -> Any:
    """Trace `function`, a pure function of tensors, once per signature, as one node of the graphs that call it.

    With the public API the graph optimizer may inline it.
    """
    return inlined(function, **({} if _all_inlined else {"experimental_attributes": {"_noinline": True}}))


@contextlib.contextmanager
def all_inlined() -> Iterator[None]:
    """A context in which `traced_once` makes functions that are inlined, as the public `tf.function` does.

    `executed_graphs` has no graphs of functions that are not.
    """
    _all_inlined.append(True)
    try:
        yield
    finally:
        _all_inlined.pop()


def inlined(function: Callable, **options: Any) -> Any:
    """Wrap `function`, of tensors, as a `tf.function` whose nodes replace a call of it.

    With the public API, many functions made at one place draw a warning about retracing.
    """
    traced = tf.function(gradients_of_their_graphs()(function), autograph=False, **options)
    traced._omit_frequent_tracing_warning = True
    return traced


def pruned_only(function: Callable) -> Callable:
    """Run the `tf.function`s that `function` calls as traced, except for pruning.

    The graph optimizer's other passes find little in the graph of a search step and took a third of the first one; its
    memory optimizer made later steps slower and larger. The public `tf.config.optimizer.set_experimental_options`
    applies to all functions of the process, and covers only some passes.
    """
    eager = context.context()
    stock = eager.function_call_options
    config = tf.compat.v1.ConfigProto.FromString(stock.config_proto_serialized)
    passes = config.graph_options.rewrite_options
    for name in _PASSES:
        setattr(passes, name, passes.OFF)
    passes.memory_optimization = passes.NO_MEM_OPT
    passes.disable_tfg_optimizer = True
    passes.meta_optimizer_iterations = passes.ONE
    bare = context.FunctionCallOptions(stock.executor_type, config)

    def run(*arguments: Any) -> Any:
        before = eager.function_call_options
        eager.function_call_options = bare
        try:
            return function(*arguments)
        finally:
            eager.function_call_options = before

    return run


def in_multi_worker_mode(strategy: tf.distribute.Strategy) -> bool:
    """Return True if Keras treats the processes of `strategy` as several workers, whose metrics it averages.

    Keras' own trainer uses this condition; the public `cluster_resolver` lists the workers, but not if they are
    connected.
    """
    return strategy.extended._in_multi_worker_mode()


def frozen(function: Any) -> Any:
    """Return a concrete function whose variables are constants.

    The public converters of LiteRT do this after they have written a model to disk, in several times the time.
    """
    return convert_variables_to_constants_v2(function)


@contextlib.contextmanager
def executed_graphs() -> Iterator[list[Any]]:
    """A context whose end fills a list with the graphs of functions first called in it, as they are executed.

    The public `tf.function` shows its graph as traced, before operations are removed, replaced and fused.
    """
    eager, graphs = context.context(), list[Any]()
    eager.enable_graph_collection()
    try:
        yield graphs
        graphs.extend(eager.export_run_metadata().partition_graphs)
    finally:
        eager.disable_graph_collection()


def profiled_operations(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Yield node, kind and seconds of each operation that `tf.profiler` recorded in `folder`.

    The seconds are its own, without those of operations that ran inside it. The public API writes the file, for
    TensorBoard, and does not read it.
    """
    for file in folder.rglob("*.xplane.pb"):
        for plane in xplane_pb2.XSpace.FromString(file.read_bytes()).planes:
            kinds = {key: one.display_name for key, one in plane.event_metadata.items() if one.display_name}
            names = {key: plane.event_metadata[key].name for key in kinds}
            for line in plane.lines:
                events = [(e.offset_ps, -e.duration_ps, e.metadata_id) for e in line.events if e.metadata_id in kinds]
                inside: list[list[Any]] = []  # end, key and own time of operations that are running
                for begin, minus, key in [*sorted(events), (float("inf"), 0, 0)]:
                    while inside and inside[-1][0] <= begin:
                        _, done, own = inside.pop()
                        yield names[done].removesuffix(f":{kinds[done]}"), kinds[done], 1e-12 * own
                    if inside:
                        inside[-1][2] += minus
                    inside.append([begin - minus, key, -minus])
