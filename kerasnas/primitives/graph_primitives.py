"""Operations of graph networks as primitives: a nonlinearity, messages, a dense kernel, batch norm."""

from __future__ import annotations

import functools
from typing import Any

import keras

from kerasnas import checks
from kerasnas.primitives.base import GRAPH_PRIMITIVES, Elementwise, Primitive, Relu
from kerasnas.primitives.graph import Graph, check_graph
from kerasnas.primitives.graph_stages import Attention, Linear, NearIdentity, Neighbors, Pooled
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.parameter_free import Identity

# After a batch norm, tanh is nearly linear and has either sign, where ReLU loses half of the values.
Tanh = functools.partial(Elementwise, "tanh", functools.partial(keras.layers.Activation, "tanh"))
ACTIVATIONS = {"tanh": Tanh, "relu": Relu}


class GraphPrimitive(Primitive):
    """Base of the operations on graphs; a subclass writes the stages `messages()`.

    Args:
        graph: the `Graph` whose nodes are the rows of the input.
        filters, affine, copies: see `Primitive`.
        activation: the nonlinearity, `"tanh"` or `"relu"`. Defaults to `"tanh"`.
        near_identity: whether kernels start near the identity (`NearIdentity`), not as Glorot's. Defaults to True.

    Call arguments:
        inputs: tensor `(nodes, channels)`.
        scale, training: see `Primitive`.

    Returns:
        Tensor `(nodes, copies * filters)`.

    Differences from the papers:
        - The nonlinearity comes first and batch norm last, as everywhere in this package; so there is no bias.
        - tanh by default, not ReLU: with 20 labels a class, the best classifier on untrained networks of 16 random
          cells had a mean validation accuracy of .74 on Cora (.57 with ReLU) and .69 on CiteSeer (.53).
    """

    settings = {
        "activation": ("tanh", lambda name, value: checks.one_of(name, value, ACTIVATIONS)),
        "near_identity": (True, checks.boolean),
    }
    activation: str
    near_identity: bool

    def __init__(
        self, graph: Graph | dict[str, Any], filters: int, affine: bool = True, copies: int = 1, **kwargs: Any
    ):
        self.graph = check_graph(graph)
        super().__init__(filters, 1, affine, copies, **kwargs)

    def messages(self) -> list[keras.layers.Layer]:
        """Return the stages between nonlinearity and batch norm."""
        raise NotImplementedError

    def stages(self) -> list[keras.layers.Layer]:
        return [ACTIVATIONS[self.activation](), *self.messages(), BatchNorm(self.affine)]

    def linear(self) -> Linear:
        """Return a dense kernel for each copy."""
        return _linear(self)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["strides"]
        return {**config, "graph": keras.saving.serialize_keras_object(self.graph)}


@keras.saving.register_keras_serializable(package="kerasnas")
class GCN(GraphPrimitive):
    """Graph convolution: `(D + I)^-1/2 (A + I) (D + I)^-1/2 x W`.

    Reference:
        Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks", 2017 (arXiv 1609.02907).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "looped"), self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class GAT(GraphPrimitive):
    """Graph attention of four heads, side by side; `filters` is a multiple of 4.

    Reference:
        Velickovic et al., "Graph Attention Networks", 2018 (arXiv 1710.10903).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [self.linear(), Attention(self.graph, self.copies)]


@keras.saving.register_keras_serializable(package="kerasnas")
class GIN(GraphPrimitive):
    """Graph isomorphism network of one dense layer, its epsilon 0: `(x + A x) W`.

    Reference:
        Xu et al., "How Powerful are Graph Neural Networks?", 2019 (arXiv 1810.00826).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "sum"), Pooled(self.graph, "total"), self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class ChebNet(GraphPrimitive):
    """Chebyshev filter of two terms: `x W - D^-1/2 A D^-1/2 x V`; the sign is left to `V`, which is learned.

    Reference:
        Defferrard et al., "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering", 2016 (arXiv
        1606.09375); the largest eigenvalue of the Laplacian is taken as 2.
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "symmetric"), self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class GraphSAGE(GraphPrimitive):
    """GraphSAGE with the mean of all neighbors: `x W + D^-1 A x V`.

    Reference:
        Hamilton et al., "Inductive Representation Learning on Large Graphs", 2017 (arXiv 1706.02216).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "sum"), Pooled(self.graph, "mean"), self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class ARMA(GraphPrimitive):
    """Auto-regressive moving average filter of one stack and one step: `ReLU(D^-1/2 A D^-1/2 x V + x W)`.

    Reference:
        Bianchi et al., "Graph Neural Networks with Convolutional ARMA Filters", 2021 (arXiv 1901.01343).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "symmetric"), self.linear(), Relu()]


@keras.saving.register_keras_serializable(package="kerasnas")
class KGNN(GraphPrimitive):
    """The layer of k-GNN at k = 1: `x W + A x V`.

    Reference:
        Morris et al., "Weisfeiler and Leman Go Neural: Higher-Order Graph Neural Networks", 2019 (arXiv 1810.02244).
    """

    def messages(self) -> list[keras.layers.Layer]:
        return [Neighbors(self.graph, "sum"), self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class FullyConnected(GraphPrimitive):
    """A dense kernel, `x W`, which reads no neighbors."""

    def messages(self) -> list[keras.layers.Layer]:
        return [self.linear()]


@keras.saving.register_keras_serializable(package="kerasnas")
class Projection(Primitive):
    """First layers of a graph network: a dense kernel, near the identity by default, and batch norm for each node."""

    settings = {"near_identity": (True, checks.boolean)}
    near_identity: bool

    def stages(self) -> list[keras.layers.Layer]:
        return [_linear(self), BatchNorm(self.affine)]


def _linear(layer: Any) -> Linear:
    return Linear(layer.filters, layer.copies, NearIdentity() if layer.near_identity else "glorot_uniform")


@GRAPH_PRIMITIVES.register("skip_connect")
def _skip(graph: Graph, filters: int, affine: bool = True, copies: int = 1, **kwargs: Any) -> Identity:
    named = {name: value for name, value in kwargs.items() if name not in ("activation", "near_identity")}
    return Identity(filters, 1, affine, copies, **named)  # it has neither


for name, factory in (
    *(("gat", GAT), ("gcn", GCN), ("gin", GIN), ("cheb", ChebNet), ("sage", GraphSAGE)),
    *(("arma", ARMA), ("graph", KGNN), ("fc", FullyConnected)),
):
    GRAPH_PRIMITIVES.register(name, factory)
