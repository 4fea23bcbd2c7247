"""Search spaces: one file each, with its sizes, its choices and its network."""

from kerasnas.spaces.base import SPACES, InfeasibleError, SearchSpace, has_supernet
from kerasnas.spaces.darts import DARTS_PRIMITIVES, DARTSSpace
from kerasnas.spaces.enas import ENAS_MICRO_PRIMITIVES, ENASMicroSpace
from kerasnas.spaces.enas_macro import ENAS_MACRO_PRIMITIVES, ENASMacroSpace
from kerasnas.spaces.graphs import GRAPH_SPACE_PRIMITIVES, GraphSpace
from kerasnas.spaces.hybrid import HYBRID_PRIMITIVES, HybridSpace
from kerasnas.spaces.macro import MACRO_PRIMITIVES, MacroSpace
from kerasnas.spaces.nasbench101 import NASBENCH101_OPERATIONS, NASBench101Space
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES, NASBench201Space
from kerasnas.spaces.padded_signals import PADDED_SIGNAL_PRIMITIVES, PaddedSignalSpace
from kerasnas.spaces.planning import PlanningSpace
from kerasnas.spaces.proxyless import PROXYLESS_PRIMITIVES, ProxylessSpace
from kerasnas.spaces.signals import SIGNAL_PRIMITIVES, SignalSpace
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.spaces.text import TEXT_PRIMITIVES, TextSpace

__all__ = [
    "DARTS_PRIMITIVES",
    "ENAS_MACRO_PRIMITIVES",
    "ENAS_MICRO_PRIMITIVES",
    "GRAPH_SPACE_PRIMITIVES",
    "HYBRID_PRIMITIVES",
    "MACRO_PRIMITIVES",
    "NASBENCH101_OPERATIONS",
    "NASBENCH201_PRIMITIVES",
    "PADDED_SIGNAL_PRIMITIVES",
    "PROXYLESS_PRIMITIVES",
    "SIGNAL_PRIMITIVES",
    "SPACES",
    "TEXT_PRIMITIVES",
    "DARTSSpace",
    "ENASMacroSpace",
    "ENASMicroSpace",
    "GraphSpace",
    "HybridSpace",
    "InfeasibleError",
    "MacroSpace",
    "NASBench101Space",
    "NASBench201Space",
    "PaddedSignalSpace",
    "PlanningSpace",
    "ProxylessSpace",
    "SearchSpace",
    "SignalSpace",
    "SkeletonSpace",
    "SubsetSpace",
    "TextSpace",
    "has_supernet",
]
