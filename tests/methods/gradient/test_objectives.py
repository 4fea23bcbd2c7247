"""Relaxations, schedules and costs by the settings of a run: what they make, and a whole run with a target."""

import dataclasses
import json

import numpy as np
import pytest

from kerasnas import cli, datasets, relaxations
from kerasnas.callbacks import TemperatureSchedule
from kerasnas.cost import COSTS, CostModel, LatencyTable
from kerasnas.files.stages import Stages
from kerasnas.methods import SearchConfig
from kerasnas.methods.assembly import make_space
from kerasnas.methods.gradient import choosing
from kerasnas.methods.gradient import supernet as building
from kerasnas.runs.folder import RunFolder
from kerasnas.spaces.proxyless import ProxylessSpace
from tests.kit import save_noise

CHAIN = [
    *("--space=proxyless", "--primitives=mbconv_3x3_e1,mbconv_3x3_e3", "--filters=4", "--num_cells=1"),
    *(
        "--stem_strides=1",
        "--relaxation=softmax",
        "--batch_size=8",
        "--epochs=2",
        "--architecture_warmup_epochs=0",
        "--random_genotypes=1",
        "--shortlist=0",
    ),
    *("--retrain_filters=4", "--retrain_batch_size=8", "--retrain_epochs=1"),
]

