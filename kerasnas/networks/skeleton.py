"""Skeletons: a network written once, with places where a choice stands, and what reads it."""

from __future__ import annotations

import abc
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.genotypes import Genotype
from kerasnas.primitives.base import halve, primitive
from kerasnas.primitives.graph import Graph
from kerasnas.primitives.network_blocks import Block

Shape = tuple[int, ...]
_PROBE = 1 << 20  # pixels of a side of the image that shows how often a skeleton halves one
ORDINALS = ("first", "second", "third", "fourth")
_AXES = {
    "image": "(height, width, channels)",
    "signal": "(length, channels)",
    "text": "(length,)",
    "node": "(features,)",
    "table": "(columns,)",
}


def _is_edge(edge: Any) -> bool:
    """Return True for a pair of a source and a later target."""
    pair = isinstance(edge, (tuple, list)) and len(edge) == 2 and {type(node) for node in edge} == {int}
    return pair and 0 <= edge[0] < edge[1]


@checks.fields(
    edges=Sequence, primitives=Sequence, keep=checks.size, repeats=checks.boolean, cell=str, sparse=checks.boolean
)
@dataclasses.dataclass(frozen=True)
class ChoiceTable:
    """One table of architecture parameters: a primitive for each edge.

    Args:
        edges: (source, target) of each row; edges into one node stand together.
        primitives: names of the columns.
        keep: number of edges that each node keeps, never with the primitive `none`. Defaults to None: all edges are
            kept, and `none` is a choice.
        repeats: with `keep`: whether a node may read the same source twice. Defaults to False.
        cell: the genotype's cell that the edges belong to. Defaults to None: that of the table's own name.
        names: names of the choices, one a row, if all edges are kept. Defaults to `"source->target"`.
        sparse: with `keep`: whether a kept edge may be left out after all, as `none`. Defaults to False.
        graph: the `Graph` whose nodes are the samples, for graph primitives. Defaults to None.
        dropout: fraction of a node's values that its readers drop in training. Defaults to 0.
        options: further arguments of every primitive. Defaults to none.

    Example:

    >>> table = ChoiceTable(cell_edges(2, inputs=1), ("none", "skip_connect"))
    >>> table.names, table.shape
    (('0->1', '0->2', '1->2'), (3, 2))
    """

    edges: tuple[tuple[int, int], ...]
    primitives: tuple[str, ...]
    keep: int | None = None
    repeats: bool = False
    cell: str | None = None
    names: tuple[str, ...] = ()
    sparse: bool = False
    graph: Graph | None = dataclasses.field(default=None, compare=False, repr=False)
    dropout: float = 0.0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        edges = [edge for edge in self.edges if _is_edge(edge)]
        if not edges or len(edges) < len(self.edges):
            raise ValueError(checks.invalid("edges", "pairs of a source and a later target, at least one", self.edges))
        checks.names("primitives", self.primitives)
        if self.names and len(self.names) != len(self.edges):
            raise ValueError(checks.invalid("names", f"{len(self.edges)} names, one for each edge", self.names))
        if not self.names:
            object.__setattr__(self, "names", tuple(f"{source}->{target}" for source, target in self.edges))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the table."""
        return len(self.edges), len(self.primitives)

    def primitive(self, name: str, filters: int, strides: int = 1, **arguments: Any) -> keras.layers.Layer:
        """Return a new layer of the primitive `name`, with the table's graph and options."""
        return primitive(name, filters, strides, graph=self.graph, **self.options, **arguments)

    @property
    def edge_of(self) -> dict[str, tuple[int, int]]:
        """Edge of each choice, by its name."""
        return dict(zip(self.names, self.edges, strict=True))

    @property
    def rows_by_node(self) -> dict[int, list[int]]:
        """For each node that edges lead to, in order, the rows of those edges."""
        rows: dict[int, list[int]] = {}
        for row, (_, target) in enumerate(self.edges):
            rows.setdefault(target, []).append(row)
        return rows

    @checks.arguments(kind=checks.name)
    def primitive_choices(self, kind: str) -> list[str]:
        """Return the names of the choices of a primitive that this table, of name `kind`, has in a space.

        Example:

        >>> ChoiceTable(cell_edges(1), ("none", "skip_connect"), keep=2).primitive_choices("normal")
        ['normal/2/first', 'normal/2/second']
        """
        if self.keep is None:
            return list(self.names)
        nodes = self.rows_by_node
        return [f"{kind}/{node}/{which}" for node in nodes for which in ORDINALS[: len(self.sources(node)[0])]]

    def sources(self, node: int) -> list[tuple[int, ...]]:
        """Return, with `keep`, the combinations of sources that `node` may keep."""
        own = [self.edges[row][0] for row in self.rows_by_node[node]]
        keep = len(own) if self.keep is None else self.keep
        if self.repeats:
            return list(itertools.combinations_with_replacement(own, keep))
        return list(itertools.combinations(own, min(keep, len(own))))


