"""Primitives on one-dimensional signals against Keras' own layers, NumPy, and primitives on images of one row."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import backend
from kerasnas.primitives import MixedOp
from kerasnas.primitives.base import primitive
from kerasnas.primitives.normalization import EPSILON, BatchNorm
from kerasnas.primitives.partial_mixed_op import PartialMixedOp

CHANNELS = 4
NORM = 1 / np.sqrt(1 + EPSILON)  # what batch norm does outside training, before any


def signals(length=9, seed=0):
    return np.random.default_rng(seed).standard_normal((2, length, CHANNELS)).astype("float32")


def built(name, strides=1, filters=CHANNELS):
    layer = primitive(name, filters, strides)
    layer.build((None, None, CHANNELS))
    rng = np.random.default_rng(1)
    for stage in layer.chain:
        if not isinstance(stage, BatchNorm):
            for variable in stage.trainable_variables:
                variable.assign(rng.standard_normal(variable.shape))
    return layer


def kernels(layer):
    return [ops.convert_to_numpy(variable) for variable in layer.trainable_variables if len(variable.shape) > 1]


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("name", "size"), [("conv_3", 3), ("conv_5", 5)])
def test_convolution_is_conv1d(name, size, strides):
    layer, x = built(name, strides, filters=6), signals()
    stock = keras.layers.Conv1D(6, size, strides=strides, padding="same", use_bias=False)
    stock.build(x.shape)
    stock.kernel.assign(np.reshape(kernels(layer)[0], (size, CHANNELS, 6)))
    np.testing.assert_allclose(layer(x, training=False), stock(np.maximum(x, 0)) * NORM, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("name", "size"), [("sep_conv_3", 3), ("sep_conv_5", 5), ("sep_conv_7", 7)])
def test_separable_convolution_is_separableconv1d_twice(name, size, strides):
    layer, x = built(name, strides), signals()
    expected, own = x, kernels(layer)
    for step, depthwise, pointwise in ((strides, own[0], own[1]), (1, own[2], own[3])):
        stock = keras.layers.SeparableConv1D(CHANNELS, size, strides=step, padding="same", use_bias=False)
        stock.build(x.shape)
        stock.depthwise_kernel.assign(depthwise[0])  # of one row
        stock.pointwise_kernel.assign(pointwise)
        expected = stock(np.maximum(expected, 0)) * NORM
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "size"), [("dil_conv_3", 3), ("dil_conv_5", 5)])
def test_dilated_convolution_by_its_sum(name, size):
    """At strides 2 the same at every second step."""
    layer, x = built(name), signals()
    depthwise, pointwise = kernels(layer)
    reach = size - 1
    padded = np.pad(np.maximum(x, 0), ((0, 0), (reach, reach), (0, 0)))
    window = sum(padded[:, 2 * tap : 2 * tap + x.shape[1]] * depthwise[0, tap, :, 0] for tap in range(size))
    expected = window @ pointwise[0] * NORM
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(built(name, strides=2)(x, training=False), expected[:, ::2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("name", "pool"), [("max_pool_3", np.nanmax), ("avg_pool_3", np.nanmean)])
def test_pools_leave_out_what_lies_outside(name, pool, strides):
    x = signals(length=9)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)), constant_values=np.nan)
    expected = pool(np.stack([padded[:, tap : tap + 9] for tap in range(3)]), axis=0)[:, ::strides]
    np.testing.assert_allclose(built(name, strides)(x, training=False), expected * NORM, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [8, 9])
def test_factorized_reduce_reads_even_and_odd_steps(length):
    layer, x = built("factorized_reduce", 2), signals(length)
    even, odd = (kernel[0] for kernel in kernels(layer))
    rectified = np.pad(np.maximum(x, 0), ((0, 0), (0, 1), (0, 0)))
    expected = np.concatenate([rectified[:, :length:2] @ even, rectified[:, 1 : length + 1 : 2] @ odd], axis=-1)
    np.testing.assert_allclose(layer(x, training=False), expected * NORM, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_is_that_of_an_image_of_one_row_to_second_order(training):
    def derivatives(x, dtype):
        layer = BatchNorm(dtype=dtype)
        layer.build(x.shape)
        cotangent = np.random.default_rng(1).standard_normal(x.shape)

        def gradient(values):
            def loss(inner):
                y = layer(inner[0], training=training)
                return ops.sum(y * ops.cast(cotangent, dtype)), y

            (_, y), gradients = backend.value_and_grad(loss)(values)
            return ops.sum(ops.square(gradients[0])), (y, gradients[0])

        (_, (y, first)), (second,) = backend.value_and_grad(gradient)([ops.convert_to_tensor(x, dtype)])
        return [ops.convert_to_numpy(value).reshape(signals().shape) for value in (y, first, second)]

    reference = derivatives(signals()[:, None], "float64")
    for received, expected in zip(derivatives(signals(), "float32"), reference, strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("kind", "strides"), [(MixedOp, 1), (PartialMixedOp, 2)])
def test_active_primitives_alone_equal_the_full_operation(kind, strides):
    names, copies = ["none", "skip_connect", "max_pool_3", "sep_conv_3", "dil_conv_5"], 2
    layer = kind(names, 8, strides, copies=copies)
    layer.build((None, 9, 8), (copies, len(names)))
    rng = np.random.default_rng(0)
    for variable in layer.variables:
        variable.assign(0.5 + rng.random(variable.shape))
    x = rng.standard_normal((2, 9, 8)).astype("float32")
    active = np.array([[0, 3], [1, 4]])
    weights = np.zeros((copies, len(names)), "float32")
    np.put_along_axis(weights, active, 0.5, axis=1)
    full = layer(x, weights=ops.convert_to_tensor(weights))
    some = layer(x, weights=ops.convert_to_tensor(weights), active=ops.convert_to_tensor(active))
    assert full.shape == layer.compute_output_shape((2, 9, 8)) == (2, 9 if strides == 1 else 5, 16)
    np.testing.assert_allclose(full, some, rtol=1e-4, atol=1e-5)
    assert not np.allclose(full[..., :8], full[..., 8:])


def test_wide_copies_are_convolved_one_by_one():
    """Above 16 channels a copy the 1x1 convolutions are not one block-diagonal convolution."""
    wide = primitive("sep_conv_3", 20)
    mixed = MixedOp(["sep_conv_3"], 20, affine=True, copies=2)
    x = np.random.default_rng(0).standard_normal((2, 6, 20)).astype("float32")
    wide(x), mixed(x, weights=np.ones((2, 1), "float32"))
    second = mixed.candidates["sep_conv_3"].part(backend.values(mixed.candidates["sep_conv_3"].variables))[1]
    for variable, value in zip(wide.variables, second, strict=True):
        variable.assign(value)
    received = mixed(x, weights=np.ones((2, 1), "float32"), training=True)[..., 20:]
    np.testing.assert_allclose(received, wide(x, training=True), rtol=1e-4, atol=1e-4)
