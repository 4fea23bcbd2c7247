"""Published tables of trained architectures."""

from kerasnas.tabular.nasbench101 import NASBench101
from kerasnas.tabular.nasbench201 import NASBench201
from kerasnas.tabular.nasbench_graph import NASBenchGraph
from kerasnas.tabular.nats_size import NATSBenchSize

__all__ = [
    "NASBench101",
    "NASBench201",
    "NASBenchGraph",
    "NATSBenchSize",
]