SMALL = {"space": "nasbench201", "primitives": ("none", "skip_connect"), "num_nodes": 3, "filters": 2, "num_cells": 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return save_noise(tmp_path_factory.mktemp("data") / "tiny.npz", 32, 16)


@pytest.mark.slow
def test_run_with_latency_is_resumed_with_the_latency_it_measured(dataset, tmp_path, monkeypatch):
    """The second measurement would differ; an interrupted run ends as an uninterrupted one with the same table."""
    arguments = ["search", f"--dataset={dataset}", *CHAIN, "--random_genotypes=0", "--cost_weight=0.1"]
    arguments.append("--latency_target_ms=1000")
    measured = []

    def measure(space, *shapes, **sizes):
        measured.append(LatencyTable.measure(space, *shapes, rounds=1, **sizes))
        return measured[-1].cost_model(space, *shapes, **sizes)

    monkeypatch.setitem(COSTS._factories, "latency", measure)
    run, whole = tmp_path / "run", tmp_path / "whole"
    with monkeypatch.context() as context:
        context.setattr("kerasnas.callbacks.monitor.ArchitectureMonitor.on_epoch_begin", interrupt_at(1), raising=False)
        assert cli.main([*arguments, f"--output_dir={run}"]) == 130
    assert not (run / "stages" / "search.json").exists() and (run / "stages" / "cost.json").exists()
    assert cli.main(["resume", f"--output_dir={run}"]) == 0
    assert len(measured) == 1
    measured[0].save(tmp_path / "table.json")
    assert cli.main([*arguments, f"--latency_table={tmp_path / 'table.json'}", f"--output_dir={whole}"]) == 0
    first, second = (json.loads((path / "stages" / "search.json").read_text()) for path in (run, whole))
    first.pop("seconds"), second.pop("seconds")
    assert first == second


STAGED = [
    *("--space=nasbench201", "--stages=drnas", "--primitives=none,skip_connect,avg_pool_3x3", "--filters=4"),
    *("--num_cells=1", "--num_nodes=1", "--batch_size=8", "--epochs=4", "--architecture_warmup_epochs=0"),
    *("--random_genotypes=0", "--shortlist=0", "--retrain_filters=4", "--retrain_cells=1", "--retrain_epochs=1"),
]


def test_epochs_are_shared_by_stages():
    settings = SearchConfig(stages="p_darts", epochs=11)
    assert settings.searches == {"search-1": 4, "search-2": 4, "search-3": 3}
    assert SearchConfig(epochs=11).searches == {"search": 11}


def test_a_search_in_stages_is_resumed_in_its_stage(dataset, tmp_path, monkeypatch):
    run, whole = tmp_path / "run", tmp_path / "whole"
    arguments = ["search", f"--dataset={dataset}", *STAGED]
    ended = run / "stages" / "search-1.json"

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and ended.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("kerasnas.callbacks.monitor.ArchitectureMonitor.on_epoch_begin", on_epoch_begin, raising=False)
        assert cli.main([*arguments, f"--output_dir={run}"]) == 130
    first_stage = ended.read_bytes()
    assert not (run / "stages" / "search-2.json").exists()
    assert cli.main(["resume", f"--output_dir={run}"]) == 0
    assert ended.read_bytes() == first_stage
    assert cli.main([*arguments, f"--output_dir={whole}"]) == 0
    found = [json.loads((path / "stages" / "search.json").read_text()) for path in (run, whole)]
    stages = [json.loads((run / "stages" / f"search-{stage}.json").read_text()) for stage in (1, 2)]
    assert found[0]["seconds"] == pytest.approx(sum(stage["seconds"] for stage in stages))
    last = np.array(found[0]["mixing_weights"]["cell"][-1])
    assert last.shape == (1, 3) and np.count_nonzero(last) == 2
    assert [one.pop("seconds") > 0 for one in found] == [True, True]
    assert found[0] == found[1]


def interrupt_at(stop):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == stop:
            raise KeyboardInterrupt

    return on_epoch_begin


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cost=macs", "--cost_target=10"], "the cost of the lightest network of the space. Received: 10"),
        (["--cost=mac"], "Did you mean 'macs'?"),
        (["--cost_target=10"], "flag --cost_target. Expected nothing without --cost. Received: 10.0"),
        (["--cost=macs", "--cost_weight=-1"], "flag --cost_weight. Expected at least 0. Received: -1.0"),
        (["--cost=macs", "--latency_target_ms=5"], "flag --cost. Expected latency, or nothing, with --latency_target"),
        (["--cost=latency", "--latency_table=nowhere.json"], "No such file"),
        (["--relaxation=softmx"], "Did you mean 'softmax'?"),
        (["--relaxation=softmax", "--temperature=0"], "one or two numbers above 0, comma-separated"),
        (["--relaxation=sigmoid", "--temperature=2"], "Relaxation 'sigmoid' has no setting `temperature`"),
        (["--partial_channels=2"], "Space 'proxyless' has no setting `partial_channels`"),
        (
            ["--space=nasbench201", "--stem_strides=2", "--primitives=", "--partial_channels=3"],
            "Expected a divisor of the filters",
        ),
        (["--stages=pdarts"], "Did you mean 'p_darts'?"),
        (["--stages=drnas"], "Space 'proxyless' has no setting `partial_channels`"),
        (["--stages=drnas", "--epochs=1"], "Expected at least 2 with --stages=drnas. Received: 1"),
        (["--stages=p_darts", "--epochs=3", "--partial_channels=2"], "no value of its own with --stages. Received: 2"),
        (["--stages=p_darts", "--epochs=3", "--temperature=10,0.1"], "no value of its own with --stages. Received: "),
        (["--stages=p_darts", "--epochs=3", "--initializer=runs/a"], "no value of its own with --stages. Received: "),
        (
            ["--stages=p_darts", "--epochs=3"],
            "with `num_cells`, as supernets become deeper. Received: 'proxyless'",
        ),
        (
            [
                "--space=darts",
                "--primitives=",
                "--num_cells=3",
                "--stages=p_darts",
                "--epochs=3",
                "--relaxation=gumbel",
            ],
            "Expected one that computes every primitive. Received: 'gumbel'",
        ),
        (["--max_skips=some"], "auto, any or a number. Received: 'some'"),
        (["--auxiliary_skip=-1"], "flag --auxiliary_skip. Expected at least 0. Received: -1.0"),
        (
            ["--filters=4", "--num_cells=2", "--space=darts", "--primitives=", "--num_cells=9", "--dataset=DATA"],
            "pixels",
        ),
    ],
)
def test_what_does_not_fit_is_reported(dataset, arguments, message, tmp_path, capsys):
    small = tmp_path / "small.npz"
    with np.load(dataset) as data:
        np.savez(small, **{name: part[:, :3, :3] if name[0] == "x" else part for name, part in data.items()})
    arguments = [argument.replace("DATA", str(small)) for argument in arguments]
    command = ["search", f"--dataset={dataset}", *CHAIN, *arguments, f"--output_dir={tmp_path / 'run'}"]
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_latency_target_below_the_fastest_names_it(dataset, tmp_path, capsys):
    space = ProxylessSpace(filters=4, num_layers=1, primitives=["mbconv_3x3_e1", "mbconv_3x3_e3"])
    table = LatencyTable.measure(space, (8, 8, 1), 3, rounds=1, filters=4)
    table.save(tmp_path / "table.json")
    fastest = table.cost_model(space, (8, 8, 1), 3).least_cost()
    command = ["search", f"--dataset={dataset}", *CHAIN, f"--latency_table={tmp_path / 'table.json'}"]
    assert cli.main([*command, "--latency_target_ms=0.0001", f"--output_dir={tmp_path / 'run'}"]) == 2
    assert f"Expected at least {fastest:.6g} ms, the cost of the fastest network" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n not in ("sigmoid", "gumbel"))) for n in relaxations.RELAXATIONS],
)
def test_relaxations_by_name(dataset, name):
    config = SearchConfig(relaxation=name, **SMALL)
    supernet = building.make_supernet(config, make_space(config), datasets.load(dataset), seed=3)
    assert isinstance(supernet.relaxation, relaxations.RELAXATIONS[name])


