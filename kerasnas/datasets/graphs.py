"""Graphs whose nodes are classified: from a file, or generated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets.batches import PairedBatches
from kerasnas.primitives.graph import Graph
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.wording import printable

PARTS = ("train", "validation", "test")


class NodeBatches(keras.utils.PyDataset):
    """The one batch of a graph's nodes, `(x, y, weights)`, again in each step.

    Args:
        x: features `(nodes, features)`.
        y: labels `(nodes,)`.
        weights: how much each node counts `(nodes,)`.
        steps: steps of an epoch. Defaults to 1.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray, steps: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.batch, self.steps = (x, y, weights), checks.size("steps", steps)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        if not 0 <= index < self.steps:
            raise IndexError(f"Batch {index} of {self.steps}: expected an index from 0 to {self.steps - 1}.")
        return self.batch


@dataclasses.dataclass(frozen=True, eq=False)
class GraphDataset:
    """A graph, features and classes of its nodes, and which nodes are for training, validation and test.

    Args:
        name: a name for reports.
        graph: the graph.
        x: features `(nodes, features)`.
        y: the class of each node, `(nodes,)`, from 0; -1 where it is not known.
        parts: the nodes of `"train"`, `"validation"` and `"test"`, each with a class, none in two parts.
        classes: names of the classes.

    Raises:
        TypeError: for a `graph` that is none.
        ValueError: for features that are not finite or of another number of nodes, labels that are no classes (of
            another task), a single class, and parts that overlap or have nodes without a class.

    Example:

    >>> graph = Graph([[0, 1], [1, 2]], num_nodes=3)
    >>> parts = {"train": [0, 1], "validation": [2], "test": []}
    >>> data = GraphDataset("path", graph, [[1.0], [2.0], [3.0]], [0, 1, 0], parts, ("even", "odd"))
    >>> x, y, weights = data.batches("train")[0]
    >>> weights.tolist()
    [1.5, 1.5, 0.0]
    """

    name: str
    graph: Graph
    x: np.ndarray
    y: np.ndarray
    parts: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    task: ClassVar[Task] = CLASSIFICATION

    def __post_init__(self) -> None:
        checks.instance("graph", self.graph, Graph, "a `kerasnas.primitives.Graph`")
        checks.instance("name", self.name, str)
        nodes = self.graph.num_nodes
        with np.errstate(over="ignore"):  # told below
            x = checks.array("x", self.x, rank=2).astype("float32")
        if len(x) != nodes or not x.shape[1]:
            expected = f"features of each of the graph's {nodes} nodes, `(nodes, features)`"
            raise ValueError(checks.invalid("x", expected, f"shape {x.shape}"))
        if not np.isfinite(x).all():
            raise ValueError(checks.invalid("x", "features that are finite in float32", "larger ones"))
        classes = checks.names("classes", self.classes, least=2)
        y = self._checked_labels(nodes, len(classes))
        parts = self._checked_parts(y)
        seen = np.unique(y[parts["train"]])
        if len(seen) < 2:
            raise ValueError(checks.invalid("y", "at least two classes among the training nodes", seen.tolist()))
        own = {"name": printable(self.name), "x": x, "y": y, "parts": parts, "classes": classes}
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def _checked_labels(self, nodes: int, classes: int) -> np.ndarray:
        y = np.asarray(self.y) if hasattr(self.y, "__array__") else checks.array("y", self.y)
        expected = f"the class of each of the {nodes} nodes, integers from 0 to {classes - 1}, or -1"
        if y.ndim == 2 and nodes:
            expected += " (several labels or numbers a node are other tasks, which graphs do not have)"
        if y.shape != (nodes,):
            raise ValueError(checks.invalid("y", expected, f"shape {y.shape}"))
        if y.dtype.kind not in "iu":
            hint = "Numbers are another task, which graphs do not have" if y.dtype.kind == "f" else ""
            raise ValueError(checks.invalid("y", expected, f"dtype {y.dtype.name}", hint))
        outside = y[(y < -1) | (y >= classes)]
        if outside.size:
            raise ValueError(checks.invalid("y", expected, outside[:3].tolist()))
        return y.astype("int64")

    def _checked_parts(self, y: np.ndarray) -> dict[str, np.ndarray]:
        if not isinstance(self.parts, Mapping) or set(self.parts) != set(PARTS):
            received = sorted(self.parts) if isinstance(self.parts, Mapping) else self.parts
            raise ValueError(checks.invalid("parts", f"a mapping with the keys {PARTS}", received))
        found: dict[str, np.ndarray] = {}
        taken = np.zeros(len(y), bool)
        for part in PARTS:
            nodes = checks.array("parts", self.parts[part], rank=1, kinds="iu").astype("int64")
            if ((nodes < 0) | (nodes >= len(y))).any():
                expected = f"nodes from 0 to {len(y) - 1} in '{part}'"
                raise ValueError(checks.invalid("parts", expected, [int(nodes.min()), int(nodes.max())]))
            if (y[nodes] < 0).any():
                first = int(nodes[y[nodes] < 0][0])
                raise ValueError(
                    checks.invalid("parts", f"nodes with a class in '{part}'", f"node {first}, of class -1")
                )
            if taken[nodes].any() or len(np.unique(nodes)) < len(nodes):
                raise ValueError(checks.invalid("parts", "each node once, in one part", f"a node of '{part}' again"))
            taken[nodes] = True
            found[part] = nodes
        return found

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one node's features."""
        return self.x.shape[1:]

    def raw(self, part: str, scale: float | None = None) -> np.ndarray:
        """The features of all nodes, for which a deployed model answers at once; see `Dataset.raw`."""
        return self.x

    def rows(self, part: str) -> np.ndarray:
        """The nodes of a part."""
        return self.parts[checks.one_of("part", part, PARTS)]

    def labels(self, part: str) -> np.ndarray:
        """The classes of the nodes of a part."""
        return self.y[self.rows(part)]

    def reduced(self, components: int = 64, seed: int = 0) -> GraphDataset:
        """These data with fewer features: their principal part, without labels, turned at random.

        The first layer is most of a network's time where features are many, such as the 3,703 words of CiteSeer. Here
        the features of all nodes are projected to their first right singular vectors and
        rotated, so that no single component matters much more than another and dropout may drop any. They are scaled
        such that the mean square of a row's length is 1.

        Args:
            components: number of features that are left. Defaults to 64, as the space has filters.
            seed: of the rotation. Defaults to 0.

        Raises:
            ValueError: for more components than there are nodes or features, and for features that are all 0.

        Example:

        >>> data = stochastic_blocks().reduced(8)
        >>> data.input_shape
        (8,)
        """
        return dataclasses.replace(self, x=self.x @ self.projection(components, seed))

    def projection(self, components: int = 64, seed: int = 0) -> np.ndarray:
        """The matrix `(features, components)` that `reduced` multiplies by; arguments and errors as there.

        Example:

        >>> data = stochastic_blocks()
        >>> bool(np.allclose(data.x @ data.projection(8), data.reduced(8).x, atol=1e-5))
        True
        """
        from scipy.sparse import csr_matrix
        from scipy.sparse.linalg import svds

        components = checks.integer("components", components, least=1, most=min(self.x.shape))
        rng = np.random.default_rng(checks.seed(seed))
        if not self.x.any():
            raise ValueError(checks.invalid("x", "features that are not all 0", "zeros"))
        normal = rng.standard_normal((components, components))
        if components < min(self.x.shape):
            _, values, right = svds(csr_matrix(self.x, dtype="float64"), components, v0=rng.random(min(self.x.shape)))
            order = np.argsort(-values)
            values, right = values[order], right[order]
        else:
            _, values, right = np.linalg.svd(self.x.astype("float64"), full_matrices=False)
        right *= np.sign(right[np.arange(components), np.abs(right).argmax(axis=1)])[:, None]  # a sign for each, always
        scaled = right.T * (np.sqrt(len(self.x)) / np.linalg.norm(values))
        return (scaled @ np.linalg.qr(normal)[0]).astype("float32")

    def weights(self, part: str) -> np.ndarray:
        """The weight of each node, such that the mean over all nodes is the mean over those of `part`.

        Raises:
            ValueError: for an unknown part, and for one without nodes.
        """
        nodes = self.rows(part)
        if not len(nodes):
            raise ValueError(checks.invalid("part", "one with nodes", part))
        weights = np.zeros(len(self.y), "float32")
        weights[nodes] = len(self.y) / len(nodes)
        return weights

    def batches(self, part: str, steps: int = 1) -> NodeBatches:
        """The batch of all nodes, of which those of `part` count: what `fit` and `evaluate` take.

        Args:
            part: `"train"`, `"validation"` or `"test"`.
            steps: steps of an epoch. Defaults to 1.
        """
        return NodeBatches(self.x, np.maximum(self.y, 0), self.weights(part), steps)

    def pairs(self, steps: int = 1) -> PairedBatches:
        """Arguments for `BilevelTrainer.fit`: training nodes move the weights, validation nodes the alphas.

        Args:
            steps: steps of an epoch. Defaults to 1.
        """
        return PairedBatches(self.batches("train", steps), self.batches("validation", steps))

    def accuracy(self, outputs: Any, part: str) -> float:
        """The share of the nodes of `part` whose largest output is that of their class.

        Args:
            outputs: of all nodes, `(nodes, classes)`.
            part: `"train"`, `"validation"` or `"test"`.
        """
        return float(np.mean(np.argmax(np.asarray(outputs), axis=-1)[self.rows(part)] == self.labels(part)))


