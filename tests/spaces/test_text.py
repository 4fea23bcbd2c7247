"""The space for texts: networks to which padding does not matter, initial weights, costs, a search that ends."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer
from kerasnas.cost import COSTS
from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.initialization import initialize
from kerasnas.spaces import TextSpace
from kerasnas.spaces.signals import PaddedSignalSpace

SPACE = TextSpace(vocabulary=30, dimensions=4, filters=4, num_nodes=2)
IDS = np.random.default_rng(0).integers(1, 30, (6, 7)).astype("int32")
SIGNALS = np.random.default_rng(0).standard_normal((4, 8, 2)).astype("float32")


@pytest.mark.parametrize(
    ("space", "names", "x"),
    [
        (SPACE, ["self_attention_4", "gru", "masked_sep_conv_5"], IDS),
        (PaddedSignalSpace(filters=4, num_cells=1, num_nodes=1), ["masked_sep_conv_5"], SIGNALS),
    ],
)
def test_padding_does_not_matter_and_nothing_but_padding_has_an_answer(space, names, x):
    genotype = space.genotype(dict(zip(space.choices, names, strict=True)))
    padded = np.pad(x, ((0, 0), (0, len(x[0])), *[(0, 0)] * (x.ndim - 2)))
    short, long = (space.build_network(genotype, own.shape[1:], 3) for own in (x, padded))
    rng = np.random.default_rng(1)
    for one, other in zip(short.variables, long.variables, strict=True):
        if "seed" not in one.name:
            other.assign(rng.uniform(0.1, 1, one.shape))
            one.assign(other)
    np.testing.assert_allclose(long(padded, training=False), short(x, training=False), rtol=1e-4, atol=1e-4)
    assert np.isfinite(short(0 * x, training=False)).all()


def test_names_are_those_of_the_first_network_of_a_process_and_no_two_are_the_same():
    """Products of tensors bear the name of the layer; a model of models is refused where two names are the same."""
    genotype = SPACE.genotype(dict.fromkeys(SPACE.choices, "masked_max_pool_3"))
    names = [[one.name for one in SPACE.build_network(genotype, (7,), 3).operations] for _ in range(2)]
    assert names[0][1:] == names[1][1:]  # but for the input
    assert len(set(names[0])) == len(names[0])


def test_initial_weights():
    x = inputs = keras.Input((8,), dtype="int32")
    x = keras.layers.Embedding(500, 64)(x)
    recurrent = keras.layers.GRU(64, return_sequences=True)
    attention = keras.layers.MultiHeadAttention(4, 16)
    x = recurrent(x)
    model = keras.Model(inputs, attention(x, x))
    initialize(model, seed=0)
    np.testing.assert_allclose(np.std(model.layers[1].embeddings), 1 / 8, rtol=0.05)
    kernel, square, bias = recurrent.get_weights()
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / 64), rtol=0.05)
    np.testing.assert_allclose(square[:, 64:128] @ square[:, 64:128].T, np.eye(64), atol=1e-5)
    assert not bias.any()
    np.testing.assert_allclose(np.std(attention.query_dense.kernel), np.sqrt(2 / 64), rtol=0.05)
    assert not np.any(attention.query_dense.bias)


def test_costs_are_those_of_the_networks():
    space = TextSpace(30, 4, 4, num_nodes=1, primitives=["gru", "self_attention_4"])
    costs = [COSTS[name](space, (7,), 3) for name in ("parameters", "macs")]
    for genotype in map(space.decode, space):
        network = space.build_network(genotype, (7,), 3)
        assert [cost.cost(genotype) for cost in costs] == [parameters(network), macs(network)]


def test_macs_of_sequences():
    x = keras.Input((5, 3))
    assert macs(keras.Model(x, keras.layers.GRU(2, return_sequences=True)(x))) == 5 * (3 * 6 + 2 * 6 + 12)
    attention = keras.layers.MultiHeadAttention(2, 4, use_bias=False)
    assert macs(keras.Model(x, attention(x, x))) == 5 * (3 * 3 * 8 + 8 * 3) + 2 * 25 * 8


def test_search_ends_and_derives():
    space = TextSpace(30, 4, 4, num_nodes=1, primitives=["none", "skip_connect", "masked_conv_3"])
    search = BilevelTrainer(space.build_supernet((7,), 2))
    x = np.random.default_rng(0).integers(0, 30, (16, 7)).astype("int32")
    search.compile(learning_rate=0.1, run_eagerly=True)
    search.fit(x, (x == 5).any(axis=1).astype(int), epochs=1, batch_size=8, verbose=0)
    genotype = search.supernet.derive()
    space.validate(genotype)
    assert [tuple(edge[1:]) for edge in genotype["cell"]] == [(0, 1)]


def test_ids_are_integers():
    space = TextSpace(30, 4, 4, num_nodes=1, primitives=["none", "skip_connect"])
    search = BilevelTrainer(space.build_supernet((7,), 2))
    search.compile(learning_rate=0.1)
    with pytest.raises(ValueError, match="token ids of an integer dtype"):
        search.fit(IDS / 2, np.array([0, 1] * 3), epochs=1)
