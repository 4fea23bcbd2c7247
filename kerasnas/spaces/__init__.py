"""What may be chosen."""

from kerasnas.spaces.base import SPACES, SearchSpace
from kerasnas.spaces.darts import DARTS_PRIMITIVES, DARTSSpace
from kerasnas.spaces.nasbench101 import NASBENCH101_OPERATIONS, NASBench101Space
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space

__all__ = [
    "DARTS_PRIMITIVES",
    "NASBENCH101_OPERATIONS",
    "NASBENCH201_PRIMITIVES",
    "SPACES",
    "DARTSSpace",
    "NASBench101Space",
    "NASBench201Space",
    "SearchSpace",
]
