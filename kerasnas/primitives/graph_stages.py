"""Stages of graph primitives: messages from the neighbors, attention to them, dense kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Stage
from kerasnas.primitives.graph import Graph, check_graph

NEIGHBORHOODS = ("looped", "symmetric", "sum")
SLOPE = 0.2  # of the leaky ReLU in graph attention


class _OnGraph(Stage):
    """A stage on the nodes of a graph; its input is `(nodes, channels)`, one row for every node, in order."""

    def __init__(self, graph: Graph | dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.graph = check_graph(graph)

    def rows(self, inputs: Tensor) -> Any:
        """Return `inputs`, checked to have one row for every node."""
        count = self.graph.num_nodes
        message = f"Expected a row for each of the {count} nodes of the graph, all in one batch: batch_size={count}"
        return backend.checked_rows(inputs, count, message)

    def column(self, values: np.ndarray, dtype: Any) -> Any:
        """Return one number for every node as a tensor `(nodes, 1)`."""
        return ops.convert_to_tensor(values[:, None], dtype)

    def gathered(self, x: Tensor) -> Any:
        """Sum `x` over the neighbors of each node."""
        sources, targets = self.graph.messages
        return ops.segment_sum(ops.take(x, sources, axis=0), targets, num_segments=self.graph.num_nodes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "graph": keras.saving.serialize_keras_object(self.graph)}


@keras.saving.register_keras_serializable(package="kerasnas")
class Neighbors(_OnGraph):
    """Messages from the neighbors without weights. With `A` the adjacency matrix and `D` the degrees:

    - `"looped"`: `(D + I)^-1/2 (A + I) (D + I)^-1/2 x`;
    - `"symmetric"`: `x` and `D^-1/2 A D^-1/2 x`, concatenated along the channels;
    - `"sum"`: `x` and `A x`, concatenated.
    """

    def __init__(self, graph: Graph | dict[str, Any], kind: str, **kwargs: Any):
        super().__init__(graph, **kwargs)
        self.kind = checks.one_of("kind", kind, NEIGHBORHOODS)
        self.shared_as = f"neighbors {kind}"

    def call(self, inputs: Tensor) -> Tensor:
        x = self.rows(inputs)
        if self.kind == "sum":
            return ops.concatenate([x, self.gathered(x)], axis=-1)
        degrees = self.graph.degrees + (self.kind == "looped")
        root = self.column(1 / np.sqrt(np.maximum(degrees, 1)), x.dtype)  # nothing is read where the degree is 0
        scaled = x * root
        if self.kind == "looped":
            return (self.gathered(scaled) + scaled) * root
        return ops.concatenate([x, self.gathered(scaled) * root], axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] * (1 if self.kind == "looped" else 2))

    def standard(self) -> list[Callable]:
        return [Neighbors(self.graph, self.kind)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="kerasnas")
class Pooled(_OnGraph):
    """`x + A x` (`"total"`), or `x` and the mean of the neighbors (`"mean"`), from `x` and `A x` side by side."""

    def __init__(self, graph: Graph | dict[str, Any], kind: str, **kwargs: Any):
        super().__init__(graph, **kwargs)
        self.kind = checks.one_of("kind", kind, ("total", "mean"))
        self.shared_as = f"pooled {kind}"

    def call(self, inputs: Tensor) -> Tensor:
        own, neighbors = ops.split(self.rows(inputs), 2, axis=-1)
        if self.kind == "total":
            return own + neighbors
        share = self.column(1 / np.maximum(self.graph.degrees, 1), own.dtype)
        return ops.concatenate([own, neighbors * share], axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] // 2) if self.kind == "total" else inputs_shape

    def standard(self) -> list[Callable]:
        return [Pooled(self.graph, self.kind)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="kerasnas")
class Attention(_OnGraph):
    """Graph attention: for each node and head the mean of itself and its neighbors, weighted by a softmax.

    `z_t = sum_s a_ts x_s` over `t` and its neighbors `s`, with `a_ts` the softmax over them of `LeakyReLU(u . x_t + v .
    x_s)`. The channels are those of `copies` independent instances, and of their `heads`, which must divide the
    channels of a copy.
    """

    def __init__(self, graph: Graph | dict[str, Any], copies: int = 1, heads: int = 4, **kwargs: Any):
        super().__init__(graph, **kwargs)
        self.copies, self.heads = checks.size("copies", copies), checks.size("heads", heads)

    def build(self, inputs_shape: tuple) -> None:
        channels = inputs_shape[-1] // self.copies
        if channels % self.heads:
            expected = f"a multiple of the {self.heads} heads of graph attention"
            raise ValueError(checks.invalid("filters", expected, channels))
        shape = self.copies, channels // self.heads, self.heads
        self.kernels = [self.add_weight(name=name, shape=shape) for name in ("kernel_target", "kernel_source")]

    def call(self, inputs: Tensor) -> Tensor:
        x = self.rows(inputs)
        nodes, groups = self.graph.num_nodes, self.copies * self.heads
        sources, targets = self.graph.messages
        values = ops.reshape(x, (nodes, groups, -1))
        of_target, of_source = (self._scores(values, kernel) for kernel in self.kernels)  # (nodes, groups)
        loops = ops.leaky_relu(of_target + of_source, SLOPE)
        along = ops.take(of_target, targets, axis=0) + ops.take(of_source, sources, axis=0)
        along = ops.leaky_relu(along, SLOPE)
        largest = ops.maximum(ops.segment_max(along, targets, num_segments=nodes), loops)
        largest = ops.stop_gradient(largest)  # it cancels out
        loops = ops.exp(loops - largest)
        along = ops.exp(along - ops.take(largest, targets, axis=0))
        mass = ops.segment_sum(along, targets, num_segments=nodes) + loops
        weighted = ops.expand_dims(along, -1) * ops.take(values, sources, axis=0)
        total = ops.segment_sum(weighted, targets, num_segments=nodes) + ops.expand_dims(loops, -1) * values
        return ops.reshape(total / ops.expand_dims(mass, -1), (nodes, -1))

    def _scores(self, values: Any, kernel: Tensor) -> Any:
        """Multiply each node's channels by the kernel of their head."""
        flat = ops.reshape(ops.transpose(self.read(kernel, values), (0, 2, 1)), (self.copies * self.heads, -1))
        return ops.sum(values * flat, axis=-1)

    def standard(self) -> list[Callable]:
        return [Attention(self.graph, heads=self.heads)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "copies": self.copies, "heads": self.heads}


