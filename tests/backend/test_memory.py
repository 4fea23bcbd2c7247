"""Models that are gone leave nothing behind."""

import gc
import weakref

import tensorflow as tf

from kerasnas.backend.memory import forget_gradients


def graph_of(activation):
    """A weak reference to the graph of a gradient of `activation`, of which nothing else is kept."""
    traced = tf.function(lambda x: tf.gradients(activation(x), x))
    return weakref.ref(traced.get_concrete_function(tf.TensorSpec([2])).graph)


def test_graphs_with_custom_gradients_are_freed():
    kept = graph_of(tf.nn.silu)
    with forget_gradients():
        gone = graph_of(tf.nn.silu)
    gc.collect()
    assert kept() is not None and gone() is None  # TensorFlow alone keeps it, see `forget_gradients`


def test_gradients_of_before_are_kept():
    traced = tf.function(lambda x: tf.nn.silu(x))
    traced.get_concrete_function(tf.TensorSpec([2]))
    with forget_gradients():
        graph_of(tf.nn.silu)
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = traced(x)
    assert tape.gradient(y, x).shape == (2,)
