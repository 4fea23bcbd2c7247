"""Single primitives: the property that distinguishes each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.primitives import PRIMITIVES
from kerasnas.primitives.base import Relu, Repeat, apply_standard, primitive
from kerasnas.primitives.convolutions import Convolution, DilConv, FactorizedReduce
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.parameter_free import AveragePool, Identity, MaxPool, Zero


def images(channels=3, size=(6, 6), seed=0):
    return np.random.default_rng(seed).standard_normal((2, *size, channels))


def test_average_pool_leaves_padding_out_of_its_count():
    pool = AveragePool(1, dtype="float64").chain[0]
    np.testing.assert_allclose(pool(np.ones((1, 4, 5, 1))), 1.0, rtol=1e-12)
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    received = pool(x).numpy()
    assert received[0, 0, 0, 0] == (0 + 1 + 3 + 4) / 4
    assert received[0, 0, 1, 0] == (0 + 1 + 2 + 3 + 4 + 5) / 6
    assert received[0, 1, 1, 0] == 4


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_pools_normalize_without_a_learned_scale(kind):
    layer = kind(3, dtype="float64")
    y = layer(5 + 3 * images(), training=True).numpy()
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-10)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)
    assert layer.trainable_variables == []


@pytest.mark.parametrize("size", [(6, 6), (7, 5)])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_dilated_convolution_at_strides_2_is_strides_1_subsampled(size, kernel_size):
    halved = DilConv(4, strides=2, kernel_size=kernel_size, dtype="float64")
    full = DilConv(4, strides=1, kernel_size=kernel_size, dtype="float64")
    x = images(size=size)
    halved(x), full(x)
    for source, target in zip(halved.variables, full.variables, strict=True):
        target.assign(source.value)
    np.testing.assert_allclose(halved(x, training=False), full(x, training=False)[:, ::2, ::2], rtol=1e-11, atol=1e-12)


def test_dilated_convolution_has_the_right_gradient():
    layer = DilConv(2, dtype="float64")
    x = tf.constant(images())
    layer(x)
    cotangent = np.random.default_rng(1).standard_normal((2, 6, 6, 2))
    kernel = layer.chain[2].kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) * cotangent)
    gradient = tape.gradient(loss, kernel.value).numpy()
    direction, start = np.random.default_rng(2).standard_normal(gradient.shape), kernel.numpy()
    ends = []
    for step in (1e-6, -1e-6):
        kernel.assign(start + step * direction)
        ends.append(float(tf.reduce_sum(layer(x, training=True) * cotangent)))
    np.testing.assert_allclose((gradient * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("size", [(4, 4), (5, 3)])
def test_factorized_reduce_reads_even_and_odd_pixels(size):
    layer = FactorizedReduce(2, dtype="float64")
    x = np.abs(images(1, size)) + 1
    layer(x)
    for kernel in layer.chain[1].kernels:
        kernel.assign(np.ones(kernel.shape))
    y = layer.chain[1](x).numpy()
    np.testing.assert_allclose(y[..., 0], x[:, ::2, ::2, 0])
    odd = x[:, 1::2, 1::2, 0]
    np.testing.assert_allclose(y[:, : odd.shape[1], : odd.shape[2], 1], odd)
    assert (y[:, odd.shape[1] :, :, 1] == 0).all() and (y[:, :, odd.shape[2] :, 1] == 0).all()


def test_factorized_reduce_splits_odd_filters():
    assert FactorizedReduce(5)(images()).shape == (2, 3, 3, 5)


def test_skip_connect_is_the_input_itself():
    layer = primitive("skip_connect", 3)
    assert isinstance(layer, Identity)
    x = images().astype("float32")
    np.testing.assert_array_equal(layer(x, training=True), x)
    assert isinstance(primitive("skip_connect", 3, strides=2), FactorizedReduce)


@pytest.mark.parametrize(("strides", "size"), [(1, (5, 6)), (2, (3, 3))])
def test_none_is_zero(strides, size):
    y = Zero(3, strides=strides)(images(size=(5, 6)))
    assert y.shape == (2, *size, 3)
    assert not np.any(y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorizedReduce(4, strides=1), "Expected 2"),
        (lambda: FactorizedReduce(1), "`filters`. Expected an integer of at least 2. Received: 1"),
        (lambda: Identity(4, strides=2), "Expected 1"),
        (lambda: DilConv(4, kernel_size=0), "`kernel_size`"),
        (lambda: DilConv(True), "`filters`"),
        (lambda: DilConv(4, affine="yes"), "`affine`. Expected True or False. Received: 'yes'"),
        (lambda: BatchNorm(affine=None), "`affine`. Expected True or False"),
        (lambda: BatchNorm(synchronized=1), "`synchronized`. Expected True or False"),
        (lambda: primitive("max_pool_3x", 4), "Did you mean 'max_pool_3x3'"),
    ],
)
def test_wrong_arguments_are_reported(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_a_model_of_the_primitive_is_saved_and_loaded(name, tmp_path):
    primitive = PRIMITIVES[name](filters=4, strides=2, affine=True)
    x = images(4)[:, 0] if primitive.masked else images(4)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, primitive(inputs))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model(x, training=False), loaded(x, training=False), rtol=1e-6)


def test_a_chain_of_stages_is_spelled_out_in_its_order():
    inputs = keras.Input((6, 6, 3))
    stages = [Convolution(4, 3), Repeat(1), BatchNorm(), Relu()]
    model = keras.Model(inputs, apply_standard(stages, inputs))
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["Conv2D", "BatchNormalization", "ReLU"]  # one copy is nothing to repeat
