"""ENAS' whole networks: the supernet whose children share the weights of every layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.networks.weight_sharing import Stem, WeightSharingSupernet, keep
from kerasnas.primitives import ReLUConvBN, primitive
from kerasnas.primitives.mixed_op import check_primitives

STAGES = 3  # parts of the network between which the image is halved and the filters doubled


def macro_plan(num_layers: int, filters: int) -> tuple[int, ...]:
    """The filters of each layer: they double, and the image halves, after each third of the layers.

    Example:

    >>> macro_plan(6, 8)
    (8, 8, 16, 16, 32, 32)
    """
    checks.size("num_layers", num_layers)
    return tuple(filters * 2 ** (STAGES * layer // num_layers) for layer in range(num_layers))


def macro_halvings(num_layers: int, stem_strides: int) -> int:
    """How often the network halves the image."""
    return len(set(macro_plan(num_layers, 1))) - 1 + (stem_strides == 2)


def macro_skeleton(
    inputs: Any, plan: Sequence[int], stem: Callable, layers: Sequence[Callable], halve: Callable, head: Callable
) -> Any:
    """The network: layer `t` reads of all outputs before it, the stem's first; the head reads all of them.

    Where the filters double, all outputs so far are halved.
    """
    states = [stem(inputs)]
    for number, (layer, filters) in enumerate(zip(layers, plan, strict=True)):
        if number and filters != plan[number - 1]:
            states = [halve(state) for state in states]
        states.append(layer(states))
    return head(states[1:])


@keras.saving.register_keras_serializable(package="kerasnas")
class MacroSupernet(WeightSharingSupernet):
    """The supernet of ENAS' macro space: a child chooses the primitive of each layer, and which layers it reads.

    A layer concatenates the outputs of the layers it reads (of the stem where it reads none), brings them to its
    filters by ReLU, a 1x1 convolution and batch norm, and applies its primitive. The classifier reads the global
    averages of the layers that no layer reads. The 1x1 convolution and the classifier have weights of their own for
    each layer that may be read.

    Args:
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        filters: channels of the layers in the first third; each later third has twice as many.
        num_layers: number of layers after the stem.
        primitives: names of the candidates.
        stem_strides: 1, or 2 to let the stem halve the image: a quarter of the work. Defaults to 1.
        seed: seed of all start values. Defaults to 0.

    Call arguments, Returns: as for `WeightSharingSupernet`.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int,
        num_layers: int,
        primitives: Sequence[str],
        stem_strides: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ):
        num_choices = num_layers + num_layers * (num_layers - 1) // 2
        halvings = macro_halvings(num_layers, stem_strides)
        super().__init__(input_shape, num_classes, num_choices, halvings, seed, **kwargs)
        self.filters, self.num_layers, self.stem_strides = filters, num_layers, stem_strides
        self.primitives = check_primitives(primitives)
        self.plan = macro_plan(num_layers, filters)

        self.stem = self.share([Stem(filters, stem_strides)])
        self.stem.build((None, *self.image_shape))
        shapes = [self.stem.compute_output_shape()]
        self.halve = halving_pool()
        self.bottlenecks, self.operations = [], []
        for number, width in enumerate(self.plan):
            if number and width != self.plan[number - 1]:
                shapes = [self.halve.compute_output_shape(shape) for shape in shapes]
            bottleneck = self.share([ReLUConvBN(width)])
            bottleneck.build((*shapes[0][:-1], sum(shape[-1] for shape in shapes)))
            operation = self.share([primitive(name, width) for name in self.primitives])
            operation.build(bottleneck.compute_output_shape())
            shapes.append(operation.compute_output_shape())
            self.bottlenecks.append(bottleneck)
            self.operations.append(operation)
        self.pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        self.finish(sum(self.plan))

    def features(self, inputs: Any, architecture: Any) -> Any:
        decisions = ops.unstack(ops.reshape(architecture, (self.num_choices,)))
        start, chosen = 0, []
        for number in range(self.num_layers):
            chosen.append((decisions[start], [bit > 0 for bit in decisions[start + 1 : start + 1 + number]]))
            start += 1 + number

        def layer(number: int) -> Callable:
            index, skips = chosen[number]

            def apply(states: list[Any]) -> Any:
                reads = [ops.logical_not(ops.any(ops.stack(skips))) if skips else True, *skips]
                x = ops.concatenate([keep(state, read) for state, read in zip(states, reads, strict=True)], axis=-1)
                return self.operations[number](self.bottlenecks[number](x), index)

            return apply

        def head(states: list[Any]) -> Any:
            ends = []
            for number, state in enumerate(states):
                readers = [skips[number] for _, skips in chosen[number + 1 :]]
                loose = ops.logical_not(ops.any(ops.stack(readers))) if readers else True
                ends.append(keep(self.pool(state), loose))
            return ops.concatenate(ends, axis=-1)

        layers = [layer(number) for number in range(self.num_layers)]
        return macro_skeleton(inputs, self.plan, self.stem, layers, self.halve, head)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_layers": self.num_layers,
            "primitives": list(self.primitives),
            "stem_strides": self.stem_strides,
        }


def halving_pool() -> keras.layers.Layer:
    """2x2 average pooling: what brings the outputs of earlier layers to the size of a later third."""
    return keras.layers.AveragePooling2D(2, padding="same", data_format="channels_last")
