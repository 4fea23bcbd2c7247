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

    By the public API the graph optimizer inlines it where it likes, and many functions made at one place draw a warning
    about retracing.
    """
    function = gradients_of_their_graphs()(function)
    traced = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
    traced._omit_frequent_tracing_warning = True
    return traced


def in_multi_worker_mode(strategy: tf.distribute.Strategy) -> bool:
    """Tell if Keras takes the processes of `strategy` for several workers, whose metrics it averages.

    The condition is the one of Keras' own trainer; the public `cluster_resolver` says who the workers are, not if they
    were connected.
    """
    return strategy.extended._in_multi_worker_mode()
