"""The hybrid space and its transformer block: attention by hand, windows that are apart, networks that train."""

import time

import keras
import numpy as np
import pytest

from kerasnas.cost.counting import macs
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.methods.race.making import RECIPE
from kerasnas.primitives.attention_blocks import TransformerBlock, window_of
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.portfolio import portfolio
from kerasnas.spaces import SPACES, MacroSpace
from kerasnas.spaces.hybrid import HYBRID_PRIMITIVES, HybridSpace

SPACE = HybridSpace(filters=8)
RNG = np.random.default_rng(0)


def block_model(shape, *arguments, **options):
    inputs = keras.Input(shape)
    return keras.Model(inputs, TransformerBlock(*arguments, **options).expand(inputs))


def weight(model, kind, name):
    (layer,) = [layer for layer in model.layers if isinstance(layer, kind)]
    (found,) = [w for w in layer.weights if name in w.path]
    return np.array(found)


def test_attention_by_hand():
    model = block_model((2, 3, 4), 4, heads=2)
    x = RNG.normal(size=(2, 2, 3, 4)).astype("float32")
    attention = keras.layers.MultiHeadAttention
    entry = model.get_layer(index=1)
    assert isinstance(entry, keras.layers.DepthwiseConv2D)  # neither size nor filters change: no convolution before it
    added = x + np.array(keras.Model(model.input, entry.output)(x))
    mean, variance = added.mean(-1, keepdims=True), added.var(-1, keepdims=True)
    tokens = ((added - mean) / np.sqrt(variance + 1e-6)).reshape(2, 6, 4)
    query, key, value = (
        np.einsum("btc,chd->bthd", tokens, weight(model, attention, f"{n}/kernel")) for n in ("query", "key", "value")
    )
    scores = np.einsum("bthd,bshd->bhts", query, key) / np.sqrt(2)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    heads = np.einsum("bhts,bshd->bthd", shares, value)
    expected = added + np.einsum("bthd,hdc->btc", heads, weight(model, attention, "attention_output/kernel")).reshape(
        x.shape
    )
    adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    found = keras.Model(model.input, adds[1].output)(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_windows_are_apart_and_all_pixels_are_not():
    x = RNG.normal(size=(1, 16, 16, 8)).astype("float32")
    other = x.copy()
    other[0, 0, 0] += (
        1  # in the window of rows and columns 0 to 7; the position's convolution reaches one pixel further
    )
    for local in (True, False):
        model = block_model((16, 16, 8), 8, heads=2, local=local)
        changed = np.abs(model(x) - model(other)).max(axis=(0, 3)) > 1e-7
        assert changed[:8, :8].all() and changed[8:, 8:].all() != local and changed[8:, 8:].any() != local


def test_windows_divide_the_image():
    for side in range(1, 70):
        assert side % window_of(side) == 0 and window_of(side) <= 8


def test_the_space():
    assert SPACES["hybrid"] is HybridSpace and len(HYBRID_PRIMITIVES) == 11
    assert set(SPACE.references()) == {"cnn", "vgg_3x3", "mobilenet_v2", "coatnet", "swin"}
    assert SPACE.choices["stage/2/block"] == HYBRID_PRIMITIVES
    with pytest.raises(ValueError, match="Did you mean 'local_attention_4'"):
        HybridSpace(primitives=["local_attention4"])


def test_multiply_adds_of_attention():
    inputs = keras.Input((4, 9, 8))  # 4 windows of 9 pixels
    layer = keras.layers.MultiHeadAttention(2, 4, attention_axes=(2,))
    model = keras.Model(inputs, layer(inputs, inputs))
    projections = 36 * 4 * (8 * 8 + 8)  # query, key, value and output, each with its bias
    assert macs(model) == projections + 2 * (4 * 9 * 9) * 2 * 4


def test_races_begin_with_its_references():
    names = [one.name for one in portfolio(SPACE, 12, seed=0)]
    assert names[:3] == ["vgg_3x3", "coatnet", "swin"]  # what is known to be good, then what other spaces lack
    assert [one.name for one in portfolio(MacroSpace(filters=8), 12, seed=0)][:1] == ["vgg_3x3"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swin", "coatnet"])
def test_attention_learns_by_the_recipe_of_races(name):
    """SGD at 0.1 with gradients clipped: the norms stay finite, and the loss falls from the start."""
    x, y = np.zeros((96, 8, 8, 1), "float32"), np.arange(96) % 2
    places = np.random.default_rng(0).integers(0, 4, (96, 2))
    x[np.arange(96), places[:, 0], places[:, 1] + 4 * y] = 1
    model = RECIPE.compile_network(SPACE.build_network(SPACE.references()[name], (8, 8, 1), 2), None)
    contestant = Contestant(model, ArrayBatches(x, y, 32, seed=0), warmup=10)
    for steps in (6, 30, 6):
        contestant.advance(time.process_time, steps=steps)
    first, _, last = contestant.history["loss"]
    assert last < 0.65 * first and np.isfinite(first)  # 0.2 is the least with smoothed labels
