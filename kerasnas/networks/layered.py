"""A skeleton read twice: once into layers, in the order of its calls, then again with these layers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.networks.initialization import head_dtype
from kerasnas.networks.skeleton import Filler, HasSkeleton, Shape, ShapeFiller
from kerasnas.primitives.base import takes_training

_POOLS = {1: keras.layers.GlobalAveragePooling1D, 2: keras.layers.GlobalAveragePooling2D}


class LayerBuilder(ShapeFiller):
    """Reads a skeleton into layers and builds them; the values are shapes."""

    def __init__(self, space: HasSkeleton, num_classes: int, policy: keras.DTypePolicy, affine: bool):
        super().__init__(space, num_classes, affine)
        self.policy = policy
        self.layers: list[Any] = []

    @abc.abstractmethod
    def block_layer(self, factory: Callable[..., Any], *arguments: Any, **options: Any) -> keras.layers.Layer:
        """Return the layer of a fixed block."""

    def block(self, x: Shape, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Shape:
        layer = self.block_layer(factory, *arguments, **options)
        layer.build((None, *x))
        self.layers.append(layer)
        return self.seen(layer.compute_output_shape((None, *x))[1:])

    def pool(self, x: Shape) -> Shape:
        self.layers.append(_POOLS[len(x) - 1](data_format="channels_last"))
        return super().pool(x)

    def classify(self, x: Shape) -> Shape:
        layer = keras.layers.Dense(self.num_classes, dtype=head_dtype(self.policy))
        layer.build((None, x[-1]))
        self.layers.append(layer)
        return super().classify(x)


class LayerRunner(Filler):
    """Reads a skeleton with the layers of a `LayerBuilder`; the values are tensors."""

    def __init__(self, space: HasSkeleton, layers: Sequence[Any], training: bool | None):
        self.space, self.training = space, training
        self._layers = iter(layers)

    def next_layer(self) -> Any:
        """Return the layer at this place of the skeleton."""
        return next(self._layers)

    def block(self, x: Tensor, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        layer = self.next_layer()
        return layer(x, training=self.training) if takes_training(layer) else layer(x)

    def concatenate(self, values: Sequence[Tensor]) -> Any:
        return ops.concatenate(list(values), axis=-1) if len(values) > 1 else values[0]

    def pool(self, x: Tensor) -> Any:
        return self.next_layer()(x)

    def classify(self, x: Tensor) -> Any:
        return self.next_layer()(x)
