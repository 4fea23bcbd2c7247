"""Cells of graph networks as trees: which node reads which, its operation, and when two cells are the same."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

SKIP = "skip_connect"
Cell = tuple[tuple[int, str], ...]
"""For each node, from 1, the node that it reads (0 is the input) and its operation."""


def canonical(cell: Sequence[tuple[int, str]], operations: Sequence[str], unread_input: bool = True) -> Cell:
    """Return the representative of all cells that are the same network.

    Nodes may be numbered in any order in which each comes after its source. A skip connection that is read, or that
    alone reads its node, changes nothing: its readers read its source instead, and a skip connection at the very front
    replaces it. Of the remaining cells, the representative is the one whose sources, and then operations, come first.
    If `unread_input` is False, the output may not contain the input itself (it has another number of channels), and
    skip connections that would put it there change nothing either.
    """
    rest: dict[int, tuple[int, str]] = dict(enumerate(cell, start=1))
    while (idle := next((node for node in rest if _idle(rest, node, unread_input)), None)) is not None:
        source, _ = rest.pop(idle)
        rest = {node: (source if read == idle else read, name) for node, (read, name) in rest.items()}
    front = len(cell) - len(rest)
    moved = {0: front} | {node: number for number, node in enumerate(rest, start=front + 1)}
    skips = [(number, SKIP) for number in range(front)]
    rank = {name: index for index, name in enumerate(operations)}
    kept = tuple((moved[read], rank[name]) for read, name in rest.values())
    return (*skips, *((read, operations[index]) for read, index in _first(kept, front)))


def _idle(cell: dict[int, tuple[int, str]], node: int, unread_input: bool) -> bool:
    """Return True if a node is a skip connection that changes nothing."""
    source, name = cell[node]
    if name != SKIP:
        return False
    read = any(other == node for other, _ in cell.values())
    alone = all(other == node or read_by != source for other, (read_by, _) in cell.items())
    return read or alone or (source == 0 and not unread_input)


@functools.lru_cache(maxsize=4096)
def _first(cell: tuple[tuple[int, int], ...], front: int) -> tuple[tuple[int, int], ...]:
    """Return the numbering of the nodes after the first `front` whose sources, and then operations, come first."""
    nodes = range(front + 1, front + 1 + len(cell))
    best: tuple[list[int], list[int]] | None = None
    for order in itertools.permutations(range(len(cell))):
        number = dict(zip((nodes[index] for index in order), nodes, strict=True))
        sources = [number.get(cell[index][0], cell[index][0]) for index in order]
        if any(source >= node for source, node in zip(sources, nodes, strict=True)):
            continue
        candidate = sources, [cell[index][1] for index in order]
        if best is None or candidate < best:
            best = candidate
    return tuple(zip(*best, strict=True)) if best is not None else ()
