"""SkeletonSpace: a space that writes its sizes, its choices and its network once; everything else follows."""

from __future__ import annotations

import abc
import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.chosen import chosen_network
from kerasnas.networks.measured import NetworkParts, Part, measured_parts, network_parts
from kerasnas.networks.shared import WeightSharingSupernet
from kerasnas.networks.skeleton import ORDINALS, ChoiceTable, Filler
from kerasnas.networks.supernet import Supernet
from kerasnas.primitives.partial_mixed_op import check_partial_channels
from kerasnas.spaces.base import SearchSpace


class SkeletonSpace(SearchSpace):
    """A space whose networks are one skeleton, read in four ways: mixed, chosen, shared, measured.

    A subclass writes its sizes as arguments of the constructor (kept as attributes of the same names), `tables`, and
    `skeleton`. From these follow `choices`, genotypes and back, supernet, discrete network, parts for cost models and
    `get_config`. One that `shapes_network` has no tables and no supernet, and writes `choices` and genotypes itself.

    Attributes:
        name: the name that its genotypes carry.
        inputs: input of the networks: `"image"`, `"signal"` or `"text"`. Defaults to `"image"`.
        sizes: arguments of the constructor that a discrete network may change.
        relaxation: default of its supernets. Defaults to `"softmax"`.
        shares_weights: whether its supernet computes one child at a time, with shared weights. Defaults to False.
        affine: whether batch norms next to the choices of a supernet learn scale and offset. Defaults to False: they
            would undo the mixing weights.
        skips_collapse: whether searches tend to collapse into skip connections, so that guards limit them and add
            auxiliary ones next to the edges. Defaults to True.
        partial_channels, edge_normalization: defaults of its supernets. Default to 1 and False.

    Example:

    >>> import numpy as np
    >>> from kerasnas.primitives.blocks import Stem
    >>> class Row(SkeletonSpace):
    ...     name = "row"
    ...     def __init__(self, filters=4, depth=2):
    ...         self.filters, self.depth = filters, depth
    ...     @property
    ...     def tables(self):
    ...         edges = tuple((index, index + 1) for index in range(self.depth))
    ...         return {"row": ChoiceTable(edges, ("skip_connect", "sep_conv_3x3"))}
    ...     def skeleton(self, fill, x):
    ...         x = fill.block(x, Stem, self.filters)
    ...         for name in self.tables["row"].names:
    ...             x = fill.choice(x, name, self.filters)
    ...         return fill.head(x)
    >>> space = Row()
    >>> space.choices["0->1"], space.size
    (('skip_connect', 'sep_conv_3x3'), 4)
    >>> genotype = space.build_supernet((8, 8, 1), num_classes=3).derive()
    >>> space.build_network(genotype, (8, 8, 1), num_classes=3).output_shape
    (None, 3)
    """

    inputs = "image"
    sizes: tuple[str, ...] = ("filters", "num_cells")
    relaxation: Any = "softmax"
    shares_weights = False
    affine = False
    skips_collapse = True
    mixes_channels = True
    partial_channels = 1
    edge_normalization = input_alphas = False

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package="kerasnas.spaces")(cls)  # supernets are saved with their space

    filters: Any
    num_cells: int
    num_nodes: int
    primitives: tuple[str, ...]

    def _set_sizes(self, **sizes: int) -> None:
        """Set attributes, checked to be positive integers."""
        for name, size in sizes.items():
            setattr(self, name, checks.size(name, size))

    @property
    def tables(self) -> Mapping[str, ChoiceTable]:
        """Tables of architecture parameters, by name; none if choices are not primitives of edges."""
        return {}

    @abc.abstractmethod
    def skeleton(self, fill: Filler, x: Any) -> Any:
        """Write the network once: stem, choices, head, by calls of `fill`; return the logits.

        Args:
            fill: builds or measures each place; see `kerasnas.networks.Filler`.
            x: the input.
        """

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """For each edge its primitive; if nodes keep some edges, their sources and a primitive for each."""
        choices: dict[str, tuple[str, ...]] = {}
        for kind, table in self.tables.items():
            if table.keep is None:
                choices |= dict.fromkeys(table.names, table.primitives)
                continue
            kept = table.primitives if table.repeats else tuple(name for name in table.primitives if name != "none")
            kept += ("none",) if table.sparse else ()
            for node in table.rows_by_node:
                pairs = table.sources(node)
                choices[f"{kind}/{node}/sources"] = tuple(",".join(map(str, pair)) for pair in pairs)
                choices |= {f"{kind}/{node}/{which}": kept for which in ORDINALS[: len(pairs[0])]}
        if any(table.cell for table in self.tables.values()):  # edges of one cell, in its order
            order = {name: edge for table in self.tables.values() for name, edge in table.edge_of.items()}
            return {name: choices[name] for name in sorted(choices, key=order.__getitem__)}
        return choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        cells: dict[str, list[Edge]] = {}
        for kind, table in self.tables.items():
            edges = cells.setdefault(table.cell or kind, [])
            if table.keep is None:
                edges += [Edge(assignment[name], *edge) for name, edge in table.edge_of.items()]
                continue
            for node in table.rows_by_node:
                sources = map(int, assignment[f"{kind}/{node}/sources"].split(","))
                edges += [
                    Edge(assignment[f"{kind}/{node}/{which}"], source, node)
                    for source, which in zip(sources, ORDINALS, strict=False)
                ]
        return Genotype(self.name, cells)

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        kinds = tuple(sorted({table.cell or kind for kind, table in self.tables.items()}))
        check_cells(genotype, kinds)
        options: dict[str, str] = {}
        for cell in kinds:
            tables = {kind: table for kind, table in self.tables.items() if (table.cell or kind) == cell}
            check_targets(genotype, cell, sorted({edge[1] for table in tables.values() for edge in table.edges}))
            whole = {edge: name for table in tables.values() for name, edge in table.edge_of.items()}
            if all(table.keep is None for table in tables.values()):
                by_edge = {(edge.source, edge.target): edge.primitive for edge in genotype[cell]}
                if len(by_edge) != len(genotype[cell]) or by_edge.keys() != whole.keys():
                    raise ValueError(
                        f"Cell '{cell}' of this space has one primitive on each of its {len(whole)} edges "
                        f"{sorted(whole)}. Received: {[tuple(edge) for edge in genotype[cell]]}"
                    )
                options |= {name: by_edge[edge] for edge, name in whole.items()}
                continue
            for kind, table in tables.items():
                for node in table.rows_by_node:
                    options |= self._kept(genotype, kind, table, node)
        return {name: options[name] for name in self.choices if name in options}

    @staticmethod
    def _kept(genotype: Genotype, kind: str, table: ChoiceTable, node: int) -> dict[str, str]:
        """Return the choices of one node that keeps some of its edges."""
        edges = [edge for edge in genotype[table.cell or kind] if edge.target == node]
        number = len(table.sources(node)[0])
        if len(edges) != number or (not table.repeats and len({edge.source for edge in edges}) < number):
            words = {1: "one edge", 2: "two edges"}.get(number, f"{number} edges")
            different = "" if table.repeats or number < 2 else " from different nodes"
            raise ValueError(
                f"A node of this space has {words}{different}. Received for node {node} of cell '{kind}': "
                f"{[tuple(edge) for edge in edges]}"
            )
        names = {f"{kind}/{node}/{which}": edge.primitive for which, edge in zip(ORDINALS, edges, strict=False)}
        return {f"{kind}/{node}/sources": ",".join(str(edge.source) for edge in edges), **names}

    @checks.arguments(partial_channels=checks.size)
    def build_supernet(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        relaxation: Any = None,
        seed: int = 0,
        partial_channels: int | None = None,
        edge_normalization: bool | None = None,
        input_alphas: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Build the supernet of this space.

        Args:
            input_shape: shape of one image, or of one signal.
            num_classes: number of classes; the model returns logits.
            relaxation: how alphas become mixing weights: a name or a callable. Defaults to the space's own.
            seed: seed of all initial weights. Defaults to 0.
            partial_channels, edge_normalization: of PC-DARTS; see `kerasnas.networks.Supernet`. Default to the space's.
            input_alphas: of MetaNAS: whether the edges that a node keeps are a choice with alphas of its own; see
                there. Defaults to None: no.
            kwargs: further arguments of `kerasnas.networks.Supernet`, and of `keras.Model`.

        Returns:
            A `kerasnas.networks.Supernet`, or, for a space that shares weights, a `WeightSharingSupernet`.

        Raises:
            ValueError: for an `input_shape` that the space does not take, for settings that it does not have, and if
                choices shape the network itself.
        """
        if self.shapes_network:
            return super().build_supernet(input_shape, num_classes)
        settings = {
            "relaxation": relaxation,
            "partial_channels": partial_channels,
            "edge_normalization": edge_normalization,
            "input_alphas": input_alphas,
        }
        if self.shares_weights:
            for name, value in settings.items():
                if value is not None:
                    raise ValueError(f"Space '{self.name}' has no setting `{name}`: its children share weights.")
            return WeightSharingSupernet(self, input_shape, num_classes, seed, **kwargs)
        settings = {name: getattr(self, name) if value is None else value for name, value in settings.items()}
        if (partial_channels := settings["partial_channels"]) != 1:
            if not self.mixes_channels:
                raise ValueError(f"Space '{self.name}' has no setting `partial_channels`.")
            check_partial_channels(partial_channels, getattr(self, "filters", 1))
        return Supernet(self, input_shape, num_classes, seed=seed, **settings, **kwargs)

    def build_network(
        self,
        genotype: Genotype,
        input_shape: tuple[int, ...],
        num_classes: int,
        drop_path: float = 0.0,
        seed: int = 0,
        **sizes: Any,
    ) -> keras.Model:
        """Build the discrete network of `genotype`, of standard Keras layers only.

        Args:
            genotype: a genotype of this space.
            input_shape: shape of one image, or of one signal.
            num_classes: number of classes; the model returns logits.
            drop_path: drop-path probability at the last choice; it grows linearly from 0 at the first. Defaults to 0.
            seed: seed of the initial weights. Defaults to 0.
            sizes: other values for the space's `sizes`, such as `filters`.

        Raises:
            ValueError: if `genotype` is not of this space, for an `input_shape` that it does not take, and for a size
                that it does not have.
        """
        self.validate(genotype)
        return chosen_network(self.resized(**sizes), genotype, input_shape, num_classes, drop_path, seed)

    def parts(self, input_shape: tuple[int, ...], num_classes: int, **sizes: Any) -> NetworkParts:
        """Return the parts of this space's networks, for cost models; arguments as for `build_network`.

        Raises:
            ValueError: if a layer chooses its inputs, so that parts do not add up; and if choices shape the network
                itself, so that networks share no parts: see `parts_of`.
        """
        if self.shapes_network:
            raise ValueError(
                f"Space '{self.name}' has no table of costs: its choices shape the network itself. `parts_of` has the "
                "parts of one network, and `kerasnas.cost.network_latency` times a built one."
            )
        if self.shares_weights:
            return super().parts(input_shape, num_classes, **sizes)
        return measured_parts(self.resized(**sizes), input_shape, num_classes)

    def parts_of(
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, **sizes: Any
    ) -> tuple[Part, ...]:
        if not self.shapes_network:
            return super().parts_of(genotype, input_shape, num_classes, **sizes)
        self.validate(genotype)
        return network_parts(self.resized(**sizes), genotype, input_shape, num_classes)

    def resized(self, **sizes: Any) -> Self:
        """Return this space with other sizes of its networks; None keeps a size.

        Raises:
            ValueError: for a size that is not among `sizes`.
        """
        for name in sizes:
            checks.one_of("sizes", name, self.sizes)
        changed = {name: value for name, value in sizes.items() if value is not None}
        return type(self)(**{**self.get_config(), **changed}) if changed else self

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        values = {name: getattr(self, name) for name in names}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Invert `get_config`."""
        return cls(**config)


def check_cells(genotype: Genotype, kinds: tuple[str, ...]) -> None:
    """Raise ValueError unless `genotype` has these cells."""
    if tuple(genotype) != kinds:
        raise ValueError(f"A genotype of this space has the cells {kinds}. Received: {tuple(genotype)}")


def chain_of(genotype: Genotype) -> list[str]:
    """Return the primitives of a genotype whose one cell, `"network"`, is a chain of nodes; raise ValueError if not."""
    check_cells(genotype, ("network",))
    edges = [(edge.source, edge.target) for edge in genotype["network"]]
    if not edges or edges != [(node, node + 1) for node in range(len(edges))]:
        raise ValueError(f"A network of this space is a chain of nodes 0, 1, 2, ... Received edges: {edges}")
    return [edge.primitive for edge in genotype["network"]]


def check_targets(genotype: Genotype, kind: str, nodes: Sequence[int]) -> None:
    """Raise ValueError unless the edges of a cell lead to these nodes, and to each."""
    received = sorted({edge.target for edge in genotype[kind]})
    if received != list(nodes):
        raise ValueError(
            f"Cell '{kind}' of this space has {len(nodes)} nodes, numbered {list(nodes)}. "
            f"Received edges into: {received}"
        )


def distinct(argument: str, values: Any, of: str = "") -> tuple[Any, ...]:
    """Return `values` as a tuple if they are a non-empty sequence of distinct values."""
    if (
        not isinstance(values, Sequence)
        or isinstance(values, (str, bytes))
        or not values
        or len(set(values)) < len(values)
    ):
        raise ValueError(checks.invalid(argument, f"a non-empty sequence of distinct numbers{of}", values))
    return tuple(values)
