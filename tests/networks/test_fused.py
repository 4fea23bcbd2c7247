"""Standard networks on the fused batch norm: the same numbers, and the same network afterwards."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import DARTSSpace
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.networks.fused import fused

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(1.5, 2, (8, 8, 8, 3)).astype("float32"), np.arange(8) % 3


def nested(**options):
    """Two levels of models, a slice, a user's own layer and batch norms with options of their own."""
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            keras.layers.BatchNormalization(momentum=0.7, epsilon=1e-2, scale=False),
            keras.layers.DepthwiseConv2D(5, padding="same", activation="relu"),
        ]
    )
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization(gamma_regularizer="l2", **options)(x)
    x = keras.layers.Cropping2D(((1, 0), (0, 2)))(Doubled()(inner(x)))[:, ::2, ::2]
    x = keras.layers.BatchNormalization(center=False)(x)
    x = keras.layers.BatchNormalization()(keras.layers.GlobalAveragePooling2D()(x))  # of features, not of images
    return trained(keras.Model(inputs, keras.layers.Dense(3, dtype="float32")(x)))


class Doubled(keras.layers.Layer):
    """Without `get_config`."""

    def __init__(self):
        super().__init__()
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, inputs):
        return 2 * self.factor * inputs


def darts():
    space = DARTSSpace(filters=4, num_cells=2, num_nodes=2)
    return trained(space.build_network(space.sample(np.random.default_rng(1)), (8, 8, 3), 3))


def trained(model):
    """`model` with weights and statistics as a training leaves them."""
    rng = np.random.default_rng(5)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(variable + 0.3 * np.abs(rng.standard_normal(variable.shape)))
    return model


def results(model):
    """Logits outside training; loss, gradients and state after a training step, put back afterwards."""
    before = [variable.numpy() for variable in model.non_trainable_variables]
    outside = model(X, training=False)
    with tf.GradientTape() as tape:
        loss = LOSS(Y, model(X, training=True)) + sum(model.losses)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    state = [variable.numpy() for variable in model.non_trainable_variables]
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        variable.assign(value)
    return np.asarray(outside), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients], state, before


def kernels(function):
    graph = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(X.shape)).graph
    return sum(node.op == "FusedBatchNormV3" for node in graph.as_graph_def().node)


@pytest.mark.parametrize("make", [nested, pytest.param(darts, marks=pytest.mark.slow)])
def test_outputs_gradients_and_statistics_are_the_stock_layers(make):
    model = make()
    stock = results(model)
    with fused(model) as same:
        assert same is model
        ours = results(model)
        norms = sum(isinstance(layer, keras.layers.BatchNormalization) for layer in flatten_layers(model))
        assert kernels(lambda x: model(x, training=True)) == norms > 2
    np.testing.assert_allclose(ours[0], stock[0], atol=5e-5, rtol=1e-5)
    for index in (1, 2):
        for own, expected in zip(ours[index], stock[index], strict=True):
            np.testing.assert_allclose(own, expected, atol=1e-4, rtol=1e-4)
    assert any(not np.array_equal(after, before) for after, before in zip(ours[2], ours[3], strict=True))
    assert kernels(lambda x: model(x, training=True)) == 0  # the network is the standard one again
    np.testing.assert_array_equal(np.asarray(model(X, training=False)), stock[0])


@pytest.mark.slow
def test_a_network_trained_inside_is_saved_as_standard_layers(tmp_path):
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
    model = space.build_network(space.sample(np.random.default_rng(1)), (8, 8, 3), 3)
    with fused(model):
        model.compile("sgd", LOSS)
        model.fit(X, Y, epochs=2, verbose=0)
        inside = model.predict(X, verbose=0)
        model.save(tmp_path / "inside.keras")
    model.save(tmp_path / "model.keras")
    for name in ("inside", "model"):
        loaded = keras.models.load_model(tmp_path / f"{name}.keras")
        assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
        np.testing.assert_allclose(loaded.predict(X, verbose=0), inside, atol=1e-5, rtol=1e-5)


def test_a_frozen_batch_norm_stays_frozen():
    model = nested()
    model.layers[2].trainable = False
    stock = results(model)
    with fused(model):
        ours = results(model)
    for own, expected in zip(ours[2], stock[2], strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-4, rtol=1e-4)


CONVOLUTIONS = {
    "plain": keras.layers.Conv2D(4, 3, 2, use_bias=False),
    "biased": keras.layers.Conv2D(6, 1, padding="same", groups=3),
    "depthwise": keras.layers.DepthwiseConv2D(3, 2, "same", depth_multiplier=2),
    "wide": keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False),
}


OPTIONS = [{}, {"scale": False, "epsilon": 0.1}, {"center": False}]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param(kind, options, marks=[pytest.mark.slow] * ((first + second) % 3 > 0))
        for first, kind in enumerate(CONVOLUTIONS)
        for second, options in enumerate(OPTIONS)
    ],
)
def test_a_frozen_batch_norm_becomes_part_of_the_convolution_before_it(kind, options):
    inputs = keras.Input((8, 8, 3))
    convolution = CONVOLUTIONS[kind].from_config(CONVOLUTIONS[kind].get_config())
    norm = keras.layers.BatchNormalization(**options)
    body = keras.Model(inputs, keras.layers.ReLU(6.0)(norm(convolution(inputs))))
    model = trained(keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(body(inputs)))))
    norm.trainable = False
    stock = results(model)
    with fused(model):
        assert {layer for layer in flatten_layers(model) if "call" in vars(layer)} == {convolution, norm}
        ours = results(model)
    assert all("call" not in vars(layer) for layer in flatten_layers(model))
    for own, expected in zip((ours[0], *ours[1]), (stock[0], *stock[1]), strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-5 * np.abs(expected).max(), rtol=1e-4)
    assert all(np.array_equal(*pair) for pair in zip(ours[2], ours[3], strict=True))


