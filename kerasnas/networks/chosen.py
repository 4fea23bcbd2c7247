"""The discrete network of a genotype: a skeleton read with every choice made, as standard Keras layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.genotypes import Genotype
from kerasnas.networks.initialization import head_dtype, initialize, number_layers
from kerasnas.networks.skeleton import Filler, HasSkeleton, ShapeFiller, check_skeleton, input_dtype, input_shape_for
from kerasnas.primitives.base import by_rank, expand, primitive
from kerasnas.primitives.mobile import MBConv
from kerasnas.primitives.network_blocks import Block


def chosen_network(
    space: HasSkeleton,
    genotype: Genotype,
    input_shape: tuple[int, ...],
    num_classes: int,
    drop_path: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Build the discrete network of `genotype`, of standard Keras layers only.

    The drop-path probability grows linearly from 0 at the first choice, or residual block, to `drop_path` at the last.
    The seed determines the initial weights, and the values that drop-path drops.
    """
    check_skeleton(space)
    assignment = space.assignment(genotype)
    shape = input_shape_for(space, input_shape, assignment)
    checks.size("num_classes", num_classes)
    checks.number("drop_path", drop_path, least=0, below=1)
    checks.seed(seed)
    counted = ShapeFiller(space, num_classes, assignment=assignment)
    space.skeleton(counted, shape)
    inputs = keras.Input(shape, dtype=input_dtype(space.inputs))
    fill = _Chosen(space, genotype, num_classes, drop_path, seed, counted.slots)
    return discrete_model(inputs, space.skeleton(fill, inputs), seed)


def discrete_model(inputs: Tensor, outputs: Tensor, seed: int) -> keras.Model:
    """Return the functional model of a discrete network, its layers numbered from 0 and its kernels drawn by `seed`."""
    model = keras.Model(inputs, outputs, name="discrete_network")
    number_layers(model)
    initialize(model, seed)
    return model


def classify(x: Tensor, num_classes: int) -> Any:
    """Return the logits of features, from a standard Keras layer."""
    return keras.layers.Dense(num_classes, dtype=head_dtype(keras.config.dtype_policy()))(x)


class _Chosen(Filler):
    """Reads a skeleton with the choices of a genotype; the values are KerasTensors."""

    def __init__(
        self, space: HasSkeleton, genotype: Genotype, num_classes: int, drop_path: float, seed: int, slots: int
    ):
        self.space, self.genotype, self.num_classes = space, genotype, num_classes
        self.assignment: Mapping[str, str] = space.assignment(genotype)
        self.drop_path, self.seed, self.last = drop_path, seed, max(slots - 1, 1)
        self.slot = 0

    def _drop(self) -> Callable[[Any], Any]:
        """Return a function that applies drop-path layers of the next slot: `Dropout` with one mask value a sample."""
        probability, seeds = self.drop_path * self.slot / self.last, np.random.default_rng([self.seed, self.slot, 1])
        self.slot += 1

        def layer(x: Tensor) -> Any:
            if not probability:
                return x
            seed = int(seeds.integers(2**31))  # without one, Keras takes a seed from Python's global generator
            shape = (None, *[1] * (len(x.shape) - 1))
            return keras.layers.Dropout(probability, noise_shape=shape, seed=seed)(x)

        return layer

    def block(self, x: Tensor, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        layer = factory(*arguments, **options)
        return layer.expand(x, self._drop()) if isinstance(layer, Block) and layer.residual else expand(layer, x)

    def choice(self, x: Tensor, name: str, filters: int, strides: int = 1) -> Any:
        chosen = self.assignment[name]
        return _applied(x, chosen, primitive(chosen, filters, strides), self._drop())

    def graph(self, kind: str, inputs: Sequence[Tensor], filters: int, strides: int = 1) -> list[Any]:
        table, drop = self.space.tables[kind], self._drop()
        edges = self.genotype[table.cell or kind]
        states: list[Any] = list(inputs)  # None where nothing arrives
        seeds = np.random.default_rng([self.seed, self.slot, 2])
        dropped: dict[int, Any] = {}  # nodes after dropout

        def read(source: int, name: str) -> Any:
            if not table.dropout or name == "skip_connect":
                return states[source]
            if source not in dropped:
                seed = int(seeds.integers(2**31))
                dropped[source] = keras.layers.Dropout(table.dropout, seed=seed)(states[source])
            return dropped[source]

        for node in table.rows_by_node:
            terms = [
                _applied(
                    read(edge.source, edge.primitive),
                    edge.primitive,
                    table.primitive(edge.primitive, filters, strides if edge.source < len(inputs) else 1),
                    drop,
                )
                for edge in edges
                if edge.target == node and edge.primitive != "none" and states[edge.source] is not None
            ]
            states.append(keras.layers.Add()(terms) if len(terms) > 1 else terms[0] if terms else None)
        nodes = states[len(inputs) :]
        if all(node is not None for node in nodes):
            return nodes
        zero = expand(primitive("none", filters, strides), inputs[-1])
        return [zero if node is None else node for node in nodes]

    def concatenate(self, values: Sequence[Tensor]) -> Any:
        return keras.layers.Concatenate()(list(values)) if len(values) > 1 else values[0]

    def pool(self, x: Tensor) -> Any:
        return by_rank("GlobalAveragePooling")(x)

    def classify(self, x: Tensor) -> Any:
        return classify(x, self.num_classes)

    def read(self, values: Sequence[Tensor], names: Sequence[str]) -> Any:
        chosen = [value for value, name in zip(values[1:], names, strict=True) if self.assignment[name] == "1"]
        return self.concatenate(chosen or values[:1])

    def unread(self, values: Sequence[Tensor], readers: Sequence[Sequence[str]]) -> Any:
        pairs = zip(values, readers, strict=True)
        return self.concatenate([x for x, names in pairs if all(self.assignment[name] == "0" for name in names)])

    def loose_ends(self, kind: str, nodes: Sequence[Any], inputs: int = 2) -> Any:
        read = {edge.source for edge in self.genotype[kind]}
        return self.concatenate([state for node, state in enumerate(nodes, start=inputs) if node not in read])


def _applied(x: Tensor, name: str, layer: keras.layers.Layer, drop: Callable[[Any], Any]) -> Any:
    """Apply a primitive, with drop-path unless it is a skip connection; inside, if it has a residual one."""
    if isinstance(layer, MBConv):
        return layer.expand(x, drop)
    y = expand(layer, x)
    return y if name == "skip_connect" else drop(y)
