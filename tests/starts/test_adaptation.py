"""The space of adaptations: its contract, what each mode changes, heads in closed form."""

import keras
import numpy as np
import pytest

from kerasnas import testing
from kerasnas.cost.counting import macs, parameters
from kerasnas.starts import AdaptationSpace, begin
from kerasnas.starts.adapted import ADAPTER, BATCH_NORM, DRAWN, FROZEN, TUNED, Adaptation
from kerasnas.starts.heads import COMPARED, HEADS, Head
from kerasnas.starts.probes import features_of, widths
from kerasnas.tasks.known import CLASSIFICATION
from tests.starts.kit import TinyStart


def images(number, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(number) % 3
    x = 0.3 * rng.random((number, 16, 16, 1), np.float32)
    x[np.arange(number), :, 4 * y + 2] += 0.6
    return x, y


def test_the_space_keeps_the_contract():
    space = AdaptationSpace(starts=["tiny"], sizes=(32, 64))
    testing.check_space(space, input_shape=(16, 16, 3))
    assert len({space.key(space.encode(space.sample(np.random.default_rng(seed)))) for seed in range(30)}) > 20
    assert AdaptationSpace.from_config(space.get_config()).choices == space.choices
    small = AdaptationSpace(starts=["tiny"], sizes=(32,), modes=(FROZEN, TUNED), depths=(1, 2), heads=("last",))
    assert small.size == len({small.key(indices) for indices in small}) == 2 + 4


def test_sizes_follow_the_data():
    sizes = AdaptationSpace.for_data((32, 32, 3), 10, 100, starts=["tiny"]).choices["size"]
    assert sizes == ("64", "96", "128", "176", "224", "288")
    assert AdaptationSpace.for_data((16, 8, 1), 2, 9, starts=["tiny"]).choices["size"] == ("64", "96", "128")


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "mode", [ADAPTER, DRAWN, *(pytest.param(one, marks=pytest.mark.slow) for one in (FROZEN, BATCH_NORM, TUNED))]
)
def test_a_mode_changes_its_stage_alone(mode):
    model = Adaptation(TinyStart(), 32, (FROZEN, FROZEN, FROZEN, mode, FROZEN)).build((16, 16, 1), 3, seed=1)
    body = model.get_layer("start")
    learns = {layer.name for layer in body.layers if layer.trainable_variables}
    expected = {FROZEN: set(), BATCH_NORM: {"norm3"}, ADAPTER: set(), TUNED: {"conv3"}, DRAWN: {"conv3", "norm3"}}
    assert learns == expected[mode]
    same = np.array_equal(body.get_layer("conv3").kernel, TinyStart().build(32).get_layer("conv3").kernel)
    assert same == (mode != DRAWN)
    begun = Adaptation(TinyStart(), 32, (FROZEN,) * 5).build((16, 16, 1), 3)
    x, y = images(30)
    if mode != DRAWN:  # all begin as good as the frozen network
        for network in (model, begun):
            begin(network, x, y, CLASSIFICATION)
        np.testing.assert_allclose(model.predict(x, verbose=0), begun.predict(x, verbose=0), atol=1e-4)
    assert parameters(model) >= parameters(begun) > 1000 and macs(begun) > 1e4  # frozen ones count as well


@pytest.mark.usefixtures("eagerly")
def test_heads_read_what_heads_before_them_read():
    x, _ = images(4)
    found = {}
    for head in HEADS:
        model = Adaptation(TinyStart(), 64, (FROZEN,) * 5, head).build((16, 16, 1), 3)
        found[head] = features_of(model, x)
    counts = widths(model)
    assert counts == {"last": 8, "stages": 4 + 5 + 6 + 7 + 8, "grid": 30 + 4 * 8}
    for head, width in counts.items():
        np.testing.assert_allclose(found[head], found["grid"][:, :width], atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_the_head_is_the_regression_and_its_evidence_is_honest():
    x, y = images(60)
    model = Adaptation(TinyStart(), 32, (FROZEN,) * 5).build((16, 16, 1), 3)
    assert not model.trainable_variables
    head = begin(model, x, y, CLASSIFICATION)
    features = features_of(model, x)
    np.testing.assert_allclose(model.predict(x, verbose=0), head.outputs(features), rtol=1e-3, atol=1e-3)
    x_test, y_test = images(90, seed=1)
    right = model.predict(x_test, verbose=0).argmax(axis=1) == y_test
    assert right.mean() > 0.8
    shuffled = np.random.default_rng(0).permutation(y)
    left_out = Head.fitted(features, shuffled, CLASSIFICATION, 3).left_out
    assert (left_out.argmax(axis=1) == shuffled).mean() < 0.6  # chance is a third


def test_a_saved_network_needs_nothing_of_this_package(tmp_path):
    model = Adaptation(TinyStart(), 32, (FROZEN, FROZEN, ADAPTER, TUNED, TUNED), "grid").build((50, 40, 3), 3)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((2, 50, 40, 3), np.float32)
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), model(x), atol=1e-6)


@pytest.mark.parametrize(
    ("head", "shape", "words"),
    [
        *(("stages", shape, "1 or 3 channels") for shape in [(1, 1, 3), (16, 16, 5), (16, 3)]),
        *((COMPARED, shape, "even height and width") for shape in [(16, 15, 1), (15, 16, 1)]),
    ],
)
def test_images_that_a_start_cannot_see_are_refused(head, shape, words):
    with pytest.raises(ValueError, match=words):
        Adaptation(TinyStart(), 32, (FROZEN,) * 5, head).build(shape, 3)
