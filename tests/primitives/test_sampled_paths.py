"""Active primitives alone: equal to the full mixed operation with all other weights at zero, at their price only."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas import DARTSSpace, MixedOp, backend, register_primitive
from kerasnas.primitives import PRIMITIVES
from kerasnas.primitives.partial_mixed_op import PartialMixedOp

PRIMITIVE_NAMES = ["none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_3x3"]
COPIES, FILTERS = 3, 8


@pytest.fixture
def images():
    return np.random.default_rng(0).standard_normal((2, 6, 6, FILTERS)).astype("float32")


def pair(strides, names=PRIMITIVE_NAMES, affine=True, kind=MixedOp):
    """Two equal layers with weights that tell their copies apart."""
    layers = []
    for _ in range(2):
        layer = kind(names, FILTERS, strides, affine=affine, copies=COPIES)
        layer.build((None, 6, 6, FILTERS), (COPIES, len(names)))
        rng = np.random.default_rng(1)
        for variable in layer.variables:
            variable.assign(0.5 + rng.random(variable.shape))
        layers.append(layer)
    return layers


def one_hot(active, names=PRIMITIVE_NAMES):
    weights = np.zeros((COPIES, len(names)), "float32")
    for row, indices in enumerate(active):
        weights[row, indices] = 0.3 + 0.2 * np.arange(len(indices))
    return weights


CHOICES = [[[0], [1], [2]], [[3], [4], [3]], [[1, 3], [0, 4], [4, 2]]]


@pytest.mark.slow
@pytest.mark.parametrize("active", CHOICES)
@pytest.mark.parametrize(
    ("kind", "strides", "training"), [(MixedOp, 1, True), (MixedOp, 2, False), (PartialMixedOp, 2, True)]
)
def test_equals_the_full_operation(active, kind, strides, training, images):
    full, sampled = pair(strides, kind=kind)
    weights = one_hot(active)

    def value_and_gradients(layer, **arguments):
        def loss(values):
            mapping = list(zip(layer.trainable_variables, values[:-2], strict=True))
            with keras.StatelessScope(state_mapping=mapping):
                y = layer(values[-2], weights=values[-1], training=training, **arguments)
            return ops.sum(ops.square(y)), y

        values = [ops.convert_to_tensor(v) for v in (*layer.trainable_variables, images, weights)]
        (_, y), gradients = backend.value_and_grad(loss)(values)
        return y, gradients

    expected, expected_gradients = value_and_gradients(full)
    y, gradients = value_and_gradients(sampled, active=np.array(active))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for received, wanted in zip(gradients[:-1], expected_gradients[:-1], strict=True):
        np.testing.assert_allclose(received, wanted, rtol=1e-3, atol=1e-3)
    chosen = one_hot(active) > 0  # a primitive that was not computed cannot tell what its weight would do
    np.testing.assert_allclose(gradients[-1], np.where(chosen, expected_gradients[-1], 0), rtol=1e-3, atol=1e-3)


def test_moving_statistics_of_what_was_computed_and_of_nothing_else(images):
    full, sampled = pair(1)
    before = {v.path: v.numpy() for v in sampled.non_trainable_variables}
    active = [[3], [4], [3]]
    full(images, weights=one_hot(active), training=True)
    sampled(images, weights=one_hot(active), active=np.array(active), training=True)
    for name, copies in (("sep_conv_3x3", [0, 2]), ("dil_conv_3x3", [1]), ("avg_pool_3x3", [])):
        pairs = zip(
            full.candidates[name].non_trainable_variables, sampled.candidates[name].non_trainable_variables, strict=True
        )
        for wanted, received in pairs:
            for copy in range(COPIES):
                part = slice(copy * FILTERS, (copy + 1) * FILTERS)
                expected = wanted.numpy() if copy in copies else before[received.path]
                np.testing.assert_allclose(received.numpy()[part], expected[part], rtol=1e-4, atol=1e-5)
    sampled(images, weights=one_hot(active), active=np.array(active), training=False)
    again = [v.numpy() for v in sampled.non_trainable_variables]
    sampled(images, weights=one_hot(active), active=np.array(active), training=False)
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(again, sampled.non_trainable_variables, strict=True))


def test_only_the_active_primitive_is_run(images):
    """A primitive with a side effect is run when it is active, and only then."""

    @register_primitive("counting")
    def counting(filters, strides, affine):
        class Counting(keras.layers.Layer):
            def build(self, shape):
                self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)

            def call(self, x):
                self.calls.assign(self.calls + 1)
                return x

        return Counting()

    try:
        names = ["skip_connect", "counting"]
        layer = MixedOp(names, FILTERS, copies=COPIES)
        layer.build(images.shape, (COPIES, 2))
        run = tf.function(
            lambda active: layer(images, weights=np.ones((COPIES, 2), "float32"), active=active, training=True)
        )
        run(tf.constant([[0], [1], [0]]))
        run(tf.constant([[0], [1], [1]]))
        assert [float(one.calls) for one in layer.candidates["counting"].layers] == [0, 2, 1]
    finally:
        PRIMITIVES.unregister("counting")


@pytest.mark.slow
def test_one_function_serves_all_edges_that_are_alike():
    space = DARTSSpace(filters=2, num_cells=3, num_nodes=2, primitives=["none", "skip_connect", "sep_conv_3x3"])
    supernet = space.build_supernet((8, 8, 1), 3, relaxation="gumbel")
    twin = space.build_supernet((8, 8, 1), 3)
    assert [v.shape for v in supernet.trainable_variables] == [v.shape for v in twin.trainable_variables]
    np.testing.assert_array_equal(supernet.trainable_variables[5], twin.trainable_variables[5])
    supernet(np.ones((2, 8, 8, 1), "float32"), training=True)
    paths = supernet.graphs[0].mixed[0].sampled_paths
    assert all(mixed.sampled_paths is paths for graph in supernet.graphs for mixed in graph.mixed)
    # normal cell; reduction cell to 4 filters, then to 8: strides 2 and 1 each.
    assert len(paths._paths) == 5
