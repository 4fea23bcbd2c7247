"""What is built of primitives: cells, and the networks made of cells."""

from kerasnas.networks.cell_network import CellSupernet, cell_network, cell_plan
from kerasnas.networks.cells import MixedCell, cell_edges, derive_cell

__all__ = ["CellSupernet", "MixedCell", "cell_edges", "cell_network", "cell_plan", "derive_cell"]
