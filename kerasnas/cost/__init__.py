"""Costs of networks: parameters, multiply-adds, latency, a device's flash and memory; expected under mixing weights."""

from kerasnas.cost.device import device_cost
from kerasnas.cost.front import pareto_front
from kerasnas.cost.latency import LatencyTable, network_latency
from kerasnas.cost.model import COSTS, CostModel

__all__ = [
    "COSTS",
    "CostModel",
    "LatencyTable",
    "device_cost",
    "network_latency",
    "pareto_front",
]
