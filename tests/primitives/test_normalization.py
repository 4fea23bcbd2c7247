"""BatchNorm: exact to second order, with the published networks' statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.primitives.normalization import BatchNorm


def images(seed=0):
    rng = np.random.default_rng(seed)
    return 1.5 + 2 * rng.standard_normal((3, 4, 4, 2))


def gradient(layer, x, cotangent):
    """Of a loss that is not linear in the output, so that the second derivative has all its terms."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(cotangent * y * y * y + y * cotangent)
    return tape.gradient(loss, x)


def second_derivative_error(make, dtype="float32"):
    """Of the Hessian times a vector in `dtype`, relative to central differences of the float64 first derivative."""
    rng = np.random.default_rng(1)
    x = images()
    cotangent, vector = rng.standard_normal((2, *x.shape))
    exact, layer = make(dtype="float64"), make(dtype=dtype)
    step = 1e-5
    ends = [gradient(exact, tf.constant(x + sign * step * vector), cotangent).numpy() for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    point = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(point)
        along = tf.reduce_sum(gradient(layer, point, tf.constant(cotangent, dtype)) * vector.astype(dtype))
    received = tape.gradient(along, point).numpy()
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-8)])
def test_second_derivative_is_right(affine, dtype, tolerance):
    assert second_derivative_error(lambda dtype: BatchNorm(affine, dtype=dtype), dtype) < tolerance


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a fault of Keras on TensorFlow")
def test_second_derivative_of_the_stock_layer_is_wrong():
    """The reason for this layer. When this fails, Keras is fixed and the layer is only faster."""
    assert second_derivative_error(lambda dtype: keras.layers.BatchNormalization(epsilon=1e-5, dtype=dtype)) > 1e-2


def test_first_derivative_equals_the_stock_layers():
    x, cotangent = tf.constant(images()), np.random.default_rng(1).standard_normal((3, 4, 4, 2))
    stock = keras.layers.BatchNormalization(epsilon=1e-5, dtype="float64")
    np.testing.assert_allclose(
        gradient(BatchNorm(dtype="float64"), x, cotangent), gradient(stock, x, cotangent), rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_moving_statistics(dtype):
    layer = BatchNorm(dtype=dtype)
    x = images()
    for _ in range(2):
        layer(x, training=True)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2), ddof=1)  # unbiased, as PyTorch keeps it
    tolerance = {"float64": 1e-12, "float32": 1e-5, "mixed_bfloat16": 2e-2}[dtype]
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.19 * mean, rtol=tolerance, atol=tolerance / 10)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.81 + 0.19 * variance, rtol=tolerance)
    before = layer.moving_mean.numpy()
    layer(x, training=False)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inference_uses_the_moving_statistics(dtype):
    layer = BatchNorm(dtype=dtype)
    x = images()
    layer.build(x.shape)
    for variable, value in zip(layer.variables, ([2, 3], [0.5, -1], [1, -1], [4, 0.25]), strict=True):
        variable.assign(value)
    expected = (x - [1, -1]) / np.sqrt(np.array([4, 0.25]) + 1e-5) * [2, 3] + [0.5, -1]
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_scale_multiplies_the_whole_result(affine, training):
    layer = BatchNorm(affine, dtype="float64")
    x = images()
    layer(x)
    for variable in layer.trainable_variables:
        variable.assign([0.7, -1.2])
    scale = np.array([0.25, 3.0])
    np.testing.assert_allclose(
        layer(x, scale=scale, training=training), layer(x, training=training) * scale, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("training", [True, False])
def test_statistics_stay_in_float32_under_mixed_precision(training):
    x = images()
    expected = BatchNorm()(x, training=training)
    received = BatchNorm(dtype="mixed_bfloat16")(x, training=training)
    assert received.dtype == "bfloat16"
    np.testing.assert_allclose(tf.cast(received, "float32"), expected, atol=0.03)
