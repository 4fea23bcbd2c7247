"""The readings of a skeleton: supernets that mix or share, discrete networks, and their parts for cost models."""

from kerasnas.networks.chosen import chosen_network
from kerasnas.networks.few_shot import few_shot_network
from kerasnas.networks.measured import NetworkParts, Part, measured_parts, network_parts
from kerasnas.networks.mixed import MixedGraph
from kerasnas.networks.shared import SharedPrimitives, WeightSharingSupernet
from kerasnas.networks.skeleton import ChoiceTable, Filler, cell_edges
from kerasnas.networks.supernet import Supernet, table_decisions

__all__ = [
    "ChoiceTable",
    "Filler",
    "MixedGraph",
    "NetworkParts",
    "Part",
    "SharedPrimitives",
    "Supernet",
    "WeightSharingSupernet",
    "cell_edges",
    "chosen_network",
    "few_shot_network",
    "measured_parts",
    "network_parts",
    "table_decisions",
]
