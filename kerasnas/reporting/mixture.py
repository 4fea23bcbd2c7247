"""Part of a report that is about a mixture of a regression and networks: its table, and its verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasnas.records import Record
from kerasnas.reporting.comparisons import Comparison
from kerasnas.reporting.measures import doubt_in_words, task_in
from kerasnas.reporting.tables import Table
from kerasnas.tasks.known import CLASSIFICATION

NAMES = {
    "regression": "logistic regression on propagated features",
    "networks": "mean of the best networks",
    "mixture": "mixture of both",
}


class MixtureComparison(Comparison):
    """Parts of a mixture."""

    title = "Regression and networks"
    limits = (
        "It answers for the nodes of this graph alone: a node or an edge more needs another search. Validation nodes "
        "decided on networks and weights, so accuracies on them are too high."
    )

    def sentences(self, record: Record) -> list[str]:
        """Sentences on what the mixture reaches, which of its parts is ahead, and of what it consists.

        Example:

        >>> parts = {"regression": {"test_accuracy": 0.8}, "networks": {"test_accuracy": 0.7}}
        >>> parts["mixture"] = {"test_accuracy": 0.81}
        >>> leads = {"regression over networks": {"difference": 0.1, "error": 0.02}}
        >>> leads["mixture over regression"] = {"difference": 0.01, "error": 0.01}
        >>> weights = {"regression": 1.5, "networks": 0.5}
        >>> mixture = {"weights": weights, "smoothed": True, "parts": parts, "leads": leads}
        >>> entries = {"mixture": mixture, "searched": {"test_accuracy": 0.81}, "dataset": {"test_examples": 1000}}
        >>> for sentence in MixtureComparison().sentences(Record(entries)):
        ...     print(sentence)
        The model reaches 81.00 % test accuracy (95 % interval 78.5 to 83.3 %).
        Alone, logistic regression on propagated features reaches 80.00 %, the mean of the best networks 70.00 %: \
the regression is ahead by 10.00 ± 3.92 points (95 %).
        The model is ahead of the regression by 1.00 ± 1.96 points, which may be chance.
        The regression has 75 % of the weight, and predictions are smoothed along the edges.
        """
        mixture, task = record.required("mixture"), task_in(record)
        weights = mixture.weights
        share = weights["regression"] / sum(weights.values())
        smoothing = "smoothed" if mixture.smoothed else "not smoothed"
        made = f"The regression has {100 * share:.0f} % of the weight, and predictions are {smoothing} along the edges."
        accuracy, parts, leads = record.searched.metrics.get("test_accuracy"), mixture.parts, mixture.leads
        if accuracy is None or not leads:
            found = task.show(parts["mixture"]["val_accuracy"])
            return [
                f"There are no test nodes. The model reaches {found} on the validation nodes it was chosen by.",
                made,
            ]
        interval = task.interval_in_words(record["searched"], accuracy, record.dataset.test_examples)
        alone = {name: task.show(parts[name]["test_accuracy"]) for name in ("regression", "networks")}
        between, over = leads["regression over networks"], leads["mixture over regression"]
        ahead = "the regression is" if between["difference"] > 0 else "the networks are"
        return [
            f"The model reaches {task.show(accuracy)} test {task.words}{interval}.",
            f"Alone, {NAMES['regression']} reaches {alone['regression']}, the {NAMES['networks']} {alone['networks']}: "
            f"{ahead} ahead by {_lead(between)} (95 %){doubt_in_words(**between)}."
            if between["difference"]
            else f"Alone, {NAMES['regression']} and the {NAMES['networks']} both reach {alone['regression']}.",
            f"The model is {'ahead of' if over['difference'] > 0 else 'behind'} the regression by {_lead(over)}"
            f"{doubt_in_words(**over)}."
            if over["difference"]
            else "The model is level with the regression.",
            made,
        ]

    def table(self, record: Record) -> Table:
        mixture = record.required("mixture")
        rows = []
        for name, words in NAMES.items():
            part = mixture.parts[name]
            accuracies = [part.get(f"{data}_accuracy") for data in ("val", "test")]
            shown = ["-" if one is None else CLASSIFICATION.show(one) for one in accuracies]
            weight = mixture.weights.get(name)
            smoothing = "smoothed along the edges" if mixture.smoothed else "not smoothed"
            rows.append([words, *shown, smoothing if weight is None else f"{weight:.2f}"])
        return Table(["model", "validation accuracy", "test accuracy", "weight of the log probabilities"], rows)

    def standings(self, record: Record) -> list[dict[str, Any]]:
        scores = {name: record.required("mixture").parts[name]["val_accuracy"] for name in NAMES}
        return [{"name": NAMES[name], "score": scores[name]} for name in sorted(NAMES, key=lambda one: -scores[one])]

    def training(self, record: Record) -> str:
        return (
            "the classifiers of networks with initial weights were solved for, and mixed with a logistic regression on "
            "propagated features"
        )


def _lead(lead: Mapping[str, float]) -> str:
    points, reach = CLASSIFICATION.show_lead(lead["difference"], lead["error"], digits=2)
    return f"{points.removesuffix(' points')} ± {reach} points"
