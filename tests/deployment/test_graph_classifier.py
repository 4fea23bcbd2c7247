"""The search on a graph in three lines: the model, the simple method beside it, resuming, and what is no such graph."""

import csv
import dataclasses
import functools
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from kerasnas import GraphClassifier, deployment, methods
from kerasnas.datasets import Dataset, stochastic_blocks
from kerasnas.datasets.graph_files import graph_arrays
from kerasnas.export import classifier
from kerasnas.files.stages import Stages
from kerasnas.methods import RaceConfig, SearchConfig
from kerasnas.methods.nodes.propagation import fit, propagated
from kerasnas.methods.nodes.record import choose
from kerasnas.methods.nodes.search import NodeSearch
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.running import report
from kerasnas.modalities.graphs import is_graph_file
from kerasnas.other_tools import silent
from kerasnas.proxies import ReadoutScore
from kerasnas.racing.budget import Budget
from kerasnas.runs import Progress
from tests.deployment.test_serving import serving_of
from tests.kit import untraced

DATA = stochastic_blocks(nodes=150, train_per_class=8)
LESS = {**DATA.parts, "test": DATA.parts["test"][1:]}  # a node without a class is in no part
SETTINGS = {"evaluations": 3, "members": 1, "seed": 1}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nodes") / "home"
    data = dataclasses.replace(DATA, y=np.where(np.arange(150) == DATA.parts["test"][0], -1, DATA.y), parts=LESS)
    with untraced():
        return GraphClassifier(folder=folder, log=silent, **SETTINGS).fit(data)


def test_it_answers_for_every_node_and_is_loaded(fitted):
    probabilities = fitted.predict_proba()
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert fitted.predict().tolist() == [f"block {label}" for label in probabilities.argmax(axis=1)]
    found = fitted.evaluate()
    right = probabilities[LESS["test"]].argmax(axis=1) == DATA.y[LESS["test"]]
    assert found["accuracy"] == fitted.score() == right.mean() and found["samples"] == len(right)
    assert found["interval"][0] < found["accuracy"] < found["interval"][1]
    again = GraphClassifier.load(fitted.folder)
    np.testing.assert_array_equal(again.predict_proba(), probabilities)
    assert fitted.genotype.space == "graphs"
    scores = [row["score"] for row in fitted.leaderboard()]
    assert scores == sorted((part["val_accuracy"] for part in fitted.result["mixture"]["parts"].values()), reverse=True)
    with pytest.raises(ValueError, match=r"`x`. Expected the features of all 150 nodes.*shape \(150, 32\)"):
        again.predict_proba(DATA.x[:10])


def test_the_run_has_what_others_have(fitted):
    run, result = fitted.run, fitted.result
    rows = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    assert [row["predicted"] for row in rows] == fitted.predict().tolist()
    assert (
        sum(row["part"] == "test" for row in rows) == len(LESS["test"]) and rows[DATA.parts["test"][0]]["label"] == ""
    )
    accuracy = f"{100 * result['searched']['test_accuracy']:.2f} %"
    card = (run / "card.md").read_text()
    report(run, log=lambda line: None)
    assert (run / "card.md").read_text() == card and "nodes" in card and "image" not in card
    for name in ("report.html", "card.md"):
        text = (run / name).read_text()
        assert accuracy in text and "95 % interval" in text and "logistic regression on propagated features" in text
    assert len(result["search"]["history"]["score"]) == 3
    parts = result["mixture"]["parts"]
    assert parts["mixture"]["test_accuracy"] == result["searched"]["test_accuracy"]
    x = propagated(DATA)
    assert parts["regression"]["test_accuracy"] == np.mean(
        fit(DATA, x).outputs(x)[LESS["test"]].argmax(axis=1) == DATA.y[LESS["test"]]
    )
    assert fitted.evaluate()["accuracy"] == result["searched"]["test_accuracy"]


