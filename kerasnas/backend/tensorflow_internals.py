"""The seam to TensorFlow's private names: each behind one function that says why the public API does not do.

Nothing else in the package touches a private name of TensorFlow (a test reads the source for it), and
`tests/backend/test_internals.py` has one test for each name, so that a release of TensorFlow that drops one says which.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops


def gradient_registry() -> MutableMapping[str, Any]:
    """The registry of gradients by name, from which entries can be deleted.

    The public `tf.RegisterGradient` only adds to it.
    """
    return ops.gradient_registry._registry


def outlined(function: Callable) -> Any:
    """`function`, of tensors, as a `tf.function` that stays one node of the graphs that call it.

    By the public API the graph optimizer inlines it where it likes, and many functions made at one place draw a warning
    about retracing.
    """
    traced = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
    traced._omit_frequent_tracing_warning = True
    return traced


def in_multi_worker_mode(strategy: tf.distribute.Strategy) -> bool:
    """Tell if Keras takes the processes of `strategy` for several workers, whose metrics it averages.

    The condition is the one of Keras' own trainer; the public `cluster_resolver` says who the workers are, not if they
    were connected.
    """
    return strategy.extended._in_multi_worker_mode()
