"""What every space of the package owes: its name, its configuration, and networks of standard layers."""

import inspect
import json

import keras
import numpy as np
import pytest

from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.spaces import SPACES, ProxylessSpace
from tests.testing.test_contracts import SHAPES, SMALL, some_slow

CHOSEN = {  # where a sample may leave out what matters
    "hybrid": lambda space: space.references()["swin"],
    "text": lambda space: space.genotype(dict.fromkeys(space.choices, "self_attention_4")),
}
ALIKE = {"enas_macro", "enas_micro", "hybrid", "signals"}  # skeletons that others have too
every = pytest.mark.parametrize("name", sorted(SPACES))


@every
def test_configuration_makes_the_same_space(name):
    space = SPACES[name](**SMALL.get(name, {}))
    config = space.get_config() if name == "graphs" else json.loads(json.dumps(space.get_config()))
    assert list(config) == list(inspect.signature(type(space)).parameters)
    again = type(space)(**config)
    assert again.name == name and again.choices == space.choices
    if name != "graphs":  # whose graph is another object
        assert again.get_config() == space.get_config()


def test_configuration_of_the_published_proxyless_space():
    space = ProxylessSpace.imagenet()
    assert ProxylessSpace(**space.get_config()).layers == space.layers


# Padded signals are built as signals are; networks made from pretrained ones need those (tests/starts).
@pytest.mark.parametrize("name", some_slow(sorted(set(SPACES) - {"padded_signals", "adaptation"}), ALIKE))
def test_one_seed_is_one_network_of_standard_layers_and_it_is_saved(name, tmp_path):
    space, shape = SPACES[name](**SMALL.get(name, {})), SHAPES.get(name, (8, 8, 3))
    genotype = CHOSEN.get(name, lambda space: space.sample(np.random.default_rng(0)))(space)
    first = space.build_network(genotype, shape, 3, seed=0)
    own = {type(layer).__name__ for layer in flatten_layers(first) if not type(layer).__module__.startswith("keras.")}
    assert own <= ({"Neighbors", "Pooled", "Attention"} if name == "graphs" else set())
    x = np.random.default_rng(0).integers(1, 9, (2, *shape)).astype("int32" if name == "text" else "float32")
    first.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    expected = np.array(first(x, training=False))
    np.testing.assert_allclose(loaded(x, training=False), expected, rtol=1e-5, atol=1e-6)
    if name in ("darts", "graphs", "tables"):  # of whichever skeleton
        same, other = (space.build_network(genotype, shape, 3, seed=seed)(x, training=False) for seed in (0, 1))
        np.testing.assert_array_equal(same, expected)
        assert not np.allclose(other, expected)
