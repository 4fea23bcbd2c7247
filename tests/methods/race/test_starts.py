"""Which initializations a race begins from, and what is said of those that do not fit."""

import numpy as np
import pytest

from kerasnas.datasets import Dataset
from kerasnas.meta.shelf import initializer_record
from kerasnas.methods import RaceConfig
from kerasnas.methods.race.starts import find_start
from kerasnas.racing.portfolio import named_networks
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
