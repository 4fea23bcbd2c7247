"""The NAS-Bench-201 space: size, notation, and networks with the counted parameters (tests/cost: the published)."""

import keras
import numpy as np
import pytest

from kerasnas.spaces import NASBench201Space

SPACE = NASBench201Space()


def test_size_and_order_of_edges():
    assert SPACE.size == 15625
    assert list(SPACE.choices) == ["0->1", "0->2", "1->2", "0->3", "1->3", "2->3"]


def test_strings_both_ways():
    for indices in list(SPACE)[::611]:
        genotype = SPACE.decode(indices)
        assert SPACE.from_string(SPACE.to_string(genotype)) == genotype
        assert SPACE.encode(genotype) == indices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|nor_conv_3x3~0|", "has 3 nodes"),
        ("|nor_conv_3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "Did you mean 'nor_conv_3x3'"),
        ("nor_conv_3x3~0+none", "Expected an architecture string"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~1|", "one primitive on each of its 6 edges"),
    ],
)
def test_malformed_strings(text, message):
    with pytest.raises(ValueError, match=message):
        SPACE.from_string(text)


def parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    "text",
    [
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",  # what nothing reaches is not built
    ],
)
def test_network_halves_twice_and_has_the_counted_parameters(text):
    small = NASBench201Space(filters=4, num_cells=1)
    genotype = small.from_string(text)
    model, counted = small.build_network(genotype, (12, 12, 3), 5), small.parameters(genotype, 3, 5)
    pool = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    assert pool.input.shape == (None, 3, 3, 16)
    assert parameters(model) < counted if "none" in text else parameters(model) == counted
