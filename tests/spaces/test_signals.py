"""The space for signals: one-dimensional networks, a supernet that computes the same, and a search that ends."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer
from kerasnas.networks.initialization import initialize
from kerasnas.primitives.blocks import ResidualReduction
from kerasnas.primitives.convolutions import Convolution, Depthwise, Pointwise
from kerasnas.spaces import MacroSpace, NASBench201Space, SignalSpace
from tests.layers import layers_in_order

SPACE = SignalSpace(filters=4, num_cells=1)


def test_network_has_one_dimension():
    model = SPACE.build_network(SPACE.sample(np.random.default_rng(3)), (12, 2), 5, drop_path=0.3)
    assert not any(type(layer).__name__.endswith("2D") for layer in model.layers)
    pool = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling1D))
    assert pool.input.shape == (None, 3, 16)
    assert model(np.ones((2, 12, 2), "float32"), training=True).shape == (2, 5)


def test_whole_networks_of_signals_are_those_of_the_rows_of_an_image():
    """`MacroSpace` reads those as the steps of a signal, whose channels are the pixels of a row."""
    images = MacroSpace(filters=4, divisions=("rows",))
    signals = MacroSpace(filters=4, inputs="signal")
    x = np.random.default_rng(0).normal(size=(2, 16, 4)).astype("float32")
    pooled = ("conv_5x5", 1.5, "inverted_3x3", "pool", (0, 1, 1))
    strided = ("conv_3x3_s2", 1.0, "residual_3x3", "strides", (1, 2))
    for plan in (pooled, strided):
        first = images.build_network(images.network(*plan, "rows"), (16, 4, 1), 5, seed=0)
        second = signals.build_network(signals.network(*plan), (16, 4), 5, seed=0)
        second.set_weights(first.get_weights())
        np.testing.assert_allclose(second(x), first(x[..., None]), rtol=1e-5, atol=1e-6)


def test_sizes_of_networks_of_signals_suit_their_length():
    long, short = (MacroSpace.for_data((length, 2), num_classes=3, samples=50) for length in (1000, 9))
    assert "conv_3x3" in long.stems and (long.max_halvings, short.max_halvings) == (4, 2)
    assert MacroSpace.from_config(long.get_config()).inputs == "signal"
    with pytest.raises(ValueError, match="argument `divisions`"):
        MacroSpace(divisions=("whole", "rows"), inputs="signal")
    with pytest.raises(ValueError, match=r"argument `inputs`.*Received: 'text'"):
        MacroSpace(inputs="text")


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
    supernet = SignalSpace(32, 1, 1, ["conv_3"]).build_supernet((8, 1), 2)
    kernel = supernet.graphs[0].mixed[0].candidates["conv_3"].chain[1].kernel  # copies, window, filters
    np.testing.assert_allclose(np.std(kernel), np.sqrt(2 / (3 * 32)), rtol=0.1)


@pytest.mark.slow  # that of DARTS is compared in tests/networks
@pytest.mark.parametrize(
    ("space", "shape", "names"),
    [
        (
            SignalSpace(4, 1, primitives=["none", "skip_connect", "conv_3", "sep_conv_5", "dil_conv_5"]),
            (11, 2),
            ["dil_conv_5", "sep_conv_5", "conv_3", "skip_connect", "sep_conv_5", "dil_conv_5"],
        ),
        (
            NASBench201Space(4, 1, primitives=["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"]),
            (8, 8, 3),
            ["nor_conv_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_1x1", "none", "nor_conv_3x3"],
        ),
    ],
)
def test_supernet_with_a_one_hot_choice_is_the_discrete_network(space, shape, names):
    """With kernels copied over, and without pools, whose batch norm the discrete network does not have."""
    genotype = space.genotype(dict(zip(space.choices, names, strict=True)))
    supernet, network = space.build_supernet(shape, 3), space.build_network(genotype, shape, 3)
    table = np.full(supernet.choices["cell"].shape, -60.0, "float32")
    for row, index in enumerate(space.encode(genotype)):
        table[row, index] = 60
    supernet.alphas["cell"].assign(table)
    made, kind = layers_in_order(network), f"Conv{len(shape) - 1}D"
    for stage, kernel in _kernels_of(supernet, genotype):
        layer = made[f"Depthwise{kind}" if isinstance(stage, Depthwise) else kind].pop(0)
        layer.kernel.assign(np.reshape(kernel, layer.kernel.shape))
    assert not made[kind] and not made[f"Depthwise{kind}"]
    network.layers[-1].kernel.assign(supernet.classifier.kernel)
    x = np.random.default_rng(0).standard_normal((4, *shape)).astype("float32")
    np.testing.assert_allclose(supernet(x, training=True), network(x, training=True), rtol=1e-3, atol=1e-4)
    derived = ["skip_connect" if name == "none" else name for name in names]  # `none` is never derived
    assert supernet.derive() == space.genotype(dict(zip(space.choices, derived, strict=True)))


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
            if edge.primitive not in ("skip_connect", "none"):
                candidate = block.mixed[edge.source].candidates[edge.primitive]
                stages = [stage for stage in candidate.chain if isinstance(stage, (Convolution, Depthwise, Pointwise))]
                parts = candidate.part([stage.kernel for stage in stages])
                yield from zip(stages, parts[edge.target - edge.source - 1], strict=True)


def test_data_of_the_other_kind_are_reported():
    search = BilevelTrainer(SignalSpace(2, 1, 1, ["skip_connect", "conv_3"]).build_supernet((16, 1), 2))
    search.compile()
    with pytest.raises(ValueError, match=r"signals of shape \(samples, length, channels\).*a space for images"):
        search.fit(np.zeros((8, 16, 16, 1)), np.arange(8) % 2, batch_size=2)
    with pytest.raises(ValueError, match=r"Expected signals of shape \(16, 1\). Received: signals of shape \(12, 1\)"):
        search.fit(np.zeros((8, 12, 1)), np.arange(8) % 2, batch_size=2)
