"""Blocks of whole networks, residual or not: convolution, separable convolution, ResNet's two, MobileNetV2's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.primitives.base import Primitive, Relu, Stage, apply_standard, build_stages, by_rank, run_stages
from kerasnas.primitives.convolutions import Convolution, Depthwise, Pointwise
from kerasnas.primitives.mobile import Expansion
from kerasnas.primitives.normalization import BatchNorm


class FunctionalStage(Stage):
    """A stage that writes `standard()` alone; it computes with a functional model of those layers.

    The model is built for the shape of the first input.
    """

    def build(self, inputs_shape: tuple) -> None:
        inputs = keras.Input(inputs_shape[1:])
        self.model = keras.Model(inputs, apply_standard([self], inputs))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.model(inputs, training=training)

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], *self.model.output_shape[1:]) if self.built else inputs_shape


class Block(Primitive):
    """Base of the blocks of whole networks: a chain of stages, with a shortcut if it is residual.

    A block is not part of a supernet's choice, so it takes neither copies nor a mixing weight. `kernel_size` is the
    size of its windows (default: 3).

    Attributes:
        residual: whether blocks of this class have a shortcut, so that drop-path may drop the rest of them.
        projects: whether there is one to another shape too: a 1x1 convolution and batch norm.
        activates: whether ReLU follows the sum with the shortcut.
    """

    settings: Mapping[str, tuple[Any, Callable[[str, Any], Any]]] = {"kernel_size": (3, checks.size)}
    kernel_size: int
    residual = projects = False
    activates = True
    beside: list[Any] | None = None

    def shortcut(self, channels: int) -> list[Stage] | None:
        """Return new stages of the shortcut of an input with this number of channels; None if nothing is added."""
        if self.residual and self.keeps_shape(channels):
            return []
        return [Convolution(self.filters, 1, self.strides), BatchNorm(self.affine)] if self.projects else None

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        super().build(inputs_shape, scale_shape)
        stages = self.shortcut(inputs_shape[-1])
        if stages is not None:
            self.beside = self.under_policy(stages)
            build_stages(self.beside, inputs_shape)

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        y = run_stages(self.chain, inputs, training)
        if self.beside is None:
            return y
        y = y + run_stages(self.beside, inputs, training)
        return ops.relu(y) if self.activates else y

    def expand(self, x: Tensor, drop_path: Callable[[Any], Any] | None = None) -> Any:
        """Expand as `Primitive` does; `drop_path` is applied to the chain before a shortcut is added."""
        y, beside = super().expand(x), self.shortcut(x.shape[-1])
        if beside is None:
            return y
        y = keras.layers.Add()([apply_standard(beside, x), y if drop_path is None else drop_path(y)])
        return keras.layers.ReLU()(y) if self.activates else y


class ConvBlock(Block):
    """A convolution, batch norm and ReLU, as in VGG with batch norm.

    Reference:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015 (arXiv
        1409.1556); Ioffe and Szegedy, "Batch Normalization", 2015 (arXiv 1502.03167).
    """

    def stages(self) -> list[keras.layers.Layer]:
        return [Convolution(self.filters, self.kernel_size, self.strides), BatchNorm(self.affine), Relu()]


class SeparableBlock(Block):
    """The depthwise separable convolution of MobileNet: depthwise, then 1x1, each with batch norm and ReLU.

    Reference:
        Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017 (arXiv
        1704.04861).
    """

    def stages(self) -> list[keras.layers.Layer]:
        window = [Depthwise(self.kernel_size, self.strides), BatchNorm(self.affine), Relu()]
        return [*window, Pointwise(self.filters), BatchNorm(self.affine), Relu()]


class ResidualBlock(Block):
    """The basic block of ResNet: two convolutions, and a shortcut that is a 1x1 convolution where the shape changes.

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", 2016 (arXiv 1512.03385), figure 2; the shortcut is
        option B of section 3.3.
    """

    residual = projects = True

    def stages(self) -> list[keras.layers.Layer]:
        first = [Convolution(self.filters, self.kernel_size, self.strides), BatchNorm(self.affine), Relu()]
        return [*first, Convolution(self.filters, self.kernel_size), BatchNorm(self.affine)]


class BottleneckBlock(Block):
    """The bottleneck of ResNet: 1x1 to a quarter of the filters, a convolution of windows, 1x1 to the filters.

    The convolution of windows strides, as in later implementations of the paper.

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", 2016 (arXiv 1512.03385), figure 5.
    """

    residual = projects = True

    def stages(self) -> list[keras.layers.Layer]:
        narrow = max(1, self.filters // 4)
        first = [Pointwise(narrow), BatchNorm(self.affine), Relu()]
        window = [Convolution(narrow, self.kernel_size, self.strides), BatchNorm(self.affine), Relu()]
        return [*first, *window, Pointwise(self.filters), BatchNorm(self.affine)]


class InvertedBlock(Block):
    """The inverted bottleneck of MobileNetV2 with the squeeze-excitation of MnasNet.

    1x1, depthwise, squeeze-excitation, 1x1, each convolution with batch norm, the first two also with ReLU. The first
    1x1 convolution has `EXPANSION` times the channels of the input, the squeezed vector a quarter of the input's. If
    the shape is kept, the input is added.

    Reference:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018 (arXiv 1801.04381); Tan et al.,
        "MnasNet: Platform-Aware Neural Architecture Search for Mobile", 2019 (arXiv 1807.11626), figure 7.
    """

    EXPANSION = 4
    residual = True
    activates = False

    def stages(self) -> list[keras.layers.Layer]:
        wide = [Expansion(self.EXPANSION), BatchNorm(self.affine), Relu()]
        window = [Depthwise(self.kernel_size, self.strides), BatchNorm(self.affine), Relu()]
        return [*wide, *window, SqueezeExcitation(4 * self.EXPANSION), Pointwise(self.filters), BatchNorm(self.affine)]


class SqueezeExcitation(Stage):
    """Squeeze-excitation: each channel times a gate in (0, 1) that two dense layers compute from all channels' means.

    The first dense layer has `reduction` times fewer units than there are channels.

    Reference:
        Hu et al., "Squeeze-and-Excitation Networks", 2018 (arXiv 1709.01507).
    """

    def __init__(self, reduction: int):
        super().__init__()
        self.reduction = reduction

    def units(self, channels: int) -> int:
        """Return the number of units of the first dense layer."""
        return max(1, channels // self.reduction)

    def build(self, inputs_shape: tuple) -> None:
        channels = inputs_shape[-1]
        units = self.units(channels)
        self.squeeze = self.add_weight(name="squeeze", shape=(channels, units))
        self.squeeze_bias = self.add_weight(name="squeeze_bias", shape=(units,), initializer="zeros")
        self.excite = self.add_weight(name="excite", shape=(units, channels))
        self.excite_bias = self.add_weight(name="excite_bias", shape=(channels,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        ones = (1,) * (len(inputs.shape) - 2)
        x = ops.mean(inputs, axis=tuple(range(1, len(inputs.shape) - 1)))
        x = ops.relu(ops.matmul(x, self.read(self.squeeze, x)) + self.read(self.squeeze_bias, x))
        x = ops.sigmoid(ops.matmul(x, self.read(self.excite, x)) + self.read(self.excite_bias, x))
        return inputs * ops.reshape(x, (-1, *ones, inputs.shape[-1]))

    def standard(self) -> list[Callable]:
        def apply(x: Tensor) -> Any:
            channels, ones = x.shape[-1], (1,) * (len(x.shape) - 2)
            gates = by_rank("GlobalAveragePooling")(x)
            gates = keras.layers.Dense(self.units(channels), activation="relu")(gates)
            gates = keras.layers.Dense(channels, activation="sigmoid")(gates)
            return keras.layers.Multiply()([x, keras.layers.Reshape((*ones, channels))(gates)])

        return [apply]