def cell_edges(num_nodes: int, inputs: int = 2) -> tuple[tuple[int, int], ...]:
    """Return all (source, target) of a cell of `num_nodes` nodes after its inputs, by target: the rows of its table."""
    return tuple((source, target) for target in range(inputs, inputs + num_nodes) for source in range(target))


class HasSkeleton(Protocol):
    """The part of a space that fillers read: see `kerasnas.spaces.SkeletonSpace`."""

    name: str
    inputs: str
    affine: bool
    skips_collapse: bool

    @property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """Tables of architecture parameters, by name."""

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """Ordered mapping: name of a choice -> its options."""

    def skeleton(self, fill: Filler, x: Tensor) -> Any:
        """Write the network once."""

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """Return the option of every choice."""


class Filler(abc.ABC):
    """One reading of a skeleton: what stands at its places.

    A skeleton passes values from one call to the next and does not inspect them: they are tensors in a supernet,
    KerasTensors in a discrete network, shapes for cost models. `num_classes`, `affine` (whether batch norm learns scale
    and offset) and `assignment` are attributes of the filler; the last is the option of every choice if one network is
    read, and None if all networks of the space are.
    """

    affine = True
    num_classes: int
    assignment: Mapping[str, str] | None = None

    @abc.abstractmethod
    def block(self, x: Tensor, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Apply a fixed part: the layer `factory(*arguments, **options)`, a primitive or a Keras layer."""

    @abc.abstractmethod
    def choice(self, x: Tensor, name: str, filters: int, strides: int = 1) -> Any:
        """Apply the primitive of the choice of that name."""

    @abc.abstractmethod
    def graph(self, kind: str, inputs: Sequence[Tensor], filters: int, strides: int = 1) -> list[Any]:
        """Return the nodes that the edges of table `kind` make of `inputs`: each the sum over its edges.

        Args:
            kind: name of the table.
            inputs: nodes 0, 1, ...: of `filters` channels.
            filters: channels of every node.
            strides: of the edges that leave an input. Defaults to 1.

        Returns:
            The nodes after the inputs.
        """

    @abc.abstractmethod
    def concatenate(self, values: Sequence[Tensor]) -> Any:
        """Concatenate the values along the channels."""

    @abc.abstractmethod
    def pool(self, x: Tensor) -> Any:
        """Return the global average of each channel."""

    @abc.abstractmethod
    def classify(self, x: Tensor) -> Any:
        """Return the logits of pooled features."""

    def head(self, x: Tensor) -> Any:
        """Return the logits of a feature map: pooled, then classified."""
        return self.classify(self.pool(x))

    def option(self, name: str) -> str:
        """Return the option of a choice that shapes the skeleton itself, such as a number of layers.

        Raises:
            ValueError: if all networks of the space are read at once.
        """
        if self.assignment is None:
            raise ValueError(
                f"{type(self).__name__} cannot read a skeleton that is itself chosen (choice '{name}'): such a space "
                "has no supernet and no table of costs, only discrete networks."
            )
        return self.assignment[name]

    # For spaces whose children share weights; other fillers do not use them ----------------------------------
    def read(self, values: Sequence[Tensor], names: Sequence[str]) -> Any:
        """Concatenate those of `values[1:]` that the binary choices `names` read; `values[0]` if there are none."""
        raise self._unread()

    def unread(self, values: Sequence[Tensor], readers: Sequence[Sequence[str]]) -> Any:
        """Concatenate the values that none of their binary choices in `readers` reads."""
        raise self._unread()

    def loose_ends(self, kind: str, nodes: Sequence[Any], inputs: int = 2) -> Any:
        """Concatenate those nodes of a `graph` that none of its edges reads."""
        raise self._unread()

    def _unread(self) -> Exception:
        return ValueError(
            f"{type(self).__name__} cannot read a skeleton in which a layer chooses what it reads. Spaces with such a "
            "skeleton have supernets of shared weights and discrete networks only."
        )


class ShapeFiller(Filler):
    """Passes shapes, without the batch, through a skeleton, and builds nothing; counts its `slots`."""

    def __init__(
        self,
        space: HasSkeleton,
        num_classes: int,
        affine: bool = True,
        assignment: Mapping[str, str] | None = None,
    ):
        self.space, self.num_classes, self.affine, self.assignment = space, num_classes, affine, assignment
        self.slots = 0
        self.smallest = _PROBE

    def block(self, x: Shape, factory: Callable[..., Any], *arguments: Any, **options: Any) -> Shape:
        block = factory if isinstance(factory, type) and issubclass(factory, Block) else None
        if block is not None:  # a layer of it takes milliseconds to make
            self.slots += block.residual
            return self.seen(_after_block(x, *arguments, **options))
        return self.seen(factory(*arguments, **options).compute_output_shape((None, *x))[1:])

    def seen(self, shape: Sequence[int]) -> Shape:
        """Return `shape`, after recording the size of the image."""
        self.smallest = min((self.smallest, *shape[:-1]))
        return tuple(shape)

    def choice(self, x: Shape, name: str, filters: int, strides: int = 1) -> Shape:
        self.slots += 1
        return self.seen(shape_after(x, filters, strides))

    def graph(self, kind: str, inputs: Sequence[Shape], filters: int, strides: int = 1) -> list[Shape]:
        self.slots += 1
        shape = self.seen(shape_after(inputs[0], filters, strides))
        return [shape] * len(self.space.tables[kind].rows_by_node)

    def concatenate(self, values: Sequence[Shape]) -> Shape:
        return (*values[0][:-1], sum(shape[-1] for shape in values))

    def pool(self, x: Shape) -> Shape:
        return (x[-1],)

    def classify(self, x: Shape) -> Shape:
        return (self.num_classes,)

    def read(self, values: Sequence[Shape], names: Sequence[str]) -> Shape:
        return self.concatenate(values)

    def unread(self, values: Sequence[Shape], readers: Sequence[Sequence[str]]) -> Shape:
        return self.concatenate(values)

    def loose_ends(self, kind: str, nodes: Sequence[Shape], inputs: int = 2) -> Shape:
        return self.concatenate(nodes)


def shape_after(shape: Shape, filters: int, strides: int) -> Shape:
    """Return the shape of an image or a signal, without the batch, after a layer with this number of filters."""
    sizes = halve((None, *shape))[1:-1] if strides == 2 else shape[:-1]
    return (*sizes, filters)


def _after_block(shape: Shape, filters: int, strides: int = 1, **options: Any) -> Shape:
    """Return the shape after a `Block` of these arguments."""
    return shape_after(shape, filters, strides)


def input_shape_for(space: HasSkeleton, input_shape: Any, assignment: Mapping[str, str] | None = None) -> Shape:
    """Return `input_shape` as a tuple if it suits the space, or the network of `assignment`, and is large enough."""
    shape = check_input_shape(input_shape, halvings=0, kind=space.inputs)
    probe, halved = ShapeFiller(space, num_classes=1, assignment=assignment), len(_sizes(shape, space.inputs))
    space.skeleton(probe, (*[_PROBE] * halved, *shape[halved:]))
    return check_input_shape(shape, (_PROBE // probe.smallest).bit_length() - 1, space.inputs)


def _sizes(shape: Sequence[int], kind: str) -> Sequence[int]:
    """Return the sizes that strides halve: those of all axes but the channels, which token ids do not have."""
    return shape if kind == "text" else shape[:-1]


def input_dtype(kind: str) -> str:
    """Return the precision of samples of this kind as networks take them: token ids are integers."""
    return "int32" if kind == "text" else "float32"


def check_skeleton(space: Any) -> Any:
    """Return `space` if it has a skeleton; raise TypeError otherwise."""
    if isinstance(space, type) or not all(hasattr(space, name) for name in ("skeleton", "tables", "choices")):
        raise TypeError(checks.invalid("space", "a `kerasnas.spaces.SkeletonSpace`", space))
    return space


def check_channels(inputs: Tensor, shape: Shape, kind: str) -> None:
    """Raise ValueError unless a batch has the axes and channels of samples of this shape and kind."""
    channels = len(_sizes(shape, kind))
    if len(inputs.shape) != len(shape) + 1 or tuple(inputs.shape[1 + channels :]) != shape[channels:]:
        raise ValueError(f"Expected samples of shape {shape}. Received: a batch of shape {tuple(inputs.shape)}")


def check_input_shape(input_shape: Any, halvings: int, kind: str = "image") -> Shape:
    """Return the shape of one image, or of one signal, as a tuple if it survives this number of halvings."""
    axes = _AXES[kind]
    is_shape = issubclass(type(input_shape), Sequence) and not isinstance(input_shape, str)
    is_shape = is_shape and len(input_shape) == len(axes.split(", "))
    if not is_shape or not all(isinstance(size, int | np.integer) and size > 0 for size in input_shape):
        raise ValueError(checks.invalid("input_shape", f"{axes} of one {kind}", input_shape))
    least, sizes = 2**halvings, _sizes(input_shape, kind)
    if min(sizes, default=least) < least:
        expected = f"{least} x {least} pixels" if kind == "image" else f"{least} steps"
        table = ". One value of each channel is a row of a table: a .csv file, or TableClassifier"
        fix = table if max(sizes) == 1 else ""
        raise ValueError(
            f"Invalid value received for argument `input_shape`. Expected at least {expected}, since the network "
            f"halves the {kind} {halvings} times. Received: {' x '.join(map(str, sizes))}{fix}"
        )
    return tuple(int(size) for size in input_shape)
