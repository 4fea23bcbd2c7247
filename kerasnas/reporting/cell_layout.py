"""Layout of the plot of a cell: pure geometry, in inches, with y pointing down.

A layered drawing (Sugiyama, Tagawa and Toda, 1981). Nodes stand in topological columns, and between
two columns of nodes stands a column of labels. An edge that passes a column gets a row of its own
there, so that it runs level wherever a box could be: it can bend, and cross others, only in the
empty strips between columns. No label can therefore touch a node, another label or another edge.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from kerasnas.genotypes import Edge, Genotype

FONT_SIZE = 9.0
"""Size of the labels in points."""

_CHARACTER = 0.6021 * FONT_SIZE / 72  # every glyph of DejaVu Sans Mono is as wide as this
_LABEL_HEIGHT, _PADDING = 0.26, 0.08
_NODE, _WIDE_NODE = 0.46, 0.72
_PORT = 0.15  # between two arrows into one node
_CLEARANCE = 0.12  # between two rows of a column
_MARGIN = 0.3


@dataclasses.dataclass(frozen=True)
class Box:
    """Rectangle with centered text: a node or a label."""

    text: str
    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2


@dataclasses.dataclass(frozen=True)
class Wire:
    """Arrow from `start` to `end`, which runs level through each `(left, right, y)` of `levels`.

    `edge` is None for the arrows into the output, which carry no primitive and no `label`.
    """

    start: tuple[float, float]
    levels: tuple[tuple[float, float, float], ...]
    end: tuple[float, float]
    edge: Edge | None = None
    label: Box | None = None


@dataclasses.dataclass(frozen=True)
class CellLayout:
    """Plot of one cell: its size, its nodes by number, its output and its arrows."""

    width: float
    height: float
    nodes: dict[int, Box]
    output: Box
    wires: tuple[Wire, ...]

    @property
    def labels(self) -> list[Box]:
        """Label boxes, in the order of the genotype's edges."""
        return [wire.label for wire in self.wires if wire.label is not None]


def count_inputs(targets: Iterable[int]) -> int:
    """Return the number of inputs of a cell whose edges have these targets: 2, or 1 where an edge leads into node 1."""
    return 1 if 1 in targets else 2


def node_name(node: int, num_inputs: int) -> str:
    """Return the label of a node in a plot: the papers' names for the inputs, then 0, 1, 2, ...

    Example:

    >>> [node_name(node, 2) for node in range(4)]
    ['$c_{k-2}$', '$c_{k-1}$', '0', '1']
    """
    if node >= num_inputs:
        return str(node - num_inputs)
    return f"$c_{{k-{num_inputs - node}}}$"


def layout_cell(genotype: Genotype, kind: str) -> CellLayout:
    """Place the nodes, labels and arrows of one cell."""
    edges = genotype[kind]
    if not edges:
        raise ValueError(f"Cell {kind!r} has no edges to draw.")
    inputs = list(range(count_inputs(edge.target for edge in edges)))
    between = sorted({node for edge in edges for node in (edge.source, edge.target)} - set(inputs))
    return _Drawing(edges, inputs, between, between if len(inputs) == 2 else between[-1:]).layout()