def test_partial_channels_and_temperature(dataset):
    options = {"partial_channels": 2, "edge_normalization": True, "temperature": ("5", "0.5")}
    options |= {"primitives": ("none", "skip_connect"), "num_nodes": 2}
    for name in ("nasbench201", "darts"):
        config = SearchConfig(space=name, relaxation="gumbel", filters=4, num_cells=1, retrain_cells=1, **options)
        supernet = building.make_supernet(config, make_space(config), datasets.load(dataset))
        assert supernet.partial_channels == 2 and len(supernet.architecture_parameters) == 2
        assert float(supernet.relaxation.temperature) == 5
        (schedule,) = building.schedules(config)
        assert isinstance(schedule, TemperatureSchedule) and (schedule.initial, schedule.final) == (5.0, 0.5)


def test_guards_by_the_settings(dataset):
    data = datasets.load(dataset)
    for settings, expected in (
        ({}, {"max_skips": "auto", "curvature_ratio": "auto", "auxiliary_skip": "auto"}),
        ({"curvature_ratio": 0.5}, {"curvature_ratio": 0.5}),
        (
            {"max_skips": "any", "curvature_ratio": 0.0, "auxiliary_skip": 0.0},
            {"max_skips": None, "curvature_ratio": None},
        ),
        ({"max_skips": "3", "auxiliary_skip": 0.5}, {"max_skips": 3, "auxiliary_skip": 0.5}),
    ):
        config = SearchConfig(**SMALL, **settings)
        supernet = building.make_supernet(config, make_space(config), data)
        trainer = building.make_trainer(config, supernet, None)
        assert {name: getattr(trainer, name) for name in expected} == expected


def test_cost_of_a_run_is_kept_in_its_folder(dataset, tmp_path):
    config = SearchConfig(space="nasbench201", cost="parameters", cost_weight=1e-5, retrain_filters=2, retrain_cells=1)
    folder = RunFolder.create(tmp_path / "run", config)
    space, data = make_space(config), datasets.load(dataset)
    objective = building.make_objective(folder.stages, config, space, data)
    kept = CostModel.from_config(folder.stages.stage("cost"))
    genotype = space.sample(np.random.default_rng(0))
    assert (
        kept.cost(genotype)
        == objective.cost.cost(genotype)
        == COSTS["parameters"](space, (8, 8, 1), 3, filters=2, num_cells=1).cost(genotype)
    )


# Random networks beside the found one ------------------------------------------------------------------------
@pytest.mark.parametrize(("max_skips", "most"), [("auto", 1), ("0", 0), ("3", 3), ("any", 6)])
def test_random_networks_are_those_that_the_search_can_return(tmp_path, max_skips, most):
    """No `none` and no more skips than a derived cell has: one in seven of all cells of NAS-Bench-201 is so."""
    config = SearchConfig(space="nasbench201", primitives=(), random_genotypes=60, max_skips=max_skips)
    space = make_space(config)
    derived = space.genotype(dict.fromkeys(space.choices, "nor_conv_3x3"))
    others = choosing.random_others(Stages(tmp_path), config, space, derived)
    assert len(set(others)) == 60 and derived not in others
    assert sum(genotype.count("none") for genotype in others) == 0
    assert max(genotype.count("skip_connect") for genotype in others) <= most
    assert max_skips == "0" or any(genotype.count("skip_connect") for genotype in others)


def test_random_networks_keep_within_the_target(tmp_path):
    config = SearchConfig(space="nasbench201", primitives=(), random_genotypes=20, cost="parameters", cost_target=1.0)
    space = make_space(config)
    cost = COSTS["parameters"](space, (8, 8, 3), 3)
    target = cost.cost(space.genotype(dict.fromkeys(space.choices, "nor_conv_1x1")))
    config = dataclasses.replace(config, cost_target=target)
    stages = Stages(tmp_path)
    stages.finish("cost", cost.get_config())
    derived = space.genotype(dict.fromkeys(space.choices, "avg_pool_3x3"))
    others = choosing.random_others(stages, config, space, derived)
    assert len(others) == 20 and max(map(cost.cost, others)) <= target
    assert not any(genotype.count("none") for genotype in others)
