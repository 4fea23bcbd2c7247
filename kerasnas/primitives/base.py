"""Primitive: a chain of stages, computed fused in a supernet and spelled out in a discrete network."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.registry import Registry

PRIMITIVES = Registry("primitive")
GRAPH_PRIMITIVES = Registry("graph primitive")
"""Name -> `(graph, filters, affine) -> Layer`, of layers that map `(nodes, channels)` to `(nodes, filters)`."""
_MASK = ("mask",)  # key of the mask among shared results; those of stages are tuples of names


@checks.arguments(name=checks.name)
def register_primitive(name: str) -> Callable:
    """Register a primitive under `name`, for `MixedOp` and every space: a decorator of its factory.

    The factory takes `(filters, strides, affine)` and returns a `keras.layers.Layer` that maps images
    `(batch, height, width, channels)` to `(batch, height / strides, width / strides, filters)`, signals
    `(batch, length, channels)` to `(batch, length / strides, filters)`, or both.

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
    """Return a new layer of the primitive registered as `name`, or, given a `graph`, of the graph primitive."""
    if graph is not None:
        return GRAPH_PRIMITIVES[name](graph=graph, filters=filters, affine=affine, **options)
    return PRIMITIVES[name](filters=filters, strides=strides, affine=affine, **options)


class Primitive(keras.layers.Layer):
    """Base of the built-in primitives: one candidate operation of a choice, on images or signals.

    A subclass writes `stages()`, the layers that its computation chains. In a supernet the base class runs them for
    `copies` independent instances that read the same input (all edges that leave one node of a cell); in a discrete
    network it spells them out as standard Keras layers (`expand`). Kernels take the rank of the first input: windows
    of `k` by `k` pixels or of `k` steps, placed as with Keras' `padding="same"`.

    Args:
        filters: number of output channels (of each copy).
        strides: 1, or 2 to halve height and width, or length. Defaults to 1.
        affine: whether batch norm learns scale and offset. Defaults to True.
        copies: number of independent instances; their outputs are concatenated. Defaults to 1.

    Attributes:
        settings: further arguments, name -> (default, check). They become attributes and are part of `get_config`.
        keeps_channels: whether the input must have `filters` channels. Defaults to False.
        masked: whether steps of zeros are padding, see `kerasnas.primitives.masked.Masked`. Defaults to False.

    Call arguments:
        inputs: tensor `(batch, height, width, channels)`, or `(batch, length, channels)`.
        scale: optional tensor `(copies * filters,)`: the mixing weight of each output channel.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Tensor `(batch, height / strides, width / strides, copies * filters)`, or
        `(batch, length / strides, copies * filters)`.

    Raises:
        ValueError: for a non-positive `filters` or `copies`, `strides` other than 1 and 2, or an `affine` that is not a
            boolean.
    """

    settings: Mapping[str, tuple[Any, Callable[[str, Any], Any]]] = {}
    keeps_channels = False
    masked = False

    def __init__(self, filters: int, strides: int = 1, affine: bool = True, copies: int = 1, **kwargs: Any):
        given = {name: kwargs.pop(name, default) for name, (default, _) in self.settings.items()}
        super().__init__(autocast=False, **kwargs)  # a float32 `scale` must stay float32
        self.filters = checks.size("filters", filters)
        self.strides = checks.size("strides", strides, (1, 2))
        self.affine = checks.boolean("affine", affine)
        self.copies = checks.size("copies", copies)
        for name, (_, check) in self.settings.items():
            setattr(self, name, check(name, given[name]))
        self.chain = self.under_policy(self.stages())

    def under_policy(self, stages: Iterable[keras.layers.Layer]) -> list[Any]:
        """Return `stages` as a list, with this layer's precision."""
        listed = list(stages)
        for stage in listed:
            stage.dtype_policy = self.dtype_policy
        return listed

    def stages(self) -> list[keras.layers.Layer]:
        """Return the layers that this primitive chains; the last one takes `scale`."""
        raise NotImplementedError

    def keeps_shape(self, channels: int) -> bool:
        """Return True if the output has the shape of an input with this number of channels."""
        return self.strides == 1 and channels == self.filters

    def _check_channels(self, channels: int) -> None:
        if self.keeps_channels and channels != self.filters:
            raise ValueError(
                f"{type(self).__name__} keeps the number of channels. Expected `filters={channels}` for an input with "
                f"{channels} channels. Received: filters={self.filters}"
            )

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        self._check_channels(inputs_shape[-1])
        build_stages(self.chain, inputs_shape)

    def call(self, inputs: Tensor, scale: Tensor = None, training: bool | None = None) -> Tensor:
        return self.mix(ops.cast(inputs, self.compute_dtype), scale, training, {})

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        """Compute `call`, sharing stages with other primitives that read the same input.

        Stages are called as plain functions: Keras' bookkeeping for each of a thousand small layers was a good part of
        the 22 s that the first step of a DARTS supernet took.

        Args:
            inputs, scale, training: as for `call`; `inputs` in the compute dtype.
            shared: names of the stages applied to `inputs` so far -> their result; this primitive adds its own. Only
                stages without weights are shared: ReLU, pools, and the copies of their result.
        """
        x, mask = inputs, None
        done: tuple | None = ()
        if self.masked:
            mask = shared[_MASK] = shared[_MASK] if _MASK in shared else step_mask(inputs)
        for stage in self.chain[:-1]:
            done = (*done, stage.shared_as) if stage.shared_as and done is not None else None
            if done in shared:
                x = shared[done]
            else:
                x = stage.call(x, mask) if stage.reads_mask else _run(stage, x, training)
                x = x if mask is None or stage.keeps_zeros else x * mask
                if done is not None:
                    shared[done] = x
            mask = _mask_after(stage, mask)
        x = self.chain[-1].call(x, scale=scale, training=training)
        return x if mask is None else x * mask

    def part(self, values: list[Any]) -> list[list[Any]]:
        """Split the values of `variables` into those of each copy."""
        split = [ops.split(value, self.copies, axis=_copies_axis(value)) for value in values]
        return [[value[copy] for value in split] for copy in range(self.copies)]

    def join(self, parts: list[list[Any]]) -> list[Any]:
        """Invert `part`."""
        return [ops.concatenate(values, axis=_copies_axis(values[0])) for values in zip(*parts, strict=True)]

    def compute_output_shape(self, inputs_shape: tuple, scale_shape: Any = None) -> tuple:
        for stage in self.chain:
            inputs_shape = stage.compute_output_shape(inputs_shape)
        return inputs_shape

    def expand(self, x: Tensor) -> Any:
        """Apply the same computation to a `KerasTensor` as new standard Keras layers (`copies` must be 1)."""
        self._check_channels(x.shape[-1])
        mask = step_mask(x) if self.masked else None
        for stage in self.chain:
            for layer in stage.standard():
                x = layer(x, mask) if stage.reads_mask else layer(x)
            mask = _mask_after(stage, mask)
            x = x if mask is None or stage.keeps_zeros else keras.layers.Multiply()([x, mask])
        return x

    def get_config(self) -> dict[str, Any]:
        names = ("filters", "strides", "affine", "copies", *self.settings)
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class FixedPrimitive(Primitive):
    """A chain of stages that is not part of a choice, and takes no mixing weight."""

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        return run_stages(self.chain, inputs, training)


