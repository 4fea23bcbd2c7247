"""A chain of searchable layers, the skeleton of ProxylessNAS: its supernet, its networks, and their parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks, relaxations
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.building import (
    check_drop_path,
    check_image_shape,
    classify,
    discrete_model,
    head_dtype,
    initialize,
)
from kerasnas.networks.chain_skeleton import SKIP, ChainLayer, ChainSkeleton
from kerasnas.networks.derivation import Decision, decision
from kerasnas.networks.parts import NetworkParts, Part, shape_after
from kerasnas.networks.supernet import Supernet
from kerasnas.primitives import BatchNorm, MBConv, MixedOp, primitive
from kerasnas.primitives.base import Stage, expand
from kerasnas.primitives.convolutions import Convolution, Pointwise
from kerasnas.primitives.mixed_op import SampledPaths, check_primitives
from kerasnas.primitives.mobile import Relu6


def _stem(skeleton: ChainSkeleton) -> list[Stage]:
    return [Convolution(skeleton.stem_filters, 3, skeleton.stem_strides), BatchNorm(), Relu6()]


def _first_block(skeleton: ChainSkeleton) -> MBConv:
    return MBConv(skeleton.first_filters, kernel_size=3, expansion=1)


def _head(skeleton: ChainSkeleton) -> list[Stage]:
    return [Pointwise(skeleton.head_filters), BatchNorm(), Relu6()]


@keras.saving.register_keras_serializable(package="kerasnas")
class ChainSupernet(Supernet):
    """The supernet of a chain: every layer has architecture parameters of its own.

    Unlike the supernets of cells, its batch norms learn a scale: where one path of a layer is computed at a time, as
    ProxylessNAS does, there is no mixing weight that it could undo.

    Args:
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        skeleton: a `ChainSkeleton`, or its arguments.
        primitives: names of the candidates; `skip_connect`, if named, is one of the layers that keep the shape.
        relaxation: how alphas become mixing weights: a name or a callable. Defaults to `"binary_gates"`.
        space: name of the space that derived genotypes carry. Defaults to `"proxyless"`.
        seed: seed of all start values. Defaults to 0.

    Call arguments:
        inputs: images `(batch, height, width, channels)`.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Logits `(batch, num_classes)`.

    Raises:
        ValueError: for an image that is too small, or unknown, repeated or no primitives.

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019
        (arXiv 1812.00332).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        skeleton: ChainSkeleton | Mapping[str, Any],
        primitives: Sequence[str],
        relaxation: Any = "binary_gates",
        space: str = "proxyless",
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.skeleton = skeleton if isinstance(skeleton, ChainSkeleton) else ChainSkeleton(**skeleton)
        self.image_shape = check_image_shape(input_shape, self.skeleton.halvings)
        self.num_classes = checks.size("num_classes", num_classes)
        self.primitives = check_primitives(primitives)
        self.space, self.seed = space, seed
        self.relaxation = relaxations.get(relaxation, seed)
        choices = self.skeleton.tables(self.primitives)
        places = [(edge, kind, row) for kind, own in choices.items() for row, edge in enumerate(own.edges)]
        self._places = [(kind, row) for _, kind, row in sorted(places)]  # of each layer in the tables

        self.stem = _stem(self.skeleton)
        self.first_block = _first_block(self.skeleton)
        sampled_paths = SampledPaths()
        self.mixed = [
            MixedOp(
                choices[kind].primitives,
                layer.filters,
                layer.strides,
                affine=True,
                sampled_paths=sampled_paths,
            )
            for (kind, _), layer in zip(self._places, self.skeleton.layers, strict=True)
        ]
        self.head = _head(self.skeleton)
        self.pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        self.classifier = keras.layers.Dense(num_classes, dtype=head_dtype(self.dtype_policy))
        self.add_architecture(choices)
        self.build((None, *self.image_shape))
        initialize(self, seed)

    def build(self, input_shape: tuple) -> None:
        if self.built:
            return
        shape = input_shape
        layers: list[Any] = [*self.stem, self.first_block, *self.mixed, *self.head]
        for layer in layers:
            fed = [(1, len(layer.primitives))] if isinstance(layer, MixedOp) else []
            layer.build(shape, *fed)
            shape = layer.compute_output_shape(shape)
        self.classifier.build((None, shape[-1]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        tables = self.tables(training)
        conv, norm, relu = self.stem
        x = self.first_block(relu(norm(conv(inputs), training=training)), training=training)
        for (kind, row), mixed in zip(self._places, self.mixed, strict=True):
            fed = {name: tables[kind][name] for name in ("weights", "active") if tables[kind][name] is not None}
            x = mixed(x, **{name: table[row : row + 1] for name, table in fed.items()}, training=training)
        conv, norm, relu = self.head
        return self.classifier(self.pool(relu(norm(conv(x), training=training))))

    @property
    def skip_cap(self) -> None:
        """None: skipped layers make a chain shorter, which is no collapse."""

    def add_auxiliary_skip(self, weight: float) -> None:
        """Nothing: the layers of a chain have residual connections."""

    def decisions(self, weights: Mapping[str, np.ndarray]) -> list[Decision]:
        """Every layer by itself."""
        return [
            decision(kind, weights[kind], [row], own.primitives)
            for kind, own in self.choices.items()
            for row in range(len(own.edges))
        ]

    def assemble(self, cells: Mapping[str, list[Edge]]) -> Genotype:
        """One cell, the chain."""
        return Genotype(self.space, {"chain": [edge for edges in cells.values() for edge in edges]})

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "skeleton": self.skeleton.get_config(),
            "primitives": list(self.primitives),
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "space": self.space,
            "seed": self.seed,
        }


def chain_network(
    genotype: Genotype,
    input_shape: tuple[int, ...],
    num_classes: int,
    skeleton: ChainSkeleton,
    drop_path: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Build the discrete network of `genotype`, of standard Keras layers only.

    Args:
        genotype: its cell `"chain"`.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        skeleton: its sizes.
        drop_path: probability with which training drops the bottleneck of the last layer for an image, where there is a
            residual connection around it; it grows linearly from 0 with the depth. Defaults to 0.
        seed: seed of the start weights, and of what drop-path drops. Defaults to 0.

    Returns:
        A functional `keras.Model`.
    """
    x = inputs = keras.Input(check_image_shape(input_shape, skeleton.halvings))
    check_drop_path(drop_path)
    x = _discrete_first_block(_discrete_stem(x, skeleton), skeleton)
    layers = skeleton.layers
    seeds = np.random.default_rng([seed, 1])
    for depth, (edge, layer) in enumerate(zip(genotype["chain"], layers, strict=True), start=1):
        own = int(seeds.integers(2**31))  # without one, Keras takes a seed from Python's global generator
        x = _discrete_layer(x, edge.primitive, layer, drop_path * depth / len(layers), own)
    return discrete_model(inputs, _discrete_head(x, skeleton, num_classes), seed)


def _discrete_stem(x: Any, skeleton: ChainSkeleton) -> Any:
    return _spell_out(x, _stem(skeleton))


def _discrete_first_block(x: Any, skeleton: ChainSkeleton) -> Any:
    return _first_block(skeleton).expand(x)


def _discrete_layer(x: Any, name: str, layer: ChainLayer, drop_path: float = 0.0, seed: int = 0) -> Any:
    chosen = primitive(name, layer.filters, layer.strides)
    if drop_path and isinstance(chosen, MBConv):
        return chosen.expand(x, keras.layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1), seed=seed))
    return expand(chosen, x)


def _discrete_head(x: Any, skeleton: ChainSkeleton, num_classes: int) -> Any:
    x = _spell_out(x, _head(skeleton))
    return classify(keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x), num_classes)


def _spell_out(x: Any, stages: Sequence[Stage]) -> Any:
    for stage in stages:
        for layer in stage.standard():
            x = layer(x)
    return x


def chain_parts(
    input_shape: tuple[int, ...], num_classes: int, skeleton: ChainSkeleton, primitives: Sequence[str]
) -> NetworkParts:
    """What `chain_network` consists of, whatever the genotype: stem, first block and head are fixed.

    Args:
        input_shape, num_classes, skeleton: as for `chain_network`.
        primitives: names of the candidates, as for `ChainSupernet`. A skipped layer has no part.

    Example:

    >>> skeleton = ChainSkeleton((8,), (2,), (2,), stem_filters=8, stem_strides=1, first_filters=8, head_filters=32)
    >>> parts = chain_parts((8, 8, 3), 10, skeleton, ["mbconv_3x3_e3", "skip_connect"])
    >>> [[[part.name for part in option] for option in row] for row in parts.options["rest"]]
    [[['mbconv_3x3_e3 to 8 channels, strides 1'], []]]
    """
    shape = check_image_shape(input_shape, skeleton.halvings)

    def part(name: str, build: Callable[[Any], Any]) -> Part:
        return Part(name, (shape,), build)

    def chosen(name: str, layer: ChainLayer) -> tuple[Part, ...]:
        if name == SKIP:
            return ()
        what = f"{name} to {layer.filters} channels, strides {layer.strides}"
        return (part(what, lambda x: _discrete_layer(x, name, layer)),)

    fixed = [
        part(
            f"stem of {skeleton.stem_filters} filters, strides {skeleton.stem_strides}",
            lambda x: _discrete_stem(x, skeleton),
        )
    ]
    shape = shape_after(shape, skeleton.stem_filters, skeleton.stem_strides)
    fixed.append(part(f"first block of {skeleton.first_filters} filters", lambda x: _discrete_first_block(x, skeleton)))
    shape = shape_after(shape, skeleton.first_filters, 1)
    choices = skeleton.tables(check_primitives(primitives))
    kinds = {edge[0]: kind for kind, own in choices.items() for edge in own.edges}
    options: dict[str, list[list[tuple[Part, ...]]]] = {kind: [] for kind in choices}
    for index, layer in enumerate(skeleton.layers):
        options[kinds[index]].append([chosen(name, layer) for name in choices[kinds[index]].primitives])
        shape = shape_after(shape, layer.filters, layer.strides)
    fixed.append(
        part(
            f"head of {skeleton.head_filters} filters and {num_classes} classes",
            lambda x: _discrete_head(x, skeleton, num_classes),
        )
    )
    return NetworkParts(tuple(fixed), choices, options)
