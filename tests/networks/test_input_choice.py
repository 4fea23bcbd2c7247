"""Alphas of a node's inputs: their weights, the cold limit, what `derive` makes of them, and bad input."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kerasnas import DARTSSpace
from kerasnas.spaces import NASBench201Space

# Without parameters, so that the weights of the discrete network are those of the stem, the inputs and the head.
SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=3, primitives=["avg_pool_3x3", "max_pool_3x3"])
SHAPE = (8, 8, 1)


@functools.cache
def built():
    return SPACE.build_supernet(SHAPE, 3, input_alphas=True, seed=1)


def supernet_at(temperature, seed=0):
    """The supernet, with random alphas."""
    net, rng = built(), np.random.default_rng(seed)
    for variable in net.architecture_parameters:
        variable.assign(rng.standard_normal(variable.shape))
    net.relaxation.temperature.assign(temperature)
    return net


def images():
    return np.random.default_rng(5).random((4, *SHAPE)).astype("float32")


def test_weights_are_the_probabilities_of_the_pairs(temperature=0.7):
    net = supernet_at(temperature)
    for kind, own in net.choices.items():
        alphas, expected, start = ops.convert_to_numpy(net.inputs.alphas[kind]), np.zeros(len(own.edges)), 0
        for node, rows in own.rows_by_node.items():
            pairs = list(itertools.combinations(rows, 2))
            odds = np.exp(alphas[start : start + len(pairs)] / temperature)
            for pair, share in zip(pairs, odds / odds.sum(), strict=True):
                expected[list(pair)] += share
            start += len(pairs)
            assert expected[rows].sum() == pytest.approx(2), node
        np.testing.assert_allclose(ops.convert_to_numpy(net.inputs.edge_weights(kind)), expected, rtol=1e-5)
        table = ops.convert_to_numpy(net.relaxation(net.alphas[kind])[0]) * expected[:, None]
        np.testing.assert_allclose(net.mixing_weights()[kind], table, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_cold_supernet_is_the_derived_network(seed):
    """Two inputs a node remain, and the output is that of the discrete network of the same weights."""
    net = supernet_at(1e-3, seed)
    genotype = net.derive()
    for kind, own in net.choices.items():
        weights = ops.convert_to_numpy(net.inputs.edge_weights(kind))
        for node, rows in own.rows_by_node.items():
            assert sorted(weights[rows]) == [0.0] * (len(rows) - 2) + [1.0, 1.0]
            kept = {own.edges[row][0] for row in rows if weights[row]}
            assert kept == {edge.source for edge in genotype[kind] if edge.target == node}
    np.testing.assert_allclose(net(images()), _discrete(net, genotype)(images()), rtol=1e-5, atol=1e-5)
    net.relaxation.temperature.assign(1.0)  # it is no longer that network
    assert np.abs(net(images()) - _discrete(net, genotype)(images())).max() > 1e-3


def _discrete(net, genotype):
    """The discrete network, with the kernels and biases of the supernet."""
    network = SPACE.build_network(genotype, SHAPE, 3, filters=2)
    source, target = ([v for v in own.variables if v.name in ("kernel", "bias")] for own in (net, network))
    for new, old in zip(target, source, strict=True):
        new.assign(np.reshape(old, new.shape))  # a convolution of the supernet has a matrix
    return network


def test_derive_takes_the_most_probable_pair_at_any_temperature():
    """Whatever the strength of the primitives on its edges."""
    net = supernet_at(1.0)
    for kind, own in net.choices.items():
        table, alphas, start = np.zeros(own.shape), [], 0
        for rows in own.rows_by_node.values():
            pairs = list(itertools.combinations(rows, 2))
            alphas += [0.1 * (pair == pairs[-1]) for pair in pairs]  # the last two of its inputs
            start += len(pairs)
            table[rows[0], 0] = 3.0  # the strongest primitive is on the first
        net.inputs.alphas[kind].assign(alphas)
        net.alphas[kind].assign(table)
    genotype = net.derive()
    for kind in net.choices:
        assert [(e.source, e.target) for e in genotype[kind]] == [(0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]
    assert SPACE.build_supernet(SHAPE, 3).inputs is None


def test_within_a_limit_the_most_probable_pair_and_primitives_are_taken():
    """`P(pair) p(first) p(second)`, in which the edges' own weights have no place: they would favor (0, 2) here."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=2, primitives=["skip_connect", "avg_pool_3x3"])
    net = space.build_supernet(SHAPE, 3, input_alphas=True)
    pools = np.array([0.1, 0.1, 0.5, 0.76, 0.55])  # of the edges into node 2, whose skips break the limit, and node 3
    net.alphas["reduce"].assign(np.log(np.stack([1 - pools, pools], axis=1)))
    net.inputs.alphas["reduce"].assign(np.log([1, 0.3, 0.4, 0.3]))  # 0.3 * 0.76 * 0.55 is the largest
    found = [(edge.source, edge.target) for edge in net.derive(max_skips=0)["reduce"]]
    assert found == [(0, 2), (1, 2), (1, 3), (2, 3)]


def test_alphas_of_the_inputs_are_architecture_parameters_with_a_gradient():
    net = supernet_at(1.0)
    own = list(net.inputs.alphas.values())
    assert {id(v) for v in own} < {id(v) for v in net.architecture_parameters}
    with tf.GradientTape() as tape:
        loss = ops.mean(net(images())[:, 0])
    for gradient, sets in zip(tape.gradient(loss, own), net.inputs.sets.values(), strict=True):
        assert np.abs(gradient[len(sets[0]) :]).max() > 1e-6  # the first node has one pair, without a choice
        assert float(gradient[0]) == 0


def test_given_mixing_weights_say_which_edges_there_are():
    net = supernet_at(1.0)
    expected, given = net(images()), net.mixing_weights()
    net.inputs.alphas["reduce"].assign(-net.inputs.alphas["reduce"])  # they no longer count
    with net.mixing_by(given):
        np.testing.assert_allclose(net(images()), expected, rtol=1e-5, atol=1e-6)


def test_bad_input():
    with pytest.raises(
        ValueError, match=r"`input_alphas`. Expected False in a space whose nodes keep all .*nasbench201"
    ):
        NASBench201Space(filters=2, num_cells=1).build_supernet(SHAPE, 2, input_alphas=True)
    with pytest.raises(ValueError, match=r"`input_alphas`. Expected False with `edge_normalization`"):
        SPACE.build_supernet(SHAPE, 2, input_alphas=True, edge_normalization=True)
