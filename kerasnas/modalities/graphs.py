"""Graphs: the samples are the nodes of one graph, classified all at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.modalities.base import Modality, Reading, TextLimits
from kerasnas.modalities.columns import Columns
from kerasnas.tasks import Task

_MARKS = {"edges", "feat_indptr"}  # arrays that no other file of samples has

_USAGE = """\
import json, keras, numpy
import kerasnas  # the layers that read the graph are its own

classes = json.load(open("model.json"))["classes"]
model = keras.models.load_model("model.keras")  # the edges are in it
x = kerasnas.datasets.graph_dataset("graph.npz").x  # the features of all nodes, in their order
probabilities = model.predict(x, batch_size=len(x))
print(numpy.array(classes)[probabilities.argmax(axis=1)])"""


class Graphs(Modality):
    """The nodes of a graph, with features `(features,)` each.

    Args:
        nodes: number of nodes that a saved network answers for. Defaults to 0: not known.
    """

    name = "graphs"
    singular, plural = "node", "nodes"
    inputs = "node"
    axes = ("features",)
    gradient_space = "graphs"
    formats = ()
    drift = adapts = False
    transductive = True

    def __init__(self, nodes: int = 0):
        self.nodes = checks.integer("nodes", nodes, least=0)

    def restored(self, record: Mapping[str, Any]) -> Modality:
        return type(self)(record["nodes"]) if record.get("nodes") else self

    def read(self, arrays: Mapping[str, np.ndarray], task: Task, limits: TextLimits) -> dict[str, Any]:
        raise ValueError(
            "Expected samples and labels. Received: a graph, which `kerasnas.datasets.graph_dataset` reads"
        )

    def sample_column(self, columns: Columns, reading: Reading) -> str:
        raise ValueError(checks.invalid("x", "a graph, which is no table", sorted(columns)))

    def samples(self, x: Any, reading: Reading) -> np.ndarray:
        return checks.array("x", x, rank=2)

    def from_paths(
        self, paths: Sequence[str | os.PathLike], reading: Reading
    ) -> tuple[Sequence[Any], np.ndarray, dict[Any, str]]:
        raise ValueError(
            "This network answers for all nodes of its graph at once, and has: predictions.csv in the folder of the "
            "run. From Python: `kerasnas.GraphClassifier.load`, or `keras.models.load_model` after `import kerasnas`."
        )

    def checked(self, argument: str, x: Any, model: keras.Model, finite: bool = True) -> np.ndarray:
        found = checks.array(argument, x)
        shape = (self.nodes or len(found), *model.input_shape[1:])
        if found.shape != shape or not len(found):
            expected = f"the features of all {shape[0]} nodes of its graph, of shape {shape}"
            raise ValueError(checks.invalid(argument, expected, f"shape {found.shape}"))
        return found

    def usage(self, record: Mapping[str, Any], answers: str, shown: str) -> str:
        return _USAGE

    def answers(self, model: keras.Model, x: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(model(x, training=False))  # one batch: tracing it would take longer


def is_graph_file(path: str | os.PathLike) -> bool:
    """Return True for an `.npz` file with the arrays of a graph; its content is not read.

    Args:
        path: a file. False of a folder, of what is not there and of what cannot be read.

    Raises:
        TypeError: if `path` is not a path.
    """
    file = checks.path("path", path)
    if file.suffix != ".npz" or not file.is_file():
        return False
    try:
        return {name.removesuffix(".npy") for name in untrusted.archive_names(file)} >= _MARKS
    except (OSError, ValueError):
        return False
