"""Primitives for padded sequences: they compute what Keras and NumPy do, and padding does not matter."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.primitives import PRIMITIVES, MixedOp
from kerasnas.primitives.base import step_mask
from kerasnas.primitives.sequences import Recurrent, SelfAttention
from kerasnas.primitives.text_blocks import Embed, MaskedPooling
from kerasnas.testing.common import scatter

MASKED = sorted(name for name in PRIMITIVES if name.startswith("masked_"))
SEQUENCES = [*MASKED, "gru", "lstm", "bi_gru", "bi_lstm", "self_attention_2"]


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def padded(x, steps):
    return np.pad(x, ((0, 0), (0, steps), (0, 0)))


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("name", SEQUENCES)
def test_padding_does_not_matter(name, strides):
    layer = PRIMITIVES[name](filters=4, strides=strides, affine=True)
    x = noise(2, 6, 4)
    layer(x)
    scatter(layer.variables)  # offsets of batch norm that would leak into the padding
    steps = 6 // strides
    short, long = (ops.convert_to_numpy(layer(one)) for one in (x, padded(x, 4)))
    np.testing.assert_allclose(long[:, :steps], short[:, :steps], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(long[:, steps:], 0)
    assert np.abs(short).min() > 0


@pytest.mark.parametrize(("kind", "layer"), [("gru", keras.layers.GRU), ("lstm", keras.layers.LSTM)])
def test_copies_of_a_recurrence_are_keras_layers(kind, layer):
    own = Recurrent(filters=3, copies=2, kind=kind)
    x = padded(noise(2, 5, 4), 2)
    own(x)
    stage = own.chain[0]
    (way,) = stage.ways
    scatter(way.variables)
    found = ops.convert_to_numpy(stage.call(ops.convert_to_tensor(x), step_mask(ops.convert_to_tensor(x))))
    for copy in range(2):
        one = layer(3, return_sequences=True, zero_output_for_mask=True)
        one.build(x.shape)
        for target, source in zip(one.weights, (way.kernel, way.recurrent_kernel, way.bias), strict=False):
            target.assign(ops.reshape(source[copy], target.shape))
        expected = one(x, mask=(x != 0).any(-1))
        np.testing.assert_allclose(found[..., 3 * copy : 3 * copy + 3], expected, rtol=1e-4, atol=1e-5)


def test_attention_is_the_formula():
    layer = SelfAttention(filters=4, heads=2)
    x = padded(noise(1, 3, 4), 1)
    layer(x)
    stage = layer.chain[0]
    own = np.random.default_rng(1)
    for variable in stage.trainable_variables:
        variable.assign(own.standard_normal(variable.shape))
    query, key, value, output = (np.array(variable)[0] for variable in stage.trainable_variables)
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        q, k, v = (x[0, :3] @ kernel[:, head] for kernel in (query, key, value))
        scores = np.exp(q @ k.T / np.sqrt(2))
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ v)
    expected = x[0, :3] + np.concatenate(heads, axis=1) @ output
    found = stage.call(ops.convert_to_tensor(x), step_mask(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(found[0, :3], expected, rtol=1e-4, atol=1e-5)


def test_one_of_several_is_computed_alone():
    """A sampled path of a mixed operation of copies, as gumbel and binary gates take it."""
    mixed = MixedOp(["none", "gru", "self_attention_2"], 4, copies=2)
    x = padded(noise(2, 4, 4), 1)
    weights = np.array([[0.0, 1, 0], [0, 0, 1]], "float32")
    every = mixed(x, weights=weights, training=False)
    alone = mixed(x, weights=weights, active=np.array([[1], [2]]), training=False)
    np.testing.assert_allclose(alone, every, rtol=1e-4, atol=1e-5)


def test_bidirectional_filters_are_even():
    with pytest.raises(ValueError, match=r"half of them in each direction\. Received: 5"):
        Recurrent(filters=5, bidirectional=True)


def test_pooling_leaves_out_the_padding():
    x = padded(np.array([[[-1.0, -2.0], [-3.0, -6.0]]], "float32"), 2)
    np.testing.assert_array_equal(MaskedPooling(2)(x), [[-1, -2]])
    np.testing.assert_array_equal(MaskedPooling(2, kind="mean")(x), [[-2, -4]])
    np.testing.assert_allclose(MaskedPooling(2, kind="sum")(x), [[-4, -8]])
    np.testing.assert_array_equal(MaskedPooling(2)(np.zeros((1, 3, 2), "float32")), [[0, 0]])


def test_embedding_of_padding_is_zero_and_ids_keep_their_precision():
    with_half = Embed(2, vocabulary=5000, dtype="mixed_bfloat16")
    ids = np.array([[4999, 4998, 0]])
    with_half(ids)
    with_half.chain[0].embeddings.assign(np.arange(10_000.0).reshape(5000, 2) % 7)
    np.testing.assert_array_equal(ops.cast(with_half(ids), "float32"), [[[2, 3], [0, 1], [0, 0]]])
