"""Several replicas do what one device does: the record of `run_mirrored.py`, on logical devices of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "run_mirrored.py"
pytestmark = pytest.mark.slow
ROUNDING = 1e-8  # relative, in float64


def measured(folder, devices, *scenarios):
    out = folder / f"{devices}-{scenarios[0]}.json"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("TF_CONFIG", None)
    command = [sys.executable, str(SCRIPT), str(out), str(devices), *scenarios]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())


def assert_same(found, groups=("weights", "alphas", "state", "optimizer", "logs"), tolerance=ROUNDING):
    for group in groups:
        assert found["distance"][group] < tolerance, (group, found["distance"])
    assert found.get("spread", 0.0) == 0.0  # the copies of every variable are equal, after every step


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("two"), 2, "bad_input", "first_order", "second_order")


def test_the_strategy_says_what_it_is(two):
    assert two["said"] == ['Strategy: 2 replicas, each on a CPU device ("cpu").']


def test_first_order_is_that_of_one_device(two):
    """Weights, alphas, moving statistics, momenta and metrics, after 20 steps with clipped gradients and decay."""
    assert two["first_order"]["steps"] == 20
    assert_same(two["first_order"])


def test_second_order_is_that_of_one_device_with_a_warm_up(two):
    assert two["second_order"]["steps"] == 20
    assert_same(two["second_order"])


@pytest.mark.parametrize(
    "case, said",
    [
        ("supernet", "The supernet 'supernet' was made under another strategy than"),
        ("trainer", "trained on 1 replica(s) of _DefaultDistributionStrategy"),
        ("optimizer", "An optimizer was made under another strategy"),
        ("metric", "A metric was made under another strategy"),
        ("batch_size", "Expected at least 2, one sample for each replica. Received: 1"),
        ("paths", "Gumbel, which samples paths"),
    ],
)
def test_what_cannot_be_trained_says_why(two, case, said):
    assert said in two["bad_input"][case]
    if case in ("supernet", "trainer", "optimizer", "metric"):
        assert "with strategy.scope():" in two["bad_input"][case]


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    scenarios = ("not_reduced", "finite_difference", "uneven", "sampled", "objective", "checkpoint", "single_precision")
    return measured(tmp_path_factory.mktemp("more"), 2, *scenarios)


@pytest.mark.parametrize("level", ["alphas", "weights"])
def test_without_the_reduction_of_one_level_the_search_is_another(more, level):
    """That the comparisons of this file can fail: gradients of one level, left as each replica has them."""
    assert more["not_reduced"][level]["distance"][level] > 1e-2
    assert more["not_reduced"][level]["spread"] > 1e-3


def test_finite_differences_are_those_of_one_device(more):
    assert_same(more["finite_difference"])


def test_in_single_precision_only_rounding_differs(more):
    assert_same(more["single_precision"], tolerance=1e-4)


@pytest.mark.parametrize("count", ["13", "9"])
def test_uneven_last_batches(more, count):
    """5 samples on two replicas, and a single one, which leaves a replica without any."""
    assert_same(more["uneven"][count])
    assert more["uneven"][count]["finite"]  # with the statistics of each replica's part, too


@pytest.mark.parametrize("relaxation", ["gumbel", "binary_gates"])
def test_replicas_draw_the_same_architecture(more, relaxation):
    """Moving variances differ: they are unbiased, each replica's for half as many samples."""
    assert_same(more["sampled"][relaxation], ("weights", "alphas", "optimizer", "logs"))


@pytest.mark.parametrize("form", ["add", "multiply"])
def test_objectives_are_of_the_global_loss(more, form):
    assert_same(more["objective"][form])


@pytest.mark.parametrize("way, said", [("down", "on 2 replicas; the training resumes on 1"), ("up", "on 1 replica;")])
def test_a_search_resumes_on_another_number_of_replicas(more, way, said):
    assert_same(more["checkpoint"][way], ("weights", "alphas", "state", "optimizer"))
    assert said in more["checkpoint"][way]["said"][0]


def test_four_replicas(tmp_path):
    found = measured(tmp_path, 4, "first_order", "second_order", "uneven")
    assert_same(found["first_order"])
    assert_same(found["second_order"])
    for count in ("13", "9"):
        assert_same(found["uneven"][count])


def test_meta_learning_spreads_tasks(tmp_path):
    found = measured(tmp_path, 2, "meta_learning")["meta_learning"]
    for name in ("maml", "reptile", "metanas", "metanas_frozen", "uneven", "diverging"):
        assert_same(found[name], ("variables", "optimizer", "logs"))
    assert found["counts"] == [3, 2]  # the alphas are frozen in the first of three steps
    assert found["diverging"]["lost"] > 0
    assert found["adapted"] and "accuracy" in found["evaluated"]
    assert "`tasks`" in found["said"] and "at least 2" in found["said"]


def test_weight_sharing_is_that_of_one_device(tmp_path):
    """The shared weights, and with them the rewards that the controller learns from."""
    assert_same(measured(tmp_path, 2, "one_shot")["one_shot"], ("weights", "optimizer", "logs"))
