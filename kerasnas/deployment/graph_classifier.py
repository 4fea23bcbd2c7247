"""The search on a graph in three lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from kerasnas import checks
from kerasnas.datasets import GraphDataset
from kerasnas.datasets.graph_files import graph_arrays, graph_dataset
from kerasnas.deployment.estimator import DATA, Estimator
from kerasnas.deployment.predictions import evaluate_nodes
from kerasnas.deployment.samples import Samples
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.modalities import modality
from kerasnas.runs.folder import RunFolder


class GraphClassifier(Estimator):
    """The classes of a graph's nodes, in the time you give: `kerasnas search graph.npz` as an estimator.

    Networks with initial weights get a classifier that is solved for on the training nodes (`ReadoutScore`), and
    `PredictorSearch` looks for those that are best on the validation nodes. Beside the best ones stands a logistic
    regression on features that were propagated along the edges; validation nodes decide how much each counts, and
    whether predictions are smoothed along the edges.

    Args:
        minutes: the budget of `fit`, for everything. Defaults to 5.
        folder: where the run is kept, in `run`, and a graph that was given, in `data.npz`. Defaults to None: a
            temporary folder, which lives as long as this object; `save` copies it.
        log: called with each line of progress. Defaults to `print`.
        **settings: further fields of `kerasnas.methods.GraphConfig`: `cpu_minutes`, `evaluations`, `members`, `seed`
            and others.

    Attributes:
        classes_: the names of the classes.

    Raises:
        TypeError: for a setting that does not exist.
        ValueError: for one that is out of range.

    Example:

        classifier = kerasnas.GraphClassifier(minutes=1).fit("cora.npz")
        classifier.predict()                         # the class of each node, by name
        classifier.evaluate()                        # accuracy of the test nodes
        classifier.model.save("model.keras")         # features of all nodes in, probabilities out
    """

    classes_: np.ndarray = np.array([])

    def __init__(
        self,
        minutes: float = 0.0,
        folder: str | os.PathLike | None = None,
        log: Callable[[str], Any] = print,
        **settings: Any,
    ):
        config = GraphConfig(minutes=minutes, **settings)
        super().__init__(config, Samples(modality("graphs"), config), folder, log=log)

    def fit(self, x: Any, y: Any = None, test_data: Any = None) -> Self:
        """Search within the budget. Interrupted, and called again with the same graph and folder, it resumes.

        Args:
            x: a `kerasnas.datasets.GraphDataset`, or the path of one, as `kerasnas.datasets.graph_dataset` reads it.
            y, test_data: None, as the graph has its labels and its test nodes.

        Returns:
            This estimator.

        Raises:
            TypeError: for anything but a graph.
            ValueError: if there are no training or validation nodes, or the folder holds a run of other settings or
                data.
        """
        return super().fit(x, y, test_data)

    def predict(self) -> np.ndarray:
        """The most probable class of each node by name, an array `(nodes,)`.

        Raises:
            ValueError: before `fit`.
        """
        return self.classes_[self.predict_proba().argmax(axis=1)]

    def predict_proba(self, x: Any = None) -> np.ndarray:
        """The probability of each of `classes_` for each node, `(nodes, classes)`.

        Args:
            x: other features of the same nodes, `(nodes, features)`. Defaults to None: those of `fit`.

        Raises:
            ValueError: before `fit`, and for features of another shape.
        """
        self._fitted()
        return self.answers(graph_dataset(self._dataset).x if x is None else x)

    def evaluate(self) -> dict[str, Any]:
        """Accuracy, its 95 % interval and loss on the test nodes, of all and of each class.

        Returns:
            As `kerasnas.deployment.evaluate`.

        Raises:
            ValueError: before `fit`, and for a graph without test nodes.
        """
        return evaluate_nodes(self._fitted(), self._dataset)

    def score(self) -> float:
        """The accuracy on the test nodes."""
        return self.evaluate()["accuracy"]

    @property
    def _dataset(self) -> str:
        """The file of the graph: the one beside the run, wherever that was moved to, or the one that was given."""
        own = self._home / DATA
        return str(own) if own.exists() else getattr(RunFolder.open(self.run).config, "dataset", "")

    def _check_task(self) -> None:
        """Nothing: classes are all that nodes have."""

    def _parts(self, x: Any, y: Any, test_data: Any) -> dict[str, np.ndarray]:
        for name, value in (("y", y), ("test_data", test_data)):
            if value is not None:
                raise ValueError(checks.invalid(name, "None, as a graph has its labels and its test nodes", value))
        checks.instance("x", x, GraphDataset, "a `kerasnas.datasets.GraphDataset`, or the path of one")
        return graph_arrays(x)

    def _named(self, names: np.ndarray) -> None:
        self.classes_ = names
