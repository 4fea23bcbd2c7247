"""The space for signals: one-dimensional networks, a supernet that computes the same, and a search that ends."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer, datasets
from kerasnas.networks import Supernet
from kerasnas.networks.initialization import initialize
from kerasnas.primitives.blocks import ResidualReduction
from kerasnas.primitives.convolutions import Convolution, Depthwise, Pointwise
from kerasnas.spaces import SPACES, NASBench201Space, SignalSpace

SPACE = SignalSpace(filters=4, num_cells=1)


def test_size_and_registration():
    assert SPACE.size == 6**6 and SPACES["signals"] is SignalSpace


def test_network_is_plain_keras_in_one_dimension():
    model = SPACE.build_network(SPACE.sample(np.random.default_rng(3)), (12, 2), 5, drop_path=0.3)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    assert not any(type(layer).__name__.endswith("2D") for layer in model.layers)
    pool = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling1D))
    assert pool.input.shape == (None, 3, 16)
    assert model(np.ones((2, 12, 2), "float32"), training=True).shape == (2, 5)


def test_a_cell_that_nothing_leaves_is_zero():
    nothing = SPACE.genotype(dict.fromkeys(SPACE.choices, "none"))
    logits = SPACE.build_network(nothing, (8, 1), 3)(np.ones((1, 8, 1), "float32"), training=False)
    np.testing.assert_array_equal(logits, np.zeros((1, 3)))


def test_kernels_start_with_variance_two_over_fan_in():
    layers = [keras.layers.Conv1D(64, 5), keras.layers.DepthwiseConv1D(9)]
    model = keras.Sequential([keras.Input((32, 32)), *layers])
    initialize(model, seed=0)
    for layer, fan_in in zip(layers, (5 * 32, 9), strict=True):
        np.testing.assert_allclose(np.std(layer.kernel), np.sqrt(2 / fan_in), rtol=0.1)
    supernet = SignalSpace(filters=32, num_cells=1).build_supernet((8, 1), 2)
    kernel = supernet.graphs[0].mixed[0].candidates["conv_3"].chain[1].kernel  # copies, window, filters
    np.testing.assert_allclose(np.std(kernel), np.sqrt(2 / (3 * 32)), rtol=0.1)


def test_supernet_with_a_one_hot_choice_is_the_discrete_network():
    """With kernels copied over, and without pools, whose batch norm the discrete network does not have."""
    space = SignalSpace(4, 1, primitives=["none", "skip_connect", "conv_3", "sep_conv_5", "dil_conv_5"])
    names = ["dil_conv_5", "sep_conv_5", "conv_3", "skip_connect", "sep_conv_5", "dil_conv_5"]
    genotype = space.genotype(dict(zip(space.choices, names, strict=True)))
    supernet, network = space.build_supernet((11, 2), 3), space.build_network(genotype, (11, 2), 3)
    table = np.full((6, 5), -60.0, "float32")
    for row, index in enumerate(space.encode(genotype)):
        table[row, index] = 60
    supernet.alphas["cell"].assign(table)
    depthwise, others = (_made(network, kind) for kind in (keras.layers.DepthwiseConv1D, keras.layers.Conv1D))
    for stage, kernel in _kernels_of(supernet, genotype):
        layer = (depthwise if isinstance(stage, Depthwise) else others).pop(0)
        layer.kernel.assign(np.reshape(kernel, layer.kernel.shape))
    assert not depthwise and not others
    network.layers[-1].kernel.assign(supernet.classifier.kernel)
    x = np.random.default_rng(0).standard_normal((4, 11, 2)).astype("float32")
    np.testing.assert_allclose(supernet(x, training=True), network(x, training=True), rtol=1e-3, atol=1e-4)
    assert supernet.derive() == genotype


def _made(model, kind):
    """The layers of one class in the order in which they were made, by which they are numbered."""
    return sorted((layer for layer in model.layers if type(layer) is kind), key=lambda layer: _number(layer.name))


def _number(name):
    return int(name.partition("1d_")[2] or 0)


def _kernels_of(supernet, genotype):
    """The stages with kernels and the chosen copy's kernel, in the order of the discrete network's layers."""
    stem, *blocks, _, _, _ = supernet.parts
    yield stem.chain[0], stem.chain[0].kernel
    for block in blocks:
        if isinstance(block, ResidualReduction):
            yield from ((stage, stage.kernel) for stage in block.chain if isinstance(stage, Convolution))
            yield block.shortcut[1], block.shortcut[1].kernel
            continue
        for edge in genotype["cell"]:
            if edge.primitive != "skip_connect":
                candidate = block.mixed[edge.source].candidates[edge.primitive]
                stages = [stage for stage in candidate.chain if isinstance(stage, (Convolution, Depthwise, Pointwise))]
                parts = candidate.part([stage.kernel for stage in stages])
                yield from zip(stages, parts[edge.target - edge.source - 1], strict=True)


def test_search_on_waveforms():
    data = datasets.waveforms(train_samples=24, test_samples=6, length=16)
    space = SignalSpace(2, 1, num_nodes=1, primitives=["none", "skip_connect", "max_pool_3", "sep_conv_3"])
    supernet = space.build_supernet(data.input_shape, data.num_classes)
    search = BilevelTrainer(supernet, architecture_warmup_epochs=0)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.1), run_eagerly=True)
    before = supernet.alphas["cell"].numpy()
    history = search.fit(data.x_train, data.y_train, batch_size=12, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all() and (supernet.alphas["cell"].numpy() != before).any()
    genotype = search.derive()
    space.validate(genotype)
    assert space.build_network(genotype, data.input_shape, data.num_classes).output_shape == (None, 6)


def test_supernet_of_partial_channels_is_made_again_from_its_configuration():
    space = SignalSpace(4, 1, num_nodes=2, primitives=["skip_connect", "conv_3"])
    supernet = space.build_supernet((12, 1), 3, partial_channels=2, edge_normalization=True)
    again = Supernet.from_config(supernet.get_config())
    x = np.random.default_rng(0).standard_normal((2, 12, 1)).astype("float32")
    np.testing.assert_array_equal(supernet(x, training=True), again(x, training=True))


def test_shapes_of_the_other_kind_are_reported():
    genotype, image = SPACE.sample(np.random.default_rng(0)), NASBench201Space(2, 1)
    message = r"`input_shape`. Expected \(length, channels\) of one signal. Received: \(28, 28, 1\)"
    with pytest.raises(ValueError, match=message):
        SPACE.build_supernet((28, 28, 1), 3)
    with pytest.raises(ValueError, match=message):
        SPACE.build_network(genotype, (28, 28, 1), 3)
    message = r"`input_shape`. Expected \(height, width, channels\) of one image. Received: \(128, 1\)"
    with pytest.raises(ValueError, match=message):
        image.build_supernet((128, 1), 3)
    with pytest.raises(ValueError, match="Expected at least 4 steps, since the network halves the signal 2 times"):
        SPACE.build_supernet((3, 1), 3)
    with pytest.raises(ValueError, match=r"Expected \(length, channels\) of one signal. Received: \(0, 1\)"):
        SPACE.build_supernet((0, 1), 3)


def test_data_of_the_other_kind_are_reported():
    search = BilevelTrainer(SignalSpace(2, 1, 1).build_supernet((16, 1), 2))
    search.compile()
    with pytest.raises(ValueError, match=r"signals of shape \(samples, length, channels\).*a space for images"):
        search.fit(np.zeros((8, 16, 16, 1)), np.arange(8) % 2, batch_size=2)
    with pytest.raises(ValueError, match=r"Expected signals of shape \(16, 1\). Received: signals of shape \(12, 1\)"):
        search.fit(np.zeros((8, 12, 1)), np.arange(8) % 2, batch_size=2)
