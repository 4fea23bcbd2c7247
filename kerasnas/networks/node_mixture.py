"""Several classifiers of a graph's nodes as one Keras model, which may smooth its predictions along the edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.graph import Graph, check_graph
from kerasnas.primitives.graph_stages import Neighbors, Pooled

ALPHA, STEPS = 0.8, 50  # of smoothing; the defaults of `kerasnas.datasets.smoothed`


@keras.saving.register_keras_serializable(package="kerasnas")
class SmoothedAlongEdges(keras.layers.Layer):
    """Probabilities smoothed along the edges, as `kerasnas.datasets.smoothed` does; each row sums to 1.

    `labels` has the known class of each of `nodes`; inputs and outputs are probabilities `(nodes, classes)`.
    """

    def __init__(self, graph: Graph | dict[str, Any], nodes: Sequence[int], labels: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.graph = check_graph(graph)
        self.nodes, self.labels = (np.asarray(values, "int32").tolist() for values in (nodes, labels))
        if len(self.nodes) != len(self.labels):
            expected = f"a class of each of the {len(self.nodes)} nodes"
            raise ValueError(checks.invalid("labels", expected, f"{len(self.labels)} classes"))

    def call(self, inputs: Tensor) -> Any:
        known = np.zeros((self.graph.num_nodes, 1), "float32")
        known[self.nodes] = 1
        numbers = np.zeros(self.graph.num_nodes, "int32")
        numbers[self.nodes] = self.labels
        given = ops.one_hot(numbers, inputs.shape[-1], dtype=inputs.dtype)
        known, root = (
            ops.convert_to_tensor(values, inputs.dtype)
            for values in (known, 1 / np.sqrt(np.maximum(self.graph.degrees, 1))[:, None])
        )
        guess = known * given + (1 - known) * inputs
        sources, targets = self.graph.messages

        def step(_: Any, smoothed: Any) -> Any:
            arrived = ops.segment_sum(ops.take(smoothed * root, sources, axis=0), targets, self.graph.num_nodes)
            return (1 - ALPHA) * guess + ALPHA * root * arrived

        smoothed = ops.fori_loop(0, STEPS, step, guess)
        return smoothed / ops.sum(smoothed, axis=-1, keepdims=True)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        graph = keras.saving.serialize_keras_object(self.graph)
        return {**super().get_config(), "graph": graph, "nodes": self.nodes, "labels": self.labels}


class NodeMixture:
    """A model of a graph's nodes, made of a regression on propagated features and of networks.

    Its outputs are `softmax(sum_i w_i log p_i)`, with `p_i` the probabilities of the regression and the mean ones of
    the networks, optionally smoothed along the edges. Layers without weights that read the graph are shared, as each
    has the edges in its configuration. `scale` multiplies each feature first.
    """

    def __init__(self, graph: Graph, num_features: int, scale: np.ndarray | None = None):
        self.graph = checks.instance("graph", graph, Graph, "a `kerasnas.primitives.Graph`")
        self.inputs = keras.Input((checks.size("num_features", num_features),), name="features")
        self._x: Any = self.inputs
        if scale is not None:
            self._x = keras.layers.Rescaling(np.asarray(scale).tolist(), name="scaled")(self._x)
        self._shared: dict[tuple[type, str], keras.layers.Layer] = {}
        self._terms: list[Any] = []

    def add_regression(self, kernel: np.ndarray, bias: np.ndarray, hops: int, unit: bool, weight: float) -> None:
        """Add a linear model, weighted by `weight`, of features after `hops` steps along the edges.

        `kernel` is `(features, classes)`, `bias` `(classes,)`; `unit` divides the propagated features of each node by
        their length.
        """
        x: Any = self._x
        for _ in range(hops):
            x = self._placed(Neighbors(self.graph, "looped"), "")(x)
        x = keras.layers.UnitNormalization(name="unit")(x) if unit else x
        self._add("regression", _dense("regression", kernel, bias)(x), weight)

    def add_networks(self, networks: Sequence[keras.Model], projection: np.ndarray | None, weight: float) -> None:
        """Add functional models of logits, whose mean probabilities are weighted by `weight`.

        `projection` is the matrix `(features, channels)` that makes their input; None if they read the features.
        """
        x = self._x if projection is None else _dense("projection", projection)(self._x)
        members = [self._applied(network, f"member_{number}", x) for number, network in enumerate(networks, start=1)]
        mean = keras.layers.Average(name="networks")(members) if len(members) > 1 else members[0]
        self._add("networks", ops.log(mean), weight)

    def model(self, known: tuple[Any, Any] | None = None) -> keras.Model:
        """Return the model: features of all nodes in, probabilities out.

        If `known` has nodes and their classes, predictions are smoothed from them along the edges.
        """
        total = keras.layers.Add(name="total")(self._terms) if len(self._terms) > 1 else self._terms[0]
        outputs = keras.layers.Softmax(name="probabilities")(total)
        if known is not None:
            outputs = SmoothedAlongEdges(self.graph, *known, name="smoothed")(outputs)
        model = keras.Model(self.inputs, outputs, name="node_classifier")
        # An optimizer without state keeps the file small.
        model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"], jit_compile=False)
        return model

    def _placed(self, layer: keras.layers.Layer, name: str) -> keras.layers.Layer:
        """Return the layer under a new name; or an equivalent one, if it has no weights and reads the graph."""
        if not isinstance(layer, Neighbors | Pooled):
            layer.name = name
            return layer
        kind = type(layer), layer.kind
        if kind not in self._shared:
            layer.name = f"{type(layer).__name__.lower()}_{layer.kind}"
            self._shared[kind] = layer
        return self._shared[kind]

    def _add(self, name: str, logits: Any, weight: float) -> None:
        """Add the logarithms of the probabilities of these logits, times a weight, to the sum."""
        logs = keras.layers.Activation("log_softmax", name=f"{name}_logs")(logits)
        self._terms.append(keras.layers.Rescaling(float(weight), name=f"{name}_weighted")(logs))

    def _applied(self, network: keras.Model, name: str, x: Any) -> Any:
        """Return the probabilities of a network for `x`, its layers called one by one, without dropout."""
        values = {id(network.inputs[0]): x}
        for layer in network.operations:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            outputs, inputs = layer.output, layer.input
            read = [values[id(x)] for x in inputs] if isinstance(inputs, list | tuple) else values[id(inputs)]
            if isinstance(layer, keras.layers.Dropout):
                values[id(outputs)] = read
                continue
            values[id(outputs)] = self._placed(layer, f"{name}_{layer.name}")(read)
        return keras.layers.Softmax(name=f"{name}_probabilities")(values[id(network.outputs[0])])


def _dense(name: str, kernel: np.ndarray, bias: np.ndarray | None = None) -> keras.layers.Layer:
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None, name=name)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return layer
