"""NATS-Bench's size search space: 32,768 networks that differ in their channels, trained on three data sets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.tabular.nasbench201 import DATASETS
from kerasnas.tabular.table import CodedTable, dataset_columns, read_arrays

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5


class NATSBenchSizeSpace(SearchSpace):
    """The size search space of NATS-Bench: the channels of five layers, each 8, 16, ... or 64.

    The network is that of NAS-Bench-201 with one and the same cell throughout; its five layers follow one another, each
    with its own channels. For tables only: networks are not built here.

    Reference:
        Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", 2020 (arXiv
        2009.00437).
    """

    name = "nats_bench_size"

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        return {f"channels/{layer}": tuple(map(str, CHANNELS)) for layer in range(LAYERS)}

    def genotype(self, assignment: Mapping[str, str]) -> Genotype:
        self.check_assignment(assignment)
        channels = [assignment[f"channels/{layer}"] for layer in range(LAYERS)]
        return Genotype(self.name, {"network": [(count, layer, layer + 1) for layer, count in enumerate(channels)]})

    def assignment(self, genotype: Genotype) -> dict[str, str]:
        self._check_own(genotype)
        edges = dict(genotype.cells).get("network", ())
        if [(edge.source, edge.target) for edge in edges] != [(layer, layer + 1) for layer in range(LAYERS)]:
            raise ValueError(f"A network of this space is a chain of {LAYERS} layers. Received:\n{genotype}")
        return {f"channels/{edge.source}": edge.primitive for edge in edges}

    def to_string(self, genotype: Genotype) -> str:
        """Return the official string: the channels of the layers, such as `"8:16:24:24:64"`."""
        self.validate(genotype)
        return ":".join(self.assignment(genotype).values())

    def from_string(self, text: str) -> Genotype:
        """Invert `to_string`."""
        if not isinstance(text, str) or not re.fullmatch(rf"\d+(:\d+){{{LAYERS - 1}}}", text.strip()):
            raise ValueError(checks.invalid("text", "the channels of five layers, such as '8:16:24:24:64'", text))
        return self.genotype({f"channels/{layer}": part for layer, part in enumerate(text.strip().split(":"))})


class NATSBenchSize(CodedTable):
    """The published results of NATS-Bench's size search space on one data set, read from a compact file.

    Columns: `valid_<epochs>` and `test_<epochs>` (percent) after 1, 12 and 90 epochs, `params` and `flops`, if the file
    has them. `benchmarks/convert_nasbench201.py --space=size` makes the file from the official one.

    Args:
        name: name of the table.
        channels: the networks, `(rows, 5)`.
        columns: as for `Table`.

    Raises:
        TypeError, ValueError: if an argument is not as described, or a network is listed twice.

    Example:

    >>> table = NATSBenchSize("two", np.array([[8] * 5, [8, 16, 24, 24, 64]]), {"valid_90": np.array([70, 85.0])})
    >>> table.query(table.space.from_string("8:16:24:24:64"))
    Evaluation(valid=85.0, test=None, epochs=90, seconds=None)

    Reference:
        Dong et al., "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size", 2020 (arXiv
        2009.00437).
    """

    def __init__(self, name: str, channels: np.ndarray, columns: Mapping[str, np.ndarray]):
        channels = checks.array("channels", channels, rank=2, kinds="iu")
        if channels.shape[1] != LAYERS or not len(channels) or not np.isin(channels, CHANNELS).all():
            expected = f"{LAYERS} numbers for each network, each of {CHANNELS}"
            raise ValueError(f"Table '{name}': {checks.invalid('channels', expected, channels)}")
        super().__init__(name, NATSBenchSizeSpace(), np.searchsorted(CHANNELS, channels), columns, "channels")

    @classmethod
    def open(cls, path: str | os.PathLike, dataset: str = "cifar10") -> NATSBenchSize:
        """Read the compact table from its `.npz` file, or from the folder of it; as `NASBench201.open`."""
        checks.one_of("dataset", dataset, DATASETS)
        what = f"NATS-Bench's size search space with {dataset}"
        arrays = read_arrays(path, ["channels", f"{dataset}_valid_90"], what)
        columns = dataset_columns(arrays, dataset)
        return cls(f"nats_bench_size {dataset}", arrays["channels"], columns)
