"""The backend's primitives: the fused batch norm and its derivatives."""

import numpy as np
import pytest
import tensorflow as tf

from kerasnas import backend


def derivatives(dtype, training=True):
    """The gradients of a loss through batch norm, and those of a function of these gradients."""
    rng = np.random.default_rng(0)
    x, w, u = (tf.constant(rng.normal(0.3, 1.5, (8, 5, 5, 6)), dtype) for _ in range(3))
    scale = tf.constant([1, 0, 0.5, -2, 1.3, 0.1], dtype)  # 0: an operation that is not mixed in
    offset, s, o = (tf.constant(rng.normal(size=6), dtype) for _ in range(3))
    parameters = [x, scale, offset]
    with tf.GradientTape() as outer:
        outer.watch(parameters)
        with tf.GradientTape() as inner:
            inner.watch(parameters)
            y, *_ = backend.batch_norm(x, scale, offset, tf.zeros(6, dtype), tf.ones(6, dtype), 0.9, 1e-3, training)
            loss = tf.reduce_sum(tf.sin(y) * w)
        first = inner.gradient(loss, parameters)
        function = sum(tf.reduce_sum(a * b) for a, b in zip(first, (u, s, o), strict=True))
    return [*first, *outer.gradient(function, parameters)]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("training", [True, False])
def test_fused_batch_norm_and_its_closed_form_equal_the_formula(training, compiled):
    """In float64 `batch_norm` is the plain formula, whose derivatives are TensorFlow's own."""
    function = tf.function(derivatives, jit_compile=True) if compiled else derivatives
    for fused, plain in zip(function("float32", training), derivatives("float64", training), strict=True):
        fused, plain = np.asarray(fused, "float64"), np.asarray(plain)
        assert np.abs(fused - plain).max() < 1e-6 * np.abs(plain).max()


def test_first_order_only_leaves_every_derivative_right():
    """It picks other formulas for the same: in a graph of fewer nodes, the second derivatives in more operations."""

    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            one, zero = tf.ones(6), tf.zeros(6)
            y, *_ = backend.batch_norm(x, one, zero, zero, one, 0.9, 1e-3, True)
            loss = tf.reduce_sum(tf.sin(y))
        return tape.gradient(loss, x)

    spec, expected = tf.TensorSpec((8, 5, 5, 6)), derivatives("float32")
    nodes = len(tf.function(first).get_concrete_function(spec).graph.get_operations())
    with backend.first_order_only():
        assert len(tf.function(first).get_concrete_function(spec).graph.get_operations()) < nodes
        found = derivatives("float32")
    for exact, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(exact, other, rtol=1e-5, atol=2e-6 * np.abs(exact).max())
