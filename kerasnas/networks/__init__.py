"""What is built of primitives: cells, supernets, discrete networks."""

from kerasnas.networks.cell_network import CellSupernet, cell_network, cell_plan
from kerasnas.networks.cells import MixedCell, cell_edges, node_decisions
from kerasnas.networks.chain_network import ChainSupernet, chain_network, chain_parts
from kerasnas.networks.chain_skeleton import ChainSkeleton
from kerasnas.networks.enas_macro import MacroSupernet
from kerasnas.networks.enas_micro import MicroSupernet
from kerasnas.networks.enas_network import macro_network, micro_network
from kerasnas.networks.few_shot import few_shot_network
from kerasnas.networks.stage_network import StageSupernet, stage_network
from kerasnas.networks.supernet import Supernet
from kerasnas.networks.weight_sharing import SharedPrimitives, WeightSharingSupernet

__all__ = [
    "CellSupernet",
    "ChainSkeleton",
    "ChainSupernet",
    "MacroSupernet",
    "MicroSupernet",
    "MixedCell",
    "SharedPrimitives",
    "StageSupernet",
    "Supernet",
    "WeightSharingSupernet",
    "cell_edges",
    "cell_network",
    "cell_plan",
    "chain_network",
    "chain_parts",
    "few_shot_network",
    "macro_network",
    "micro_network",
    "node_decisions",
    "stage_network",
]
