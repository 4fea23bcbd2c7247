"""The candidate operations of a choice, and MixedOp, their weighted sum."""

from kerasnas.primitives.base import GRAPH_PRIMITIVES, PRIMITIVES, Primitive, primitive, register_primitive
from kerasnas.primitives.convolutions import DilConv, FactorizedReduce, NorConv, ReLUConvBN, SepConv
from kerasnas.primitives.graph import Graph
from kerasnas.primitives.graph_primitives import (
    ARMA,
    GAT,
    GCN,
    GIN,
    KGNN,
    ChebNet,
    FullyConnected,
    GraphPrimitive,
    GraphSAGE,
)
from kerasnas.primitives.masked import Masked, MaskedDilConv, MaskedMaxPool, MaskedNorConv, MaskedSepConv
from kerasnas.primitives.mixed_op import MixedOp
from kerasnas.primitives.mobile import MBConv
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.primitives.parameter_free import AveragePool, Identity, MaxPool, Zero
from kerasnas.primitives.partial_mixed_op import PartialMixedOp
from kerasnas.primitives.sequences import Recurrent, SelfAttention

__all__ = [
    "ARMA",
    "GAT",
    "GCN",
    "GIN",
    "GRAPH_PRIMITIVES",
    "KGNN",
    "PRIMITIVES",
    "AveragePool",
    "BatchNorm",
    "ChebNet",
    "DilConv",
    "FactorizedReduce",
    "FullyConnected",
    "Graph",
    "GraphPrimitive",
    "GraphSAGE",
    "Identity",
    "MBConv",
    "Masked",
    "MaskedDilConv",
    "MaskedMaxPool",
    "MaskedNorConv",
    "MaskedSepConv",
    "MaxPool",
    "MixedOp",
    "NorConv",
    "PartialMixedOp",
    "Primitive",
    "ReLUConvBN",
    "Recurrent",
    "SelfAttention",
    "SepConv",
    "Zero",
    "primitive",
    "register_primitive",
]
