"""The supernet of adaptations: the pretrained function at first, a copy of each stage for each mode, alphas, saving."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import testing
from kerasnas.backend import value_and_grad
from kerasnas.relaxations import Softmax
from kerasnas.search import BilevelTrainer
from kerasnas.spaces.base import has_supernet
from kerasnas.starts import STARTS, AdaptationSpace, begin
from kerasnas.starts.adapted import ADAPTER, BATCH_NORM, DRAWN, FROZEN, MODES, TUNED
from kerasnas.starts.heads import FEATURES
from kerasnas.starts.supernet import StageVersion
from kerasnas.tasks.known import CLASSIFICATION
from tests.starts.kit import TinyStart
from tests.starts.test_adaptation import images

SHAPE, CLASSES = (16, 16, 1), 3


class Read(TinyStart):
    """Heads read nothing of the first and third stages, two maps of the second, and one within the fourth."""

    readouts = ("norm1", "relu1", "conv3")


def make(*modes, head="stages", **options):
    arguments = {"starts": ["tiny"], "sizes": [32], "depths": [5], "modes": modes, "heads": [head], **options}
    return AdaptationSpace(**arguments)


def pick(supernet, mode):
    """Give one mode all of the weight, in every stage."""
    for alphas in supernet.architecture_parameters:
        alphas.assign(100.0 * np.eye(len(supernet.space.modes))[[supernet.space.modes.index(mode)]])


def test_the_supernet_keeps_the_contract_of_spaces():
    testing.check_space(make(*MODES, head="grid"), input_shape=(16, 16, 3))
    assert not has_supernet("adaptation")  # so that the command line races the space


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("start", "head"), [pytest.param("tiny", "grid", marks=pytest.mark.slow), ("read", "stages")])
def test_every_mode_and_every_mixture_is_the_pretrained_network_at_first(start, head):
    STARTS.register("read", Read)
    space, (x, y) = make(FROZEN, BATCH_NORM, ADAPTER, TUNED, head=head, starts=[start]), images(30)
    supernet = space.build_supernet(SHAPE, CLASSES)
    network = space.build_network(space.network(start, 32, (FROZEN,) * 5, head), SHAPE, CLASSES)
    assert supernet.get_layer(FEATURES).input.shape == network.get_layer(FEATURES).input.shape
    for model in (supernet, network):
        begin(model, x, y, CLASSIFICATION)
    expected = network.predict(x, verbose=0)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(supernet.predict(x, verbose=0), expected, atol=1e-4)
    for mode in space.modes:
        pick(supernet, mode)
        np.testing.assert_allclose(supernet.predict(x, verbose=0), expected, atol=1e-4)
        assert supernet.derive() == space.network(start, 32, (mode,) * 5, head)


@pytest.mark.usefixtures("eagerly")
def test_a_drawn_stage_is_another_function():
    space, (x, y) = make(FROZEN, DRAWN, depths=[2], head="last"), images(30)
    supernet = space.build_supernet(SHAPE, CLASSES)
    pick(supernet, FROZEN)
    begin(supernet, x, y, CLASSIFICATION)
    before = supernet.predict(x, verbose=0)
    pick(supernet, DRAWN)
    assert not np.allclose(supernet.predict(x, verbose=0), before, atol=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_each_mode_learns_in_a_copy_of_its_own():
    modes, (x, y) = (BATCH_NORM, ADAPTER, TUNED), images(30)
    supernet = make(FROZEN, *modes).build_supernet(SHAPE, CLASSES)
    begin(supernet, x, y, CLASSIFICATION)
    first = supernet.predict(x, verbose=0)
    learns = {BATCH_NORM: {"gamma", "beta"}, ADAPTER: {"kernel", "bias"}, TUNED: {"kernel"}}
    versions = supernet.get_layer("stage_3").candidates
    assert not versions[FROZEN].trainable_variables
    for mode in modes:
        variables = versions[mode].trainable_variables
        assert {variable.name for variable in variables} == learns[mode]
        for variable in variables:
            variable.assign_add(0.3 * np.ones(variable.shape))
    for mode in (FROZEN, *modes):
        pick(supernet, mode)
        assert np.allclose(supernet.predict(x, verbose=0), first, atol=1e-4) == (mode == FROZEN)


def test_modes_of_frozen_kernels_share_one_computation():
    calls = []
    supernet = make(FROZEN, ADAPTER).build_supernet(SHAPE, CLASSES)
    versions = supernet.get_layer("stage_2").candidates.values()
    assert len({id(version.body) for version in versions}) == 1
    versions = [StageVersion(lambda x, training: calls.append(x) or [x, x], 1) for _ in range(2)]
    versions[1].body = versions[0].body
    shared = {}
    for version in versions:
        version.mix(ops.ones((1, 2)), ops.ones((1,)), True, shared)
    assert len(calls) == 1


def test_gradients_of_the_alphas_are_those_of_finite_differences():
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        supernet = make(FROZEN, ADAPTER, TUNED, head="grid", depths=[2]).build_supernet(SHAPE, CLASSES)
        rng = np.random.default_rng(0)
        for variable in supernet.network_weights:  # as after some training
            variable.assign_add(0.3 * rng.standard_normal(variable.shape))
        features = keras.Model(supernet.input, supernet.get_layer(FEATURES).input)
        x, alphas = rng.random((4, *SHAPE)), supernet.architecture_parameters
        factor = rng.standard_normal((4, features.output_shape[-1]))

        def value(values):
            with keras.StatelessScope(state_mapping=list(zip(alphas, values, strict=True))):
                return ops.sum(features(x, training=True) * factor), None

        points = [rng.standard_normal(variable.shape) for variable in alphas]
        _, gradients = value_and_grad(value)([ops.convert_to_tensor(point) for point in points])
        for stage, gradient in enumerate(gradients):
            for mode in range(3):
                both = []
                for step in (1e-5, -1e-5):
                    moved = [np.array(point) for point in points]
                    moved[stage][0, mode] += step
                    both.append(float(value([ops.convert_to_tensor(point) for point in moved])[0]))
                expected = (both[0] - both[1]) / 2e-5
                np.testing.assert_allclose(float(gradient[0, mode]), expected, rtol=1e-5, atol=1e-7)
                assert abs(expected) > 1e-6
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(before)


@pytest.fixture
def searched():
    """A search whose weights stay, so that a mode which is no worse than noise must win."""
    space, (x, y) = make(DRAWN, FROZEN, depths=[3]), images(60)
    supernet = space.build_supernet(SHAPE, CLASSES, relaxation=Softmax(temperature=0.9), seed=3)
    pick(supernet, FROZEN)
    begin(supernet, x, y, CLASSIFICATION)
    for alphas in supernet.architecture_parameters:
        alphas.assign(np.zeros(alphas.shape))
    search = BilevelTrainer(supernet, weight_decay=0.0, architecture_warmup_epochs=0)
    search.compile(keras.optimizers.SGD(1e-9), keras.optimizers.Adam(0.1))
    history = search.fit(x, y, batch_size=10, epochs=6, verbose=0).history
    return search, history, x, y


@pytest.mark.slow
def test_alphas_move_to_the_better_mode(searched):
    search, history, _, _ = searched
    assert search.derive() == search.supernet.space.network("tiny", 32, (FROZEN,) * 3)
    assert np.mean([weights[0, 1] for weights in search.supernet.mixing_weights().values()]) > 0.6
    assert history["val_loss"][-1] < history["val_loss"][0] and history["alpha_entropy"][-1] < np.log(2) - 0.01


@pytest.mark.slow
def test_a_saved_search_continues(searched, tmp_path):
    search, _, x, y = searched
    search.save(tmp_path / "search.keras")
    loaded = keras.models.load_model(tmp_path / "search.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), search.predict(x, verbose=0))
    assert loaded.derive() == search.derive()
    configs = [json.dumps(one.supernet.get_config(), sort_keys=True) for one in (search, loaded)]
    assert configs[0] == configs[1] and "temperature" in configs[0] and loaded.supernet.seed == 3
    again = [one.fit(x, y, batch_size=10, epochs=7, initial_epoch=6, verbose=0).history for one in (search, loaded)]
    assert again[0]["val_loss"] == pytest.approx(again[1]["val_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modes": [TUNED]}, r"no supernet.*Received: modes \['tuned'\]"),
        ({"sizes": [32, 64]}, "no supernet.*several options of size"),
        ({"depths": [4, 5], "heads": ["last", "grid"]}, "no supernet.*several options of stages, head"),
        ({"modes": [TUNED, "froze"]}, "frozen"),
    ],
)
def test_a_space_with_other_choices_has_no_supernet(options, words):
    arguments = make(FROZEN, TUNED).get_config()
    with pytest.raises(ValueError, match=words):
        AdaptationSpace(**{**arguments, **options}).build_supernet(SHAPE, CLASSES)


def test_images_and_relaxations_that_do_not_fit_are_refused():
    space = make(FROZEN, TUNED)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        space.build_supernet((16, 16, 5), CLASSES)
    for name, wrong in {"input_shape": None, "num_classes": 0, "seed": -1}.items():
        with pytest.raises((TypeError, ValueError), match=f"argument `{name}`"):
            space.build_supernet(**{"input_shape": SHAPE, "num_classes": CLASSES, name: wrong})
    with pytest.raises(ValueError, match="computes every option"):
        space.build_supernet(SHAPE, CLASSES, relaxation="gumbel")


class Bridged(TinyStart):
    """A start whose second stage is read by the third and the fourth."""

    def build(self, size):
        x = inputs = keras.Input((size, size, 3))
        maps = []
        for stage in range(5):
            x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name=f"conv{stage}")(x)
            maps.append(x)
            if stage == 3:
                x = keras.layers.Add()([x, keras.layers.MaxPooling2D(4)(maps[1])])
        return keras.Model(inputs, x)


def test_a_start_that_cannot_be_cut_has_no_supernet():
    STARTS.register("bridged", Bridged)
    with pytest.raises(ValueError, match="no supernet: its stages do not follow one another"):
        make(FROZEN, TUNED, starts=["bridged"]).build_supernet(SHAPE, CLASSES)
