"""A discrete network in parts: those of every network, and those of each choice; cost models tabulate them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.backend.keras_internals import shapes_alone
from kerasnas.genotypes import Genotype
from kerasnas.networks.chosen import classify
from kerasnas.networks.mixed import places
from kerasnas.networks.skeleton import (
    ChoiceTable,
    HasSkeleton,
    Shape,
    ShapeFiller,
    input_shape_for,
    shape_after,
)
from kerasnas.primitives.base import by_rank, expand


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of a discrete network that is measured by itself.

    Args:
        name: its description; parts of equal name and shapes are measured once.
        shapes: of its inputs, without the batch.
        build: KerasTensors -> KerasTensor, of standard Keras layers.
        dtype: precision of the inputs. Defaults to `"float32"`; int32 for token ids.
    """

    name: str
    shapes: tuple[Shape, ...]
    build: Callable[..., Any] = dataclasses.field(compare=False, repr=False)
    dtype: str = "float32"

    def model(self) -> keras.Model:
        """Return the part as a functional model."""
        inputs = [keras.Input(shape, dtype=self.dtype) for shape in self.shapes]
        return keras.Model(inputs, self.build(*inputs))

    def outline(self) -> keras.Model:
        """Return the part as a model whose variables have shapes and no values: to be counted, in 0.6 of the time."""
        with shapes_alone():
            return self.model()


@dataclasses.dataclass(frozen=True)
class NetworkParts:
    """All parts of a space's networks, at one size.

    Args:
        fixed: the parts of every network.
        choices: the choices of each kind of cell, as the supernet's `choices`.
        options: for each kind, row and column of its table, the parts that this choice adds to the network: one for
            every cell of the kind.
    """

    fixed: tuple[Part, ...]
    choices: Mapping[str, ChoiceTable]
    options: Mapping[str, Sequence[Sequence[Sequence[Part]]]]


def measured_parts(space: HasSkeleton, input_shape: tuple[int, ...], num_classes: int) -> NetworkParts:
    """Return the parts of the discrete networks of `space`.

    If all edges of a table are kept, each counts, even if it leads nowhere, as in the published counts of
    NAS-Bench-201.
    """
    shape = input_shape_for(space, input_shape)
    fill = _Measured(space, checks.size("num_classes", num_classes))
    space.skeleton(fill, shape)
    return NetworkParts(tuple(fill.fixed), dict(space.tables), fill.options)


def network_parts(
    space: HasSkeleton, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int
) -> tuple[Part, ...]:
    """Return the parts of one network of a space whose choices shape the skeleton itself."""
    assignment = space.assignment(genotype)
    shape = input_shape_for(space, input_shape, assignment)
    fill = _Measured(space, checks.size("num_classes", num_classes), assignment)
    space.skeleton(fill, shape)
    return tuple(fill.fixed)


class _Measured(ShapeFiller):
    """Reads a skeleton into its parts; the values are shapes."""

    def __init__(self, space: HasSkeleton, num_classes: int, assignment: Mapping[str, str] | None = None):
        super().__init__(space, num_classes, assignment=assignment)
        self.fixed: list[Part] = []
        self.options: dict[str, list[list[list[Part]]]] = {
            kind: [[[] for _ in table.primitives] for _ in table.edges] for kind, table in space.tables.items()
        }
        self._places = places(space.tables)

    def block(self, x: Shape, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Shape:
        words = [str(value) for value in arguments] + [f"{name}={value}" for name, value in options.items()]
        name = f"{factory.__name__}({', '.join(words)})"
        dtype = "int32" if getattr(factory, "reads_ids", False) else "float32"
        self.fixed.append(Part(name, (x,), lambda tensor: expand(factory(*arguments, **options), tensor), dtype))
        return super().block(x, factory, *arguments, **options)

    def choice(self, x: Shape, name: str, filters: int, strides: int = 1) -> Shape:
        kind, row = self._places[name]
        self._add(kind, row, filters, strides, x, added=False)
        return super().choice(x, name, filters, strides)

    def graph(self, kind: str, inputs: Sequence[Shape], filters: int, strides: int = 1) -> list[Shape]:
        nodes = super().graph(kind, inputs, filters, strides)
        table, shapes = self.space.tables[kind], [*inputs, *nodes]
        for rows in table.rows_by_node.values():
            if table.keep is not None:
                self.fixed += [_sum(nodes[0])] * (min(table.keep, len(rows)) - 1)
            for position, row in enumerate(rows):
                source = table.edges[row][0]
                steps = strides if source < len(inputs) else 1
                self._add(kind, row, filters, steps, shapes[source], added=table.keep is None and position > 0)
        return nodes

    def _add(self, kind: str, row: int, filters: int, strides: int, shape: Shape, added: bool) -> None:
        """Record the parts that each primitive of a row adds: itself, and its sum with the edges before it."""
        for column, name in enumerate(self.space.tables[kind].primitives):
            parts = self.options[kind][row][column]
            if name != "none" and (name != "skip_connect" or strides > 1):
                parts.append(_chosen(name, filters, strides, shape, self.space.tables[kind]))
            if added and name != "none":
                parts.append(_sum(shape_after(shape, filters, strides)))

    def concatenate(self, values: Sequence[Shape]) -> Shape:
        if len(values) > 1:
            shapes = tuple(values)
            self.fixed.append(Part("concatenation", shapes, lambda *nodes: keras.layers.Concatenate()(list(nodes))))
        return super().concatenate(values)

    def head(self, x: Shape) -> Shape:
        classes = self.num_classes
        title = f"head, {classes} classes"
        self.fixed.append(Part(title, (x,), lambda y: classify(by_rank("GlobalAveragePooling")(y), classes)))
        return (classes,)

    def classify(self, x: Shape) -> Shape:
        classes = self.num_classes
        self.fixed.append(Part(f"classifier, {classes} classes", (x,), lambda y: classify(y, classes)))
        return super().classify(x)

    def read(self, values: Sequence[Shape], names: Sequence[str]) -> Shape:
        raise self._unread()


def _chosen(name: str, filters: int, strides: int, shape: Shape, table: ChoiceTable) -> Part:
    title = f"{name}, {filters} filters, strides {strides}"
    return Part(title, (shape,), lambda x: expand(table.primitive(name, filters, strides), x))


def _sum(shape: Shape) -> Part:
    return Part("sum", (shape, shape), lambda x, y: keras.layers.Add()([x, y]))
