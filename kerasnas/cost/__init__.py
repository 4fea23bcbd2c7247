"""Costs of networks: parameters, multiply-adds, measured latency; expected under mixing weights."""

from kerasnas.cost.front import pareto_front
from kerasnas.cost.latency import LatencyTable, network_latency
from kerasnas.cost.model import COSTS, CostModel

__all__ = [
    "COSTS",
    "CostModel",
    "LatencyTable",
    "network_latency",
    "pareto_front",
]
