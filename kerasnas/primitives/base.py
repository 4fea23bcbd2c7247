"""Primitive: a chain of stages, computed fused in a supernet and spelled out in a discrete network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.registry import Registry

PRIMITIVES = Registry("primitive")
GRAPH_PRIMITIVES = Registry("graph primitive")
"""Name -> `(graph, filters, affine) -> Layer`, of layers that map `(nodes, channels)` to `(nodes, filters)`."""


@checks.arguments(name=checks.name)
def register_primitive(name: str) -> Callable:
    """A decorator that registers a primitive under `name`, for use in `MixedOp` and in every space.

    The factory takes `(filters, strides, affine)` and returns a `keras.layers.Layer` that maps
    `(batch, height, width, channels)` to `(batch, height / strides, width / strides, filters)`, or signals
    `(batch, length, channels)` to `(batch, length / strides, filters)`, or either.

    Raises:
        ValueError: if the name is taken.

    Example:

    >>> @register_primitive("scaled_skip")
    ... def scaled_skip(filters, strides, affine):
    ...     return keras.layers.Rescaling(0.5)
    >>> primitive("scaled_skip", filters=4)(ops.ones((1, 2, 2, 4))).shape
    TensorShape([1, 2, 2, 4])
    >>> PRIMITIVES.unregister("scaled_skip")
    """
    return PRIMITIVES.register(name)


def primitive(
    name: str, filters: int, strides: int = 1, affine: bool = True, graph: Any = None, **options: Any
) -> keras.layers.Layer:
    """A new layer of the primitive registered as `name`; with a `graph`, of the graph primitive.

    Args:
        name: of the primitive.
        filters, strides, affine: see `Primitive`.
        graph: the `Graph` whose nodes are the samples. Defaults to None: samples are images or signals.
        options: further arguments of the layer.

    Raises:
        ValueError: for an unknown name (the error names the nearest one), and as the primitive does.
    """
    if graph is not None:
        return GRAPH_PRIMITIVES[name](graph=graph, filters=filters, affine=affine, **options)
    return PRIMITIVES[name](filters=filters, strides=strides, affine=affine, **options)


class Primitive(keras.layers.Layer):
    """Base of the built-in primitives: one candidate operation of a choice, on images or on signals.

    Its kernels are made for the rank of the first input's shape: windows of `k` by `k` pixels of an image, or of `k`
    steps of a signal. A subclass writes `stages()`: the layers that its computation is a chain of. The base class runs
    them in a supernet, where `copies` independent instances that read the same input are computed
    side by side (all edges that leave one node of a cell), and spells them out as standard Keras layers
    for a discrete network (`expand`). Windows lie as with Keras' `padding="same"`.

    In a supernet the stages are called as plain functions: Keras' bookkeeping for each of a thousand small layers was a
    good part of the 22 s that a first step took.

    Args:
        filters: number of output channels (of each copy).
        strides: 1, or 2 to halve height and width, or length. Defaults to 1.
        affine: whether batch norm learns scale and offset. Defaults to True.
        copies: number of independent instances; their outputs are concatenated. Defaults to 1.

    Call arguments:
        inputs: tensor `(batch, height, width, channels)`, or `(batch, length, channels)`.
        scale: optional tensor `(copies * filters,)`: the mixing weight of each channel of the output.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Tensor `(batch, height / strides, width / strides, copies * filters)`, or
        `(batch, length / strides, copies * filters)`.

    Raises:
        ValueError: for a non-positive `filters` or `copies`, `strides` other than 1 and 2, or an `affine` that is not a
            boolean.
    """

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # a float32 `scale` must stay float32
        self.filters = checks.size("filters", filters)
        self.strides = checks.size("strides", strides, (1, 2))
        self.affine = checks.boolean("affine", affine)
        self.copies = checks.size("copies", copies)
        self.chain = [self._under_policy(stage) for stage in self.stages()]

    def _under_policy(self, stage: keras.layers.Layer) -> keras.layers.Layer:
        stage.dtype_policy = self.dtype_policy
        return stage

    def stages(self) -> list[keras.layers.Layer]:
        """The layers that this primitive chains; the last one takes `scale`."""
        raise NotImplementedError

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        for stage in self.chain:
            stage.build(inputs_shape)
            inputs_shape = stage.compute_output_shape(inputs_shape)

    def call(self, inputs: Tensor, scale: Tensor = None, training: bool | None = None) -> Tensor:
        return self.mix(ops.cast(inputs, self.compute_dtype), scale, training, {})

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        """As `call`, sharing stages with other primitives that read the same input.

        Args:
            inputs, scale, training: as for `call`; `inputs` in the compute dtype.
            shared: names of the stages applied to `inputs` so far -> their result; this primitive adds its own. Only
                stages without weights are shared: ReLU, pools, and the copies of their result.
        """
        x = inputs
        done: tuple | None = ()
        for stage in self.chain[:-1]:
            done = (*done, stage.shared_as) if stage.shared_as and done is not None else None
            if done in shared:
                x = shared[done]
                continue
            x = stage.call(x, training=training) if takes_training(stage) else stage.call(x)
            if done is not None:
                shared[done] = x
        return self.chain[-1].call(x, scale=scale, training=training)

    def part(self, values: list[Any]) -> list[list[Any]]:
        """Values of `variables`, split into those of each copy."""
        split = [ops.split(value, self.copies, axis=_copies_axis(value)) for value in values]
        return [[value[copy] for value in split] for copy in range(self.copies)]

    def join(self, parts: list[list[Any]]) -> list[Any]:
        """The inverse of `part`."""
        return [ops.concatenate(values, axis=_copies_axis(values[0])) for values in zip(*parts, strict=True)]

    def compute_output_shape(self, inputs_shape: tuple, scale_shape: Any = None) -> tuple:
        for stage in self.chain:
            inputs_shape = stage.compute_output_shape(inputs_shape)
        return inputs_shape

    def expand(self, x: Tensor) -> Any:
        """Apply the same computation to a `KerasTensor` as new standard Keras layers (`copies` must be 1)."""
        return apply_standard(self.chain, x)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "strides": self.strides, "affine": self.affine, "copies": self.copies}
        return {**super().get_config(), **own}


def expand(layer: keras.layers.Layer, x: Tensor) -> Any:
    """Apply a primitive or a stage to a `KerasTensor` as standard Keras layers; a user's own layer as it is."""
    return layer.expand(x) if isinstance(layer, Primitive | Stage) else layer(x)


