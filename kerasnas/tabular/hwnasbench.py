"""HW-NAS-Bench: latency and energy of the cells of NAS-Bench-201 on six devices, from a compact file."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from kerasnas import checks
from kerasnas.tabular.table import read_arrays

HARDWARE_METRICS = (
    *("edgegpu_latency", "edgegpu_energy", "raspi4_latency", "edgetpu_latency", "pixel3_latency"),
    *("eyeriss_latency", "eyeriss_energy", "eyeriss_arithmetic_intensity", "fpga_latency", "fpga_energy"),
)
"""Latency in milliseconds, energy in millijoules, by the official names."""


def read_hardware(path: str | os.PathLike, dataset: str, cells: Mapping[tuple[str, ...], int]) -> dict[str, np.ndarray]:
    """Read the metrics `(rows,)` of the cells of a table from the file of `benchmarks/convert_hwnasbench.py`.

    `cells` maps the names of the six operations of a cell to its row.

    Reference:
        Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark", 2021 (arXiv 2103.10584).
    """
    arrays = read_arrays(path, ["ops", "op_names"], "HW-NAS-Bench")
    metrics = {name: arrays[f"{dataset}_{name}"] for name in HARDWARE_METRICS if f"{dataset}_{name}" in arrays}
    if not metrics:
        raise ValueError(f"{path} is not HW-NAS-Bench with {dataset}: it lacks {dataset}_{HARDWARE_METRICS[0]}.")
    ops, names = checks.array("ops", arrays["ops"], rank=2, kinds="iu"), [str(name) for name in arrays["op_names"]]
    for name, values in metrics.items():
        if values.shape != (len(ops),):
            raise ValueError(f"{path}: expected {len(ops):,} values of {dataset}_{name}. Found: shape {values.shape}")
    rows = np.full(len(cells), -1)
    for position, cell in enumerate(ops.tolist()):
        row = cells.get(tuple(names[operation] for operation in cell))
        if row is not None:
            rows[row] = position
    if (rows < 0).any():
        raise ValueError(f"{path} lacks {int((rows < 0).sum()):,} of the {len(cells):,} cells of the table.")
    return {name: values[rows] for name, values in metrics.items()}
