"""What every space of the package owes: its name, its configuration, and networks of standard layers."""

import functools
import inspect
import json

import keras
import numpy as np
import pytest

from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.spaces import SPACES, ProxylessSpace
from kerasnas.testing.common import scatter
from tests.testing.test_contracts import SHAPES, SMALL, some_slow

CHOSEN = {  # where a sample may leave out what matters
    "text": lambda space: space.genotype(dict.fromkeys(space.choices, "self_attention_4")),
}
ALIKE = {"enas_macro", "enas_micro", "signals"}  # skeletons that others have too
every = pytest.mark.parametrize("name", sorted(SPACES))


def inputs_of(name):
    values = np.random.default_rng(0).integers(1, 9, (2, *SHAPES.get(name, (8, 8, 3))))
    return values.astype("int32" if name == "text" else "float32")


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
    space, x = SPACES[name](**SMALL.get(name, {})), inputs_of(name)
    shape = x.shape[1:]
    genotype = CHOSEN.get(name, lambda space: space.sample(np.random.default_rng(0)))(space)
    first = space.build_network(genotype, shape, 3, seed=0)
    own = {type(layer).__name__ for layer in flatten_layers(first) if not type(layer).__module__.startswith("keras.")}
    assert own <= ({"Neighbors", "Pooled", "Attention"} if name == "graphs" else set())
    first.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    expected = np.array(first(x, training=False))
    np.testing.assert_allclose(loaded(x, training=False), expected, rtol=1e-5, atol=1e-6)
    if name in ("darts", "graphs", "tables"):  # of whichever skeleton
        same, other = (space.build_network(genotype, shape, 3, seed=seed)(x, training=False) for seed in (0, 1))
        np.testing.assert_array_equal(same, expected)
        assert not np.allclose(other, expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("darts", {"partial_channels": 2, "edge_normalization": True}),
        ("graphs", {}),  # alphas of inputs, too
        ("enas_macro", {}),
        *(pytest.param(name, {}, marks=pytest.mark.slow) for name in ("enas_micro", "proxyless", "text")),
        pytest.param("darts", {"input_alphas": True}, marks=pytest.mark.slow),
    ],
)
def test_a_seed_is_one_supernet_and_it_is_saved_with_its_space(name, options, tmp_path):
    space, x = SPACES[name](**SMALL[name]), inputs_of(name)
    supernet, other = (space.build_supernet(x.shape[1:], 3, seed=seed, **options) for seed in (3, 4))
    again = type(supernet).from_config(supernet.get_config())
    for first, same, different in zip(supernet.variables, again.variables, other.variables, strict=True):
        np.testing.assert_array_equal(first, same)
        assert len(first.shape) < 2 or not np.array_equal(first, different)
    scatter(supernet.trainable_variables)
    supernet.save(tmp_path / "supernet.keras")
    loaded = keras.models.load_model(tmp_path / "supernet.keras")
    assert type(loaded) is type(supernet) and loaded.get_config() == supernet.get_config()
    np.testing.assert_allclose(loaded(x, training=False), supernet(x, training=False), rtol=1e-6)
    assert not supernet.architecture_parameters or loaded.derive() == supernet.derive()


IMAGE, SIGNAL = (
    r"`input_shape`. Expected \(height, width, channels\) of one image",
    r"\(length, channels\) of one signal",
)


@pytest.mark.parametrize(
    ("name", "sizes", "shape", "message"),
    [
        ("darts", {}, (3, 8, 3), "at least 4 x 4 pixels"),
        ("darts", {"stem_strides": 2}, (4, 4, 3), "at least 8 x 8 pixels"),
        ("proxyless", {"strides": (2, 2), "stem_strides": 2}, (7, 8, 3), "at least 8 x 8 pixels"),
        ("darts", {}, (8, 8), IMAGE),
        ("darts", {}, (None, 8, 3), IMAGE),
        ("nasbench201", {}, (128, 1), rf"{IMAGE}. Received: \(128, 1\)"),
        ("signals", {}, (28, 28, 1), rf"{SIGNAL}. Received: \(28, 28, 1\)"),
        ("signals", {}, (0, 1), rf"{SIGNAL}. Received: \(0, 1\)"),
        ("signals", {}, (3, 1), "at least 4 steps, since the network halves the signal 2 times. Received: 3$"),
        ("signals", {}, (1, 5), "Received: 1. One value of each channel is a row of a table"),
        ("text", {}, (16, 1), r"\(length,\) of one text"),
        ("graphs", {}, (28, 28, 1), r"\(features,\) of one node. Received: \(28, 28, 1\)"),
    ],
)
def test_shapes_that_a_space_does_not_take_are_reported(name, sizes, shape, message):
    space = SPACES[name](**{**SMALL[name], **sizes})
    genotype = space.sample(np.random.default_rng(0))
    for build in (space.build_supernet, space.parts, functools.partial(space.build_network, genotype)):
        with pytest.raises(ValueError, match=message):
            build(shape, 3)
