"""The seam to TensorFlow's private names: each behind one function that says why the public API does not do.

Nothing else in the package touches a private name of TensorFlow (a test reads the source for it), and
`tests/backend/test_internals.py` has one test for each name, so that a release of TensorFlow that drops one says which.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import ops

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
"""The passes of the graph optimizer that `pruned_only` leaves out, as `RewriterConfig` names them."""


def gradient_registry() -> MutableMapping[str, Any]:
    """The registry of gradients by name, from which entries can be deleted.

    The public `tf.RegisterGradient` only adds to it.
    """
    return ops.gradient_registry._registry


@contextlib.contextmanager
def gradients_of_their_graphs() -> Iterator[None]:
    """A context in which a graph with custom gradients can be freed: TensorFlow's registry refers to them weakly.

    By the public `tf.custom_gradient` the registry of gradients by name holds the function behind every custom gradient
    of a graph, and through it the graph, for the life of the process. Made in this context, such a function belongs to
    its graph and those around it, and its entry goes with the last of them.
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
        own: Callable[[], Any] = weakref.ref(function, lambda _: entries.pop(name, None))
        super().__call__(lambda operation, *gradients: own()(operation, *gradients))
        while graph.building_function:
            graph._kerasnas_gradients = [*getattr(graph, "_kerasnas_gradients", ()), function]
            graph = graph.outer_graph
        return function


def clear_kernel_cache() -> None:
    """Forget the kernels of operations that ran eagerly; they are made again where they run again.

    By the public API the cache only grows: a variable has a kernel of its own, and it stays when the variable is gone.
    `keras.utils.clear_session` clears it too, but also resets the names of layers.
    """
    context.context().clear_kernel_cache()


def outlined(function: Callable) -> Any:
    """`function`, of tensors, as a `tf.function` that stays one node of the graphs that call it.

    By the public API the graph optimizer inlines it where it likes.
    """
    return inlined(function, experimental_attributes={"_noinline": True})


def inlined(function: Callable, **options: Any) -> Any:
    """`function`, of tensors, as a `tf.function` whose nodes take the place of a call of it.

    By the public API, many functions made at one place draw a warning about retracing.
    """
    traced = tf.function(gradients_of_their_graphs()(function), autograph=False, **options)
    traced._omit_frequent_tracing_warning = True
    return traced


def pruned_only(function: Callable) -> Callable:
    """`function`, whose `tf.function`s run as they were traced, but for nodes that nothing needs.

    Of the passes of the graph optimizer only the pruning is left. The others find little in the graph of a search step
    and took a third of the first one; the memory optimizer among them made later steps slower and larger. The public
    `tf.config.optimizer.set_experimental_options` holds for all functions of the process, and knows but some passes.
    """
    own = context.context()
    stock = own.function_call_options
    config = tf.compat.v1.ConfigProto.FromString(stock.config_proto_serialized)
    passes = config.graph_options.rewrite_options
    for name in _PASSES:
        setattr(passes, name, passes.OFF)
    passes.memory_optimization = passes.NO_MEM_OPT
    passes.disable_tfg_optimizer = True
    passes.meta_optimizer_iterations = passes.ONE
    bare = context.FunctionCallOptions(stock.executor_type, config)

    def run(*arguments: Any) -> Any:
        before = own.function_call_options
        own.function_call_options = bare
        try:
            return function(*arguments)
        finally:
            own.function_call_options = before

    return run


def in_multi_worker_mode(strategy: tf.distribute.Strategy) -> bool:
    """Tell if Keras takes the processes of `strategy` for several workers, whose metrics it averages.

    The condition is the one of Keras' own trainer; the public `cluster_resolver` says who the workers are, not if they
    were connected.
    """
    return strategy.extended._in_multi_worker_mode()
