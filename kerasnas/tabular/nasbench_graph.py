"""NAS-Bench-Graph: 26,206 graph networks on several graph data sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Edge, Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.tabular.table import Table, read_arrays

_NOT_DATASETS = {"hash", "link", "ops", "links", "op_names", "columns"}


class NASBenchGraphSpace(SearchSpace):
    """The space of NAS-Bench-Graph: one of nine graphs that join four nodes, and the operation of each node.

    For tables only: graph networks are not built here.

    Args:
        links: for each of the graphs, the node that each of the four nodes reads; 0 is the input.
        operations: names of the operations.

    Reference:
        Qin et al., "NAS-Bench-Graph", 2022 (arXiv 2206.09166).
    """

    name = "nasbench_graph"

    def __init__(self, links: Sequence[Sequence[int]], operations: Sequence[str]):
        matrix = checks.array("links", links, rank=2, kinds="iu")
        if not matrix.size or matrix.min() < 0 or (matrix > np.arange(matrix.shape[1])).any():
            raise ValueError(checks.invalid("links", "for each graph and node an earlier node, from 0", links))
        operations = checks.names("operations", operations)
        self._links = {",".join(map(str, link)): tuple(link) for link in matrix.tolist()}
        nodes = len(next(iter(self._links.values())))
        self._choices = {"link": tuple(self._links)} | {f"node/{n}": tuple(operations) for n in range(1, nodes + 1)}

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        return self._choices

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        sources = self._links[assignment["link"]]
        edges = [Edge(assignment[f"node/{n}"], source, n) for n, source in enumerate(sources, start=1)]
        return Genotype(self.name, {"cell": edges})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        edges = {edge.target: edge for edge in genotype["cell"]}
        if sorted(edges) != list(range(1, len(self._choices))) or len(edges) != len(genotype["cell"]):
            raise ValueError(f"A cell of this space has one edge into each of four nodes. Received: {genotype['cell']}")
        link = ",".join(str(edges[node].source) for node in sorted(edges))
        return {"link": link} | {f"node/{node}": edges[node].primitive for node in sorted(edges)}


class NASBenchGraph(Table):
    """The published results of NAS-Bench-Graph on one data set, read from a compact file.

    Columns: `valid_1`, `test_1` (percent; the whole training, whose length differs between datasets, counts as 1
    epoch), `latency_s`, `params_M`. The space holds the rows alone: one of each class of isomorphic graphs.
    """

    @classmethod
    def open(cls, path: str | os.PathLike, dataset: str = "cora") -> NASBenchGraph:
        """Read the compact table.

        Args:
            path: the `.npz` file, or its folder.
            dataset: name of a dataset in the file. Defaults to `"cora"`.

        Raises:
            TypeError: if `path` is not a path.
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged or another table, or for an unknown dataset; the message lists those in
                the file.
        """
        arrays = read_arrays(path, sorted(_NOT_DATASETS), "NAS-Bench-Graph")
        datasets = sorted(set(arrays) - _NOT_DATASETS)
        if not isinstance(dataset, str) or dataset not in datasets:
            raise ValueError(
                f"{path}: {checks.invalid('dataset', 'a known name', dataset, checks.nearest(dataset, datasets))}"
            )
        values = dict(zip(map(str, arrays["columns"]), arrays[dataset].T, strict=True))
        columns = {f"{what}_1": 100 * values.pop(what) for what in ("valid", "test")} | values
        whole = NASBenchGraphSpace(arrays["links"].tolist(), [str(name) for name in arrays["op_names"]])
        cells = [(int(link), *map(int, ops)) for link, ops in zip(arrays["link"], arrays["ops"], strict=True)]
        rows = {indices: row for row, indices in enumerate(cells)}
        space = SubsetSpace(whole, cells)

        def row(genotype: Genotype) -> int:
            indices = space.encode(genotype)
            if indices not in rows:
                raise ValueError(f"Table 'nasbench_graph {dataset}' has no row for this genotype: {genotype}")
            return rows[indices]

        return cls(
            f"nasbench_graph {dataset}",
            space,
            {name: np.asarray(column) for name, column in columns.items()},
            row,
            lambda index: space.decode(cells[index]),
        )
