"""Which initializations a race begins from, and what is said of those that do not fit."""

import numpy as np
import pytest

from kerasnas.datasets import Dataset
from kerasnas.methods import RaceConfig
from kerasnas.methods.race.starts import find_starts
from kerasnas.racing.portfolio import named_networks
from kerasnas.spaces import MacroSpace, NASBench201Space


def dataset(shape=(28, 28, 1), classes=3):
    x, y = np.zeros((classes, *shape), "float32"), np.arange(classes)
    return Dataset("made", x, y, x, y, tuple(map(str, range(classes))))


def starts(space, data, said, allowed=lambda genotype: True, **settings):
    def build(genotype):
        return space.build_network(genotype, data.input_shape, data.num_classes)

    return find_starts(RaceConfig(**settings), space, data, build, said.append, allowed)


@pytest.mark.parametrize(("shape", "classes"), [((64, 80, 4), 120), ((6, 6, 1), 2)])
def test_what_comes_along_fits_images_of_any_size_color_and_number_of_classes(shape, classes):
    data, said = dataset(shape, classes), []
    space = MacroSpace.for_data(shape, classes, 1000)
    found = starts(space, data, said)
    if min(shape[:2]) < 8:  # too small for its stages
        assert not found and "do not fit made" in said[0]
    else:
        assert found["images_vgg_3x3"] in space.references().values() and not said


@pytest.mark.slow
def test_starts_are_of_networks_as_wide_as_the_limits_allow():
    space = MacroSpace.for_data((28, 28, 1), 3, 1000)
    named = named_networks(space)
    narrow = {genotype for name, genotype in named.items() if name.endswith(("_w0.25", "_w0.1875", "_w0.125"))}
    every = starts(space, dataset(), [])
    assert set(every.values()) & narrow == set() and every["images_vgg_3x3"] == named["vgg_3x3"]
    found = starts(space, dataset(), [], narrow.__contains__)
    assert found["images_vgg_narrow"] == named["vgg_3x3_w0.25"] and set(found.values()) <= narrow
    assert starts(space, dataset(), [], narrow.__contains__, initializer="images_vgg_3x3") == {}
    assert starts(space, dataset(), [], lambda genotype: False) == {}


@pytest.mark.slow
def test_what_does_not_fit_is_left_out_and_said_or_refused_where_it_was_asked_for():
    wide, said = MacroSpace.for_data((28, 28, 1), 3, 200_000), []
    assert starts(wide, dataset(), said) == {}
    assert "skipped" in said[0] and "of another network" in said[0] and "expected" in said[0]
    with pytest.raises(ValueError, match="images_vgg_3x3 does not fit made"):
        starts(wide, dataset(), said, initializer="images_vgg_3x3")
    with pytest.raises(ValueError, match="nasbench201"):
        starts(NASBench201Space(), dataset(), said, initializer="images_vgg_3x3")


def test_none_and_another_space_have_none_and_nothing_is_said():
    said = []
    assert starts(MacroSpace(), dataset(), said, initializer="none") == {}
    assert starts(NASBench201Space(), dataset(), said) == {} and said == []
