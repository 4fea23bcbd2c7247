"""NAS-Bench-101: 423,624 cells, each trained three times for 4, 12, 36 and 108 epochs on CIFAR-10."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces.base import SearchSpace
from kerasnas.spaces.nasbench101 import NASBench101Space
from kerasnas.spaces.nasbench101_cells import MAX_VERTICES, Cell, canonical, vertex_pairs
from kerasnas.spaces.nasbench101_enumeration import Cells, cell_indices
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.tabular.table import Table, read_arrays

ALL_CELLS = 423_624
FORMAT, VERSION = "kerasnas.nasbench101", 1
"""Of the file that `benchmarks/convert_nasbench101.py` writes."""


class NASBench101(Table):
    """Results of the cells of NAS-Bench-101; `NASBench101.open` reads them from a file.

    A table that lacks some of the 423,624 cells has a `SubsetSpace` of its cells as its space, whose neighbors are up
    to two edits away: in a sample of 20,001 cells, every third has none at one edit, and the others have 1.6 where the
    whole space has 19, too few for local search or evolution. Within two edits they have 14.

    Args:
        cells: canonical cells, one for each row.
        hashes: their graph hashes, `(rows, 2)` of uint64: the first and the last 16 hexadecimal digits.
        columns: as for `Table`; `halfway_valid_108` and the like are results halfway through a training.

    Raises:
        TypeError: if `cells` is not a `Cells`.
        ValueError: if `hashes` does not fit the cells, or `columns` is not as for `Table`.

    Example:

    >>> import pathlib, tempfile
    >>> from kerasnas.spaces.nasbench101_cells import graph_hash
    >>> cells = [Cell(2, 0b1, ()), Cell(3, 0b101, (0,)), Cell(3, 0b101, (1,))]
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "small.npz"
    >>> np.savez(path, hash=[graph_hash(cell) for cell in cells], vertices=[2, 3, 3],
    ...     matrix=[[[0, 1, 0], [0, 0, 0], [0, 0, 0]]] + 2 * [[[0, 1, 0], [0, 0, 1], [0, 0, 0]]],
    ...     ops=[[-1], [0], [1]], val108=[0.7, 0.9, 0.8], params=[227274, 2000, 1000])
    >>> table = NASBench101.open(path)
    >>> genotype = table.space.genotype([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["conv1x1-bn-relu"])
    >>> table.query(genotype, epochs=108)
    Evaluation(valid=80.0, test=None, epochs=108, seconds=None)

    Reference:
        Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", 2019 (arXiv 1902.09635).
    """

    def __init__(self, cells: Cells, hashes: np.ndarray, columns: Mapping[str, np.ndarray]):
        checks.instance("cells", cells, Cells, "the `Cells` of `kerasnas.spaces.nasbench101_enumeration`")
        self.cells, self.whole_space = cells, NASBench101Space()
        rows = len(cells.vertices)
        hashes = checks.array("hashes", hashes, rank=2, kinds="u")
        if hashes.shape != (rows, 2):
            raise ValueError(checks.invalid("hashes", f"an array of shape {(rows, 2)}", hashes.shape))
        space: SearchSpace = self.whole_space
        if rows < ALL_CELLS:
            space = SubsetSpace(space, list(map(tuple, cell_indices(cells).tolist())), reach=2)
        self._order = np.lexsort((hashes[:, 1], hashes[:, 0]))
        self._high, self._low = hashes[self._order].T.copy()  # contiguous, or every search would copy them
        name = "nasbench101" if rows == ALL_CELLS else f"nasbench101, {rows:,} of {ALL_CELLS:,} cells"
        super().__init__(name, space, columns, self._row, self._genotype)

    def _row(self, genotype: Genotype) -> int:
        if genotype.space != self.whole_space.name:
            raise ValueError(f"This genotype belongs to space '{genotype.space}', not to '{self.whole_space.name}'.")
        name = self.whole_space.hash(genotype)
        high, low = np.uint64(int(name[:16], 16)), np.uint64(int(name[16:], 16))
        first = np.searchsorted(self._high, high, side="left")
        last = np.searchsorted(self._high, high, side="right")
        position = first + np.searchsorted(self._low[first:last], low)
        if position == last or self._low[position] != low:
            raise ValueError(
                f"Table '{self.name}' has no row for this cell of NAS-Bench-101 (hash {name}):\n{genotype}"
            )
        return int(self._order[position])

    def _genotype(self, row: int) -> Genotype:
        vertices, edges, code = (int(column[row]) for column in self.cells)
        operations = tuple([code // 3**power % 3 for power in reversed(range(vertices - 2))])
        return self.whole_space.genotype_of_cell(Cell(vertices, edges, operations))

    @classmethod
    def open(cls, path: str | os.PathLike) -> NASBench101:
        """Read a file written by `benchmarks/convert_nasbench101.py`, or one of a sample of the cells.

        A sample holds `hash`, `matrix`, `ops`, `vertices`, `params` and, as fractions, `val<epochs>` and
        `test<epochs>`; `time<epochs>` in seconds.

        Args:
            path: the `.npz` file, or its folder.

        Raises:
            TypeError: if `path` is not a path.
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged, of a newer version, an official one, or no such table.
        """
        what = "NAS-Bench-101"
        path = checks.path("path", path)
        if path.suffix == ".tfrecord":
            raise ValueError(
                f"{path} is an official file: convert it once, with benchmarks/convert_nasbench101.py of KerasNAS' "
                "repository, and open the result."
            )
        arrays = read_arrays(path, [], what)
        if str(arrays.get("format")) == FORMAT:
            return cls._converted(path, arrays)
        if missing := sorted({"hash", "matrix", "ops", "vertices", "params"} - set(arrays)):
            raise ValueError(f"{path} is not {what}: it lacks {', '.join(missing)}.")
        return cls._sample(path, arrays)

    @classmethod
    def _converted(cls, path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> NASBench101:
        version = int(arrays["version"])
        if version != VERSION:
            raise ValueError(
                f"{path} has version {version}; this KerasNAS reads version {VERSION}. "
                "Convert the official file again, or upgrade KerasNAS."
            )
        hashes, packed = arrays["hash"], arrays["cell"]
        columns = {name: column for name, column in arrays.items() if name not in ("format", "version", "hash", "cell")}
        return cls(Cells(packed >> 29, packed >> 8 & 0x1FFFFF, packed & 0xFF), hashes, columns)

    @classmethod
    def _sample(cls, path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> NASBench101:
        vertices, matrix, operations = (arrays[name].astype(np.int64) for name in ("vertices", "matrix", "ops"))
        edges = np.zeros(len(vertices), np.int64)
        for bit, (source, target) in enumerate(vertex_pairs(min(MAX_VERTICES, matrix.shape[1]))):
            edges |= (matrix[:, source, target] != 0).astype(np.int64) << bit
        # Some files reorder the vertices; their channels depend on the order in training.
        cells: list[Cell] = []
        for row in zip(vertices.tolist(), edges.tolist(), operations.tolist(), strict=True):
            cell = canonical(Cell(row[0], row[1], tuple(row[2][: row[0] - 2])))
            if cell is None or cell.vertices != row[0] or not all(0 <= operation < 3 for operation in cell.operations):
                raise ValueError(f"{path}: row {len(cells)} is not a pruned cell of NAS-Bench-101.")
            cells.append(cell)
        codes = [sum(digit * 3**power for power, digit in enumerate(reversed(cell.operations))) for cell in cells]
        columns = {"params": arrays["params"]}
        for name, column in arrays.items():
            if found := re.fullmatch(r"(val|test|time)(\d+)", name):
                kind = {"val": "valid", "test": "test", "time": "seconds"}[found[1]]
                columns[f"{kind}_{found[2]}"] = column if kind == "seconds" else 100.0 * column
        hashes = np.array([[int(name[:16], 16), int(name[16:], 16)] for name in arrays["hash"].tolist()], np.uint64)
        return cls(Cells(vertices, np.array([cell.edges for cell in cells]), np.array(codes)), hashes, columns)
