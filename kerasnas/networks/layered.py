"""A skeleton read twice: once into layers, in the order of its calls, then again with these layers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.networks.initialization import head_dtype
from kerasnas.networks.skeleton import Filler, HasSkeleton, Shape, ShapeFiller, check_skeleton, input_shape_for
from kerasnas.primitives.base import takes_training
from kerasnas.relaxations.base import split_variables

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


class SkeletonModel(keras.Model):
    """Base of supernets: the model of a skeleton, read into layers when it is made."""

    built: bool

    def __init__(
        self,
        space: HasSkeleton | dict[str, Any],
        input_shape: tuple[int, ...],
        num_classes: int,
        seed: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.space: Any = keras.saving.deserialize_keras_object(space) if isinstance(space, dict) else space
        self.image_shape = input_shape_for(check_skeleton(self.space), input_shape)
        self.num_classes = checks.size("num_classes", num_classes)
        self.seed = checks.seed(seed)

    def read_skeleton(self, builder: LayerBuilder) -> None:
        """Build the layers, the last of which is the classifier."""
        self.space.skeleton(builder, self.image_shape)
        self.parts = builder.layers
        self.classifier = self.parts[-1]
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: the constructor builds everything."""

    @property
    def architecture_parameters(self) -> list[Any]:
        """Alphas, one table `(edges, primitives)` for each kind of cell; then the betas or those of the inputs.

        Empty where children share weights: a controller chooses the architecture, and learns from rewards.
        """
        return split_variables(self.trainable_variables)[1]

    @property
    def network_weights(self) -> list[Any]:
        """Trainable variables that are not alphas."""
        return split_variables(self.trainable_variables)[0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "space": keras.saving.serialize_keras_object(self.space),
            "input_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "seed": self.seed,
        }