def expand(layer: keras.layers.Layer, x: Tensor) -> Any:
    """Apply a primitive or a stage to a `KerasTensor` as standard Keras layers; a user's own layer as it is."""
    return layer.expand(x) if isinstance(layer, Primitive | Stage) else layer(x)


def _copies_axis(value: Any) -> int:
    return 2 if len(value.shape) == 4 else 0  # depthwise kernels have their copies among the channels


def step_mask(x: Any) -> Any:
    """Return 1 at the steps of padded sequences, 0 at their padding: `(batch, length, 1)`, in the precision of `x`."""
    return ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), x.dtype)


def _mask_after(stage: Stage, mask: Any) -> Any:
    """Return the mask after a stage: every second step, starting with the first, if the stage halves the length."""
    return mask[:, ::2] if mask is not None and stage.strides == 2 else mask


class Stage(keras.layers.Layer):
    """One step of a primitive: a layer that also has the standard Keras layers of the same computation.

    Attributes:
        shared_as: name of the function of a stage without weights: stages of one name are interchangeable.
        reads_mask: whether `call` and the functions of `standard` take `(x, mask)`, with the mask of padded sequences.
        keeps_zeros: whether padding stays zero.
    """

    shared_as = ""
    reads_mask = False
    keeps_zeros = True
    strides = 1

    def read(self, kernel: Tensor, inputs: Tensor) -> Any:
        """Return the value of `kernel` in the precision of `inputs`."""
        return ops.cast(ops.convert_to_tensor(kernel), inputs.dtype)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return inputs_shape if self.strides == 1 else halve(inputs_shape)

    def standard(self) -> list[Callable]:
        """Return standard Keras layers (or functions of a KerasTensor made of them), applied in turn."""
        raise NotImplementedError

    def expand(self, x: Tensor) -> Any:
        """Apply the same computation to a `KerasTensor` as new standard Keras layers."""
        return apply_standard([self], x)


