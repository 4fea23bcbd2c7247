"""The shortlist as a stage: successive halving, resumption, what it may look at."""

import json

import numpy as np
import pytest

from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.proxies import ProxyScore
from kerasnas.racing import Shortlist, rerank, rerank_genotypes, run_shortlist
from kerasnas.racing.shortlist import stage
from kerasnas.search import BilevelTrainer
from kerasnas.spaces import NASBench201Space, ProxylessSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe

SPACE = NASBench201Space(filters=2, num_cells=1, num_nodes=2)  # cells of three edges


def cell(digits, space=SPACE):
    return space.decode([int(digit) for digit in digits])


@pytest.fixture(autouse=True)
def unbuilt(monkeypatch):
    """Cells are scored by the parameters of their convolutions, and no network is built for it."""
    score = ProxyScore.__call__

    def counted(self, genotype):
        if genotype.space != SPACE.name:
            return score(self, genotype)
        return 9.0 * genotype.count("nor_conv_3x3") + genotype.count("nor_conv_1x1")

    monkeypatch.setattr(ProxyScore, "__call__", counted)


@pytest.fixture
def training():
    return NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(epochs=10, batch_size=8))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 8, 8, 1)).astype("float32"), np.arange(64) % 3
    return (x[:32], y[:32]), (x[32:], y[32:])


@pytest.fixture
def trained(monkeypatch):
    """Trainings that take no time: their accuracy is the number of convolutions, and a tenth of it the epochs."""
    calls = []

    def run(self, stages, name, genotype, data, held_out, seed, evaluated_on, describe, log):
        calls.append((name, genotype, self.recipe.epochs))
        digits = SPACE.encode(genotype)
        if 4 in digits:
            raise NonFiniteError("loss is nan")
        return {"val_accuracy": digits.count(3) / 10 + self.recipe.epochs / 100}

    monkeypatch.setattr(NetworkTraining, "run", run)
    return calls


def test_the_best_third_is_trained_for_longer_and_the_best_of_it_taken(tmp_path, training, data, trained):
    found = [cell("222"), cell("322")]
    settings = Shortlist(size=6, steps=(8, 16), evaluations=6)
    within = SPACE.reachable(max_skips=1)
    record = run_shortlist(Stages(tmp_path), settings, found, training, *data, within, log=lambda line: None)
    first, second = record["rungs"]
    assert (first["epochs"], second["epochs"]) == (2, 4)  # of four batches
    assert [len(rung["networks"]) for rung in record["rungs"]] == [6, 2]
    accuracy = {json.dumps(one["genotype"]): one["val_accuracy"] for one in first["networks"]}
    best = sorted((text for text in accuracy if accuracy[text] is not None), key=lambda text: -accuracy[text])[:2]
    assert [json.dumps(one["genotype"]) for one in second["networks"]] == best
    assert record["genotype"] == json.loads(best[0])
    assert record["proxy"] == "synflow"
    assert [epochs for _, _, epochs in trained] == [2] * 6 + [4] * 2
    again = run_shortlist(Stages(tmp_path), settings, found, training, *data, within)
    assert again == record and len(trained) == 8


def test_what_is_remembered_takes_part_beside_what_was_found(tmp_path, training, data, trained):
    """In half of the places, whatever the proxy says: of networks without convolutions it thinks little."""
    known = [cell(digits) for digits in ("001", "000", "002", "003")]
    settings, found = Shortlist(4, (8,), "parameters", 4), [cell("330")]
    record = run_shortlist(Stages(tmp_path), settings, found, training, *data, remembered=[found[0], *known])
    chosen = [Genotype.from_json(json.dumps(one["genotype"])) for one in record["rungs"][0]["networks"]]
    assert chosen[:3] == [found[0], *known[:2]] and len(set(chosen)) == 4 and chosen[3] not in known
    assert record["rungs"][0]["steps"] == 8
    alone = run_shortlist(
        Stages(tmp_path / "1"), Shortlist(1, (8,), "parameters", 1), found, training, *data, remembered=known
    )
    assert alone["genotype"] == json.loads(found[0].to_json()) and len(alone["rungs"][0]["networks"]) == 1


def test_networks_whose_loss_is_not_finite_are_out(tmp_path, training, data, trained):
    lines = []
    settings = Shortlist(size=2, steps=(8,), evaluations=2, proxy="parameters")
    found = [cell("444"), cell("333")]
    record = run_shortlist(Stages(tmp_path), settings, found, training, *data, log=lines.append)
    assert [one["val_accuracy"] is None for one in record["rungs"][0]["networks"]] == [True, False]
    assert Genotype.from_json(json.dumps(record["genotype"])) != cell("444")
    assert any("not finite" in line for line in lines)


def test_no_rung_takes_more_epochs_than_the_final_training(tmp_path, data, trained):
    short = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(epochs=3, batch_size=8))
    record = run_shortlist(
        Stages(tmp_path),
        Shortlist(4, (8, 4000), evaluations=4, proxy="parameters"),
        [cell("333")],
        short,
        *data,
        log=str,
    )
    assert [rung["epochs"] for rung in record["rungs"]] == [2, 3]


