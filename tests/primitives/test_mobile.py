"""MBConv: parameters, residual connection, and an independent formulation."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.primitives.mobile import MBConv


def images(channels, size=(6, 7), seed=0):
    return np.random.default_rng(seed).standard_normal((3, *size, channels)).astype("float32")


def scattered(layer, x):
    """`layer`, built, with variables moved off their initial values."""
    layer(x)
    rng = np.random.default_rng(1)
    for variable in layer.variables:
        variable.assign(variable + rng.uniform(0.1, 0.6, variable.shape))
    return layer


@pytest.mark.parametrize(("channels", "strides", "kept"), [(4, 1, True), (3, 1, False), (4, 2, False)])
def test_the_input_is_added_where_the_shape_is_kept(channels, strides, kept):
    layer = MBConv(4, strides)
    x = images(channels)
    layer(x)
    layer.chain[-1].gamma.assign(np.zeros(4))
    layer.chain[-1].beta.assign(np.full(4, 0.5))
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y, x + 0.5 if kept else 0.5, rtol=1e-6, atol=1e-6)
    inputs = keras.Input((6, 6, channels))
    model = keras.Model(inputs, layer.expand(inputs))
    assert any(isinstance(one, keras.layers.Add) for one in model.layers) == kept


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("channels", "strides", "expansion"), [(4, 1, 3), (3, 2, 6), (4, 1, 1)])
def test_equals_a_plain_keras_formulation(channels, strides, expansion, training):
    x = images(channels)
    layer = scattered(MBConv(4, strides, kernel_size=5, expansion=expansion), x)
    inputs = keras.Input(x.shape[1:])
    y = inputs

    def norm(z):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(z)

    if expansion > 1:
        y = keras.layers.Conv2D(expansion * channels, 1, use_bias=False)(y)
        y = keras.layers.Activation("relu6")(norm(y))
    y = keras.layers.DepthwiseConv2D(5, strides=strides, padding="same", use_bias=False)(y)
    y = keras.layers.Activation("relu6")(norm(y))
    y = norm(keras.layers.Conv2D(4, 1, use_bias=False)(y))
    model = keras.Model(inputs, y + inputs if channels == 4 and strides == 1 else y)
    for own, theirs in (
        (layer.trainable_variables, model.trainable_variables),
        (layer.non_trainable_variables, model.non_trainable_variables),
    ):
        for source, target in zip(own, theirs, strict=True):
            target.assign(ops.reshape(source, target.shape))
    received, expected = layer(x, training=training).numpy(), model(x, training=training).numpy()
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    assert (received.min(), received.max()) != (0, 6)


def test_relu6_is_bounded_on_both_sides():
    relu = MBConv(2, expansion=3).chain[2]
    np.testing.assert_array_equal(relu.call(np.array([-1.0, 0.5, 7.0], "float32")), [0, 0.5, 6])


def test_drop_path_drops_the_bottleneck_alone():
    def gone(y):
        return keras.layers.Rescaling(0.0)(y)

    inputs = keras.Input((6, 7, 4))
    model = keras.Model(inputs, MBConv(4).expand(inputs, drop_path=gone))
    np.testing.assert_array_equal(model(images(4)), images(4))
    changed = keras.Model(inputs, MBConv(5).expand(inputs, drop_path=gone))  # nothing would be left
    assert not any(isinstance(layer, keras.layers.Rescaling) for layer in changed.layers)