def _copies_axis(value: Any) -> int:
    return 2 if len(value.shape) == 4 else 0  # depthwise kernels have their copies among the channels


class Stage(keras.layers.Layer):
    """One step of a primitive: a layer with the standard Keras layers that spell it out.

    `shared_as` names the function of a stage without weights: stages of the same name are interchangeable.
    """

    shared_as = ""

    def read(self, kernel: Tensor, inputs: Tensor) -> Any:
        """The value of `kernel` in the precision of `inputs`."""
        return ops.cast(ops.convert_to_tensor(kernel), inputs.dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape

    def standard(self) -> list[Callable]:
        """Standard Keras layers (or functions of a KerasTensor made of them), applied in turn."""
        raise NotImplementedError

    def expand(self, x: Tensor) -> Any:
        """Apply the same computation to a `KerasTensor` as new standard Keras layers."""
        return apply_standard([self], x)


def apply_standard(stages: Iterable[Stage], x: Tensor) -> Any:
    """Spell out a chain of stages as new standard Keras layers.

    Args:
        stages: `Stage`s, or layers that have their `standard()`, in the order in which they are applied.
        x: a `KerasTensor`.

    Returns:
        The `KerasTensor` after the last stage.

    Example:

    >>> apply_standard([Relu(), Subsample()], keras.Input((8, 8, 3))).shape
    (None, 4, 4, 3)
    """
    for stage in stages:
        for layer in stage.standard():
            x = layer(x)
    return x


def run_stages(stages: Iterable[Any], x: Tensor, training: bool | None) -> Any:
    """A tensor after a chain of built stages, called as plain functions.

    Example:

    >>> run_stages([Relu(), Subsample()], ops.ones((1, 8, 8, 3)), training=False).shape
    TensorShape([1, 4, 4, 3])
    """
    for stage in stages:
        x = stage.call(x, training=training) if takes_training(stage) else stage.call(x)
    return x


class Relu(Stage):
    """max(x, 0)."""

    shared_as = "relu"

    def call(self, inputs: Tensor) -> Tensor:
        return ops.relu(inputs)

    def standard(self) -> list[Callable]:
        return [keras.layers.ReLU()]


class Repeat(Stage):
    """The input `copies` times, side by side in the channels."""

    def __init__(self, copies: int):
        super().__init__()
        self.copies, self.shared_as = copies, f"repeat {copies}"

    def call(self, inputs: Tensor) -> Tensor:
        return inputs if self.copies == 1 else ops.concatenate([inputs] * self.copies, axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] * self.copies)

    def standard(self) -> list[Callable]:
        return []


class Subsample(Stage):
    """Every second pixel of every second row, or every second step.

    It is a pooling of size 1, as a strided slice has a slow gradient.
    """

    shared_as = "subsample"

    def call(self, inputs: Tensor) -> Tensor:
        return ops.average_pool(inputs, 1, strides=2, padding="same", data_format="channels_last")

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return halve(inputs_shape)

    def standard(self) -> list[Callable]:
        return [by_rank("AveragePooling", pool_size=1, strides=2, padding="same")]


def takes_training(layer: keras.layers.Layer) -> bool:
    """Tell if `layer.call` has an argument `training`.

    Example:

    >>> takes_training(keras.layers.Dropout(0.5)), takes_training(keras.layers.ReLU())
    (True, False)
    """
    return "training" in inspect.signature(layer.call).parameters


def halve(shape: tuple) -> tuple:
    """The shape after one step of stride 2 with "same" padding.

    Example:

    >>> halve((None, 5, 4, 3)), halve((None, None, 3))
    ((None, 3, 2, 3), (None, None, 3))
    """
    batch, *sizes, channels = shape
    return batch, *(None if size is None else -(-size // 2) for size in sizes), channels


def spatial_rank(x: Tensor) -> int:
    """The number of axes between batch and channels: 2 for images, 1 for signals."""
    return len(x.shape) - 2


def by_rank(name: str, **options: Any) -> Callable:
    """A function that applies a new standard layer to a KerasTensor: "Conv" is `Conv2D` or, on signals, `Conv1D`.

    Args:
        name: name of the layer's class without its rank.
        **options: arguments of the layer.

    Example:

    >>> by_rank("MaxPooling", pool_size=2)(keras.Input((8, 3))).shape
    (None, 4, 3)
    """

    def apply(x: Tensor) -> Any:
        return getattr(keras.layers, f"{name}{spatial_rank(x)}D")(**options, data_format="channels_last")(x)

    return apply
