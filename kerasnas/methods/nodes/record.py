"""Record of a search on a graph: what the mixture and its parts reach, mistakes, and a row for each node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas.companions.mixing import comparison, crossed, mix
from kerasnas.datasets import GraphDataset
from kerasnas.datasets.smoothing import smoothed
from kerasnas.files import storage
from kerasnas.intervals import paired_difference
from kerasnas.modalities.graphs import Graphs
from kerasnas.records import Record
from kerasnas.reporting.predictions import samples_csv
from kerasnas.runs.method import Context
from kerasnas.runs.record import PREDICTIONS, SAMPLES
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training.evidence import evaluation_record

_LEAST = 0.02  # of a weight: what counts for less is left out


@dataclasses.dataclass(frozen=True)
class Mixed:
    """A mixture of two models of a graph's nodes.

    Args:
        weights: `"regression"` and `"networks"` -> the weight of the logarithms of its probabilities, at least 0.
        smoothed: whether predictions are smoothed along the edges.
        parts: the probabilities of `"regression"` and `"networks"` alone, `(nodes, classes)` each.
    """

    weights: Mapping[str, float]
    smoothed: bool
    parts: Mapping[str, np.ndarray]


def choose(data: GraphDataset, regression: np.ndarray, networks: np.ndarray) -> Mixed:
    """Return the mixture that suits the validation nodes.

    The weights are those of the least loss (`kerasnas.companions.mixing.mix`); the regression, the simpler one, stands
    alone unless the mixture is better by a standard error, cross-validated. Predictions are smoothed along the edges if
    more of the validation nodes are then right.
    """
    held_out = data.parts["validation"]
    outputs = {"regression": regression, "networks": networks}
    seen, y = [one[held_out] for one in outputs.values()], data.y[held_out]
    both, alone = crossed(CLASSIFICATION, seen, y), crossed(CLASSIFICATION, seen[:1], y, [1.0])
    if comparison(CLASSIFICATION, both, alone, y, sure=1.0)["used"]:
        found = mix(CLASSIFICATION, seen, y)
    else:
        found = np.append(mix(CLASSIFICATION, seen[:1], y, [1.0]), 0)
    found = np.where(found < _LEAST, 0, found) if found.max() >= _LEAST else np.ones(2)
    weights = dict(zip(outputs, found.tolist(), strict=True))
    together = CLASSIFICATION.answers(sum(weights[name] * one for name, one in outputs.items()))
    along = smoothed(data, together)
    helps = data.accuracy(along, "validation") > data.accuracy(together, "validation")
    return Mixed(weights, helps, {name: CLASSIFICATION.answers(one) for name, one in outputs.items()})


def write_node_record(context: Context, found: Mapping[str, Any], searched: dict[str, Any]) -> Record:
    """Return the record of the run, written with its report and its card."""
    data: GraphDataset = context.data
    mistakes, mixture = searched.pop("mistakes", []), searched.pop("mixture")
    dataset = {
        "name": data.name,
        "nodes": len(data.y),
        "edges": len(data.graph.edges),
        **{f"{part}_examples": len(nodes) for part, nodes in data.parts.items()},
        "classes": list(data.classes),
        "input_shape": list(data.input_shape),
        "modality": Graphs.name,
    }
    context.stages.finish(SAMPLES, _samples(data, mistakes))
    search = {name: found[name] for name in ("seconds", "history")}
    return context.write(searched, None, [], dataset, search=search, mixture=mixture)


def mixture_record(data: GraphDataset, mixed: Mixed, answers: np.ndarray) -> dict[str, Any]:
    """Return the mixture, and what it and each of its parts reach on validation and test nodes."""
    probabilities = {**mixed.parts, "mixture": answers}
    parts: dict[str, dict[str, float]] = {name: {} for name in probabilities}
    for part, short in (("validation", "val"), ("test", "test")):
        nodes = data.parts[part]
        for name, own in probabilities.items() if len(nodes) else ():
            reached = CLASSIFICATION.evaluation(own[nodes], data.y[nodes])
            parts[name] |= {f"{short}_{metric}": value for metric, value in reached.items()}
    record = {"weights": dict(mixed.weights), "smoothed": mixed.smoothed, "parts": parts}
    test = data.parts["test"]
    if len(test):
        right = {name: own[test].argmax(axis=1) == data.y[test] for name, own in probabilities.items()}
        leads = {}
        for first, second in (("regression", "networks"), ("mixture", "regression")):
            difference, error = paired_difference(right[first], right[second])
            leads[f"{first} over {second}"] = {"difference": difference, "error": error}
        record["leads"] = leads
    return record


def tested(data: GraphDataset, answers: np.ndarray) -> dict[str, Any]:
    """Return the record of an evaluation on the test nodes; nothing where there are none."""
    test = data.parts["test"]
    if not len(test):
        return {}
    record = evaluation_record(CLASSIFICATION, answers[test], data.y[test])
    mistakes = [{**one, "index": int(test[one["index"]])} for one in record["mistakes"]]
    return {**record, "mistakes": mistakes}


def _samples(data: GraphDataset, mistakes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the nodes of the worst mistakes, and the number of nodes of each class."""
    counts = {part: np.bincount(data.y[data.parts[part]], minlength=data.num_classes) for part in ("train", "test")}
    classes = [
        {"name": name, "train": int(train), "test": int(test), "images": []}
        for name, train, test in zip(data.classes, counts["train"], counts["test"], strict=True)
    ]
    wrong = [
        {
            "image": None,
            "text": f"node {one['index']}",
            "label": data.classes[one["label"]],
            "taken_for": data.classes[one["taken_for"]],
            "probability": one["probability"],
        }
        for one in mistakes
    ]
    return {"mistakes": wrong, "classes": classes}


def write_predictions(folder: Path, data: GraphDataset, answers: np.ndarray) -> None:
    """Write `PREDICTIONS`, a row for each node: its part, its class where it is known, and what the model answers."""
    parts = np.full(len(data.y), "", object)
    for part, nodes in data.parts.items():
        parts[nodes] = part
    labels = [data.classes[label] if label >= 0 else "" for label in data.y]
    columns = {"node": [str(node) for node in range(len(labels))], "part": parts.tolist(), "label": labels}
    storage.write_text(folder / PREDICTIONS, samples_csv(columns, answers.tolist(), data.classes, CLASSIFICATION))
