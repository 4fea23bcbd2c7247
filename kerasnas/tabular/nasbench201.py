"""NAS-Bench-201: all 15,625 cells, trained on three data sets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kerasnas import checks
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space
from kerasnas.tabular.hwnasbench import read_hardware
from kerasnas.tabular.table import CodedTable, dataset_columns, read_arrays

DATASETS = ("cifar10", "cifar100", "imagenet16")


class NASBench201(CodedTable):
    """The published results of NAS-Bench-201 (also the topology part of NATS-Bench), read from a compact file.

    Columns: `valid_12`, `test_12`, `valid_200`, `test_200` (percent, after 12 epochs of a short schedule and after
    200), `params`, `flops` (multiply-adds), if the file has them, and `latency_<device>` in milliseconds; with
    HW-NAS-Bench's file next to it also `<device>_latency` in milliseconds and `<device>_energy` in millijoules, of edge
    GPU, Raspberry Pi 4, Edge TPU, Pixel 3, Eyeriss and FPGA (`benchmarks/convert_hwnasbench.py` makes it).
    `benchmarks/convert_nasbench201.py` makes the file from the official one.

    Args:
        name: name of the table.
        ops: the cells, `(rows, 6)`, as indices into `op_names`.
        op_names: names of the operations.
        columns: as for `Table`.

    Raises:
        TypeError, ValueError: if an argument is not as described, or a cell is listed twice.

    Example:

    >>> table = NASBench201.synthetic()
    >>> genotype = table.space.from_string(
    ...     "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|")
    >>> table.query(genotype, epochs=12).epochs
    12
    >>> table.epochs, len(table)
    ((12, 200), 15625)

    Reference:
        Dong and Yang, "NAS-Bench-201", 2020 (arXiv 2001.00326); Dong et al., "NATS-Bench", 2021 (arXiv 2009.00437).
    """

    def __init__(self, name: str, ops: np.ndarray, op_names: Sequence[str], columns: Mapping[str, np.ndarray]):
        space, ops = NASBench201Space(), checks.array("ops", ops, kinds="iu")
        op_names = checks.names("op_names", op_names, NASBENCH201_PRIMITIVES)
        if ops.ndim != 2 or ops.shape[1] != 6 or not ops.size or ops.min() < 0 or ops.max() >= len(op_names):
            expected = f"six operations for each cell, as indices below {len(op_names)}"
            raise ValueError(f"Table '{name}': {checks.invalid('ops', expected, f'shape {ops.shape}')}")
        translate = np.array([NASBENCH201_PRIMITIVES.index(op) for op in op_names])
        super().__init__(name, space, translate[ops], columns, "ops")

    @classmethod
    def open(cls, path: str | os.PathLike, dataset: str = "cifar10") -> NASBench201:
        """Read the compact table.

        Args:
            path: the `.npz` file, or its folder. Latencies are read from a file `*latency_ms.npz` in the same folder,
                and HW-NAS-Bench from `*hwnasbench*.npz`.
            dataset: `"cifar10"`, `"cifar100"` or `"imagenet16"`. Defaults to `"cifar10"`.

        Raises:
            TypeError: if `path` is not a path.
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged or another table, or for an unknown dataset.
        """
        checks.one_of("dataset", dataset, DATASETS)
        path = checks.path("path", path)
        required = ["ops", "op_names", f"{dataset}_valid_12", f"{dataset}_test_200"]
        arrays = read_arrays(path, required, f"NAS-Bench-201 with {dataset}")
        columns = dataset_columns(arrays, dataset)
        folder = path if path.is_dir() else path.parent
        for file in sorted(folder.glob("*latency_ms.npz")):
            columns |= {f"latency_{device}": times for device, times in read_arrays(file, [], "latencies").items()}
        names = [str(name) for name in arrays["op_names"].reshape(-1)]
        for file in sorted(folder.glob("*hwnasbench*.npz")):
            rows = {tuple(names[op] for op in cell): row for row, cell in enumerate(arrays["ops"].tolist())}
            columns |= read_hardware(file, dataset, rows)
        return cls(f"nasbench201 {dataset}", arrays["ops"], names, columns)

    @classmethod
    def synthetic(cls, seed: int = 0) -> NASBench201:
        """Return an artificial table of the real shape, for tests and first steps. **Its accuracies mean nothing.**

        Cells with more convolutions on their paths are better; noise that depends on the cell is added, more to the
        12-epoch accuracies than to the others. Cells without a path are at chance.

        Args:
            seed: seed of the noise. Defaults to 0.

        Raises:
            ValueError: if `seed` is not an integer of at least 0.
        """
        rng = np.random.default_rng(checks.seed(seed))
        cells = np.array(list(NASBench201Space()))
        strength = np.array([0.0, 0.2, 0.7, 1.0, 0.35])[cells]  # of none, skip, conv 1x1, conv 3x3, pool
        passes = cells > 0
        node = np.ones((len(cells), 4))  # strength of node j, and whether a path leads to it
        alive = np.ones((len(cells), 4), bool)
        for target, edges in ((1, {0: 0}), (2, {0: 1, 1: 2}), (3, {0: 3, 1: 4, 2: 5})):
            through = {s: passes[:, e] & alive[:, s] for s, e in edges.items()}
            alive[:, target] = np.any(list(through.values()), axis=0)
            node[:, target] = sum(through[s] * (0.5 * node[:, s] + strength[:, e]) for s, e in edges.items())
        quality = np.where(alive[:, 3], np.tanh(node[:, 3] / 2), 0.0)
        columns = {
            f"{what}_{epochs}": np.where(
                alive[:, 3], 60 + gain * quality + noise * rng.standard_normal(len(cells)), 10.0
            ).astype("float32")
            for epochs, gain, noise in ((12, 25.0, 2.0), (200, 34.0, 0.3))
            for what in ("valid", "test")
        }
        return cls("synthetic, in the shape of nasbench201", cells, NASBENCH201_PRIMITIVES, columns)
