"""Mean over views of an image: which there are, and what a network answers to them."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas.cost.counting import macs, parameters
from kerasnas.networks.views import number_of_views, over_views, turns_of

ALL = ("flip", "flip_vertical", "rotate")


def network(*shape):
    inputs = keras.Input(shape)
    keras.utils.set_random_seed(0)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))


def answers(model, x):
    return np.array(model(x))


NUMBERS = {(): 1, ("flip",): 2, ("flip_vertical",): 2, ("rotate",): 4, ("flip", "flip_vertical"): 4}


@pytest.mark.parametrize("augment", [names for size in range(4) for names in itertools.combinations(ALL, size)])
@pytest.mark.parametrize("shape", [(8, 8), (8, 10)])
def test_mirrored_and_turned_images_get_the_same_answer_and_others_do_not(augment, shape):
    square, inner = shape[0] == shape[1], network(*shape, 2)
    number = NUMBERS.get(augment, 8 if square else 4) if square or "rotate" not in augment else min(4, 2 * len(augment))
    assert len({*turns_of(augment, square)}) == len(turns_of(augment, square)) == number
    assert number_of_views(augment, (*shape, 2)) == number
    x = np.random.default_rng(0).normal(size=(4, *shape, 2)).astype("float32")
    model = over_views(inner, augment)
    changed = {"flip": x[:, :, ::-1], "flip_vertical": x[:, ::-1], "rotate": np.rot90(x, 2 - square, axes=(1, 2))}
    for name in augment:
        np.testing.assert_allclose(answers(model, changed[name]), answers(model, x), atol=1e-5)
    if len(augment) < 2:
        for name in {*ALL} - {*augment}:
            assert np.abs(answers(model, changed[name]) - answers(model, x)).max() > 0.1
    assert macs(model) == number * macs(inner)
    assert parameters(model) == parameters(inner)


@pytest.mark.parametrize(("augment", "number"), [(("shift",), 2), (("shift", "flip"), 4), (("shift", *ALL), 8)])
def test_fewer_than_eight_views_are_shifted_by_a_pixel_either_way(augment, number):
    x, inner = np.random.default_rng(0).normal(size=(4, 9, 9, 1)).astype("float32"), network(9, 9, 1)
    assert number_of_views(augment, (9, 9, 1)) == number
    back, ahead = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:], np.zeros_like(x)
    ahead[:, 1:, 1:] = x[:, :-1, :-1]
    if number == 4:
        mirrored = x[:, :, ::-1]
        more = np.pad(mirrored, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:], np.zeros_like(x)
        more[1][:, 1:, 1:] = mirrored[:, :-1, :-1]
        views = [back, ahead, *more]
    else:
        turned = [np.rot90(x, turns, axes=(1, 2)) for turns in range(4)]
        views = [back, ahead] if number == 2 else [view for one in turned for view in (one, one[:, :, ::-1])]
    expected = np.mean([answers(inner, view) for view in views], axis=0)
    np.testing.assert_allclose(answers(over_views(inner, augment), x), expected, atol=1e-5)


@pytest.mark.parametrize(("augment", "shape"), [((), (8, 8, 1)), (("cutout",), (8, 8, 1)), (("shift",), (7, 9, 1))])
def test_a_single_view_is_the_network_itself(augment, shape):
    model = network(*shape)
    assert over_views(model, augment) is model
    assert number_of_views(augment, shape) == 1


def test_other_samples_have_one_view():
    assert number_of_views((), ()) == 1


def test_a_network_over_views_is_saved_and_read_by_keras_alone(tmp_path):
    model, x = over_views(network(8, 8, 2), ("shift", "flip")), np.random.default_rng(0).normal(size=(2, 8, 8, 2))
    model.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras", custom_objects={}, safe_mode=True)
    np.testing.assert_array_equal(answers(read, x), answers(model, x))
