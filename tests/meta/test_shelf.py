"""The shelf of initializations: what is on it, and what fits which network."""

import keras
import numpy as np
import pytest

from kerasnas.meta import ReptileInitializer, warm_start
from kerasnas.meta.fitting import rechannel
from kerasnas.meta.shelf import FOLDER, initializer_names, load_initializer
from kerasnas.spaces import MacroSpace

SPACE = MacroSpace(filters=4, widths=(0.5, 1.0), stages=(2,), depths=(1,))
NETWORK = SPACE.network("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1))


def network(shape=(16, 16, 3), classes=5, space=SPACE, genotype=NETWORK, seed=1):
    return space.build_network(genotype, shape, classes, seed=seed)


def features(model, x):
    return keras.Model(model.input, model.layers[-1].input)(x)


def test_grayscale_images_see_what_color_was_learned():
    source, target = network(classes=1, seed=0), network((16, 16, 1))
    said = warm_start(target, ReptileInitializer(source))
    assert "adapted to 1 channels" in said and "initialized from scratch: dense/kernel, dense/bias" in said
    x = np.random.default_rng(0).random((4, 16, 16, 1)).astype("float32")
    np.testing.assert_allclose(features(target, x), features(source, np.repeat(x, 3, axis=-1)), atol=1e-5)


def test_other_sizes_fit_and_a_deeper_head_is_new():
    deeper = MacroSpace(filters=4, widths=(0.5, 1.0), stages=(2,), depths=(1,), head_filters=7)
    target = network((24, 24, 3), classes=120, space=deeper)
    source = network(classes=1, seed=0)
    said = warm_start(target, ReptileInitializer(source))
    assert said.count("conv") >= 1 and "from scratch" in said and "dense/kernel" in said
    body = len(source.weights) - 2
    for mine, other in zip(target.weights[:body], source.weights[:body], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert float(np.abs(target.weights[body]).max()) > 0


def test_another_width_and_another_network_do_not_fit():
    narrow = SPACE.network("conv_3x3", 0.5, "conv_3x3", "pool", (0, 1))
    target = network()
    before = [np.array(weight) for weight in target.weights]
    for genotype in (narrow, SPACE.network("conv_3x3", 1.0, "residual_3x3", "pool", (0, 1))):
        with pytest.raises(ValueError, match="of another network"):
            warm_start(target, ReptileInitializer(network(classes=1, genotype=genotype)))
    for mine, was in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(mine, was)
    short = MacroSpace(filters=4, widths=(0.5, 1.0), stages=(1,), depths=(1,))
    shallow = network(space=short, genotype=short.network("conv_3x3", 1.0, "conv_3x3", "pool", (0,)))
    with pytest.raises(ValueError, match=r"it has conv2d/kernel \(.*\), expected dense/kernel \("):
        warm_start(shallow, ReptileInitializer(target))


def test_a_kernel_for_more_channels_keeps_its_scale():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 2))
    wide = rechannel(kernel, 5)
    assert wide.shape == (3, 3, 5, 2)
    np.testing.assert_allclose(wide.sum(axis=2), kernel.sum(axis=2))


def test_what_is_on_the_shelf_loads_is_small_and_says_where_it_is_from():
    assert initializer_names()
    for name in initializer_names():
        description = load_initializer(name).description
        assert description["space"] == "macro" and description["datasets"] and description["steps"] > 0
        assert "fashion_mnist_mini" not in description["datasets"]  # the embedded data set stays new to it
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 15e6


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="images_vgg_3x3"):
        load_initializer("images_vgg")
    initializer = ReptileInitializer(network(), description={"made": 1})
    initializer.save(tmp_path / "own")
    assert load_initializer(tmp_path / "own").description["made"] == 1
