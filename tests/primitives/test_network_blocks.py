"""The blocks of whole networks: as a layer and spelled out they compute the same."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.networks.initialization import number_layers
from kerasnas.primitives.network_blocks import (
    BottleneckBlock,
    ConvBlock,
    InvertedBlock,
    ResidualBlock,
    SeparableBlock,
)
from kerasnas.primitives.recurrent_blocks import RECURRENT_CELLS, RecurrentBlock
from kerasnas.testing.common import scatter
from tests.layers import layers_in_order

BLOCKS = [ConvBlock, SeparableBlock, ResidualBlock, BottleneckBlock, InvertedBlock]


def spelled_out(block, shape):
    inputs = keras.Input(shape)
    model = keras.Model(inputs, block.expand(inputs))
    number_layers(model)
    return model


def copy_weights(block, model):
    """Chain first, then shortcut: the order in which `expand` makes the layers of each class."""
    queues = layers_in_order(model)
    kinds = {"BatchNorm": ["BatchNormalization"], "Depthwise": ["DepthwiseConv2D"], "SqueezeExcitation": ["Dense"] * 2}
    for stage in [*block.chain, *(block.beside or [])]:
        if stage.variables:
            targets = [queues[kind].pop(0) for kind in kinds.get(type(stage).__name__, ["Conv2D"])]
            for source, target in zip(stage.variables, [v for t in targets for v in t.variables], strict=True):
                target.assign(ops.reshape(source, target.shape))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("strides", "channels", "kernel_size"), [(1, 8, 3), (2, 4, 5)])
def test_the_layer_computes_what_it_is_spelled_out_as(block, strides, channels, kernel_size):
    layer = block(8, strides, kernel_size=kernel_size)
    layer.build((None, 7, 6, channels))
    scatter(layer.variables)
    model = spelled_out(layer, (7, 6, channels))
    assert not [one for one in model.layers if not type(one).__module__.startswith("keras.")]
    copy_weights(layer, model)
    x = np.random.default_rng(0).standard_normal((2, 7, 6, channels)).astype("float32")
    expected = ops.convert_to_numpy(model(x, training=False))
    assert expected.shape == (2, -(-7 // strides), 6 // strides, 8)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x, training=False)), expected, rtol=1e-4, atol=1e-4)
    assert layer.compute_output_shape(x.shape) == expected.shape and layer.get_config()["kernel_size"] == kernel_size


@pytest.mark.parametrize("layer", [RecurrentBlock(3, cell=cell, iterations=2) for cell in RECURRENT_CELLS])
def test_a_block_of_standard_layers_computes_what_they_do(layer):
    x = np.random.default_rng(0).standard_normal((2, 6, 8, 2)).astype("float32")
    y, model = layer(x), spelled_out(layer, x.shape[1:])
    model.set_weights(layer.get_weights())
    np.testing.assert_allclose(y, model(x), atol=1e-5)
    assert y.shape == (2, 6 // layer.strides, 8 // layer.strides, layer.filters)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_weight_has_a_gradient_and_batch_norm_follows_each_convolution(block):
    model = spelled_out(block(8), (6, 6, 8))
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    for layer in convolutions:
        (node,) = layer._outbound_nodes
        assert not layer.use_bias and isinstance(node.operation, keras.layers.BatchNormalization)
    assert len(convolutions) == {ConvBlock: 1, SeparableBlock: 2, ResidualBlock: 2}.get(block, 3)


def test_where_the_shape_is_kept_the_input_is_added():
    """With every batch norm of the chain at zero a residual block is its shortcut."""
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 8)).astype("float32")
    for block, expected in ((ResidualBlock, np.maximum(x, 0)), (BottleneckBlock, np.maximum(x, 0)), (InvertedBlock, x)):
        layer = block(8)
        layer.build(x.shape)
        for stage in layer.chain:
            for variable in stage.trainable_variables:
                if "gamma" in variable.name:
                    variable.assign(ops.zeros_like(variable))
        np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-6)


def test_shapes_that_change_are_projected_or_not_added():
    for block, kinds in ((ResidualBlock, ["Convolution", "BatchNorm"]), (InvertedBlock, None)):
        for arguments, channels in (((8, 2), 8), ((8, 1), 4)):
            stages = block(*arguments).shortcut(channels)
            assert (stages and [type(stage).__name__ for stage in stages]) == kinds
    assert BottleneckBlock(8).shortcut(8) == [] and ConvBlock(8).shortcut(8) is None


def test_the_sizes_inside():
    bottleneck, inverted = BottleneckBlock(32), InvertedBlock(16)
    bottleneck.build((None, 4, 4, 16))
    inverted.build((None, 4, 4, 16))
    assert [tuple(v.shape) for v in bottleneck.trainable_variables if v.name == "kernel"] == [
        *((1, 16, 8), (1, 9 * 8, 8), (1, 8, 32), (1, 16, 32)),
    ]
    sizes = [tuple(v.shape) for v in inverted.trainable_variables if v.name in ("kernel", "squeeze", "excite")]
    assert sizes == [(1, 16, 64), (3, 3, 64, 1), (64, 4), (4, 64), (1, 64, 16)]


def test_squeeze_excitation_scales_each_channel_by_one_number():
    block = InvertedBlock(4)
    block.build((None, 5, 5, 4))
    (stage,) = (stage for stage in block.chain if type(stage).__name__ == "SqueezeExcitation")
    rng = np.random.default_rng(0)
    for variable in stage.variables:
        variable.assign(rng.uniform(0.01, 0.1, tuple(variable.shape)))
    x = rng.uniform(1, 2, (2, 5, 5, 16)).astype("float32")
    gates = ops.convert_to_numpy(stage.call(ops.convert_to_tensor(x))) / x
    np.testing.assert_allclose(gates, np.broadcast_to(gates[:, :1, :1], gates.shape), rtol=1e-5)
    assert (gates > 0).all() and (gates < 1).all() and len(np.unique(gates[0, 0, 0])) > 1
