"""The cell space of NAS-Bench-101."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.networks.graph_network import count_parameters, graph_network
from kerasnas.networks.skeleton import check_input_shape
from kerasnas.spaces import nasbench101_cells as graphs
from kerasnas.spaces.base import SPACES, Indices, SearchSpace
from kerasnas.spaces.nasbench101_cells import MAX_EDGES, MAX_VERTICES, Cell
from kerasnas.spaces.nasbench101_enumeration import Cells, cell_indices, enumerate_cells
from kerasnas.wording import nearest

NASBENCH101_OPERATIONS = graphs.OPERATIONS

_PAIRS = graphs.vertex_pairs(MAX_VERTICES)
_INNER = MAX_VERTICES - 2
_BITS = [1 << bit for bit in range(len(_PAIRS))]
_SEVEN = [tuple([number >> bit & 1 for bit in range(7)]) for number in range(128)]  # 21 edges are three times seven


@SPACES.register("nasbench101")
class NASBench101Space(SearchSpace):
    """The NAS-Bench-101 space: a cell is a graph of at most 7 vertices and 9 edges, with operations on the vertices.

    The choices are the 21 possible edges between 7 vertices and the operations of the 5 inner ones. Vertices on no path
    from the input to the output are pruned, and the limit of 9 edges holds for the remainder, as in the published code.
    **Of cells that differ only in the order of their vertices, one stands for all**: the one that the published
    enumeration meets first, which is the one that was trained. Genotypes and the indices that the space returns are of
    that kind, so that two genotypes are equal if and only if their networks are.

    A genotype has an edge for each edge of the graph, with the operation of the vertex it leads to; the output's is
    `"output"`. A mutation changes one choice of the pruned graph, or adds a vertex with one edge in and one out if
    fewer than 7 are in use, and always makes another network.

    Args:
        filters: channels of the first stack. Defaults to 128.
        num_stacks: stacks of cells; each halves the image of the one before and has twice its channels. Defaults to 3.
        cells_per_stack: cells of each stack. Defaults to 3.

    Example:

    >>> space = NASBench101Space()
    >>> genotype = space.genotype([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["maxpool3x3"])
    >>> print(genotype)
    Genotype of space 'nasbench101'
      cell:
        0 -> 1  maxpool3x3
        1 -> 2  output
    >>> space.hash(genotype), space.parameters(genotype)
    ('53cee42601ad14d661bb6878031d6acb', 882570)

    Reference:
        Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", 2019 (arXiv 1902.09635).
    """

    name = "nasbench101"
    shapes_network = True

    def __init__(self, filters: int = 128, num_stacks: int = 3, cells_per_stack: int = 3):
        self.filters = checks.size("filters", filters)
        self.num_stacks = checks.size("num_stacks", num_stacks)
        self.cells_per_stack = checks.size("cells_per_stack", cells_per_stack)

    @classmethod
    def for_data(cls, input_shape: tuple[int, ...], num_classes: int, samples: int, **arguments: Any) -> Self:
        """Return the space with 16 filters, or 32 from 100,000 samples on, whose networks can be trained in minutes.

        Args:
            input_shape: `(height, width, channels)` of one image.
            num_classes: number of classes.
            samples: number of training samples.
            arguments: of the constructor; they take precedence over the data.
        """
        check_input_shape(input_shape, halvings=0)
        checks.size("num_classes", num_classes)
        filters = 32 if checks.size("samples", samples) >= 100_000 else 16
        return cls(**{"filters": filters, **arguments})

    @functools.cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """`edge/<source>/<target>`: `"0"` or `"1"`; `node/<vertex>`: its operation."""
        edges = {f"edge/{source}/{target}": ("0", "1") for source, target in _PAIRS}
        return {**edges, **{f"node/{vertex}": graphs.OPERATIONS for vertex in range(1, 1 + _INNER)}}

    def genotype(
        self,
        assignment: Mapping[str, str] | Sequence[Sequence[int]] | np.ndarray,
        operations: Sequence[str] | None = None,
    ) -> Genotype:
        """Return the genotype of an assignment, or of an adjacency matrix and operations.

        Args:
            assignment: one option for every choice; or the upper triangular 0-1 matrix of a graph of 2 to 7 vertices,
                row = source, column = target.
            operations: with a matrix: the operations of the inner vertices, or of all vertices, with `"input"` and
                `"output"`.

        Raises:
            ValueError: if that is no cell of the space; the message gives the reason.
        """
        if isinstance(assignment, Mapping):
            self.check_assignment(assignment)
            unpruned = _cell([options.index(assignment[name]) for name, options in self.choices.items()])
            return _genotype(_checked(unpruned))
        if operations is None and not isinstance(assignment, (list, tuple, np.ndarray)):
            expected = "a mapping with an option for each choice, or the matrix of a graph"
            raise TypeError(checks.invalid("assignment", expected, assignment))
        return _genotype(_checked(_cell_of_matrix(assignment, operations, "assignment")))

    def cell(self, matrix: Sequence[Sequence[int]] | np.ndarray, operations: Sequence[str] | None) -> Cell:
        """Return the canonical cell of a matrix and operations, checked as `genotype` does."""
        return _checked(_cell_of_matrix(matrix, operations))

    def genotype_of_cell(self, cell: Cell) -> Genotype:
        """Return the genotype of a cell, which need be neither pruned nor canonical."""
        return _genotype(_checked(cell))

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        """Invert `genotype`; unused vertices have no edges, and the first operation."""
        indices = _indices(_cell_of_genotype(genotype))
        return {name: options[i] for i, (name, options) in zip(indices, self.choices.items(), strict=True)}

    def matrix(self, genotype: Genotype) -> tuple[np.ndarray, list[str]]:
        """Return adjacency matrix and operations of all vertices, of the pruned graph in its canonical order."""
        cell = _cell_of_genotype(genotype)
        matrix = np.zeros((cell.vertices, cell.vertices), np.uint8)
        for edge in graphs.edge_list(cell.vertices, cell.edges):
            matrix[edge] = 1
        return matrix, ["input", *(graphs.OPERATIONS[operation] for operation in cell.operations), "output"]

    def hash(self, genotype: Genotype) -> str:
        """Return the published graph hash, the benchmark's identifier of a cell."""
        return graphs.graph_hash(_cell_of_genotype(genotype))

    @checks.arguments(image_channels=checks.size, num_classes=checks.size)
    def parameters(self, genotype: Genotype, image_channels: int = 3, num_classes: int = 10) -> int:
        """Return the number of trainable parameters of the network, by a formula; by default those of the benchmark."""
        return count_parameters(*self.matrix(genotype), image_channels, num_classes, **self.get_config())

    def enumerate_cells(self) -> Cells:
        """Return all 423,624 cells, each once: vertices, bits of the edges, digits of the operations (base 3).

        Bit `source + target * (target - 1) / 2` of `edges` is the edge from `source` to `target`; the last vertex is
        the output.
        """
        return enumerate_cells()

    def feasible(self, indices: Indices) -> bool:
        """Return True if the input reaches the output, over at most 9 edges after pruning."""
        cell = graphs.canonical(_cell(indices))
        return cell is not None and cell.edges.bit_count() <= MAX_EDGES

    def key(self, indices: Indices) -> Hashable:
        """Return the canonical cell, equal for two architectures if and only if their graph hash is."""
        return graphs.canonical(_cell(indices))

    def __iter__(self) -> Iterator[Indices]:
        cells = self.enumerate_cells()
        for start in range(0, len(cells.vertices), 1000):
            part = Cells(*(column[start : start + 1000] for column in cells))
            yield from map(tuple, cell_indices(part).tolist())

    def sample_indices(self, rng: np.random.Generator) -> Indices:
        """Draw uniformly over the feasible combinations of choices, as in the paper: not uniformly over the cells."""
        while True:
            operations, edges = divmod(int(rng.integers(self.size)), 1 << len(_PAIRS))
            cell = graphs.canonical(Cell(MAX_VERTICES, edges, _digits(operations, _INNER)))
            if cell is not None and cell.edges.bit_count() <= MAX_EDGES:
                return _indices(cell)

    def mutate_indices(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """Make one edit, drawn uniformly over the edges, the operations and, below 7 vertices, the new vertices."""
        return _indices(graphs.random_edit(_checked(_cell(indices)), rng))

    def neighbors(self, indices: Indices) -> list[Indices]:
        return [_indices(cell) for cell in graphs.one_edit_away(_checked(_cell(indices)))]

    @checks.arguments(seed=checks.seed)
    def build_network(  # type: ignore[override]
        self, genotype: Genotype, input_shape: tuple[int, ...], num_classes: int, seed: int = 0
    ) -> keras.Model:
        """Build the discrete network of `genotype`, of standard Keras layers only; see `graph_network`.

        Raises:
            ValueError: if `genotype` is not of this space.
        """
        self.validate(genotype)
        return graph_network(*self.matrix(genotype), input_shape, num_classes, **self.get_config(), seed=seed)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"filters": self.filters, "num_stacks": self.num_stacks, "cells_per_stack": self.cells_per_stack}


def _digits(number: int, count: int) -> tuple[int, ...]:
    base = len(graphs.OPERATIONS)
    return tuple([number // base**power % base for power in reversed(range(count))])


def _cell(indices: Sequence[int]) -> Cell:
    """Return the unpruned graph of 7 vertices."""
    return Cell(MAX_VERTICES, sum(itertools.compress(_BITS, indices)), tuple(indices[len(_BITS) :]))


def _indices(cell: Cell) -> Indices:
    """Encode a pruned cell: its output is vertex 6, unused vertices come before that."""
    start = graphs.edge_bit(0, cell.vertices - 1)
    edges = cell.edges & (1 << start) - 1 | cell.edges >> start << graphs.edge_bit(0, MAX_VERTICES - 1)
    unused = (0,) * (MAX_VERTICES - cell.vertices)
    return (*_SEVEN[edges & 127], *_SEVEN[edges >> 7 & 127], *_SEVEN[edges >> 14], *cell.operations, *unused)


def _checked(cell: Cell) -> Cell:
    """Return the canonical cell, if it is one of the benchmark's."""
    pruned = graphs.canonical(cell)
    if pruned is None:
        raise ValueError("This graph is no cell of NAS-Bench-101: no path leads from its input to its output.")
    if pruned.edges.bit_count() > MAX_EDGES:
        raise ValueError(
            f"This graph is no cell of NAS-Bench-101: it has {pruned.edges.bit_count()} edges, pruned. "
            f"Expected at most {MAX_EDGES}."
        )
    return pruned


@functools.lru_cache(1 << 15)
def _genotype(cell: Cell) -> Genotype:
    labels = ["input", *(graphs.OPERATIONS[operation] for operation in cell.operations), "output"]
    edges = graphs.edge_list(cell.vertices, cell.edges)
    return Genotype("nasbench101", {"cell": [Edge(labels[target], source, target) for source, target in edges]})


@functools.lru_cache(1 << 15)
def _cell_of_genotype(genotype: Genotype) -> Cell:
    """Return the canonical cell of `genotype`, fully checked."""
    if tuple(genotype) != ("cell",) or not genotype["cell"]:
        raise ValueError(f"A genotype of this space has one cell, 'cell', with edges. Received: {tuple(genotype)}")
    labels: dict[int, str] = {}
    matrix = np.zeros((1 + max(edge.target for edge in genotype["cell"]),) * 2, np.uint8)
    for edge in genotype["cell"]:
        if labels.setdefault(edge.target, edge.primitive) != edge.primitive or matrix[edge.source, edge.target]:
            raise ValueError(
                "In a genotype of this space all edges into a vertex carry its operation, and no edge is there twice. "
                f"Received: {[tuple(other) for other in genotype['cell'] if other.target == edge.target]}"
            )
        matrix[edge.source, edge.target] = 1
    missing = sorted(set(range(1, len(matrix))) - set(labels))
    if missing:
        raise ValueError(
            f"In a genotype of this space an edge leads to every vertex but 0. Received none to: {missing}"
        )
    cell = _cell_of_matrix(matrix, ["input", *(labels[vertex] for vertex in range(1, len(matrix)))])
    checked = _checked(cell)
    if checked.vertices != cell.vertices:
        raise ValueError(f"A genotype of this space is pruned: this one has loose ends. Received:\n{genotype}")
    return checked


def _cell_of_matrix(matrix: Any, operations: Sequence[str] | None, argument: str = "matrix") -> Cell:
    array = checks.array(argument, matrix, kinds="biuf")
    if isinstance(operations, (str, bytes)) or not (operations is None or isinstance(operations, Sequence)):
        raise TypeError(checks.invalid("operations", "a sequence of names", operations))
    vertices = len(array) if array.ndim else 0
    if array.shape != (vertices, vertices) or not 2 <= vertices <= MAX_VERTICES:
        expected = f"a square matrix of 2 to {MAX_VERTICES} vertices"
        raise ValueError(checks.invalid(argument, expected, array.shape))
    if array.dtype.kind not in "biuf" or np.any((array != 0) & (array != 1)) or np.any(np.tril(array)):
        raise ValueError(checks.invalid(argument, "0 and 1, and no 1 on the diagonal or below", array.tolist()))
    names = list(operations or ())
    if len(names) == vertices and (names[0], names[-1]) == ("input", "output"):
        names = names[1:-1]
    if len(names) != vertices - 2:
        expected = f"{vertices - 2}, one for each vertex between input and output"
        raise ValueError(checks.invalid("operations", expected, operations))
    for name in names:
        if not isinstance(name, str) or name not in graphs.OPERATIONS:
            raise ValueError(
                f"NAS-Bench-101 has no operation {name!r} for `operations`. {nearest(name, graphs.OPERATIONS)}"
            )
    edges = sum(1 << bit for bit, pair in enumerate(graphs.vertex_pairs(vertices)) if array[pair])
    return Cell(vertices, edges, tuple(graphs.OPERATIONS.index(name) for name in names))
