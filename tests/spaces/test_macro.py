"""The macro space: its genotypes and back, its references counted by hand, sizes that follow the data."""

import collections
import dataclasses

import keras
import numpy as np
import pytest

from kerasnas.cost import COSTS, CostModel
from kerasnas.cost.counting import macs, parameters
from kerasnas.cost.model import NetworkCost, counted_once
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks import Supernet
from kerasnas.networks.measured import Part
from kerasnas.spaces import MacroSpace
from kerasnas.spaces.macro import MACRO_PRIMITIVES

SPACE = MacroSpace()
SMALL = MacroSpace(filters=4, widths=(0.5, 1.0), max_halvings=2)
REFERENCES = ["cnn", "cnn_5x5", "resnet_8", "resnet_20", "mobilenet_v2", "vgg_3x3"]


def chain(*names):
    return Genotype("macro", {"network": [Edge(name, node, node + 1) for node, name in enumerate(names)]})


def conv(size, channels, filters):
    """Parameters of a convolution without bias and its batch norm."""
    return size * size * channels * filters + 2 * filters


# The space ---------------------------------------------------------------------------------------------------
def test_the_choices():
    assert len(MACRO_PRIMITIVES) == 12
    choices = SPACE.choices
    assert list(choices)[:6] == ["stem", "width", "stages", "stage/1/block", "stage/1/depth", "stage/2/halving"]
    assert choices["width"] == ("0.125", "0.1875", "0.25", "0.375", "0.5", "0.75", "1", "1.5")
    assert choices["stage/4/halving"] == ("pool", "strides")
    assert choices["stage/1/depth"] == ("0", "1", "2", "3") and choices["stage/4/depth"] == ("1", "2", "3")
    assert SPACE.size == 4 * 8 * (1 + 36) * (72 + 72**2 + 72**3)


def test_a_genotype_is_the_network_from_the_image_on():
    genotype = chain("conv_5x5_s2_w0.5", "residual_3x3", "max_pool_2x2", "conv_3x3", "conv_3x3", "inverted_7x7_s2")
    assignment = SPACE.assignment(genotype)
    assert (
        assignment
        | {
            "stem": "conv_5x5_s2",
            "width": "0.5",
            "stages": "3",
            "stage/1/block": "residual_3x3",
            "stage/1/depth": "1",
            "stage/2/halving": "pool",
            "stage/2/block": "conv_3x3",
            "stage/2/depth": "2",
            "stage/3/halving": "strides",
            "stage/3/block": "inverted_7x7",
            "stage/3/depth": "1",
        }
        == assignment
    )
    assert SPACE.genotype(assignment) == genotype and SPACE.decode(SPACE.encode(genotype)) == genotype


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (chain("conv_3x3_w2", "max_pool_2x2", "conv_3x3"), "no stem 'conv_3x3_w2'.*Did you mean 'conv_3x3_w"),
        (chain("conv_3x3", "max_pool_2x2", "conv_3x3"), "no stem 'conv_3x3'"),
        (chain("conv_3x3_w1", "max_pool_2x2", "conv_3x"), "no option 'conv_3x'.*Did you mean 'conv_3x3'"),
        (chain("conv_3x3_w1", "max_pool_2x2", "conv_3x3", "conv_5x5"), "one kind of block.*stage 2"),
        (chain("conv_3x3_w1", "max_pool_2x2", "max_pool_2x2", "conv_3x3"), "'stage/2/depth'.*no option '0'"),
        (chain("conv_3x3_w1", "conv_3x3"), "'stages'.*no option '1'"),
        (chain("conv_3x3_w1", *["conv_3x3"] * 4, "conv_3x3_s2"), "'stage/1/depth'.*no option '4'"),
        (Genotype("macro", {"network": [Edge("conv_3x3_w1", 0, 1), Edge("conv_3x3_s2", 0, 2)]}), "a chain of nodes"),
    ],
)
def test_what_is_no_network_of_the_space_is_refused(genotype, message):
    for refuse in (SPACE.validate, SPACE.encode, lambda one: SPACE.build_network(one, (32, 32, 3), 10)):
        with pytest.raises(ValueError, match=message):
            refuse(genotype)


