"""TrialNetworks: each training once, means over folds, and the result, report and network of the best fold."""

import contextlib
import json

import keras
import keras_tuner
import numpy as np
import pytest

from kerasnas import Genotype
from kerasnas.executors import Executor
from kerasnas.files.stages import Stages
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from tests.tuners.small import SPACE, Epochs, X, Y, eager
from tuners.persistence import json_files
from tuners.tuners.trial_inputs import SearchData, make_data
from tuners.tuners.trial_networks import TrialNetworks, signed

GENOTYPES = [SPACE.sample(np.random.default_rng(seed)) for seed in range(2)]
DATA = SearchData(X[:16], Y[:16], X[16:], Y[16:])
LOSS, ACCURACY = keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_accuracy", "max")


def make(folds=None, report=False, said=None, scope=contextlib.nullcontext):
    training = NetworkTraining(SPACE, (8, 8, 1), 3, TrainingRecipe(epochs=2, batch_size=8, compile=eager))
    return TrialNetworks(training, folds, report, scope, [].append if said is None else said.append)


def train(networks, stages, seen, stop=None, data=DATA):
    stages.path.mkdir(exist_ok=True)
    return networks.train(stages, GENOTYPES[0], data, 0, None, lambda: [Epochs(seen, stop, names=False)], 0)


@pytest.mark.parametrize(
    ("objective", "value", "expected"),
    [
        (ACCURACY, 0.5, 0.5),
        (LOSS, 0.5, -0.5),
        (ACCURACY, float("nan"), -np.inf),
        (LOSS, float("nan"), -np.inf),
        (LOSS, -np.inf, -np.inf),
    ],
)
def test_more_is_better_and_what_is_not_finite_is_worst(objective, value, expected):
    assert signed(objective, value) == expected


@pytest.mark.slow
def test_a_network_is_trained_once_and_its_metrics_are_those_of_the_saved_one(noted_scope, tmp_path):
    seen, networks, stages = [], make(scope=noted_scope), Stages(tmp_path)
    metrics = train(networks, stages, seen)
    assert seen == [0, 1] and noted_scope.notes == ["entered", "left"]
    assert Genotype.load(tmp_path / "genotype.json") == GENOTYPES[0]
    model = keras.models.load_model(tmp_path / "model.keras")
    loss, accuracy = model.evaluate(*DATA.validation, verbose=0)
    assert metrics["val_loss"] == pytest.approx(loss, rel=1e-5) and metrics["val_accuracy"] == pytest.approx(accuracy)
    trainable = sum(int(np.prod(one.shape)) for one in model.trainable_variables)
    assert metrics["parameters"] == trainable and set(metrics) == {"val_loss", "val_accuracy", "parameters"}
    assert train(networks, stages, seen) == metrics and seen == [0, 1]


@pytest.mark.slow
def test_an_interrupted_training_resumes_and_says_so(tmp_path):
    seen, said = [], []
    networks = make(said=said)
    with pytest.raises(KeyboardInterrupt):
        train(networks, Stages(tmp_path / "killed"), seen, stop=1)
    killed = train(networks, Stages(tmp_path / "killed"), seen)
    assert seen == [0, 1, 1] and len(said) == 1
    assert killed == pytest.approx(train(networks, Stages(tmp_path / "whole"), []), rel=1e-4)


def fold_evaluation(results):
    """Stands in for a training: fold `i` reports `results[i]`, and leaves files that name it."""
    calls = []

    def evaluate(data, stages):
        index = len(calls)
        calls.append((data, stages.path))
        (stages.path / "model.keras").write_text(f"network {index}")
        GENOTYPES[index].save(stages.path / "genotype.json")
        genotype = json.loads(GENOTYPES[index].to_json())
        stages.finish("searched", {"genotype": genotype, "seconds": 1.0, "fold": index})
        return results[index]

    return evaluate, calls


@pytest.mark.parametrize(("objective", "best"), [(ACCURACY, 0), (LOSS, 1)])
def test_folds_report_means_and_keep_the_network_of_the_best(objective, best, tmp_path):
    parts = make_data(X, Y, None, 2, (8, 8, 1), 3, seed=0)
    results = [{"val_accuracy": 0.75, "val_loss": 2.0}, {"val_accuracy": 0.5, "val_loss": 1.0}]
    evaluate, calls = fold_evaluation(results)
    metrics = make(folds=2).evaluate(tmp_path, parts, evaluate, objective, {"seed": 7})
    assert metrics == {"val_accuracy": 0.625, "val_loss": 1.5}
    assert calls == [(part, tmp_path / f"fold_{index}") for index, part in enumerate(parts)]
    assert (tmp_path / "model.keras").read_text() == f"network {best}"
    assert Genotype.load(tmp_path / "genotype.json") == GENOTYPES[best]
    result = json_files.read(tmp_path / "result.json")
    assert result["metrics"] == metrics and result["folds"] == results and result["best_fold"] == best
    assert result["searched"]["fold"] == best and result["settings"] == {"seed": 7} and result["seconds"] == 1.0
    assert result["dataset"] == {"train_examples": 12, "validation_examples": 12, "input_shape": [8, 8, 1]}


class Elsewhere(Executor):
    """Workers that see no folder of this machine."""

    def completed(self, function, items, shared=None):
        yield from ((number, {"val_loss": 1.0}) for number, _ in enumerate(items))


def test_workers_that_leave_no_networks_here_are_named(tmp_path):
    networks, parts = make(folds=2), make_data(X, Y, None, 2, (8, 8, 1), 3, seed=0)
    networks.executor = Elsewhere()
    with pytest.raises(FileNotFoundError, match=r"left nothing in .*fold_0\. Expected workers that see the folder of"):
        networks.evaluate(tmp_path, parts, lambda data, stages: {}, LOSS, {})


@pytest.mark.slow
def test_a_report_is_left_of_the_best_fold_alone(tmp_path):
    networks = make(folds=2, report=True)
    parts = make_data(X, Y, None, 2, (8, 8, 1), 3, seed=0)

    def evaluate(data, stages):
        return train(networks, stages, [], data=data)

    metrics = networks.evaluate(tmp_path, parts, evaluate, LOSS, {})
    result = json_files.read(tmp_path / "result.json")
    best = result["folds"][result["best_fold"]]
    assert best["val_loss"] == min(one["val_loss"] for one in result["folds"]) != metrics["val_loss"]
    assert result["searched"]["val_loss"] == best["val_loss"]
    assert {"report.html", "card.md", "history.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert not list(tmp_path.glob("fold_*/report.html"))
    part = parts[result["best_fold"]]
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.evaluate(*part.validation, verbose=0)[0] == pytest.approx(best["val_loss"], rel=1e-5)


def test_without_a_report_the_result_alone_is_left(tmp_path):
    evaluate, calls = fold_evaluation([{"val_accuracy": 0.75}])
    assert make().evaluate(tmp_path, [DATA], evaluate, ACCURACY, {}) == {"val_accuracy": 0.75}
    assert calls == [(DATA, tmp_path)]
    names = {"result.json", "model.keras", "genotype.json", "stages", "files.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    result = json_files.read(tmp_path / "result.json")
    assert "folds" not in result and result["evaluated_on"] == "val" and result["warm_start"] is None
