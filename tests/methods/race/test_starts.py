"""Which initializations a race begins from, and what is said of those that do not fit."""

import dataclasses

import numpy as np
import pytest

from kerasnas.datasets import Dataset
from kerasnas.meta.shelf import initializer_record
from kerasnas.methods import RaceConfig
from kerasnas.methods.race import starts
from kerasnas.methods.race.starts import find_part_starts, find_start
from kerasnas.modalities.base import MODALITIES
from kerasnas.racing.portfolio import named_networks, portfolio
from kerasnas.spaces import MacroSpace, NASBench201Space


def dataset(shape=(28, 28, 1), classes=3):
    x, y = np.zeros((classes, *shape), "float32"), np.arange(classes)
    return Dataset("made", x, y, x, y, tuple(map(str, range(classes))))


def start(space, data, said, allowed=lambda genotype: True, **settings):
    def build(genotype):
        return space.build_network(genotype, data.input_shape, data.num_classes)

    return find_start(RaceConfig(**settings), space, data, build, said.append, allowed)


@pytest.mark.parametrize(
    ("shape", "classes", "name"),
    [((64, 80, 4), 120, "images_vgg_3x3"), ((6, 6, 1), 2, None)],
)
def test_what_comes_along_fits_images_of_any_size_color_and_number_of_classes(shape, classes, name):
    data, said = dataset(shape, classes), []
    space = MacroSpace.for_data(shape, classes, 1000)
    found = start(space, data, said)
    if name is None:  # too small for its stages
        assert found is None and len(said) == 1 and "do not fit made" in said[0]
    else:
        assert found == (name, named_networks(space)[initializer_record(name)["network"]]) and not said


def test_the_start_is_the_largest_within_the_limits():
    space, data = MacroSpace.for_data((28, 28, 1), 3, 1000), dataset()
    named = named_networks(space)
    within = {named[name] for name in ("conv_deep_w0.125", "vgg_3x3_w0.25", "vgg_shallow_w0.25")}
    assert start(space, data, [], within.__contains__) == ("images_vgg_narrow", named["vgg_3x3_w0.25"])
    assert start(space, data, [], within.__contains__, initializer="images_vgg_3x3") is None
    assert start(space, data, [], lambda genotype: False) is None


@pytest.mark.parametrize(
    ("shape", "division", "known"),
    [((28, 28, 3), "channels", True), ((42, 42, 1), "tiles_3x3", True), ((24, 24, 1), "rows", False)],
)
def test_the_network_of_parts_begins_from_what_whole_images_taught_the_same(shape, division, known):
    space, data = MacroSpace.for_data(shape, 3, 1000, divisions=("whole", division)), dataset(shape)

    def build(genotype):
        return space.build_network(genotype, shape, 3)

    found = find_part_starts(RaceConfig(), space, data, build)
    assert list(found.values()) == ["images_vgg_halved"] * known
    if not known:
        return
    (network,) = found
    assert space.assignment(network)["division"] == division
    begun = next(one for one in portfolio(space, 4, begun=found) if one.genotype == network)
    assert (begun.initializer, begun.kind) == ("images_vgg_halved", "initialized")
    assert find_part_starts(RaceConfig(initializer="images_vgg_halved"), space, data, build) == found
    for name in ("none", "images_vgg_3x3"):
        assert find_part_starts(RaceConfig(initializer=name), space, data, build) == {}
    assert find_part_starts(RaceConfig(), MacroSpace.for_data(shape, 3, 1000), data, build) == {}


@pytest.mark.slow
def test_what_does_not_fit_is_left_out_and_said_or_refused_where_it_was_asked_for():
    wide, said = MacroSpace.for_data((28, 28, 1), 3, 200_000), []
    assert start(wide, dataset(), said) is None
    assert "skipped" in said[0] and "of another network" in said[0] and "expected" in said[0]
    with pytest.raises(ValueError, match="images_vgg_3x3 does not fit made"):
        start(wide, dataset(), said, initializer="images_vgg_3x3")
    with pytest.raises(ValueError, match="nasbench201"):
        start(NASBench201Space(), dataset(), said, initializer="images_vgg_3x3")


def test_none_and_another_space_have_none_and_nothing_is_said():
    said = []
    assert start(MacroSpace(), dataset(), said, initializer="none") is None
    assert start(NASBench201Space(), dataset(), said) is None and said == []


def grey(modality, samples=80, shape=(20, 16, 1)):
    x, y = np.random.default_rng(0).random((samples, *shape)).astype("float32"), np.arange(samples) % 2
    return Dataset("made", x, y, x, y, ("0", "1"), modality=MODALITIES[modality]())


@pytest.mark.parametrize(
    ("data", "known", "name"),
    [
        (grey("images"), {"images_vgg_3x3": 0.5, "sounds_vgg_3x3": 0.9}, "sounds_vgg_3x3"),
        (grey("images"), {"images_vgg_3x3": 0.5, "sounds_vgg_3x3": 0.52}, "images_vgg_3x3"),
        (grey("recordings"), {"images_vgg_3x3": 0.52, "sounds_vgg_3x3": 0.5}, "sounds_vgg_3x3"),
        (grey("recordings"), {"images_vgg_3x3": 0.9, "sounds_vgg_3x3": 0.5}, "images_vgg_3x3"),
        (grey("recordings", samples=40), {}, "sounds_vgg_3x3"),
        (grey("images", samples=40), {}, "images_vgg_3x3"),
        (grey("images", shape=(20, 16, 3)), {}, "images_vgg_3x3"),
    ],
)
def test_what_others_learned_is_the_start_where_it_is_better_beyond_doubt(data, known, name, monkeypatch):
    """What `known` does not have is not asked."""

    def scores(space, genotype, start, data, rows):
        return np.arange(len(rows)) < known[start] * len(rows)

    monkeypatch.setattr(starts, "_scores", scores)
    said = []
    assert start(MacroSpace.for_data(data.input_shape, 2, 80), data, said)[0] == name
    assert len(said) == bool(known) and all(name in line for line in said)


def test_grey_images_that_are_too_small_have_none_however_many():
    data, said = grey("images", shape=(6, 6, 1)), []
    assert start(MacroSpace.for_data((6, 6, 1), 2, 80), data, said) is None
    assert len(said) == 1 and "do not fit made" in said[0]


def test_a_linear_model_of_what_weights_see_is_scored_on_samples_left_out():
    space, data = MacroSpace.for_data((20, 16, 1), 2, 80), grey("images")
    network = named_networks(space)["vgg_3x3"]
    noise = starts._scores(space, network, "images_vgg_3x3", data, np.arange(80))
    assert noise.shape == (80,) and 0.25 < noise.mean() < 0.75  # of pure noise, nothing is known
    bright = dataclasses.replace(data, x_train=data.x_train * (1 + data.y_train[:, None, None, None]))
    assert starts._scores(space, network, "images_vgg_3x3", bright, np.arange(80)).mean() > 0.75