class OwnConv(keras.layers.Conv2D):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "why", ["learns", "read twice", "called twice", "answers", "activated", "own norm", "own convolution", "half"]
)
def test_a_batch_norm_that_is_none_of_a_convolution_alone_stays_as_it_is(why):
    inputs = keras.Input((8, 8, 3))
    kind = OwnConv if why == "own convolution" else keras.layers.Conv2D
    activation = "relu" if why == "activated" else None
    precision = "mixed_bfloat16" if why == "half" else "float32"
    convolution = kind(3, 1, activation=activation, dtype=precision)
    norm = (Own if why == "own norm" else keras.layers.BatchNormalization)(dtype=precision)
    x = convolution(inputs)
    y = norm(x)
    y = {"read twice": lambda: y + x, "called twice": lambda: y + convolution(y)}.get(why, lambda: y)()
    model = trained(keras.Model(inputs, [y, x] if why == "answers" else y))
    norm.trainable = why == "learns"
    stock = model(X, training=False)
    with fused(model):
        assert "call" not in vars(convolution) and ("call" in vars(norm)) is norm.trainable
        for own, expected in zip(*map(keras.tree.flatten, (model(X, training=False), stock)), strict=True):
            np.testing.assert_allclose(*(keras.ops.cast(one, "float32") for one in (own, expected)), rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_mixed_precision(training):
    """Keras computes in single precision and rounds the result, and so does the kernel."""
    x = keras.ops.cast(X, "bfloat16")
    stock, own = (keras.layers.BatchNormalization(dtype="mixed_bfloat16") for _ in range(2))
    stock.build(X.shape), own.build(X.shape)
    expected = stock(x, training=training)
    with fused(own):
        received = own(x, training=training)
    assert received.dtype == expected.dtype == "bfloat16"
    np.testing.assert_allclose(*(keras.ops.cast(y, "float32") for y in (received, expected)), atol=0.02)
    np.testing.assert_allclose(own.moving_variance, stock.moving_variance, rtol=1e-4)


class Own(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return inputs + 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *((keras.layers.BatchNormalization, {name: value}) for name, value in [("axis", 1), ("dtype", "float64")]),
        *((keras.layers.BatchNormalization, {name: True}) for name in ("renorm", "synchronized")),
        (keras.layers.Cropping2D, {"data_format": "channels_first"}),
        (Own, {}),
    ],
)
def test_what_the_kernel_cannot_compute_stays_as_it_is(kind, options):
    layer = kind(**options)
    with fused(keras.Sequential([keras.Input((8, 8, 3)), layer])):
        assert "call" not in vars(layer)


def test_the_gradient_of_a_crop_pads():
    layer = keras.layers.Cropping2D(((1, 2), (0, 3)))

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            cropped = layer(x)
            assert cropped.shape == (8, 5, 5, 3)
            loss = tf.reduce_sum(cropped**3)
        return tape.gradient(loss, x)

    def kinds():
        graph = tf.function(lambda x: gradient(x), autograph=False).get_concrete_function(tf.constant(X)).graph
        return {node.op for node in graph.as_graph_def().node}

    expected = gradient(tf.constant(X))
    assert "StridedSliceGrad" in kinds()
    with fused(layer):
        assert "StridedSliceGrad" not in kinds()
        np.testing.assert_array_equal(gradient(tf.constant(X)), expected)


def test_a_masked_batch_norm_is_kerass():
    x, mask = np.random.default_rng(1).random((2, 4, 3)).astype("float32"), np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    stock, own = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
    stock.build(x.shape), own.build(x.shape)
    expected = stock(x, training=True, mask=mask)
    with fused(own):
        np.testing.assert_allclose(own(x, training=True, mask=mask), expected)
    np.testing.assert_allclose(own.moving_mean, stock.moving_mean)


def test_contexts_nest_and_an_error_leaves_the_network_as_it_was():
    model = nested()
    with pytest.raises(KeyError), fused(model), fused(model):
        raise KeyError
    assert all("call" not in vars(layer) for layer in flatten_layers(model))


ON_JAX = """
import sys
import numpy as np
from kerasnas import DARTSSpace
from kerasnas.networks.fused import fused
from kerasnas.files.stages import Stages
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe

space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["sep_conv_3x3"])
genotype = space.sample(np.random.default_rng(0))
with fused(space.build_network(genotype, (8, 8, 1), 3)) as network:
    print([layer.name for layer in network.layers if "call" in vars(layer)])
x, y = np.random.default_rng(0).random((24, 8, 8, 1)).astype("float32"), np.arange(24) % 3
record = NetworkTraining(space, (8, 8, 1), 3, TrainingRecipe(2, 8)).run(
    Stages(sys.argv[1]), "one", genotype, (x, y), (x, y), validate=True
)
print(sorted(record["history"]), len(record["history"]["loss"]))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.slow
def test_on_jax_a_network_trains_as_it_is(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['accuracy', 'loss', 'val_accuracy', 'val_loss'] 2"]
