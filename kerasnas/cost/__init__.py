"""Costs of networks: parameters, multiply-adds, measured latency; expected under mixing weights."""

from kerasnas.cost.counting import macs, parameters
from kerasnas.cost.front import pareto_front
from kerasnas.cost.latency import LatencyTable, device_name, network_latency
from kerasnas.cost.model import COSTS, CostModel, NetworkCost, tabulate

__all__ = [
    "COSTS",
    "CostModel",
    "LatencyTable",
    "NetworkCost",
    "device_name",
    "macs",
    "network_latency",
    "parameters",
    "pareto_front",
    "tabulate",
]