def build_stages(stages: Iterable[keras.layers.Layer], inputs_shape: tuple) -> None:
    """Build a chain of stages."""
    for stage in stages:
        stage.build(inputs_shape)
        inputs_shape = stage.compute_output_shape(inputs_shape)


def apply_standard(stages: Iterable[Stage], x: Tensor) -> Any:
    """Apply a chain of stages to a `KerasTensor` as new standard Keras layers."""
    for stage in stages:
        for layer in stage.standard():
            x = layer(x)
    return x


def run_stages(stages: Iterable[Any], x: Tensor, training: bool | None) -> Any:
    """Apply a chain of built stages, called as plain functions, to a tensor."""
    for stage in stages:
        x = _run(stage, x, training)
    return x


def _run(stage: Any, x: Tensor, training: bool | None) -> Any:
    return stage.call(x, training=training) if takes_training(stage) else stage.call(x)


class Elementwise(Stage):
    """A function of each value: Keras' operation of this name; `make` returns the standard layer."""

    def __init__(self, name: str, make: Callable[[], keras.layers.Layer]):
        super().__init__()
        self.shared_as, self._function, self._make = name, getattr(ops, name), make

    def call(self, inputs: Tensor) -> Tensor:
        return self._function(inputs)

    def standard(self) -> list[Callable]:
        return [self._make()]


Relu = functools.partial(Elementwise, "relu", keras.layers.ReLU)


class Repeat(Stage):
    """The input `copies` times, concatenated along the channels."""

    def __init__(self, copies: int):
        super().__init__()
        self.copies, self.shared_as = copies, f"repeat {copies}"

    def call(self, inputs: Tensor) -> Tensor:
        return inputs if self.copies == 1 else ops.concatenate([inputs] * self.copies, axis=-1)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (*inputs_shape[:-1], inputs_shape[-1] * self.copies)

    def standard(self) -> list[Callable]:
        return []


class Pool(Stage):
    """Pooling over `size` by `size` pixels, or `size` steps of a signal; the average does not count the padding."""

    def __init__(self, kind: str, size: int, strides: int):
        super().__init__()
        self.kind, self.size, self.strides, self.shared_as = kind, size, strides, f"{kind} pool {size} {strides}"

    def call(self, inputs: Tensor) -> Tensor:
        pool = ops.max_pool if self.kind == "max" else ops.average_pool
        return pool(inputs, self.size, strides=self.strides, padding="same", data_format="channels_last")

    def standard(self) -> list[Callable]:
        pool = "MaxPooling" if self.kind == "max" else "AveragePooling"
        return [by_rank(pool, pool_size=self.size, strides=self.strides, padding="same")]


# Every second pixel of every second row, or every second step. The gradient of a strided slice is slow.
Subsample = functools.partial(Pool, "average", 1, 2)


def takes_training(layer: keras.layers.Layer) -> bool:
    """Return True if `layer.call` has an argument `training`."""
    return "training" in inspect.signature(layer.call).parameters


def halve(shape: tuple) -> tuple:
    """Return the shape after one step of stride 2 with "same" padding."""
    batch, *sizes, channels = shape
    return batch, *(None if size is None else -(-size // 2) for size in sizes), channels


def spatial_rank(x: Tensor) -> int:
    """Return the number of axes between batch and channels: 2 for images, 1 for signals."""
    return len(x.shape) - 2


def by_rank(name: str, **options: Any) -> Callable:
    """A function that applies a new standard layer to a KerasTensor: "Conv" is `Conv2D`, or `Conv1D` on signals."""

    def apply(x: Tensor) -> Any:
        return getattr(keras.layers, f"{name}{spatial_rank(x)}D")(**options, data_format="channels_last")(x)

    return apply
