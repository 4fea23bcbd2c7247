"""What is built of primitives: cells, supernets, discrete networks."""

from kerasnas.networks.cell_network import CellSupernet, cell_network, cell_plan
from kerasnas.networks.cells import MixedCell, cell_edges, derive_cell
from kerasnas.networks.stage_network import StageSupernet, stage_network
from kerasnas.networks.supernet import Supernet

__all__ = [
    "CellSupernet",
    "MixedCell",
    "StageSupernet",
    "Supernet",
    "cell_edges",
    "cell_network",
    "cell_plan",
    "derive_cell",
    "stage_network",
]
