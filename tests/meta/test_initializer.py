"""ReptileInitializer: files and back, what a warm start takes over, and what it refuses."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.meta import MAML, MetaNAS, ReptileInitializer, warm_start
from kerasnas.networks import few_shot_network
from kerasnas.search import STRATEGIES, ENASTrainer, RandomSearch
from kerasnas.spaces import ENASMicroSpace, NASBench201Space
from tests.meta.kit import arrays, same

SPACE = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "nor_conv_3x3"])


@pytest.fixture(scope="module")
def supernet():
    return SPACE.build_supernet((8, 8, 1), 2, seed=3)


@pytest.fixture
def learned(supernet):
    """A supernet of two classes whose alphas were moved."""
    supernet.relaxation.temperature.assign(1.0)
    for variable in supernet.architecture_parameters:
        variable.assign(np.random.default_rng(0).standard_normal(variable.shape))
    return supernet


def test_it_is_saved_and_gives_back_a_learner_like_the_one_that_made_it(learned, tmp_path):
    made = MetaNAS(learned, inner_steps=3, temperatures=(1.0, 0.2), joint=True)
    initializer = ReptileInitializer.from_learner(made, data="images", seeds=[0])
    initializer.save(tmp_path / "start")
    assert sorted(path.name for path in (tmp_path / "start").iterdir()) == ["initializer.json", "model.keras"]
    loaded = ReptileInitializer.load(tmp_path / "start")
    assert loaded.description == initializer.description
    assert loaded.description["learner"] == "MetaNAS" and loaded.description["data"] == "images"
    same(arrays(learned.variables), arrays(loaded.model.variables))
    learner = loaded.learner()
    settings, others = ({**each.get_config(), "model": None, "name": None} for each in (made, learner))
    assert isinstance(learner, MetaNAS) and settings == others
    with pytest.raises(ValueError, match="made `from_learner`"):
        ReptileInitializer(learned).learner()


@pytest.fixture
def plus_plus(make_network, image_tasks):
    """A learner of MAML++ after a step of training."""
    settings = {"learn_inner_rates": True, "per_step_statistics": True, "per_step_scale_offset": True}
    learner = MAML(make_network(), inner_steps=2, inner_learning_rate=0.1, **settings)
    learner.compile(run_eagerly=True)
    learner.meta_step(image_tasks().batch(0, 2))
    return learner


def test_it_keeps_what_the_learner_learned_beside_the_model(plus_plus, image_tasks, tmp_path):
    ReptileInitializer.from_learner(plus_plus).save(tmp_path)
    assert (tmp_path / "learner.npz").is_file()
    loaded = ReptileInitializer.load(tmp_path)
    assert sorted(loaded.learned) == ["inner_rates", "shifts_0", "shifts_1", "statistics_0", "statistics_1"]
    assert np.ptp(loaded.learned["inner_rates"]) > 0
    started = MAML(plus_plus.model, **{**loaded.description["settings"], "adaptation_steps": 1})
    started._rates.assign(np.ones(started._rates.shape))
    assert "learned before: inner_rates, " in warm_start(started, loaded)
    x, outputs = image_tasks().episode(9).query[0], []
    for learner in (plus_plus, loaded.learner(), started):
        learner.compile(run_eagerly=True)
        outputs.append(learner.adapt(image_tasks().episode(9), steps=1)(x))
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], rtol=1e-5, atol=1e-6)


def test_it_says_what_differs_with_another_number_of_inner_steps(plus_plus, make_network):
    initializer = ReptileInitializer.from_learner(plus_plus)
    message = r"inner_steps 2, expected 3; inner_rates \(2, 3\), expected \(3, 3\)"
    with pytest.raises(ValueError, match=rf"{message}; shifts_0 \(3, 3\), expected \(4, 3\)"):
        initializer.learner(inner_steps=3)
    other = MAML(make_network(), inner_steps=3, learn_inner_rates=True)
    before = arrays(other.variables)
    with pytest.raises(ValueError, match=message):
        warm_start(other, initializer)
    same(before, arrays(other.variables))
    plain = MAML(make_network(), inner_steps=3)  # has none of them: the model alone is taken over
    assert "learned before" not in warm_start(plain, initializer)


def test_it_holds_a_copy(learned):
    initializer = ReptileInitializer(learned)
    before = arrays(initializer.model.variables)
    learned.architecture_parameters[0].assign(np.zeros(learned.architecture_parameters[0].shape))
    same(before, arrays(initializer.model.variables))


@pytest.mark.slow
def test_a_search_starts_from_it(learned):
    learned.relaxation.temperature.assign(0.05)
    search = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 2, seed=9))
    said = warm_start(search, ReptileInitializer(learned))
    assert said.endswith("variables start from the initialization")
    assert float(search.supernet.relaxation.temperature) == 1.0  # the search's own
    same(arrays(learned.trainable_variables), arrays(search.supernet.trainable_variables))
    search.compile(run_eagerly=True)
    x, y = np.random.default_rng(0).random((16, 8, 8, 1), "float32"), np.arange(16) % 2
    search.fit(x, y, batch_size=8, epochs=1, verbose=0)
    SPACE.validate(search.derive())


def test_the_head_starts_from_scratch_for_other_classes_and_images_may_be_larger(learned):
    target = SPACE.build_supernet((16, 16, 1), 5, seed=9)
    kernel = arrays([target.classifier.kernel])[0]
    said = warm_start(target, ReptileInitializer(learned))
    assert said.endswith("initialized from scratch: dense/kernel, dense/bias")
    np.testing.assert_array_equal(arrays([target.classifier.kernel])[0], kernel)
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m.architecture_parameters[0]) for m in (target, learned)))


def test_weights_and_controller_of_enas():
    space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    first, second = (ENASTrainer(space.build_supernet((8, 8, 1), 2), space, seed=seed) for seed in (0, 1))
    parameters = {k: v + 1 for k, v in first.controller.get_parameters().items()}
    initializer = ReptileInitializer(first.supernet, parameters, {"space": space.name})
    said = warm_start(second, initializer)
    assert "Controller starts from" in said and "variables start from" in said
    for name, value in second.controller.get_parameters().items():
        np.testing.assert_array_equal(value, parameters[name])


@pytest.mark.parametrize("name", ["reinforce", "controller"])
def test_strategies_with_parameters(name, tmp_path):
    first, second = (STRATEGIES[name](SPACE, seed=seed) for seed in (0, 1))
    for reward in (0.1, 0.9, 0.3):
        first.tell(first.ask(), reward)
    ReptileInitializer.from_strategy(first).save(tmp_path)
    warm_start(second, ReptileInitializer.load(tmp_path))
    for key, value in first.get_parameters().items():
        np.testing.assert_array_equal(second.get_parameters()[key], value)


# What it refuses ------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_another_space_is_refused_and_what_differs_is_said(learned):
    wider = NASBench201Space(filters=4, num_cells=1, num_nodes=1, primitives=SPACE.primitives)
    fewer = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=SPACE.primitives[:2])
    darts = DARTSSpace(filters=2, num_cells=1, num_nodes=1)
    different = "space 'NASBench201Space', expected 'DARTSSpace'"
    for space, message in [(wider, "filters 2, expected 4"), (fewer, "primitives"), (darts, different)]:
        before = arrays((target := space.build_supernet((8, 8, 1), 2)).variables)
        with pytest.raises(ValueError, match=message):
            warm_start(target, ReptileInitializer(learned))
        same(before, arrays(target.variables))


def test_strategies_of_another_space_or_without_parameters(learned):
    strategy, plain = STRATEGIES["reinforce"](SPACE), RandomSearch(SPACE)
    initializer = ReptileInitializer.from_strategy(strategy)
    other = NASBench201Space(filters=2, num_cells=1, num_nodes=3)
    for call, message in [
        (lambda: warm_start(STRATEGIES["reinforce"](other), initializer), "does not fit Reinforce"),
        (lambda: warm_start(STRATEGIES["reinforce"](DARTSSpace()), initializer), "'nasbench201', .* searches 'darts'"),
        (lambda: warm_start(plain, initializer), "RandomSearch, which has none"),
        (lambda: ReptileInitializer.from_strategy(plain), "RandomSearch, which has none"),
        (lambda: warm_start(strategy, ReptileInitializer(learned)), "only a model"),
        (lambda: warm_start(learned, initializer), "Expected an initialization with a model"),
        (ReptileInitializer, "Received neither"),
        (lambda: ReptileInitializer(keras.Sequential([keras.layers.Dense(1)])), "Expected a built model"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_other_types_are_refused(learned):
    for call, name in [
        (lambda: ReptileInitializer(learned, description={"f": min}), "description"),
        (lambda: ReptileInitializer.from_learner(learned), "learner"),
        (lambda: warm_start("darts", ReptileInitializer(learned)), "search"),
    ]:
        with pytest.raises(TypeError, match=f"`{name}`"):
            call()


def test_damaged_folders(learned, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"initializer\.json"):
        ReptileInitializer.load(tmp_path)
    ReptileInitializer(learned).save(tmp_path)
    content = (tmp_path / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="holds no complete initialization"):
        ReptileInitializer.load(tmp_path)
    record = json.loads((tmp_path / "initializer.json").read_text())
    (tmp_path / "initializer.json").write_text(json.dumps({**record, "format": 99}))
    with pytest.raises(ValueError, match="expected format 1, received 99"):
        ReptileInitializer.load(tmp_path)


def test_layers_that_differ_are_named():
    source, target = (few_shot_network((16, 16, 1), 5, filters=filters) for filters in (3, 4))
    with pytest.raises(ValueError, match=r"another network.* conv2d/kernel \(3, 3, 1, 3\), expected \(3, 3, 1, 4\)"):
        warm_start(target, ReptileInitializer(source))
