"""The candidate operations of a choice, and MixedOp, their weighted sum."""

from kerasnas.primitives import graph_primitives, mobile, parameter_free, sequences  # noqa: F401  they register names
from kerasnas.primitives.base import PRIMITIVES
from kerasnas.primitives.base import register_primitive as register_primitive
from kerasnas.primitives.graph import Graph
from kerasnas.primitives.mixed_op import MixedOp as MixedOp

__all__ = [
    "PRIMITIVES",
    "Graph",
]
