"""The candidate operations of a choice, and MixedOp, their weighted sum."""

from kerasnas.primitives import graph_primitives, mobile, parameter_free, sequences  # noqa: F401  they register names
from kerasnas.primitives.base import GRAPH_PRIMITIVES, PRIMITIVES, Primitive, register_primitive
from kerasnas.primitives.graph import Graph
from kerasnas.primitives.graph_primitives import GraphPrimitive
from kerasnas.primitives.mixed_op import MixedOp

__all__ = [
    "GRAPH_PRIMITIVES",
    "PRIMITIVES",
    "Graph",
    "GraphPrimitive",
    "MixedOp",
    "Primitive",
    "register_primitive",
]