def test_where_synflow_is_not_defined_the_number_of_parameters_stands_in(tmp_path, data, trained, monkeypatch):
    space = ProxylessSpace(filters=2, num_layers=1, primitives=["mbconv_3x3_e1", "mbconv_3x3_e3"])  # of ReLU6
    monkeypatch.setattr(NetworkTraining, "run", lambda *arguments, **options: {"val_accuracy": 0.5})
    training, found = NetworkTraining(space, (8, 8, 1), 3), [space.sample(np.random.default_rng(0))]
    settings = Shortlist(2, evaluations=2)
    assert run_shortlist(Stages(tmp_path), settings, found, training, *data, log=str)["proxy"] == "parameters"
    with pytest.raises(ValueError, match="The proxy 'synflow' needs"):
        run_shortlist(Stages(tmp_path / "said"), Shortlist(2, proxy="synflow"), found, training, *data, log=str)


@pytest.mark.slow
def test_an_interrupted_shortlist_repeats_no_training(tmp_path, training, data):
    found, settings, log = [cell("111"), cell("144")], Shortlist(2, (4, 8), evaluations=1), []
    whole = run_shortlist(Stages(tmp_path / "whole"), settings, found, training, *data, log=str)
    stages = Stages(tmp_path / "stopped")
    finish = stages.finish

    def interrupt(name, record):
        finish(name, record)
        raise KeyboardInterrupt

    stages.finish = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_shortlist(stages, settings, found, training, *data, log=str)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped" / "stages").iterdir()}
    assert len(written) == 1
    resumed = run_shortlist(Stages(tmp_path / "stopped"), settings, found, training, *data, log=log.append)
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_networks_are_compared_on_what_they_were_not_trained_on():
    y = np.arange(30_000) % 3
    x = np.arange(30_000.0)
    (x_train, y_train), (x_held, y_held) = stage.halves(x, y, 0.5, seed=1)
    assert len(x_train) == 15_000 and len(x_held) == 5_000
    assert not set(x_train) & set(x_held)
    assert np.array_equal(x_train % 3, y_train) and np.array_equal(x_held % 3, y_held)
    assert np.ptp(np.bincount(y_held)) <= 1


def test_rerank_takes_the_halves_the_limits_and_the_alphas_of_the_search(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 8, 8, 1)).astype("float32"), np.arange(32) % 2
    space = NASBench201Space(filters=2, num_cells=1)  # of six edges: with fewer, no neighbor is beyond the limits
    supernet = space.build_supernet((8, 8, 1), 2)
    search = BilevelTrainer(supernet)
    alphas = np.zeros((6, 5))
    alphas[:, 2] = 2
    alphas[3, 1] = 1.9  # the nearest decision
    supernet.architecture_parameters[0].assign(alphas)
    seen = {}

    def run(self, stages, name, genotype, data, held_out, seed, evaluated_on, describe, log):
        seen[genotype] = (data, held_out)
        return {"val_accuracy": 1.0 if genotype == cell("222122", space) else 0.0}

    monkeypatch.setattr(NetworkTraining, "run", run)
    assert search.derive() == cell("222222", space)
    assert rerank(search, x, y, Shortlist(6, (10,), evaluations=6, proxy="parameters"), log=str) == cell(
        "222122", space
    )
    assert list(seen)[:2] == [cell("222222", space), cell("222122", space)]
    assert all(genotype in space.reachable("auto") for genotype in seen)
    (own, _), (held, _) = next(iter(seen.values()))
    assert len(own) == len(held) == 16
    with pytest.raises(TypeError, match="Expected an instance of `BilevelTrainer`"):
        rerank(supernet, x, y)
    with pytest.raises(ValueError, match="a sequence of at least 1"):
        rerank_genotypes(space, [], x, y, 2, log=str)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "argument `size`. Expected an integer of at least 1"),
        ({"steps": ()}, "argument `steps`. Expected one or more numbers, rising"),
        ({"steps": (4, 4)}, "argument `steps`. Expected one or more numbers, rising"),
        ({"steps": (0,)}, "argument `steps`"),
        ({"evaluations": 0}, "argument `evaluations`"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Shortlist(**settings)


def test_rungs_end_with_one_network():
    assert Shortlist(9, (1, 2, 3, 4)).rungs() == [(9, 1), (3, 2)]
    assert Shortlist(1, (5, 6)).rungs() == [(1, 5)]


@pytest.mark.slow
def test_a_set_with_fewer_networks_than_the_shortlist_is_said(tmp_path, data, monkeypatch):
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1)
    training, lines = NetworkTraining(space, (8, 8, 1), 3), []
    monkeypatch.setattr(NetworkTraining, "run", lambda *arguments, **options: {"val_accuracy": 0.5})
    found = [space.sample(np.random.default_rng(0))]
    record = run_shortlist(Stages(tmp_path), Shortlist(), found, training, *data, log=lines.append)
    count = len(record["rungs"][0]["networks"])
    assert count == space.size < 6 and f"A shortlist of {count}" in lines[0]
    assert record["genotype"] == json.loads(found[0].to_json())  # of equals what was found first
