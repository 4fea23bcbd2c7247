"""Limits of a race: networks within all of them, and the answer where there is none."""

import functools
import json

import numpy as np
import pytest

from kerasnas.cost import device_cost
from kerasnas.cost.board import HERE
from kerasnas.cost.counting import macs, parameters
from kerasnas.cost.device import OperatorGraph
from kerasnas.datasets import load
from kerasnas.export.classifier import with_preprocessing
from kerasnas.methods.race import limits
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.racing.portfolio import portfolio
from kerasnas.reporting.tables import amount
from kerasnas.spaces import MacroSpace

SPACE = MacroSpace(filters=8, widths=(0.5, 1.0), stages=(2,), depths=(1,), primitives=("conv_3x3", "residual_3x3"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npz"
    x, y = np.zeros((12, 8, 8, 1), np.uint8), np.arange(12) % 2
    np.savez(path, x_train=x + np.arange(12, dtype=np.uint8)[:, None, None, None], y_train=y, x_test=x, y_test=y)
    return load(path)


@functools.cache
def build(genotype):
    return SPACE.build_network(genotype, (8, 8, 1), 2)


def on_device(model, **front):
    """The cost of the file: with what stands before a network, and after it."""
    return device_cost(with_preprocessing(model, **front))


@pytest.mark.parametrize(
    ("setting", "cost"),
    [
        ("max_parameters", parameters),
        pytest.param("max_macs", macs, marks=pytest.mark.slow),
        pytest.param("max_flash_kb", lambda model: on_device(model).flash / 1000, marks=pytest.mark.slow),
        ("max_ram_kb", lambda model: on_device(model).memory / 1000),
    ],
)
def test_candidates_are_within_each_limit(setting, cost, data):
    costs = sorted(cost(build(genotype)) for genotype in _all())
    middle = int(1 + costs[len(costs) // 2])
    config = RaceConfig(**{setting: middle})
    allowed = limits.Within(config, SPACE, data, build)
    found = portfolio(SPACE, 6, 0, {}, allowed)
    assert found and all(cost(build(one.genotype)) <= middle for one in found)
    assert {allowed(genotype) for genotype in _all()} == {True, False}
    assert not limits.Within(config, SPACE, data, build).impossible()
    below = RaceConfig(**{setting: 1})
    message = limits.Within(below, SPACE, data, build).impossible()
    assert message == limits.Within(below, SPACE, data, build).no_network()
    assert f"No network is within {setting}=1. The least there is" in message
    assert "2 stages of conv_3x3 after conv_3x3" in message
    largest = build(max(_all(), key=lambda genotype: cost(build(genotype))))
    assert f"which is above {setting}={amount(middle, '')}" in limits.exceeding(config, data)(largest)


def test_the_limit_that_alone_leaves_nothing_is_named(data):
    config = RaceConfig(max_parameters=100_000, max_ram_kb=1, latency_target_ms=100)
    assert "within max_ram_kb=1. " in limits.Within(config, SPACE, data, build).no_network()
    together = limits.Within(RaceConfig(max_macs=9_000, max_flash_kb=9), SPACE, data, build).no_network()
    assert "within max_macs=9,000 and max_flash_kb=9 together. The nearest of the 4 smallest, " in together
    assert together.endswith(", conv_3x3 after conv_3x3_s2, does 1,746 multiply-adds, takes 3.04 kB of flash.")
    assert not any(map(limits.Within(config, SPACE, data, build), _all()))


def _all():
    rng = np.random.default_rng(0)
    return list(dict.fromkeys(SPACE.sample(rng) for _ in range(8)))


def test_a_latency_is_measured_near_its_bound_alone(data, monkeypatch):
    """This machine takes three times as long as is estimated, which the first measurement tells."""
    measured = []

    def latency(model, rounds):
        measured.append(3 * HERE.latency_ms(OperatorGraph.of(model)))
        return measured[-1]

    monkeypatch.setattr(limits, "network_latency", latency)
    costs = {genotype: latency(build(genotype), 3) for genotype in _all()}
    middle, least, largest = sorted(costs.values())[4], min(costs.values()), max(costs.values())
    for bound, most in ((1.001 * middle, len(costs)), (least / 5, 1), (9 * largest, 1)):
        measured.clear()
        allowed = limits.Within(RaceConfig(latency_target_ms=bound), SPACE, data, build)
        assert [allowed(genotype) for genotype in costs] == [cost <= bound for cost in costs.values()]
        assert 1 <= len(measured) <= most
    message = limits.Within(RaceConfig(latency_target_ms=least / 99), SPACE, data, build).impossible()
    assert "The least there is takes" in message


def test_series_are_within_limits_of_files_that_start_behind_the_front(tmp_path):
    """Counted by parts: no network is built."""
    x, y = np.random.default_rng(0).normal(100, 9, (24, 16, 2)), np.arange(24) % 2
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x, y_test=y, kind="signals")
    data = load(tmp_path / "x.npz")
    config = RaceConfig(max_flash_kb=6, max_ram_kb=9)
    few = {"widths": (0.125, 0.25, 0.5), "primitives": ("conv_3x3", "inverted_3x3")}
    space = MacroSpace.for_data((16, 2), 2, 24, **few)
    found = portfolio(space, 8, 0, {}, limits.Within(config, space, data, None))
    assert len({one.genotype for one in found}) == 8
    for one in found:
        cost = on_device(space.build_network(one.genotype, (16, 2), 2), front=data.front)
        assert cost.flash <= 6_000 and cost.memory <= 9_000
        counted = {limit.setting: limit.cost(space, data, None)(one.genotype) for limit in limits.limits(config, data)}
        assert counted == {"max_flash_kb": cost.flash / 1000, "max_ram_kb": cost.memory / 1000}
    assert "The least there is takes" in limits.Within(RaceConfig(max_flash_kb=1), space, data, None).no_network()


@pytest.mark.parametrize(
    ("task", "y"),
    [("counts", [[1, 4]]), ("regression", [[0.5, 2.0]]), ("multilabel", [[0, 1]]), ("classification", [1])],
)
def test_what_makes_answers_counts_for_every_task(task, y, tmp_path):
    x, y = np.arange(8, dtype=np.uint8)[:, None, None] * np.ones((8, 8), np.uint8), np.arange(8)[:, None] % 2 * y
    y = y[:, 0] if task == "classification" else y
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = load(tmp_path / "x.npz", task=task)
    network = build(_all()[0])
    flash = device_cost(with_preprocessing(network, 255, data.task)).flash
    assert device_cost(network).flash < flash
    words = limits.needs(RaceConfig(max_flash_kb=9), data, network)
    assert words == f"{amount(flash / 1000, ' kB of flash')}"


def test_a_board_is_a_limit(data, tmp_path):
    path = tmp_path / "own.json"
    numbers = {"source": "-", "flash_kb": 9, "ram_kb": 64, "clock_mhz": 1, "cycles": {"convolution": 1, "dense": 1}}
    path.write_text(json.dumps(numbers))
    config = RaceConfig(board=str(path), max_ram_kb=9)
    assert [(one.setting, one.most) for one in limits.limits(config)] == [("max_flash_kb", 9), ("max_ram_kb", 9)]
    costs = {genotype: on_device(build(genotype)) for genotype in _all()}
    fitting = [genotype for genotype, cost in costs.items() if cost.flash <= 9000 and cost.memory <= 9000]
    allowed = limits.Within(config, SPACE, data, build)
    assert 0 < len(fitting) < len(costs) and [genotype for genotype in costs if allowed(genotype)] == fitting
    large = max(costs, key=lambda genotype: costs[genotype].flash)
    assert f"of flash, which is above board={path}" in limits.exceeding(config, data)(build(large))
    timed = RaceConfig(board=str(path), latency_target_ms=0.01)
    assert limits.needs(config, data, build(large)) == (
        f"{costs[large].flash / 1000:.3g} kB of flash, {costs[large].memory / 1000:.3g} kB of memory"
    )
    assert limits.needs(RaceConfig(), data, build(large)) == ""
    assert " ms on own" in limits.Within(timed, SPACE, data, build).impossible()
    path.write_text(json.dumps({**numbers, "lacks": ["convolution"]}))
    assert "has 3 operators that it lacks (convolution)" in limits.Within(config, SPACE, data, build).impossible()
    path.write_text(json.dumps({**numbers, "cycles": {}}))
    with pytest.raises(ValueError, match=r"Expected a board whose cycles are known, with --latency_target_ms"):
        limits.limits(timed)
    path.unlink()  # the settings of a finished run are still read
    assert RaceConfig.from_dict(config.to_dict()) == config
    assert RaceConfig.from_dict({**config.to_dict(), "teach": True}) == config  # as runs of an earlier version hold it
    with pytest.raises(ValueError, match="is no board"):
        limits.limits(config)


class Own(MacroSpace):
    """A user's own space, whose blocks may be redefined in a notebook."""


@pytest.mark.parametrize(("kind", "again"), [(MacroSpace, False), (Own, True)])
def test_operators_of_parts_are_kept_but_those_of_a_users_own_space(kind, again, monkeypatch):
    space, made, of = kind(filters=8), [], limits.OperatorGraph.of
    (limit,) = limits.limits(RaceConfig(max_ram_kb=99))
    monkeypatch.setattr(limits.OperatorGraph, "of", lambda model, inside: made.append(model) or of(model, inside))
    genotype = space.references()["cnn"]
    costs = []
    for _ in range(2):
        made.clear()
        costs.append(limit.counted(space, (8, 8, 1), 2)(genotype))
    assert bool(made) == again and costs[0] == costs[1] > 0
