"""A discrete network in parts: what is always there, and what each choice adds. What costs are tables of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasnas.networks.supernet import ChoiceTable
from kerasnas.primitives.base import halve

Shape = tuple[int, ...]


def shape_after(shape: Shape, filters: int, strides: int) -> Shape:
    """The shape of an image or a signal, without the batch, after a layer of so many filters.

    Example:

    >>> shape_after((5, 4, 3), filters=8, strides=2)
    (3, 2, 8)
    """
    sizes = halve((None, *shape))[1:-1] if strides == 2 else shape[:-1]
    return (*sizes, filters)


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of a discrete network that is measured by itself.

    Args:
        name: what it is; parts of one name and the same shapes are the same, and are measured once.
        shapes: of its inputs, without the batch.
        build: KerasTensors -> KerasTensor, of standard Keras layers.
    """

    name: str
    shapes: tuple[Shape, ...]
    build: Callable[..., Any] = dataclasses.field(compare=False, repr=False)

    def model(self) -> keras.Model:
        """The part as a functional model."""
        inputs = [keras.Input(shape) for shape in self.shapes]
        return keras.Model(inputs, self.build(*inputs))


@dataclasses.dataclass(frozen=True)
class NetworkParts:
    """All parts that networks of a space consist of, at one size.

    Args:
        fixed: what every network has.
        choices: the choices of each kind of cell, as the supernet's `choices`.
        options: of each kind, for each row and column of its table, the parts that this choice puts in the network: one
            for every cell of the kind.
        keep: edges that each node keeps. Defaults to None: all.
    """

    fixed: tuple[Part, ...]
    choices: Mapping[str, ChoiceTable]
    options: Mapping[str, Sequence[Sequence[Sequence[Part]]]]
    keep: int | None = None
