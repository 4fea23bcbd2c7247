"""What may be chosen."""

from kerasnas.spaces.base import SPACES, SearchSpace
from kerasnas.spaces.darts import DARTS_PRIMITIVES, DARTSSpace

__all__ = ["DARTS_PRIMITIVES", "SPACES", "DARTSSpace", "SearchSpace"]