def test_what_a_network_of_nodes_cannot_do_is_reported(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "read_model", functools.cache(classifier.read_model))
    run, other = fitted.run, tmp_path / "other.npz"
    np.savez(other, **graph_arrays(stochastic_blocks(nodes=150, train_per_class=8, seed=2)))
    np.savez(tmp_path / "train.npz", **graph_arrays(DATA) | {"test": np.zeros(0, int)})
    for call, words in (
        (lambda: deployment.predict(run, ["photo.png"]), "one .npz file of the graph.*predictions.csv.*photo.png"),
        (lambda: fitted.export(["litert"]), "nodes is exported as savedmodel alone"),
        (lambda: deployment.monitor(run, ["photo.png"]), "This network takes nodes"),
        (lambda: deployment.evaluate(run, str(other)), "stochastic_blocks, another graph, of 150 nodes"),
        (lambda: deployment.predict(run, [other]), r"other\.npz, another graph, of 150 nodes"),
        (lambda: deployment.evaluate(run, str(tmp_path / "train.npz")), "has no test nodes to evaluate on"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.slow
def test_the_nodes_of_a_file_are_predicted_and_the_network_is_exported(fitted, tmp_path):
    """With other features of the same nodes: those that are read, not those of the training."""
    arrays = graph_arrays(DATA)
    arrays["feat_data"] = 3 * arrays["feat_data"]
    np.savez(tmp_path / "later.npz", **arrays)
    found, failed = deployment.predict(fitted.run, [tmp_path / "later.npz"])
    expected = fitted.predict_proba(3 * DATA.x)
    assert not failed and [one.path for one in found] == [str(node) for node in range(len(DATA.x))]
    np.testing.assert_allclose([list(one.probabilities.values()) for one in found], expected, atol=1e-6)
    with serving_of(fitted.run) as ask:
        _, _, told = ask("POST", "/predict?name=later.npz", (tmp_path / "later.npz").read_bytes())
    rows = json.loads(told)["predictions"]
    assert [row["name"] for row in rows[:2]] == ["0", "1"] and rows[2]["label"] == found[2].label
    np.savez(tmp_path / "graph.npz", **graph_arrays(DATA))
    _, row = deployment.export(fitted.run, output=tmp_path / "exported", dataset=str(tmp_path / "graph.npz"))["files"]
    assert row["format"] == "savedmodel" and row["agreement"] == 1.0 and row["difference"] < 1e-4
    import tensorflow as tf

    model = tf.saved_model.load(str(tmp_path / "exported" / "savedmodel"))
    np.testing.assert_allclose(model.serve(3 * DATA.x.astype("float32")).numpy(), expected, atol=1e-5)


@pytest.mark.slow
def test_a_search_that_is_stopped_repeats_no_network(fitted, monkeypatch):
    """It ends with the networks and the mixture of one that nobody stopped."""
    first = fitted.folder.parent / "stopped"
    calls, score = [], ReadoutScore.__call__

    def stopping(self, genotype):
        calls.append(genotype)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(self, genotype)

    monkeypatch.setattr(ReadoutScore, "__call__", stopping)
    data = str(fitted.folder / "data.npz")
    with pytest.raises(KeyboardInterrupt):
        GraphClassifier(folder=first, log=silent, **SETTINGS).fit(data)
    lines = []
    again = GraphClassifier(folder=first, log=lines.append, **SETTINGS).fit(data)
    assert len(calls) == 4 and "Resuming after 2 networks." in lines
    for part in ("search", "mixture"):
        here, there = (
            {name: value for name, value in one.result[part].items() if name != "seconds"} for one in (again, fitted)
        )
        assert json.loads(json.dumps(here)) == json.loads(json.dumps(there))


@pytest.mark.parametrize(("minutes", "networks"), [(0.001, 1), (1, 2)])
def test_the_budget_leaves_time_for_the_model_and_one_network_at_least(tmp_path, minutes, networks):
    """A network takes 15 of 60 seconds: after two of them, there is none to spare beside making the best once more."""
    clock = itertools.count(0, 7.5)
    search = NodeSearch(Stages(tmp_path), GraphConfig(members=1), DATA)
    search.score = lambda genotype: -1.0
    found = search.search(Budget(minutes, clock=lambda: next(clock)), SimpleNamespace(metrics=print), Progress("none"))
    assert len(found["history"]["score"]) == networks


def test_a_first_network_that_takes_longer_does_not_end_the_search(tmp_path):
    """60 of 300 seconds, the others 5: it goes on while ten more, and a report of 8 seconds, are within the time."""
    now = [0.0]

    def score(genotype):
        now[0] += 5.0 if now[0] else 60.0
        return -1.0

    search = NodeSearch(Stages(tmp_path), GraphConfig(members=10), DATA)
    search.score = score
    found = search.search(Budget(5, clock=lambda: now[0]), SimpleNamespace(metrics=print), Progress("none"))
    assert now[0] == 60 + 5 * (len(found["history"]["score"]) - 1)
    assert 300 - now[0] < 8 + 11 * 5 <= 300 - (now[0] - 5)


def test_validation_nodes_decide_on_weights_and_smoothing():
    right, noise = 2 * np.eye(3)[DATA.y], np.random.default_rng(0).normal(size=(150, 3))
    mixed = choose(DATA, right, noise)
    assert mixed.weights["regression"] > 10 * mixed.weights["networks"] and not mixed.smoothed
    blurred = right + 2 * noise
    assert choose(DATA, blurred, blurred).smoothed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"edges": [[0, 200]]}, r"graph.npz: .*`edges`. Expected nodes from 0 to 149"),
        ({"train": np.zeros(0, int)}, "at least two classes among the training nodes"),
        ({"val": np.zeros(0, int)}, "graph.npz: Expected nodes in `val`, the ones that choices are made by"),
    ],
)
def test_wrong_graphs_are_reported(tmp_path, changed, message):
    np.savez(tmp_path / "graph.npz", **{**graph_arrays(DATA), **changed})
    assert is_graph_file(tmp_path / "graph.npz")
    with pytest.raises(ValueError, match=message):
        GraphClassifier(folder=tmp_path / "home", log=silent).fit(tmp_path / "graph.npz")
    assert not (tmp_path / "home" / "run" / "config.json").exists()