class _Drawing:
    """Steps of a layered drawing. Items are nodes (by number), the output, and `(wire, column)` for each wire
    where it passes a column. Even columns hold nodes, odd columns hold labels."""

    _OUTPUT = "output"

    def __init__(self, edges: Sequence[Edge], inputs: list[int], between: list[int], concat: list[int]):
        self.edges, self.inputs = edges, inputs
        self.names: dict[Hashable, str] = {node: node_name(node, len(inputs)) for node in inputs + between}
        self.names[self._OUTPUT] = "$c_{k}$\nconcat" if len(concat) > 1 else "$c_{k}$"
        self.ends: list[tuple[Hashable, Hashable]] = [(edge.source, edge.target) for edge in edges] + [
            (node, self._OUTPUT) for node in concat
        ]
        column: dict[Hashable, int] = dict.fromkeys(inputs, 0)
        for node in between:
            column[node] = 2 + max((column[edge.source] for edge in edges if edge.target == node), default=0)
        column[self._OUTPUT] = 1 + max(column.values())  # its arrows carry no labels
        self.columns: list[list] = [[] for _ in range(column[self._OUTPUT] + 1)]
        for name, index in column.items():
            self.columns[index].append(name)
        self.links: list[list[tuple]] = [[] for _ in self.columns[1:]]  # pairs of items in neighbouring columns
        self.chains, self.paths = [], []
        for wire, (source, target) in enumerate(self.ends):
            passed = [(wire, index) for index in range(column[source] + 1, column[target])]
            for item in passed:
                self.columns[item[1]].append(item)
            self.chains.append(passed)
            self.paths.append([source, *passed, target])
            for offset, pair in enumerate(itertools.pairwise(self.paths[-1])):
                self.links[column[source] + offset].append(pair)
        self.labelled: dict[Hashable, str] = {
            chain[-1]: edge.primitive for edge, chain in zip(edges, self.chains, strict=False)
        }

    def layout(self) -> CellLayout:
        self.order()
        self.rows = self.place_rows()
        self.ports()
        self.place_columns()
        nodes = {node: self.box(node) for node in self.names if isinstance(node, int)}
        output = self.box(self._OUTPUT)
        wires = []
        for wire, chain in enumerate(self.chains):
            source, target = self.ends[wire]
            start = (self.x[source] + self.size(source)[0] / 2, self.leaving[wire])
            end = (self.x[target] - self.size(target)[0] / 2, self.entering[wire])
            levels = []
            for item in chain:
                middle, half = self.x[self.columns[item[1]][0]], self.widths[item[1]] / 2
                levels.append((middle - half, middle + half, self.rows[item]))
            edge = self.edges[wire] if wire < len(self.edges) else None
            wires.append(Wire(start, tuple(levels), end, edge, self.box(chain[-1]) if edge else None))
        height = max(box.bottom for box in [*nodes.values(), output, *(w.label for w in wires if w.label)]) + _MARGIN
        height = max(height, max(self.rows.values()) + _MARGIN)
        return CellLayout(output.right + _MARGIN, height, nodes, output, tuple(wires))

    def size(self, item: Hashable) -> tuple[float, float]:
        """Width and height of an item; a wire without its label is a line."""
        if item in self.names:
            ports = max(sum(item == end[side] for end in self.ends) for side in (0, 1))
            wide = item in self.inputs or item == self._OUTPUT
            return (_WIDE_NODE if wide else _NODE), max(_NODE, (ports + 1) * _PORT)
        if item in self.labelled:
            return len(self.labelled[item]) * _CHARACTER + 2 * _PADDING, _LABEL_HEIGHT
        return 0.0, 0.04

    def box(self, item: Hashable) -> Box:
        text = self.names[item] if item in self.names else self.labelled[item]
        return Box(text, self.x[item], self.rows[item], *self.size(item))

    # Which item is above which: few crossings -----------------------------------------------------
    def order(self) -> None:
        """Sweep by the mean position of the neighbours, then swap neighbours while that helps; keep the best."""
        best = (self.crossings(), [list(column) for column in self.columns])
        for sweep in range(12):
            forward = sweep % 2 == 0
            indices = range(1, len(self.columns)) if forward else range(len(self.columns) - 2, 0, -1)
            for index in indices:
                place = {item: i for i, item in enumerate(self.columns[index - 1 if forward else index + 1])}
                links = self.links[index - 1] if forward else self.links[index]
                means = {}
                for position, item in enumerate(self.columns[index]):
                    found = [place[a if forward else b] for a, b in links if (b if forward else a) == item]
                    means[item] = sum(found) / len(found) if found else position
                self.columns[index].sort(key=means.__getitem__)
            self.swap()
            crossings = self.crossings()
            if crossings < best[0]:
                best = (crossings, [list(column) for column in self.columns])
        self.columns = best[1]

    def swap(self) -> None:
        for column, items in enumerate(self.columns[1:-1], start=1):
            crossings = self.crossings(column - 1, column + 1)
            for i in range(len(items) - 1):
                items[i], items[i + 1] = items[i + 1], items[i]
                swapped = self.crossings(column - 1, column + 1)
                if swapped < crossings:
                    crossings = swapped
                else:
                    items[i], items[i + 1] = items[i + 1], items[i]

    def crossings(self, first: int = 0, last: int | None = None) -> int:
        count = 0
        for index, links in list(enumerate(self.links))[first:last]:
            left = {item: i for i, item in enumerate(self.columns[index])}
            right = {item: i for i, item in enumerate(self.columns[index + 1])}
            ends = sorted((left[a], right[b]) for a, b in links)
            count += sum(a[0] < b[0] and a[1] > b[1] for a, b in itertools.combinations(ends, 2))
        return count

    def place_rows(self) -> dict:
        """Move every item towards its neighbours, a column at a time, keeping the order and the clearances."""
        rows: dict = {}
        for items in self.columns:
            gaps = self.gaps(items)
            start = -sum(gaps) / 2
            for item, gap in zip(items, [0.0, *gaps], strict=True):
                start += gap
                rows[item] = start
        neighbours: dict = {item: [] for item in rows}
        for a, b in itertools.chain(*self.links):
            # A wire between two columns it passes should be straight: that matters more than where its ends pull.
            weight = 1 if a in self.names or b in self.names else 6
            neighbours[a].append((b, weight))
            neighbours[b].append((a, weight))
        total = {item: sum(weight for _, weight in near) or 1 for item, near in neighbours.items()}
        for sweep in range(40):
            for items in self.columns if sweep % 2 == 0 else reversed(self.columns):
                wanted = [sum(rows[n] * weight for n, weight in neighbours[item]) / total[item] for item in items]
                rows.update(zip(items, spread(wanted, self.gaps(items)), strict=True))
        top = min(row - self.size(item)[1] / 2 for item, row in rows.items())
        return {item: row - top + _MARGIN for item, row in rows.items()}

    def gaps(self, items: list) -> list[float]:
        heights = [self.size(item)[1] for item in items]
        return [(a + b) / 2 + _CLEARANCE for a, b in itertools.pairwise(heights)]

    def ports(self) -> None:
        """Spread the arrows over the sides of a node, in the order of where they come from or go to."""
        self.leaving: dict[int, float] = {}
        self.entering: dict[int, float] = {}
        for side, rows in ((0, self.leaving), (1, self.entering)):
            for node in self.names:
                wires = [wire for wire, ends in enumerate(self.ends) if ends[side] == node]
                wires.sort(key=lambda wire: self.rows[self.paths[wire][1 if side == 0 else -2]])
                for i, wire in enumerate(wires):
                    rows[wire] = self.rows[node] + (i - (len(wires) - 1) / 2) * _PORT

    def place_columns(self) -> None:
        """Columns from left to right; the strip between two is wider where arrows climb farther."""
        self.widths = [max(self.size(item)[0] for item in items) if items else 0.0 for items in self.columns]
        self.x: dict = {}
        left = _MARGIN
        for items, width, links in zip(self.columns, self.widths, [*self.links, []], strict=True):
            self.x.update(dict.fromkeys(items, left + width / 2))
            climb = max((abs(self.rows[a] - self.rows[b]) for a, b in links), default=0.0)
            left += width + min(0.35 + 0.22 * climb, 1.3)


def spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the positions nearest to `wanted` (least squares) of which each is at least its gap after the one before.

    Example:

    >>> spread([0.0, 0.0, 5.0], [2.0, 1.0])
    [-1.0, 1.0, 5.0]
    """
    from scipy.optimize import isotonic_regression

    offsets = np.array([0.0, *itertools.accumulate(gaps)])
    return (isotonic_regression(np.array(wanted) - offsets).x + offsets).tolist()
