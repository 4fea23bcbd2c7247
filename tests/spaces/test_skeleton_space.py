"""A space of one's own, written once: every reading of its skeleton, and everything that acts on supernets."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas.networks import ChoiceTable
from kerasnas.primitives.blocks import Stem
from kerasnas.spaces import ENASMicroSpace, SkeletonSpace

SHAPE, CLASSES = (8, 8, 1), 3
PRIMITIVES = ("skip_connect", "sep_conv_3x3", "nor_conv_3x3")


class Row(SkeletonSpace):
    """Blocks in a row, each followed by pooling; the last one strides."""

    name = "row"

    def __init__(self, filters=4, num_cells=3, primitives=PRIMITIVES):
        self.filters, self.num_cells, self.primitives = filters, num_cells, tuple(primitives)

    @property
    def tables(self):
        edges = tuple((index, index + 1) for index in range(self.num_cells))
        return {"row": ChoiceTable(edges, self.primitives, names=tuple(f"block {s}" for s, _ in edges))}

    def skeleton(self, fill, x):
        x = fill.block(x, Stem, self.filters)
        for name in self.tables["row"].names[:-1]:
            x = fill.choice(x, name, self.filters)
            x = fill.block(x, keras.layers.MaxPooling2D, 2, padding="same")
        x = fill.choice(x, self.tables["row"].names[-1], 2 * self.filters, strides=2)
        return fill.head(x)


class Pair(SkeletonSpace):
    """One cell whose only node keeps one of three edges; a graph that is no cell of the papers."""

    name = "pair"
    sizes = ("filters",)

    def __init__(self, filters=4):
        self.filters = filters

    @property
    def tables(self):
        return {"cell": ChoiceTable(((0, 3), (1, 3), (2, 3)), ("none", "skip_connect", "sep_conv_3x3"), keep=1)}

    def skeleton(self, fill, x):
        inputs = [fill.block(x, Stem, self.filters) for _ in range(3)]
        return fill.head(fill.graph("cell", inputs, self.filters)[0])


def images(count=6):
    return np.random.default_rng(0).standard_normal((count, *SHAPE)).astype("float32")


def test_choices_and_genotypes_follow_from_the_table():
    assert list(Row().choices) == ["block 0", "block 1", "block 2"] and Row().size == 27
    assert Pair().choices == {
        "cell/3/sources": ("0", "1", "2"),
        "cell/3/first": ("skip_connect", "sep_conv_3x3"),
    }
    genotype = Pair().genotype({"cell/3/sources": "1", "cell/3/first": "sep_conv_3x3"})
    assert [tuple(edge) for edge in genotype["cell"]] == [("sep_conv_3x3", 1, 3)]
    with pytest.raises(ValueError, match=r"has one edge. Received for node 3"):
        Pair().validate(type(genotype)("pair", {"cell": [("skip_connect", 0, 3), ("skip_connect", 1, 3)]}))


def test_a_one_hot_supernet_is_the_discrete_network():
    space, x = Row(primitives=("skip_connect", "nor_conv_3x3")), images()
    supernet = space.build_supernet(SHAPE, CLASSES)
    supernet.alphas["row"].assign([[-60.0, 60.0], [60.0, -60.0], [-60.0, 60.0]])
    genotype = supernet.derive()
    assert [edge.primitive for edge in genotype["row"]] == ["nor_conv_3x3", "skip_connect", "nor_conv_3x3"]
    network = space.build_network(genotype, SHAPE, CLASSES)
    stem, first, _, _, _, third, _, classifier = supernet.parts
    sources = [stem.chain[0], *(graph.mixed[0].candidates["nor_conv_3x3"].chain[1] for graph in (first, third))]
    targets = [layer for layer in network.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))]
    for source, target in zip([*sources, classifier], targets, strict=True):
        target.kernel.assign(ops.reshape(source.kernel, target.kernel.shape))
    np.testing.assert_allclose(supernet(x, training=True), network(x, training=True), rtol=1e-3, atol=1e-4)


def test_an_auxiliary_skip_changes_what_is_computed_where_the_shape_is_kept():
    supernet, x = Row().build_supernet(SHAPE, CLASSES), images()
    before = np.array(supernet(x, training=True))
    assert supernet.add_auxiliary_skip(1.0) == 2  # not beside the block that strides
    assert np.abs(np.array(supernet(x, training=True)) - before).max() > 1e-3


def test_partial_channels_mix_a_share_of_the_channels():
    space = Row(num_cells=2, primitives=("skip_connect", "sep_conv_3x3"))
    with pytest.raises(ValueError, match="keeps the number of channels"):  # the last block widens
        space.build_supernet(SHAPE, CLASSES, partial_channels=2)
    partial = Pair().build_supernet(SHAPE, CLASSES, partial_channels=2, edge_normalization=True)
    assert [tuple(variable.shape) for variable in partial.architecture_parameters] == [(3, 3), (3,)]
    assert partial.graphs[0].mixed[0].partial_channels == 2
    assert partial(images(), training=True).shape == (6, CLASSES)


def test_sizes_of_a_network_are_checked_by_name():
    space = Row()
    genotype = space.sample(np.random.default_rng(0))
    assert space.build_network(genotype, SHAPE, CLASSES, filters=8).layers[1].filters == 8
    with pytest.raises(ValueError, match=r"Received: 'filtres' Did you mean 'filters'\?"):
        space.build_network(genotype, SHAPE, CLASSES, filtres=8)


def test_what_a_space_that_shares_weights_does_not_have_is_reported():
    with pytest.raises(ValueError, match="no setting `relaxation`: its children share weights"):
        ENASMicroSpace().build_supernet((32, 32, 3), 10, relaxation="gumbel")
