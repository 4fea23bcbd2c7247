"""Genotype: the architecture that a search found, as immutable data, with JSON and the papers' string form."""

from __future__ import annotations

import ast
import dataclasses
import json
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas import checks
from kerasnas.files import storage, untrusted

__all__ = [
    "DARTS_V1",
    "DARTS_V2",
    "PC_DARTS_CIFAR",
]

SKIP, NONE = "skip_connect", "none"  # primitives that derivations treat apart
_FORMAT, _VERSION = "kerasnas.genotype", 1


class Edge(NamedTuple):
    """One chosen operation of a cell: `primitive` applied to node `source`, added into node `target`.

    Nodes are numbered as in the papers: the cell's inputs first (0 and 1 in DARTS), then its own nodes.
    """

    primitive: str
    source: int
    target: int


_ORDER = operator.attrgetter("target", "source", "primitive")


@dataclasses.dataclass(frozen=True)
class Genotype:
    """The architecture that a search found: for each kind of cell, its edges.

    Comparable, hashable and independent of TensorFlow. The order of the edges has no meaning: they are sorted by
    (target, source, primitive), and the cells by their kind.

    Args:
        space: name of the space it belongs to, such as `"darts"`.
        cells: mapping (or pairs) from the kind of cell, such as `"normal"`, to its edges, each an `Edge` or a
            `(primitive, source, target)` triple.

    Raises:
        ValueError: if `space` is not a name, `cells` is neither a mapping nor pairs, an edge is malformed or points
            backwards, or there is no cell.

    Example:

    >>> genotype = Genotype("toy", {"normal": [("skip_connect", 0, 2), ("sep_conv_3x3", 1, 2)]})
    >>> genotype["normal"][1]
    Edge(primitive='sep_conv_3x3', source=1, target=2)
    >>> Genotype.from_json(genotype.to_json()) == genotype
    True
    """

    space: str
    cells: tuple[tuple[str, tuple[Edge, ...]], ...]

    def __init__(self, space: str, cells: Mapping[str, Iterable] | Iterable[tuple[str, Iterable]]):
        if not isinstance(space, str) or not space:
            raise ValueError(checks.invalid("space", "the name of a search space", space))
        checked = tuple(sorted((kind, tuple(sorted(map(_edge, edges), key=_ORDER))) for kind, edges in _pairs(cells)))
        if not checked:
            raise ValueError(checks.invalid("cells", "at least one cell", cells))
        if len({kind for kind, _ in checked}) != len(checked):
            raise ValueError(checks.invalid("cells", "each kind of cell once", [kind for kind, _ in checked]))
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "cells", checked)

    def __getitem__(self, kind: str) -> tuple[Edge, ...]:
        for name, edges in self.cells:
            if name == kind:
                return edges
        raise KeyError(f"No cell {kind!r} in this genotype. It has: {[name for name, _ in self.cells]}")

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.cells)

    def __str__(self) -> str:
        lines = [f"Genotype of space '{self.space}'"]
        for kind, edges in self.cells:
            lines += [f"  {kind}:"] + [f"    {edge.source} -> {edge.target}  {edge.primitive}" for edge in edges]
        return "\n".join(lines)

    def count(self, primitive: str) -> int:
        """Return the number of edges, over all kinds of cell, that carry `primitive`.

        Raises:
            TypeError: if `primitive` is not a string.
        """
        checks.instance("primitive", primitive, str, "the name of a primitive")
        return sum(edge.primitive == primitive for _, edges in self.cells for edge in edges)

    def to_json(self) -> str:
        """Return the genotype as JSON text, with the name and the version of its format."""
        return json.dumps(as_entry(self))

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """Read the text of `to_json`.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if the text is truncated, malformed, or written by a newer version.
        """
        checks.instance("text", text, (str, bytes), "the JSON text of a genotype")
        try:
            record = untrusted.parse_json(text)
        except ValueError as error:
            raise ValueError(f"Malformed or truncated genotype JSON, received for argument `text`: {error}") from None
        return of_entry(record)

    def save(self, path: str | os.PathLike) -> None:
        """Write the JSON form to `path`, atomically.

        Raises:
            TypeError: if `path` is not a path.
        """
        storage.write_text(path, self.to_json() + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike) -> Genotype:
        """Read a file written by `save`.

        Raises:
            TypeError: if `path` is not a path.
            FileNotFoundError: if there is no such file.
            ValueError: if the file is truncated, malformed, or written by a newer version; the message names it.
        """
        path = checks.path("path", path)
        try:
            return cls.from_json(untrusted.read_text(path))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def to_paper_string(self) -> str:
        """Return the string form of DARTS and its successors: `Genotype(normal=[(op, source), ...], ...)`."""
        fields = []
        for kind, edges in self.cells:
            pairs = [(edge.primitive, edge.source) for edge in edges]
            fields += [f"{kind}={pairs!r}", f"{kind}_concat={sorted({edge.target for edge in edges})!r}"]
        return f"Genotype({', '.join(fields)})"

    @classmethod
    def from_paper_string(cls, text: str, space: str = "darts") -> Genotype:
        """Read a DARTS-style string: two edges for each node, in the order of the nodes. The text is never executed.

        Args:
            text: a string such as `"Genotype(normal=[('skip_connect', 0), ...], normal_concat=range(2, 6), ...)"`.
            space: name of the space. Defaults to `"darts"`.

        Raises:
            TypeError: if `text` is not a string.
            ValueError: if the text is not such a call of literals, or a cell does not concatenate all its nodes.
        """
        checks.instance("text", text, str, "the string of a genotype")
        problem = 'Expected "Genotype(normal=[(primitive, source), ...], normal_concat=..., reduce=...)". Received: '
        try:
            call = ast.parse(text.strip(), mode="eval").body
            if not isinstance(call, ast.Call):
                raise ValueError("not a call")
            fields = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
            concats = {kind: fields.pop(kind) for kind in list(fields) if kind.endswith("_concat")}
            cells = {
                kind: [(primitive, source, 2 + index // 2) for index, (primitive, source) in enumerate(pairs)]
                for kind, pairs in fields.items()
            }
            for name, concat in concats.items():
                nodes = sorted({target for *_, target in cells[name.removesuffix("_concat")]})
                if len(concat) != len(nodes) or sorted(concat) != nodes:
                    raise ValueError(f"{name} is not the list of all nodes, {nodes}")
        except (SyntaxError, ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
            raise ValueError(f"Invalid value received for argument `text`. {problem}{text!r} ({error})") from None
        return cls(space, cells)


def as_entry(genotype: Genotype) -> dict[str, Any]:
    """Return a genotype as an entry of a record that becomes JSON; `of_entry` inverts it."""
    cells = {kind: [list(edge) for edge in edges] for kind, edges in genotype.cells}
    return {"format": _FORMAT, "version": _VERSION, "space": genotype.space, "cells": cells}


def of_entry(entry: Any) -> Genotype:
    """Return the genotype of an entry.

    Raises:
        ValueError: if it is malformed, or was written by a newer version.
    """
    if not isinstance(entry, dict) or entry.get("format") != _FORMAT:
        raise ValueError(f'Not a genotype: expected a JSON object with "format": "{_FORMAT}" for argument `text`.')
    if type(entry.get("version")) is not int or entry["version"] != _VERSION:
        raise ValueError(
            f"This genotype has version {entry.get('version')!r}; this KerasNAS reads version {_VERSION}. "
            "Upgrade KerasNAS to read newer files."
        )
    space, cells = entry.get("space", ""), entry.get("cells")
    if not isinstance(cells, dict) or not all(isinstance(edges, list) for edges in cells.values()):
        raise ValueError(f'Malformed genotype JSON: "cells" maps a name to a list of edges. Received: {cells!r}')
    return Genotype(space, cells)


def _pairs(cells: Any) -> Iterator[tuple[str, Iterable]]:
    expected = "a mapping, or pairs, from the kind of cell to its edges"
    pairs = cells.items() if isinstance(cells, Mapping) else cells
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Iterable):
        raise ValueError(checks.invalid("cells", expected, cells))
    for pair in pairs:
        if isinstance(pair, (str, bytes)) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(checks.invalid("cells", expected, cells))
        kind, edges = pair
        if not isinstance(kind, str) or isinstance(edges, (str, bytes)) or not isinstance(edges, Iterable):
            raise ValueError(checks.invalid("cells", expected, cells))
        yield kind, edges


def _edge(value: Any) -> Edge:
    try:
        primitive, source, target = value
    except (TypeError, ValueError):
        raise ValueError(checks.invalid("cells", "edges (primitive, source, target)", value)) from None
    indices = all(isinstance(node, int) and not isinstance(node, bool) for node in (source, target))
    if not isinstance(primitive, str) or not indices or not 0 <= source < target:
        expected = "edges (primitive name, source, target) with 0 <= source < target"
        raise ValueError(checks.invalid("cells", expected, value))
    return Edge(primitive, source, target)


def _literal(value: ast.expr) -> Any:
    """Evaluate a literal, or `range(...)` of literals, as in the papers' lists of nodes."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "range":
        return range(*map(ast.literal_eval, value.args))
    return ast.literal_eval(value)


DARTS_V1 = Genotype.from_paper_string(
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1),"
    " ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)],"
    " reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0),"
    " ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)])"
)
"""Found by first-order DARTS on CIFAR-10 (Liu et al., 2019, arXiv 1806.09055)."""

DARTS_V2 = Genotype.from_paper_string(
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],"
    " reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),"
    " ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)])"
)
"""Found by second-order DARTS on CIFAR-10 (Liu et al., 2019, arXiv 1806.09055, figures 4 and 5)."""

PC_DARTS_CIFAR = Genotype.from_paper_string(
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), ('dil_conv_3x3', 1),"
    " ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), ('dil_conv_3x3', 1)],"
    " reduce=[('sep_conv_5x5', 1), ('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2),"
    " ('sep_conv_3x3', 0), ('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)])"
)
"""Found by PC-DARTS on CIFAR-10 (Xu et al., 2020, arXiv 1907.05737)."""