def stochastic_blocks(
    nodes: int = 300,
    classes: int = 3,
    features: int = 32,
    degree: float = 5.0,
    homophily: float = 0.8,
    signal: float = 0.15,
    train_per_class: int = 10,
    seed: int = 0,
) -> GraphDataset:
    """A generated graph of balanced classes: neighbors are mostly of one class, features tell it poorly.

    Every node has on average `degree` neighbors, of which a share of `homophily` is of its class. A class marks a few
    features of its own, each of which a node has with probability 0.1, and with `0.1 + signal` where it is marked. A
    fifth of the nodes is for validation, the rest after training for the test.

    Args:
        nodes, classes, features: numbers of them. Default to 300, 3 and 32.
        degree: mean number of neighbors. Defaults to 5.
        homophily: share of them that is of a node's own class. Defaults to 0.8.
        signal: how much more probable a marked feature is. Defaults to 0.15.
        train_per_class: training nodes of each class. Defaults to 10.
        seed: the same seed gives the same graph. Defaults to 0.

    Raises:
        ValueError: for arguments out of their range, and for fewer nodes than the parts need.

    Example:

    >>> data = stochastic_blocks()
    >>> data.x.shape, data.num_classes, [len(data.parts[part]) for part in ("train", "validation", "test")]
    ((300, 32), 3, [30, 60, 210])

    Reference:
        Holland et al., "Stochastic Blockmodels: First Steps", 1983.
    """
    classes = checks.integer("classes", classes, least=2)
    per_class = checks.size("train_per_class", train_per_class)
    nodes = checks.integer("nodes", nodes, least=2 * classes * per_class)
    features = checks.integer("features", features, least=classes)
    degree = checks.number("degree", degree, above=0, most=nodes / classes / 2)
    homophily = checks.number("homophily", homophily, least=0, most=1)
    signal = checks.number("signal", signal, least=0, most=0.9)
    rng = np.random.default_rng(checks.seed(seed))
    y = rng.permutation(np.arange(nodes) % classes)
    same = y[:, None] == y[None]
    own = nodes / classes
    likely = np.where(same, degree * homophily / own, degree * (1 - homophily) / (nodes - own))
    edges = np.argwhere(np.triu(rng.random((nodes, nodes)) < likely, k=1))
    marked = np.arange(features)[None] % classes == y[:, None]
    x = (rng.random((nodes, features)) < 0.1 + signal * marked).astype("float32")
    order = rng.permutation(nodes)
    train = np.concatenate([order[y[order] == label][:per_class] for label in range(classes)])
    rest = order[~np.isin(order, train)]
    parts = {"train": train, "validation": rest[: nodes // 5], "test": rest[nodes // 5 :]}
    names = tuple(f"block {label}" for label in range(classes))
    return GraphDataset("stochastic_blocks", Graph(edges, nodes), x, y, parts, names)
