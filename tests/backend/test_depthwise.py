"""The backend's depthwise convolution: Keras' own, with the gradients of wide windows by narrow ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import backend


def derivatives(convolve, window, size, **options):
    """A convolution, the gradients of a loss through it, and those of a function of these gradients."""
    rng = np.random.default_rng(0)
    x, v = (tf.constant(rng.normal(size=(3, *size, 4)), "float32") for _ in range(2))
    kernel, u = (tf.constant(rng.normal(size=(*window, 4, 1)), "float32") for _ in range(2))
    with tf.GradientTape() as outer:
        outer.watch([x, kernel])
        with tf.GradientTape() as inner:
            inner.watch([x, kernel])
            y = convolve(x, kernel, **options)
            loss = tf.reduce_sum(tf.sin(y))
        first = inner.gradient(loss, [x, kernel])
        function = tf.reduce_sum(first[0] * v) + tf.reduce_sum(first[1] * u)
    return [y, *first, *outer.gradient(function, [x, kernel])]


def stock(x, kernel, dilation=1):
    return keras.ops.depthwise_conv(x, kernel, 1, "same", "channels_last", dilation)


WINDOWS = (((5, 5), (6, 7), 1), ((7, 7), (8, 5), 1), ((4, 9), (6, 6), 1), ((5, 5), (7, 6), 2), ((1, 5), (1, 9), (1, 2)))


@pytest.mark.parametrize(
    ("window", "size", "dilation", "traced"),
    [
        *((*one, False) for one in WINDOWS),
        (*WINDOWS[0], True),
        *(pytest.param(*one, True, marks=pytest.mark.slow) for one in WINDOWS[1:]),
    ],
)
def test_values_and_two_derivatives_are_keras_own(window, size, dilation, traced):
    both = [tf.function(derivatives) if traced else derivatives] * 2
    ours = both[0](backend.depthwise_conv, window, size, dilation=dilation)
    expected = both[1](stock, window, size, dilation=dilation)
    for own, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=2e-6 * np.abs(other).max())


def gradients(window, **options):
    """How many gradients of filters a traced step computes."""

    @tf.function
    def step(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = tf.reduce_sum(backend.depthwise_conv(x, kernel, **options) ** 2)
        return tape.gradient(loss, kernel)

    traced = step.get_concrete_function(tf.TensorSpec((None, 8, 8, 4)), tf.TensorSpec((*window, 4, 1)))
    graph = traced.graph.as_graph_def()
    nodes = [node for part in (graph.node, *(one.node_def for one in graph.library.function)) for node in part]
    return sum(node.op == "DepthwiseConv2dNativeBackpropFilter" for node in nodes)


def test_the_gradient_of_a_wide_window_is_those_of_narrow_ones():
    assert gradients((5, 5)) == gradients((5, 5), dilation=2) == 2
    assert gradients((7, 7)) == 3
    assert gradients((5, 3)) == gradients((3, 3)) == gradients((5, 5), strides=2) == 1  # Keras' own