def test_a_network_that_halves_too_often_is_refused():
    genotype = chain("conv_3x3_s2_w1", "max_pool_2x2", "conv_3x3", "conv_3x3_s2")
    SPACE.validate(genotype)
    with pytest.raises(ValueError, match=r"at most 2 times. Received one that does 3 times"):
        SMALL.validate(genotype)
    assert not SMALL.feasible(SMALL.encode(genotype))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 1, "widths": (0.5, 1)}, "widths"),  # both one filter
        ({"primitives": ["sep_conv_3x3"]}, "primitives.*Known"),
        ({"max_halvings": 0}, "at least 1, as often as"),
        ({"stems": ["conv_5x5_s2"], "max_halvings": 1}, "at least 2, as often as"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        MacroSpace(**arguments)


# As numbers --------------------------------------------------------------------------------------------------
def test_combinations_of_one_network_share_a_key():
    stems = ["conv_3x3", "conv_5x5_s2"]
    space = MacroSpace(8, (0.5, 1), stems, (2, 3), (1,), ["conv_3x3", "residual_5x5"], max_halvings=2)
    networks = collections.defaultdict(set)
    for indices in space:
        networks[space.key(indices)].add(space.decode(indices))
    assert all(len(genotypes) == 1 for genotypes in networks.values())  # a key is a network ...
    assert len({genotype for genotypes in networks.values() for genotype in genotypes}) == len(networks)
    first = 1 + 2  # no block, or one of two
    later = 2 * 2
    # ... and each network is there once: three stages only after the stem that does not stride.
    assert len(networks) == space.size == 2 * first * (2 * later + later**2)
    assert all(space.encode(space.decode(key)) == key for key in networks)


def test_samples_fit_and_each_number_of_stages_is_as_probable():
    rng = np.random.default_rng(0)
    drawn = [SMALL.sample_indices(rng) for _ in range(600)]
    assert all(SMALL.feasible(indices) and SMALL.key(indices) == indices for indices in drawn)
    # Of 4 stems x 3 numbers of stages fit: any stem with 2, and the two that do not stride with 3.
    stages = collections.Counter(SMALL.assignment(SMALL.decode(indices))["stages"] for indices in drawn)
    assert set(stages) == {"2", "3"} and abs(stages["2"] / 600 - 2 / 3) < 0.06
    assert len({indices[0] for indices in drawn}) == 4


def test_a_mutation_changes_one_choice_that_the_network_makes():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        before = SPACE.sample(rng)
        after = SPACE.mutate(before, rng)
        assert after != before
        one, other = SPACE.encode(before), SPACE.encode(after)
        changed = [name for name, a, b in zip(SPACE.choices, one, other, strict=True) if a != b]
        made = [name for name, made in zip(SPACE.choices, SPACE._made(one), strict=True) if made]
        stages = {name.split("/")[1] for name in changed if "/" in name}
        if "stages" in changed:  # stages come with their first options, or go with all that they had
            kept = min(int(SPACE.assignment(genotype)["stages"]) for genotype in (before, after))
            assert all(int(stage) > kept for stage in stages)
            assert all(b == 0 for a, b in zip(one[3:], other[3:], strict=True) if a != b)
        elif "stage/1/depth" in changed:
            assert set(changed) <= {"stage/1/depth", "stage/1/block"}
        else:
            assert len(changed) == 1 and changed[0] in made
        seen |= set(changed)
    assert {"stem", "width", "stages", "stage/1/block", "stage/2/halving", "stage/3/depth"} <= seen


def test_neighbors_are_the_networks_one_mutation_away():
    start = SMALL.encode(SMALL.references()["cnn"])
    neighbors = SMALL.neighbors(start)
    assert len(neighbors) == len(set(neighbors)) and start not in neighbors
    assert len({SMALL.decode(other) for other in neighbors}) == len(neighbors)
    assert all(SMALL.feasible(other) for other in neighbors)
    rng = np.random.default_rng(0)
    assert {SMALL.mutate_indices(start, rng) for _ in range(800)} == set(neighbors)
    # Stem of 5, no stem that strides, the other width, 2 stages; depths 1 to 3 of the first; of the others 11 blocks, 2
    # depths and the halving.
    assert len(neighbors) == 1 + 1 + 1 + 3 + 2 * (11 + 2 + 1)
    fixed = MacroSpace(stems=["conv_3x3"], widths=(1.0,), stages=(2,), depths=(1,), primitives=["conv_3x3"])
    assert len(fixed.neighbors(fixed.sample_indices(rng))) == 2  # a block of the first stage, and strides


# The references ----------------------------------------------------------------------------------------------
def test_the_references_are_points_of_the_space():
    assert list(SPACE.references()) == REFERENCES
    for name, genotype in SPACE.references().items():
        SPACE.validate(genotype)
        assert SPACE.feasible(SPACE.encode(genotype)), name


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_the_plain_cnn_counted_by_hand(shape):
    side, channels = shape[0], shape[-1]
    model = SPACE.build_network(SPACE.references()["cnn"], shape, 10)
    blocks = conv(3, channels, 32) + conv(3, 32, 64) + conv(3, 64, 128)
    assert parameters(model) == blocks + 128 * 10 + 10
    pixels = side**2 * channels * 32 + (side // 2) ** 2 * 32 * 64 + (side // 4) ** 2 * 64 * 128
    assert macs(model) == 9 * pixels + 128 * 10 + 10
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    block = ["Conv2D", "BatchNormalization", "ReLU"]
    assert kinds == [*block, "MaxPooling2D", *block, "MaxPooling2D", *block, "GlobalAveragePooling2D", "Dense"]


def test_resnets_counted_by_hand():
    def stage(channels, filters, depth):
        shortcut = conv(1, channels, filters) if channels != filters else 0
        return conv(3, channels, filters) + shortcut + (2 * depth - 1) * conv(3, filters, filters)

    def resnet(depth):
        stages = stage(16, 16, depth) + stage(16, 32, depth) + stage(32, 64, depth)
        return conv(3, 3, 16) + stages + 64 * 10 + 10

    references = SPACE.references()
    counts = [parameters(SPACE.build_network(references[name], (32, 32, 3), 10)) for name in ("resnet_8", "resnet_20")]
    assert counts == [resnet(1), resnet(3)] == [78_042, 272_474]


def test_the_multiply_adds_of_a_resnet_counted_by_hand():
    """The first block of a stage strides: its convolutions and its shortcut are computed at half the pixels."""
    genotype = SPACE.references()["resnet_8"]
    first, second = 9 * 16 * 16 * 2, 9 * (16 * 32 + 32 * 32) + 16 * 32
    third = 9 * (32 * 64 + 64 * 64) + 32 * 64
    expected = 32**2 * (9 * 3 * 16 + first) + 16**2 * second + 8**2 * third + 64 * 10 + 10
    model = SPACE.build_network(genotype, (32, 32, 3), 10)
    assert macs(model) == expected == COSTS["macs"](SPACE, (32, 32, 3), 10).cost(genotype)
    assert model.layers[-2].input.shape == (None, 8, 8, 64)


def test_the_other_references():
    references = SPACE.references()
    model = SPACE.build_network(references["cnn_5x5"], (28, 28, 1), 10)
    assert parameters(model) == conv(5, 1, 32) + conv(5, 32, 64) + conv(5, 64, 128) + 1290
    assert model.layers[1].strides == (2, 2)
    model = SPACE.build_network(references["vgg_3x3"], (28, 28, 1), 10)
    widths = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert widths == [16] * 4 + [32] * 3 + [64] * 3
    model = SPACE.build_network(references["mobilenet_v2"], (28, 28, 1), 10)

    def inverted(channels, filters):
        wide = 4 * channels
        excitation = wide * (channels // 4) * 2 + channels // 4 + wide
        return conv(1, channels, wide) + 9 * wide + 2 * wide + excitation + conv(1, wide, filters)

    blocks = inverted(16, 16) + inverted(16, 32) + inverted(32, 32) + inverted(32, 64) + inverted(64, 64)
    assert parameters(model) == conv(3, 1, 16) + blocks + 64 * 10 + 10
    assert sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 3
    assert model.layers[1].strides == (2, 2)


def test_a_reference_that_is_no_point_is_left_out():
    assert list(MacroSpace(widths=(1.0,)).references()) == ["cnn", "cnn_5x5"]
    assert "resnet_20" not in MacroSpace(depths=(1, 2)).references()
    assert list(MacroSpace(primitives=["residual_3x3"]).references()) == ["resnet_8", "resnet_20"]
    assert list(MacroSpace(stems=["conv_3x3"]).references()) == ["cnn", "resnet_8", "resnet_20", "vgg_3x3"]
    assert list(MacroSpace(stems=["conv_5x5_s2"]).references()) == ["cnn_5x5"]
    strided = MacroSpace(stems=["conv_3x3_s2", "conv_5x5_s2"])
    assert list(strided.references()) == REFERENCES
    assert strided.assignment(strided.references()["cnn"])["stem"] == "conv_3x3_s2"


# Sizes that follow the data ----------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "halvings", "stages"),
    [
        ((2, 2, 1), 1, (2,)),
        ((4, 5, 1), 1, (2,)),
        ((8, 8, 1), 2, (2, 3)),
        ((28, 28, 1), 3, (2, 3, 4)),
        ((48, 32, 3), 4, (2, 3, 4)),
        ((300, 224, 3), 4, (2, 3, 4)),
    ],
)
def test_for_data_halves_as_often_as_the_image_allows(shape, halvings, stages):
    space = MacroSpace.for_data(shape, 10, 1000, filters=4, widths=(0.5, 1.0))
    assert (space.max_halvings, space.stages) == (halvings, stages)
    assert len(space.references()) == (6 if halvings > 1 else 4)  # a stem that strides needs a halving of its own
    rng = np.random.default_rng(0)
    for genotype in [*space.references().values(), *(space.sample(rng) for _ in range(3))]:
        model = space.build_network(genotype, shape, 10)
        assert min(model.layers[-2].input.shape[1:3]) >= min(2, shape[0] // 2) and model.output_shape == (None, 10)


def test_for_data_takes_classes_and_samples_into_account():
    space = MacroSpace.for_data((32, 32, 3), 1000, 1_200_000)
    assert (space.filters, space.head_filters) == (64, 512)
    model = space.build_network(space.references()["cnn"], (32, 32, 3), 1000)
    assert model.layers[-1].input.shape[-1] == 512
    assert MacroSpace.for_data((32, 32, 3), 10, 99_999).get_config() == SPACE.get_config()
    large = MacroSpace.for_data((96, 128, 3), 10, 1000)
    assert large.stems == ("conv_3x3_s2", "conv_5x5_s2")
    assert MacroSpace.for_data((32, 32, 3), 10, 1000, filters=8).filters == 8


def test_for_data_refuses_what_cannot_be_halved():
    with pytest.raises(ValueError, match="2 x 2 pixels"):
        MacroSpace.for_data((1, 8, 1), 10, 50)


def test_a_network_may_have_one_stage():
    space = MacroSpace(stages=(1,), stems=["conv_3x3"], widths=(0.5,), max_halvings=0)
    model = space.build_network(chain("conv_3x3_w0.5"), (1, 1, 1), 2)
    assert [type(layer).__name__ for layer in model.layers[1:4]] == ["Conv2D", "BatchNormalization", "ReLU"]
    assert list(space.references()) == ["resnet_8", "resnet_20", "vgg_3x3"]
    assert len(space.neighbors(space.encode(chain("conv_3x3_w0.5")))) == 3


def test_an_image_too_small_for_one_network_may_do_for_another():
    deep, shallow = SPACE.references()["cnn_5x5"], SPACE.references()["cnn"]
    with pytest.raises(ValueError, match="8 x 8 pixels, since the network halves the image 3 times"):
        SPACE.build_network(deep, (4, 4, 1), 10)
    assert SPACE.build_network(shallow, (4, 4, 1), 10).output_shape == (None, 10)


def test_a_wider_space_has_the_same_choices():
    wide = SMALL.resized(filters=16)
    assert wide.choices == SMALL.choices and wide.filters == 16


# Networks ----------------------------------------------------------------------------------------------------
def test_batch_norm_follows_every_convolution():
    rng = np.random.default_rng(3)
    for genotype in [SMALL.references()["mobilenet_v2"], *(SMALL.sample(rng) for _ in range(3))]:
        model = SMALL.build_network(genotype, (8, 8, 2), 3, drop_path=0.2)
        for layer in model.layers:
            if "Conv" in type(layer).__name__:
                (node,) = layer._outbound_nodes
                assert isinstance(node.operation, keras.layers.BatchNormalization) and not layer.use_bias


def test_drop_path_drops_residual_branches_alone():
    references = SPACE.references()
    model = SPACE.build_network(references["resnet_20"], (8, 8, 1), 3, drop_path=0.4)
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    np.testing.assert_allclose([layer.rate for layer in drops], np.linspace(0, 0.4, 9)[1:])
    assert len({layer.seed for layer in drops}) == 8
    for layer in drops:
        (node,) = layer._outbound_nodes
        assert isinstance(node.operation, keras.layers.Add) and layer.noise_shape == (None, 1, 1, 1)
    model = SPACE.build_network(references["cnn"], (8, 8, 1), 3, drop_path=0.4)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


def test_it_has_no_supernet_and_no_table_of_costs():
    with pytest.raises(ValueError, match="no supernet"):
        SMALL.build_supernet((8, 8, 1), 3)
    with pytest.raises(ValueError, match=r"no supernet.*only discrete networks"):
        Supernet(SMALL, (8, 8, 1), 3)
    with pytest.raises(ValueError, match="no table of costs"):
        SMALL.parts((8, 8, 1), 3)
    with pytest.raises(ValueError, match="network_latency"):
        COSTS["latency"](SMALL, (8, 8, 1), 3)


# Parts of images ---------------------------------------------------------------------------------------------
DIVISIONS = ("whole", "channels", "tiles_2x2", "tiles_1x4", "rows", "columns", "rows_in_2", "columns_in_4")
DIVIDED = MacroSpace(filters=4, widths=(0.5, 1.0), max_halvings=2, divisions=DIVISIONS)
PLAN = ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1))


@pytest.mark.parametrize("division", DIVISIONS)
def test_the_division_is_written_before_the_stem_and_read_again(division):
    genotype = DIVIDED.network(*PLAN, division=division)
    layers = [edge.primitive for edge in genotype["network"]]
    assert layers == [*([division] if division != "whole" else []), "conv_3x3_w1", "max_pool_2x2", "conv_3x3"]
    assert DIVIDED.decode(DIVIDED.encode(genotype)) == genotype and DIVIDED.assignment(genotype)["division"] == division
    if division == "whole":
        assert SMALL.network(*PLAN) == genotype  # as runs before there were divisions wrote it
        return
    assert SMALL.network(*PLAN, division=division) is None
    with pytest.raises(ValueError, match=f"no networks of '{division}'"):
        SMALL.validate(genotype)


def test_the_division_is_one_more_choice():
    assert list(DIVIDED.choices)[-1] == "division" and DIVIDED.choices["division"] == DIVISIONS
    rng = np.random.default_rng(0)
    assert {DIVIDED.assignment(DIVIDED.sample(rng))["division"] for _ in range(60)} == set(DIVISIONS)
    start = DIVIDED.encode(DIVIDED.network(*PLAN))
    assert len(DIVIDED.neighbors(start)) == len(SMALL.neighbors(start)) + len(DIVISIONS) - 1
    alone = MacroSpace(filters=4, divisions=["channels"])
    genotype = DIVIDED.network(*PLAN, division="channels")
    assert alone.network(*PLAN, division="channels") == alone.decode(alone.encode(genotype)) == genotype


def test_tiles_are_halved_less_by_what_halves_their_shorter_side():
    assert DIVIDED.network("conv_3x3_s2", 1.0, "conv_3x3", "pool", (0, 1, 1), "tiles_2x2") is None
    kept = DIVIDED.network(*PLAN[:-1], (0, 1, 1), "tiles_2x2")
    assert kept == DIVIDED.network(*PLAN, "tiles_2x2") != DIVIDED.network(*PLAN[:-1], (0, 1, 1), "channels")
    small = MacroSpace(8, (1,), ["conv_3x3", "conv_3x3_s2"], (2, 3), (1,), ["conv_3x3"], 2, None, DIVISIONS)
    assert small.size == len({small.key(indices) for indices in small})
    with pytest.raises(ValueError, match="at least 2"):
        MacroSpace(stages=(2,), stems=["conv_3x3"], max_halvings=1, divisions=["tiles_2x2"])


@pytest.mark.parametrize(
    ("division", "channels", "parts"),
    [
        *(("channels", number, number) for number in (2, 5)),
        *(("tiles_2x2", 2, 4), ("tiles_1x4", 1, 4), ("rows_in_2", 3, 2), ("columns_in_4", 1, 4)),
    ],
)
def test_parts_share_the_weights_of_one_network(division, channels, parts):
    seen, window = (1, 9) if division == "channels" else (channels, 9)
    places = {"channels": (64, 16), "tiles_2x2": (16, 4), "tiles_1x4": (16, 4)}.get(division)
    if "_in_" in division:
        seen, window, places = 8 * channels, 3, (8 // parts, 4 // parts)
    body = window * seen * 4 + 2 * 4 + window * 4 * 8 + 2 * 8
    pixels = places[0] * window * seen * 4 + places[1] * window * 4 * 8
    factors, head = 8 * 8 + 8, (8 + 8) * 16 + 16 * 3 + 3
    genotype = DIVIDED.network(*PLAN, division=division)
    model = DIVIDED.build_network(genotype, (8, 8, channels), 3)
    assert parameters(model) == body + factors + head + 2 * 16
    assert macs(model) == parts * (pixels + factors) + head
    for cost, count in (("parameters", parameters), ("macs", macs)):
        assert COSTS[cost](DIVIDED, (8, 8, channels), 3).cost(genotype) == count(model)


@pytest.mark.parametrize(("division", "steps", "pixels"), [("rows", 6, 8 * 3), ("columns", 8, 6 * 3)])
def test_lines_are_the_steps_of_a_signal(division, steps, pixels, tmp_path):
    genotype = DIVIDED.network(*PLAN, division=division)
    model = DIVIDED.build_network(genotype, (6, 8, 3), 3)
    first, second, head = 3 * pixels * 4, 3 * 4 * 8, 8 * 3 + 3
    assert parameters(model) == first + 2 * 4 + second + 2 * 8 + head
    assert macs(model) == steps * first + steps // 2 * second + head
    for cost, count in (("parameters", parameters), ("macs", macs)):
        assert COSTS[cost](DIVIDED, (6, 8, 3), 3).cost(genotype) == count(model)
    x = np.random.default_rng(0).random((4, 6, 8, 3)).astype("float32")
    outputs = np.array(model(x))
    mixed = np.random.default_rng(1).permutation(8 if division == "rows" else 6)
    kernel = model.get_weights()[0].reshape(3, *((8, 3) if division == "rows" else (6, 3)), 4)[:, mixed]
    model.set_weights([kernel.reshape(3, pixels, 4), *model.get_weights()[1:]])  # each pixel of a line has its own
    np.testing.assert_allclose(model(np.take(x, mixed, axis=2 if division == "rows" else 1)), outputs, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("division", "shape", "words"),
    [
        ("tiles_2x2", (9, 8, 1), "height is divisible by 2. Received: 9"),
        ("tiles_2x2", (8, 9, 1), "width is divisible by 2. Received: 9"),
        ("rows_in_2", (9, 8, 1), "number of rows is divisible by 2. Received: 9"),
        ("columns_in_4", (8, 10, 1), "number of columns is divisible by 4. Received: 10"),
    ],
)
def test_what_no_parts_of_equal_size_make_up_is_told(division, shape, words):
    with pytest.raises(ValueError, match=words):
        DIVIDED.build_network(DIVIDED.network(*PLAN, division=division), shape, 3)


def rotated(x):
    return x[..., [2, 0, 1]]


def exchanged(x):
    upper, lower = np.split(x, 2, axis=1)
    return np.concatenate([lower, upper[:, :, [4, 5, 6, 7, 0, 1, 2, 3]]], axis=1)


def pairs(x):
    return x[:, :, [2, 3, 6, 7, 4, 5, 0, 1]]


def halves(x):
    return np.roll(x, 4, axis=1)


def lines(x):
    return np.roll(x, 1, axis=1)


@pytest.mark.parametrize(
    ("division", "move", "other"),
    [
        ("channels", rotated, exchanged),
        ("tiles_2x2", exchanged, rotated),
        ("rows_in_2", halves, lines),
        ("tiles_1x4", pairs, halves),
        ("columns_in_4", pairs, halves),
    ],
)
def test_the_order_of_parts_does_not_matter_and_a_sample_depends_on_no_other(division, move, other, tmp_path):
    x = np.random.default_rng(0).random((4, 8, 8, 3)).astype("float32")
    model = DIVIDED.build_network(DIVIDED.network(*PLAN, division=division), (8, 8, 3), 3)
    outputs = np.array(model(x))
    np.testing.assert_allclose(model(move(x)), outputs, atol=1e-6)
    assert np.abs(model(other(x)) - outputs).max() > 1e-3
    np.testing.assert_allclose(model(x[:1]), outputs[:1], atol=1e-6)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)(x), outputs)


