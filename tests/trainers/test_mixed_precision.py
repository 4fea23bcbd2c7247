"""A search in half precision: what stays in float32, and the loss scale that float16 needs on either level."""

import keras
import numpy as np
import pytest

from kerasnas import BilevelTrainer
from kerasnas.callbacks.schedules import CosineSchedule
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from tests.trainers.conftest import CLASSES, SHAPE, SPACE
from tests.trainers.kit import flat, halves, same_state, state_of

SGD, Adam, Scaled = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.LossScaleOptimizer
ARGUMENTS = {"batch_size": 8, "epochs": 1, "verbose": 0}


@pytest.fixture
def batch(data, validation):
    return halves(data, validation, count=16)


def scales(search):
    return [float(optimizer.dynamic_scale) for optimizer in search.optimizer.inner]


@pytest.mark.parametrize(
    ("policy", "hypergradient"),
    [
        ("mixed_float16", "unrolled"),
        ("mixed_bfloat16", "first_order"),
        *(pytest.param("mixed_float16", name, marks=pytest.mark.slow) for name in ("first_order", "finite_difference")),
    ],
)
def test_alphas_and_both_optimizers_stay_in_float32(make_search, dtype_policy, batch, policy, hypergradient):
    dtype_policy(policy)
    search = make_search(hypergradient=hypergradient)
    assert search.supernet.compute_dtype == policy.removeprefix("mixed_")
    before = flat(search.architecture_parameters), flat(search.network_weights)
    logs = search.train_step(batch)
    assert all(np.isfinite(value) for value in logs.values())
    after = flat(search.architecture_parameters), flat(search.network_weights)
    assert not any(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert {alphas.dtype for alphas in search.architecture_parameters} == {"float32"}
    kinds = {variable.dtype for variable in search.optimizer.variables}
    assert kinds == {"float32", search.optimizer.iterations.dtype}
    scaled = [isinstance(optimizer, Scaled) for optimizer in search.optimizer.inner]
    assert scaled == [policy == "mixed_float16"] * 2
    assert [int(optimizer.iterations) for optimizer in search.optimizer.inner] == [1, 1]


@pytest.mark.parametrize("hypergradient", [pytest.param("first_order", marks=pytest.mark.slow), "unrolled"])
def test_gradients_in_float16_are_those_in_float32(make_search, dtype_policy, batch, hypergradient):
    results = {}
    for policy in ("float32", "mixed_float16"):
        dtype_policy(policy)
        search = make_search(hypergradient=hypergradient, compile={"optimizer": SGD(0.1)})
        of_weights, of_alphas = (float(scale) for scale in search.optimizer.loss_scales)
        (loss, _), alphas = search.architecture_gradients(*state_of(search), batch)
        _, weights = search.network_gradients(*state_of(search), batch)
        results[policy] = flat([loss]), flat(alphas) / of_alphas, flat(weights) / of_weights
    assert (of_weights, of_alphas) == (2.0**15, 2.0**15)
    for received, expected in zip(results["mixed_float16"], results["float32"], strict=True):
        distance = np.linalg.norm(received - expected) / np.linalg.norm(expected)
        print(f"{hypergradient}: {distance:.1e}")
        assert distance < 0.05


@pytest.mark.parametrize("level", [0, 1], ids=["weights", "alphas"])
def test_overflow_skips_the_step_of_its_level_alone(make_search, dtype_policy, batch, level):
    dtype_policy("mixed_float16")
    search = make_search()
    search.optimizer.inner[level].dynamic_scale.assign(2.0**60)
    before = flat(search.network_weights), flat(search.architecture_parameters)
    logs = search.train_step(batch)
    after = flat(search.network_weights), flat(search.architecture_parameters)
    still = [np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
    assert still == [level == 0, level == 1]
    assert scales(search) == ([2.0**59, 2.0**15] if level == 0 else [2.0**15, 2.0**59])
    assert [int(optimizer.iterations) for optimizer in search.optimizer.inner] == [level, 1 - level]
    assert all(0.5 < logs[name] < 3 for name in ("loss", "val_loss"))  # without the scale


@pytest.mark.parametrize(
    "hypergradient",
    ["first_order", *(pytest.param(one, marks=pytest.mark.slow) for one in ("unrolled", "finite_difference"))],
)
def test_overflow_does_not_stop_a_search(make_search, dtype_policy, data, hypergradient):
    """Of the first steps; `NonFiniteGuard` sees losses that are finite."""
    dtype_policy("mixed_float16")
    optimizers = {
        "optimizer": Scaled(SGD(0.1, momentum=0.9), initial_scale=2.0**60),
        "architecture_optimizer": Scaled(Adam(0.01), initial_scale=2.0**60),
    }
    search = make_search(hypergradient=hypergradient, compile=optimizers)
    before = flat(search.network_weights), flat(search.architecture_parameters)
    history = search.fit(*data, **ARGUMENTS).history
    assert scales(search) == [2.0**58, 2.0**58]
    assert all(np.isfinite(series).all() for series in history.values())
    assert np.array_equal(flat(search.network_weights), before[0])
    assert np.array_equal(flat(search.architecture_parameters), before[1])


@pytest.mark.slow
@pytest.mark.parametrize("hypergradient", ["first_order", "unrolled", "finite_difference"])
def test_scale_does_not_change_the_step(make_search, batch, hypergradient):
    """Weight decay of both levels and the step ahead included: in float32 a scale is without effect."""
    results = []
    for factor in (None, 1024.0):
        search = make_search(
            hypergradient=hypergradient,
            weight_decay=0.3,
            architecture_weight_decay=0.7,
            compile={
                "optimizer": SGD(0.5, momentum=0.5, loss_scale_factor=factor),
                "architecture_optimizer": SGD(0.5, loss_scale_factor=factor and 8 * factor),
            },
        )
        for _ in range(2):
            logs = search.train_step(batch)
        results.append([flat(search.architecture_parameters), flat(search.network_weights), flat([logs["val_loss"]])])
    tolerance = 1e-2 if hypergradient == "finite_difference" else 1e-4  # a difference of near equals
    for one, other in zip(*results, strict=True):
        assert np.linalg.norm(one - other) < tolerance * np.linalg.norm(one)


@pytest.mark.slow
def test_saved_search_resumes(make_search, dtype_policy, data, tmp_path):
    """Scales and their counters included; the default rate is annealed through the scaled optimizer."""
    dtype_policy("mixed_float16")
    search = make_search(supernet=SPACE.build_supernet(SHAPE, CLASSES))
    search.optimizer.inner[1].dynamic_scale.assign(2.0**10)
    search.fit(*data, **ARGUMENTS)
    assert float(search.optimizer.learning_rate) == pytest.approx(0.025)
    search.save(tmp_path / "search.keras")
    loaded = keras.models.load_model(tmp_path / "search.keras")
    assert [type(optimizer) for optimizer in loaded.optimizer.inner] == [Scaled, Scaled]
    assert [type(optimizer.inner_optimizer) for optimizer in loaded.optimizer.inner] == [SGD, Adam]
    assert scales(loaded) == [2.0**15, 2.0**10]
    assert int(loaded.optimizer.inner[0].step_counter) == 2
    histories = []
    for one in (search, loaded):
        histories.append(one.fit(*data, **{**ARGUMENTS, "initial_epoch": 1, "epochs": 2}).history)
        assert float(one.optimizer.learning_rate) == pytest.approx(CosineSchedule(0.025, 0.001).rate(1, 2))
    assert histories[0] == histories[1]
    assert same_state(search, loaded)


@pytest.mark.slow
def test_scaling_that_is_turned_off_or_there_already(make_search, dtype_policy, batch, tmp_path):
    dtype_policy("mixed_float16")
    search = make_search(compile={"auto_scale_loss": False})
    search.train_step(batch)
    search.save(tmp_path / "search.keras")
    for one in (search, keras.models.load_model(tmp_path / "search.keras")):
        assert [type(optimizer) for optimizer in one.optimizer.inner] == [SGD, Adam]
    own = BilevelOptimizer(Scaled(SGD(0.1), initial_scale=2.0), Adam(0.01))
    search = make_search(compile={"optimizer": own})
    assert [float(scale) for scale in search.optimizer.loss_scales] == [2.0, 2.0**15]
    assert not any(isinstance(optimizer.inner_optimizer, Scaled) for optimizer in search.optimizer.inner)


def test_policy_of_the_supernet_counts(space, dtype_policy):
    dtype_policy("mixed_float16")
    supernet = space.build_supernet((8, 8, 1), 3)
    dtype_policy("float32")
    search = BilevelTrainer(supernet)
    search.compile()
    assert [type(optimizer) for optimizer in search.optimizer.inner] == [Scaled, Scaled]
