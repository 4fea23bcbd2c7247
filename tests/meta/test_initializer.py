"""ReptileInitializer: files and back, what a warm start takes over, and what it refuses."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.meta import MAML, MetaNAS, Reptile, ReptileInitializer, warm_start
from kerasnas.networks import few_shot_network
from kerasnas.search import STRATEGIES, ENASTrainer, RandomSearch
from kerasnas.spaces import ENASMicroSpace, NASBench201Space

SPACE = NASBench201Space(filters=2, num_cells=1, num_nodes=2, primitives=["none", "skip_connect", "nor_conv_3x3"])


def arrays(variables):
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


@pytest.fixture
def learned():
    """A supernet of two classes whose alphas were moved."""
    supernet = SPACE.build_supernet((8, 8, 1), 2, seed=3)
    for variable in supernet.architecture_parameters:
        variable.assign(np.random.default_rng(0).standard_normal(variable.shape))
    return supernet


def test_it_is_saved_and_loaded(learned, tmp_path):
    initializer = ReptileInitializer.from_learner(MetaNAS(learned), data="images", seeds=[0])
    initializer.save(tmp_path / "start")
    assert sorted(path.name for path in (tmp_path / "start").iterdir()) == ["initializer.json", "model.keras"]
    loaded = ReptileInitializer.load(tmp_path / "start")
    assert loaded.description == initializer.description
    assert loaded.description["learner"] == "MetaNAS" and loaded.description["data"] == "images"
    for old, new in zip(arrays(learned.variables), arrays(loaded.model.variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_gives_back_a_learner_like_the_one_that_made_it(learned, tmp_path):
    made = MetaNAS(learned, inner_steps=3, temperatures=(1.0, 0.2), joint=True)
    ReptileInitializer.from_learner(made).save(tmp_path)
    learner = ReptileInitializer.load(tmp_path).learner()
    assert isinstance(learner, MetaNAS)
    own, other = made.get_config(), learner.get_config()
    assert {k: v for k, v in own.items() if k not in ("model", "name")} == {
        k: v for k, v in other.items() if k not in ("model", "name")
    }
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
    again, started = (
        loaded.learner(),
        MAML(plus_plus.model, **{**loaded.description["settings"], "adaptation_steps": 1}),
    )
    started._rates.assign(np.ones(started._rates.shape))
    assert "learned before: inner_rates, " in warm_start(started, loaded)
    x = image_tasks().episode(9).query[0]
    expected, *received = [
        learner.adapt(image_tasks().episode(9), steps=2)(x)
        for learner in (plus_plus, again, started)
        if learner.compile(run_eagerly=True) is None
    ]
    for own in received:
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


def test_it_says_what_differs_with_another_number_of_inner_steps(plus_plus, make_network):
    initializer = ReptileInitializer.from_learner(plus_plus)
    message = (
        r"inner_steps 2, expected 3; inner_rates \(2, 3\), expected \(3, 3\); shifts_0 \(3, 3\), expected \(4, 3\)"
    )
    with pytest.raises(ValueError, match=message):
        initializer.learner(inner_steps=3)
    other = MAML(make_network(), inner_steps=3, learn_inner_rates=True)
    before = arrays(other.variables)
    with pytest.raises(ValueError, match=r"inner_steps 2, expected 3; inner_rates \(2, 3\), expected \(3, 3\)"):
        warm_start(other, initializer)
    for old, new in zip(before, arrays(other.variables), strict=True):
        np.testing.assert_array_equal(old, new)
    plain = MAML(make_network(), inner_steps=3)  # has none of them: the model alone is taken over
    assert "learned before" not in warm_start(plain, initializer)


def test_it_holds_a_copy(learned):
    initializer = ReptileInitializer(learned)
    before = arrays(initializer.model.variables)
    learned.architecture_parameters[0].assign(np.zeros(learned.architecture_parameters[0].shape))
    for old, new in zip(before, arrays(initializer.model.variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_search_starts_from_it(learned):
    search = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 2, seed=9))
    said = warm_start(search, ReptileInitializer(learned))
    assert said.endswith("variables start from the initialization")
    for old, new in zip(learned.trainable_variables, search.supernet.trainable_variables, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(old), ops.convert_to_numpy(new))
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


def test_a_warm_started_search_says_the_temperature_of_its_own(learned):
    learned.relaxation.temperature.assign(0.05)
    target = SPACE.build_supernet((8, 8, 1), 2)
    warm_start(target, ReptileInitializer(learned))
    assert float(target.relaxation.temperature) == 1.0


def test_any_model_and_any_learner(tmp_path):
    source, target = few_shot_network((16, 16, 1), 5, filters=3), few_shot_network((16, 16, 1), 3, filters=3, seed=1)
    ReptileInitializer(source).save(tmp_path)
    assert "initialized from scratch: dense/kernel, dense/bias" in warm_start(
        Reptile(target), ReptileInitializer.load(tmp_path)
    )
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m.trainable_variables[0]) for m in (source, target)))


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
    initializer = ReptileInitializer(learned)
    wider = NASBench201Space(filters=4, num_cells=1, num_nodes=2, primitives=SPACE.primitives)
    fewer = NASBench201Space(filters=2, num_cells=1, num_nodes=2, primitives=SPACE.primitives[:2])
    darts = DARTSSpace(filters=2, num_cells=1, num_nodes=2)
    for space, message in [
        (wider, "filters 2, expected 4"),
        (fewer, "primitives"),
        (darts, "space 'NASBench201Space', expected 'DARTSSpace'"),
    ]:
        before = arrays((target := space.build_supernet((8, 8, 1), 2)).variables)
        with pytest.raises(ValueError, match=message):
            warm_start(target, initializer)
        for old, new in zip(before, arrays(target.variables), strict=True):
            np.testing.assert_array_equal(old, new)


def test_strategies_of_another_space_or_without_parameters(learned):
    strategy = STRATEGIES["reinforce"](SPACE)
    initializer = ReptileInitializer.from_strategy(strategy)
    other = NASBench201Space(filters=2, num_cells=1, num_nodes=3)
    with pytest.raises(ValueError, match="does not fit Reinforce"):
        warm_start(STRATEGIES["reinforce"](other), initializer)
    with pytest.raises(ValueError, match="of space 'nasbench201', the strategy searches 'darts'"):
        warm_start(STRATEGIES["reinforce"](DARTSSpace()), initializer)
    with pytest.raises(ValueError, match="RandomSearch, which has none"):
        warm_start(RandomSearch(SPACE), initializer)
    with pytest.raises(ValueError, match="RandomSearch, which has none"):
        ReptileInitializer.from_strategy(RandomSearch(SPACE))
    with pytest.raises(ValueError, match="only a model"):
        warm_start(strategy, ReptileInitializer(learned))
    with pytest.raises(ValueError, match="Expected an initialization with a model"):
        warm_start(learned, initializer)
    with pytest.raises(ValueError, match="Received neither"):
        ReptileInitializer()


def test_other_types_are_refused(learned):
    for call, message in [
        (lambda: ReptileInitializer("model.keras"), "`model`. Expected a Keras model. Received: 'model.keras'"),
        (lambda: ReptileInitializer(parameters=[1.0]), "`parameters`. Expected a mapping"),
        (lambda: ReptileInitializer(learned, description="omniglot"), "`description`. Expected a mapping"),
        (lambda: ReptileInitializer(learned, description={"f": min}), "`description`. Expected a JSON-serializable"),
        (lambda: ReptileInitializer.from_learner(learned), "`learner`. Expected an instance of `MetaLearner`"),
        (lambda: warm_start(learned, "folder"), "`initializer`. Expected an instance of `ReptileInitializer`"),
        (lambda: warm_start("darts", ReptileInitializer(learned)), "`search`. Expected a search, a strategy or"),
    ]:
        with pytest.raises(TypeError, match=re.escape(message)):
            call()
    with pytest.raises(ValueError, match="Expected a built model"):
        ReptileInitializer(keras.Sequential([keras.layers.Dense(1)]))


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
    source = few_shot_network((16, 16, 1), 5, filters=3)
    target = few_shot_network((16, 16, 1), 5, filters=4)
    with pytest.raises(
        ValueError, match=r"another network: it has conv2d/kernel \(3, 3, 1, 3\), expected \(3, 3, 1, 4\)"
    ):
        warm_start(target, ReptileInitializer(source))
    assert isinstance(target, keras.Model)
