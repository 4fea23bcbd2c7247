"""Many cells of NAS-Bench-101 at once, as arrays: all cells, and their indices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kerasnas.spaces.nasbench101_cells import MAX_EDGES, MAX_VERTICES, OPERATIONS, edge_bit, vertex_pairs

_BACKWARD = 62  # a bit above those of all edges


class Cells(NamedTuple):
    """Many cells, as arrays of one length: `operations` are digits to the base 3, the first vertex's the highest."""

    vertices: np.ndarray
    edges: np.ndarray
    operations: np.ndarray


def cell_indices(cells: Cells) -> np.ndarray:
    """Return the indices of pruned cells in `NASBench101Space`, `(cells, 26)`: 21 edges, then 5 operations."""
    pairs, inner = vertex_pairs(MAX_VERTICES), MAX_VERTICES - 2
    vertices, edges, code = (np.asarray(array).astype(np.int64) for array in cells)
    # The output is the last of all vertices, whatever their number: its edges go to where that one's are.
    start = (vertices - 1) * (vertices - 2) // 2
    edges = edges & (1 << start) - 1 | edges >> start << edge_bit(0, MAX_VERTICES - 1)
    code = code * len(OPERATIONS) ** (inner - (vertices - 2))  # operations not in use: the first one, 0
    powers = len(OPERATIONS) ** np.arange(inner)[::-1]
    bits = edges[:, None] >> np.arange(len(pairs)) & 1
    return np.concatenate([bits, code[:, None] // powers % len(OPERATIONS)], axis=1)


def enumerate_cells(max_vertices: int = MAX_VERTICES) -> Cells:
    """Return all canonical cells of at most this many vertices, ordered by vertices, edges and operations."""
    parts = [_cells_of(vertices) for vertices in range(2, max_vertices + 1)]
    return Cells(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _cells_of(vertices: int) -> Cells:
    """Return the cells of `vertices`: graphs, then operations, that no relabelling makes less."""
    inner, graphs = vertices - 2, _whole_graphs(vertices)
    digits = np.indices((len(OPERATIONS),) * inner).reshape(inner, len(OPERATIONS) ** inner)
    powers = len(OPERATIONS) ** np.arange(inner)[::-1]

    orders = list(itertools.permutations(range(1, vertices - 1)))
    positions = [[0, *(order.index(v) + 1 for v in range(1, vertices - 1)), vertices - 1] for order in orders]
    relabelled = np.array([_relabel_graphs(graphs, vertices, position) for position in positions])
    least = (relabelled >= graphs).all(axis=0)
    graphs, symmetric = graphs[least], (relabelled == graphs)[:, least]

    operations = np.arange(digits.shape[1])
    smallest = np.broadcast_to(operations, (len(graphs), len(operations))).copy()
    for order, unchanged in zip(orders, symmetric, strict=True):
        moved = powers @ digits[[old - 1 for old in order]] if inner else operations
        smallest[unchanged] = np.minimum(smallest[unchanged], moved)
    graph, code = np.nonzero(smallest == operations)
    return Cells(np.full(len(graph), vertices, np.uint8), graphs[graph].astype(np.uint32), code.astype(np.uint8))


def _whole_graphs(vertices: int) -> np.ndarray:
    """Return the edges of all graphs in which every vertex is on a path from the input to the output."""
    pairs = vertex_pairs(vertices)
    graphs = np.arange(1 << len(pairs), dtype=np.int64)
    graphs = graphs[np.bitwise_count(graphs) <= MAX_EDGES]
    # Every vertex but the output has a successor, and all but the input a predecessor: since edges go forward only,
    # this is enough.
    for end, needed in ((0, range(vertices - 1)), (1, range(1, vertices))):
        for vertex in needed:
            mask = sum(1 << bit for bit, pair in enumerate(pairs) if pair[end] == vertex)
            graphs = graphs[graphs & mask != 0]
    return graphs


def _relabel_graphs(graphs: np.ndarray, vertices: int, position: Sequence[int]) -> np.ndarray:
    """Relabel many graphs; those with a reversed edge become more than any graph."""
    moved = np.zeros_like(graphs)
    for bit, (source, target) in enumerate(vertex_pairs(vertices)):
        present = graphs >> bit & 1
        forward = position[source] < position[target]
        moved |= present << (edge_bit(position[source], position[target]) if forward else _BACKWARD)
    return moved