def test_other_data_than_graphs_are_reported(tmp_path):
    np.savez(tmp_path / "images.npz", x_train=np.zeros((4, 8, 8)), y_train=[0, 1, 0, 1])
    np.savez(tmp_path / "graph.npz", **graph_arrays(DATA))
    assert not is_graph_file(tmp_path / "images.npz") and not is_graph_file(tmp_path)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    assert not is_graph_file(tmp_path / "broken.npz")
    with pytest.raises(ValueError, match=r"takes the .npz file of a graph.*images.npz.*leave out --space=graphs"):
        methods.search(GraphConfig(dataset=str(tmp_path / "images.npz")), tmp_path / "one", silent)
    for settings in (RaceConfig, SearchConfig):
        with pytest.raises(ValueError, match=r"graph.npz is a graph, and space '.*' takes images.*--space=graphs"):
            methods.search(settings(dataset=str(tmp_path / "graph.npz")), tmp_path / settings.__name__, silent)
    fit = GraphClassifier(log=silent).fit
    for call, words in (
        (lambda: fit(["a text"]), "`x`. Expected a `kerasnas.datasets.GraphDataset`, or the path"),
        (lambda: fit(Dataset), "GraphDataset"),
        (lambda: fit(DATA, DATA.y), "`y`. Expected None, as a graph has its labels"),
        (lambda: GraphConfig(space="graph"), "unknown space 'graph'. Did you mean 'graphs'|known name.*graphs"),
        (lambda: GraphClassifier(minutes=1, cpu_minutes=1), "`cpu_minutes`. Expected nothing with --minutes"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            call()


def test_networks_that_do_not_help_are_left_out():
    data = stochastic_blocks()
    right, rng = np.eye(3)[data.y], np.random.default_rng(0)
    noisy, other, noise = (part + rng.normal(size=right.shape) for part in (right, right, 0 * right))
    assert choose(data, noisy, noise).weights["networks"] == 0 < choose(data, noisy, other).weights["networks"]