@keras.saving.register_keras_serializable(package="kerasnas")
class NearIdentity(keras.initializers.Initializer):
    """Initial kernels near the identity, or near the mean of the input's equal parts, so that messages travel unmixed.

    With few labels, most of what a network of several operations learns is in its first and last kernels; random
    kernels between them blur the neighbors' messages. The rest is normal with variance 2 / fan-in, as in other kernels,
    and so is a kernel whose input channels are no multiple of its output channels.

    Args:
        share: of the identity; the rest is random. Defaults to 0.8.
        seed: of the random part. Defaults to 0.
    """

    def __init__(self, share: float = 0.8, seed: int = 0):
        self.share = checks.number("share", share, least=0, most=1)
        self.seed = checks.seed(seed)

    def mixed(self, drawn: np.ndarray) -> np.ndarray:
        """Mix a random kernel `(..., channels in, channels out)` with the identity."""
        channels, filters = drawn.shape[-2:]
        parts, rest = divmod(channels, filters)
        if rest or not parts:
            return drawn
        return (1 - self.share) * drawn + self.share * np.tile(np.eye(filters), (parts, 1)) / parts

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        drawn = np.random.default_rng(self.seed).standard_normal(shape) * np.sqrt(2 / shape[-2])
        return ops.convert_to_tensor(self.mixed(drawn), keras.backend.standardize_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"share": self.share, "seed": self.seed}


class Linear(Stage):
    """A dense kernel without bias for each of `copies` that read the same input."""

    def __init__(self, filters: int, copies: int = 1, kernel_initializer: Any = "glorot_uniform"):
        super().__init__()
        self.filters, self.copies = filters, copies
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, inputs_shape: tuple) -> None:
        shape = (self.copies, inputs_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)

    def call(self, inputs: Tensor) -> Tensor:
        kernel = ops.transpose(self.read(self.kernel, inputs), (1, 0, 2))
        return ops.matmul(inputs, ops.reshape(kernel, (inputs.shape[-1], -1)))

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], self.copies * self.filters)

    def standard(self) -> list[Callable]:
        return [keras.layers.Dense(self.filters, use_bias=False, kernel_initializer=self.kernel_initializer)]
