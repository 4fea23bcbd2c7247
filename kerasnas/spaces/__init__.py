"""Search spaces: one file each, with its sizes, its choices and its network."""

from kerasnas.spaces.base import SPACES
from kerasnas.spaces.base import SearchSpace as SearchSpace
from kerasnas.spaces.darts import DARTSSpace as DARTSSpace
from kerasnas.spaces.enas import ENASMicroSpace
from kerasnas.spaces.enas_macro import ENASMacroSpace
from kerasnas.spaces.graphs import GraphSpace
from kerasnas.spaces.macro import MacroSpace
from kerasnas.spaces.nasbench101 import NASBench101Space
from kerasnas.spaces.nasbench201 import NASBench201Space
from kerasnas.spaces.planning import PlanningSpace
from kerasnas.spaces.proxyless import ProxylessSpace
from kerasnas.spaces.signals import PaddedSignalSpace as PaddedSignalSpace
from kerasnas.spaces.signals import SignalSpace
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.tables import TableSpace
from kerasnas.spaces.text import TextSpace

__all__ = [
    "SPACES",
    "ENASMacroSpace",
    "ENASMicroSpace",
    "GraphSpace",
    "MacroSpace",
    "NASBench101Space",
    "NASBench201Space",
    "PlanningSpace",
    "ProxylessSpace",
    "SignalSpace",
    "SkeletonSpace",
    "TableSpace",
    "TextSpace",
]
