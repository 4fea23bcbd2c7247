"""Cells of NAS-Bench-101 as small integers: pruning, relabelling, edits, the published hash."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES, MAX_EDGES = 7, 9


class Cell(NamedTuple):
    """A directed acyclic graph from vertex 0, the input, to the last one, the output.

    Attributes:
        vertices: their number, input and output included.
        edges: bit `edge_bit(source, target)` is set for each edge.
        operations: for each vertex between input and output, the position of its operation in `OPERATIONS`.
    """

    vertices: int
    edges: int
    operations: tuple[int, ...]


def edge_bit(source: int, target: int) -> int:
    """Return the number of an edge's bit: by target, then source, for any number of vertices."""
    return source + target * (target - 1) // 2


def vertex_pairs(vertices: int) -> list[tuple[int, int]]:
    """Return (source, target) of every possible edge, in the order of `edge_bit`."""
    return [(source, target) for target in range(vertices) for source in range(target)]


@functools.lru_cache(1 << 16)
def edge_list(vertices: int, edges: int) -> tuple[tuple[int, int], ...]:
    """Return (source, target) of the edges of a cell."""
    return tuple(pair for bit, pair in enumerate(vertex_pairs(vertices)) if edges >> bit & 1)


def _relabelled(pairs: Collection[tuple[int, int]], position: Mapping[int, int]) -> int:
    """Return the edges after vertex v has become vertex `position[v]`; the order of the vertices must allow it."""
    edges = 0
    for source, target in pairs:
        edges |= 1 << edge_bit(position[source], position[target])
    return edges


@functools.lru_cache(1 << 16)
def _canonical_graph(vertices: int, edges: int) -> tuple[int, int, tuple[tuple[int, ...], ...]] | None:
    """Return vertices and edges of the pruned graph in the order of its inner vertices that minimizes `edges`.

    Third come the orders that do so, several if the graph has symmetries: for each inner vertex the position of its
    operation among those of the unpruned graph. None if no path leads from the input to the output.
    """
    pairs = edge_list(vertices, edges)
    forward, backward = {0}, {vertices - 1}
    for source, target in pairs:  # ascending by target: whatever leads to `source` was there before
        if source in forward:
            forward.add(target)
    for source, target in reversed(pairs):
        if target in backward:
            backward.add(source)
    kept = sorted(forward & backward)
    if len(kept) < 2:
        return None
    position = {vertex: index for index, vertex in enumerate(kept)}
    pruned = _relabelled([pair for pair in pairs if pair[0] in position and pair[1] in position], position)
    least, orders = _least_labellings(len(kept), pruned)
    return len(kept), least, tuple([tuple([kept[vertex] - 1 for vertex in order]) for order in orders])


@functools.cache
def _relabellings(vertices: int) -> list[tuple[tuple[int, ...], int, list[int]]]:
    """Return every order of the inner vertices, the edges that it would reverse, and each edge's bit afterwards."""
    found = []
    for order in itertools.permutations(range(1, vertices - 1)):
        position = {0: 0, vertices - 1: vertices - 1} | {old: new for new, old in enumerate(order, start=1)}
        pairs = [(position[source], position[target]) for source, target in vertex_pairs(vertices)]
        backward = sum(1 << bit for bit, (source, target) in enumerate(pairs) if source > target)
        found.append((order, backward, [1 << edge_bit(min(pair), max(pair)) for pair in pairs]))
    return found


@functools.lru_cache(1 << 14)
def _least_labellings(vertices: int, edges: int) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """Return the least `edges` over all orders of the inner vertices of a pruned graph, and the orders that give it."""
    bits = [bit for bit in range(edges.bit_length()) if edges >> bit & 1]
    moved = [
        (sum([image[bit] for bit in bits]), order)
        for order, backward, image in _relabellings(vertices)
        if not edges & backward
    ]
    least = min(moved)[0]
    return least, tuple(order for other, order in moved if other == least)