# Costs -------------------------------------------------------------------------------------------------------
def test_a_part_is_measured_once():
    counted = []
    measure = counted_once(SMALL, lambda model: counted.append(model) or 1.0)
    model = dataclasses.replace(COSTS["parameters"](SMALL, (8, 8, 1), 3), measure=measure)
    for _ in range(2):
        assert model.cost(SMALL.references()["resnet_20"]) == 1 + 9 + 1
    assert len(counted) == 1 + 2 * 2 + 1 + 1  # stem, the stages' first and other blocks (of the first alike), head


def test_spaces_share_what_was_counted():
    def measure(cost, space):
        return COSTS[cost](space, (8, 8, 1), 3).measure

    class OfAUser(MacroSpace):  # whose blocks may change under their names
        pass

    assert measure("parameters", MacroSpace()) is measure("parameters", SMALL) is not measure("macs", SMALL)
    assert measure("parameters", OfAUser()) is not measure("parameters", OfAUser())

    class Scaled(keras.layers.Layer):
        def build(self, input_shape):
            self.scale = keras.Variable(np.ones(input_shape[-1]))  # made of a value, not of an initializer

        def call(self, inputs):
            return inputs * self.scale

    part = Part("scaled", ((8, 8, 3),), lambda x: Scaled()(x))
    assert counted_once(OfAUser(), lambda model: model.layers[-1].scale.numpy().sum())(part) == 3


def test_the_cost_of_whole_networks_is_no_table():
    model = COSTS["macs"](SMALL, (8, 8, 1), 3)
    assert isinstance(model, NetworkCost) and not isinstance(model, CostModel)
    assert (model.name, model.unit, model.least) == ("macs", " MACs", "lightest")
    with pytest.raises(ValueError, match=r"no table.*ask/tell"):
        model.get_config()
    with pytest.raises(ValueError, match="belongs to space 'darts'"):
        model.cost(Genotype("darts", {"normal": [Edge("none", 0, 2)]}))


def test_default_widths_hold_for_any_number_of_filters():
    small = SPACE.resized(filters=4)
    assert small.widths == SPACE.widths and small.resized(filters=32).get_config() == SPACE.get_config()
    narrow = small.network("conv_3x3", 0.125, "conv_3x3", "pool", (0, 1))
    assert small.build_network(narrow, (8, 8, 1), 2).count_params() > 0
