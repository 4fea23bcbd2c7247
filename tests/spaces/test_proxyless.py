"""The ProxylessNAS space: choices, sizes, widths, errors."""

import numpy as np
import pytest

from kerasnas import Genotype
from kerasnas.spaces import ProxylessSpace
from kerasnas.spaces.proxyless import PROXYLESS_PRIMITIVES

PAIR = ["mbconv_3x3_e3", "mbconv_5x5_e3"]


def test_size_of_the_published_space():
    space = ProxylessSpace.imagenet()
    assert space.size == 6**6 * 7**15
    assert list(space.choices) == [f"layer {number}" for number in range(1, 22)]
    assert space.primitives == (*PROXYLESS_PRIMITIVES, "skip_connect")
    first = [number for number, options in enumerate(space.choices.values(), 1) if len(options) == 6]
    assert first == [1, 5, 9, 13, 17, 21]
    with pytest.raises(ValueError, match="halves the image 5 times"):  # 224 pixels to 7
        space.parts((31, 31, 3), 1000)


def test_widths_follow_the_first_stage():
    space = ProxylessSpace(filters=8, num_layers=[1, 2], strides=[1, 2])
    assert (space.filters, space.num_layers, space.strides) == ((8, 16), (1, 2), (1, 2))
    assert (space.stem_filters, space.first_filters, space.head_filters) == (8, 8, 64)
    own = ProxylessSpace(filters=[6, 7], strides=[2, 1], stem_filters=4, head_filters=9, first_filters=5)
    assert (own.stem_filters, own.first_filters, own.head_filters) == (4, 5, 9)
    assert [tuple(layer) for layer in own.layers] == [(5, 6, 2), (6, 6, 1), (6, 7, 1), (7, 7, 1)]


def test_a_first_layer_that_keeps_the_shape_may_be_skipped():
    space = ProxylessSpace(filters=4, num_layers=1, strides=(1, 2), primitives=PAIR)
    assert list(map(len, space.choices.values())) == [3, 2]
    assert ProxylessSpace(primitives=[*PAIR, "skip_connect"]).primitives == (*PAIR, "skip_connect")


def test_wider_networks():
    space = ProxylessSpace(filters=(3, 6, 6), num_layers=2, strides=(2, 1, 1), head_filters=8, primitives=PAIR)
    wide = space.resized(filters=6)
    assert (wide.stem_filters, wide.first_filters, wide.filters, wide.head_filters) == (6, 6, (6, 12, 12), 16)
    assert [layer.keeps_shape for layer in wide.layers] == [layer.keeps_shape for layer in space.layers]
    assert space.resized(filters=3).layers == space.resized(filters=None).layers == space.layers
    own = space.resized(filters=(4, 8, 8))
    assert (own.stem_filters, own.first_filters, own.filters, own.head_filters) == (4, 4, (4, 8, 8), 8)
    with pytest.raises(ValueError, match="layer 5 keeps the number of channels"):
        space.resized(filters=(4, 8, 5))
    with pytest.raises(ValueError, match="2 of `filters`, 3 of `num_layers`"):
        space.resized(filters=(4, 8))
    genotype = space.sample(np.random.default_rng(0))
    assert space.build_network(genotype, (8, 8, 3), 2, filters=6).layers[-1].kernel.shape == (16, 2)


def test_networks_that_are_the_same_have_one_key():
    space = ProxylessSpace(filters=4, num_layers=(3, 2), strides=(2, 1), primitives=PAIR)
    assert space.cardinalities == (2, 3, 3, 2, 3)
    assert space.key((1, 2, 0, 1, 2)) == space.key((1, 0, 2, 1, 2)) == (1, 0, 2, 1, 2)
    keys = {space.key(indices) for indices in space}
    # Two layers that may be skipped, alike: 4 pairs, 2 of one, 1 of none.
    assert len(keys) == 2 * (4 + 2 + 1) * 2 * 3
    assert all(space.key(mutant) != space.key((1, 2, 0, 1, 2)) for mutant in space.neighbors((1, 2, 0, 1, 2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": (4, 4)}, "2 of `filters`, 3 of `num_layers`, 3 of `strides`"),
        ({"num_layers": (1, 2)}, "3 of `filters`, 2 of `num_layers`"),
        ({"strides": (1, 3, 1)}, "`strides`. Expected 1 or 2"),
        ({"strides": 2}, "`strides`. Expected a sequence"),
        ({"primitives": ["mbconv_3x3_e3", "skip_connect"]}, "at least two"),
        ({"primitives": [*PAIR, "none"]}, "cut the chain"),
    ],
)
def test_wrong_settings_are_reported(arguments, message):
    with pytest.raises(ValueError, match=message):
        ProxylessSpace(**arguments)


def test_foreign_genotypes_are_reported():
    space = ProxylessSpace(filters=4, num_layers=2, strides=(2,), primitives=PAIR)
    with pytest.raises(ValueError, match=r"has the cells \('chain',\)"):
        space.validate(Genotype("proxyless", {"cell": [("skip_connect", 0, 1)]}))
    with pytest.raises(ValueError, match=r"has 2 nodes, numbered \[1, 2\]"):
        space.validate(Genotype("proxyless", {"chain": [("mbconv_3x3_e3", 0, 1)]}))
    with pytest.raises(ValueError, match=r"'layer 1'.*no option 'skip_connect'"):
        space.validate(Genotype("proxyless", {"chain": [("skip_connect", 0, 1), ("mbconv_3x3_e3", 1, 2)]}))