def _arranged(operations: Sequence[int], orders: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    if len(orders) == 1:  # most graphs have no symmetry
        return tuple([operations[old] for old in orders[0]])
    return min([tuple([operations[old] for old in order]) for order in orders])


def canonical(cell: Cell) -> Cell | None:
    """Return the pruned cell that stands for all that differ in the order of vertices; None if nothing is left.

    Vertices on no path from the input to the output are pruned. Of the orders of the remaining ones it has the least
    `edges`, and among those the least `operations`: the cell that the published enumeration meets first.
    """
    graph = _canonical_graph(cell.vertices, cell.edges)
    return None if graph is None else Cell(graph[0], graph[1], _arranged(cell.operations, graph[2]))


def one_edit_away(cell: Cell) -> list[Cell]:
    """Return the canonical cells of at most 9 edges that one edit makes from a canonical one, each once.

    An edit adds an edge, removes one (and whatever that cuts off), changes an operation, or adds a vertex with one edge
    in and one out: a single edge of the unpruned graph, whose new vertex was connected on one side only.
    """
    vertices, edges, operations = cell
    orders = _canonical_graph(vertices, edges)[2]  # type: ignore[index]
    found: dict[Cell, None] = {}  # a set that keeps its order
    for index, operation in itertools.product(range(vertices - 2), range(len(OPERATIONS))):
        changed = (*operations[:index], operation, *operations[index + 1 :])
        found[Cell(vertices, edges, _arranged(changed, orders))] = None
    for graph in _graphs_one_edge_away(vertices, edges):
        found[Cell(graph[0], graph[1], _arranged(operations, graph[2]))] = None
    for graph, operation in itertools.product(_graphs_one_vertex_away(vertices, edges), range(len(OPERATIONS))):
        found[Cell(graph[0], graph[1], _arranged((*operations, operation), graph[2]))] = None
    return [other for other in found if other != cell]


@functools.lru_cache(1 << 14)
def _graphs_one_edge_away(vertices: int, edges: int) -> list[tuple[int, int, tuple[tuple[int, ...], ...]]]:
    """Return the graphs with one edge more or less, including new edges that go backwards but close no cycle.

    Otherwise the neighbors would depend on the order of the vertices, which is arbitrary, and not be mutual.
    """
    found = []
    for pair in itertools.permutations(range(vertices), 2):
        flipped = {*edge_list(vertices, edges)} ^ {pair}
        order = _topological_order(vertices, flipped)
        if order is None:
            continue
        moved = _relabelled(flipped, {vertex: index for index, vertex in enumerate(order)})
        graph = _canonical_graph(vertices, moved)
        if graph is not None and graph[1].bit_count() <= MAX_EDGES:
            orders = tuple([tuple([order[1 + old] - 1 for old in other]) for other in graph[2]])
            found.append((graph[0], graph[1], orders))
    return found


def _topological_order(vertices: int, pairs: Collection[tuple[int, int]]) -> list[int] | None:
    """Return the vertices so that all edges go forward, the input first and the output last; None if impossible."""
    order: list[int] = []
    while len(order) < vertices:
        left = [vertex for vertex in range(vertices) if vertex not in order]
        free = [v for v in left if all(source in order for source, target in pairs if target == v)]
        if not free:
            return None
        order.append(free[0])
    return order if order[0] == 0 and order[-1] == vertices - 1 else None


@functools.lru_cache(1 << 14)
def _graphs_one_vertex_away(vertices: int, edges: int) -> list[tuple[int, int, tuple[tuple[int, ...], ...]]]:
    """Return the graphs with one vertex more, whose operation is the last one."""
    if vertices == MAX_VERTICES or edges.bit_count() + 2 > MAX_EDGES:
        return []
    found = []
    for source, target in vertex_pairs(vertices):
        graph = _canonical_graph(vertices + 1, _with_vertex(vertices, edges, source, target))
        kept, least, orders = graph  # type: ignore[misc]
        # The new vertex is number `target`: its operation, at target - 1, becomes the last, those behind move up.
        last = {new: vertices - 2 if new == target - 1 else new - (new >= target) for new in range(vertices - 1)}
        found.append((kept, least, tuple([tuple([last[new] for new in order]) for order in orders])))
    return found


def _with_vertex(vertices: int, edges: int, source: int, target: int) -> int:
    """Return the edges with a vertex more, just before `target`, that reads `source` and is read by `target`."""
    position = {vertex: vertex + (vertex >= target) for vertex in range(vertices)}
    edges = _relabelled(edge_list(vertices, edges), position)
    return edges | 1 << edge_bit(source, target) | 1 << edge_bit(target, target + 1)


def random_edit(cell: Cell, rng: np.random.Generator) -> Cell:
    """Draw a cell of `one_edit_away`; each edge, operation and place for a new vertex is equally likely."""
    vertices, edges, operations = cell
    by_edge, by_vertex = _graphs_one_edge_away(vertices, edges), _graphs_one_vertex_away(vertices, edges)
    position = int(rng.integers(vertices - 2 + len(by_edge) + len(by_vertex)))
    if position < vertices - 2:
        changed = (operations[position] + int(rng.integers(1, len(OPERATIONS)))) % len(OPERATIONS)
        edited = cell._replace(operations=(*operations[:position], changed, *operations[position + 1 :]))
        return Cell(vertices, edges, _arranged(edited.operations, _canonical_graph(vertices, edges)[2]))  # type: ignore[index]
    extended = (*operations, int(rng.integers(len(OPERATIONS))))  # the last one is a new vertex's, if there is one
    graph = (by_edge + by_vertex)[position - (vertices - 2)]
    return Cell(graph[0], graph[1], _arranged(extended, graph[2]))


@functools.lru_cache(1 << 18)
def graph_hash(cell: Cell) -> str:
    """Return the published hash of a pruned cell, which does not depend on the order of its vertices.

    Every vertex starts with the MD5 of (out-degree, in-degree, operation), -1 and -2 being input and output. For as
    many rounds as there are vertices, each then takes the MD5 of its predecessors' sorted hashes, its successors' and
    its own.
    """
    vertices, pairs = cell.vertices, edge_list(cell.vertices, cell.edges)
    before: list[list[int]] = [[] for _ in range(vertices)]
    after: list[list[int]] = [[] for _ in range(vertices)]
    for source, target in pairs:
        after[source].append(target)
        before[target].append(source)
    labels = (-1, *cell.operations, -2)
    hashes = [_md5(f"({len(after[v])}, {len(before[v])}, {labels[v]})") for v in range(vertices)]
    for _ in range(vertices):
        joined = [["".join(sorted([hashes[w] for w in side[v]])) for side in (before, after)] for v in range(vertices)]
        hashes = [_md5("|".join([*joined[v], hashes[v]])) for v in range(vertices)]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
