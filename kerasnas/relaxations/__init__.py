"""Relaxations: architecture parameters (alphas) -> mixing weights, and the flag that tells alphas from weights."""

from kerasnas.relaxations.base import (
    RELAXATIONS,
    FunctionRelaxation,
    Relaxation,
    add_alphas,
    check_temperature,
    expected,
    get,
    is_alphas,
    normalize_edges,
    penalty,
    segment_softmax,
    split_variables,
)
from kerasnas.relaxations.deterministic import Sigmoid, Softmax
from kerasnas.relaxations.sampled import BinaryGates, Dirichlet, Gumbel

__all__ = [
    "RELAXATIONS",
    "BinaryGates",
    "Dirichlet",
    "FunctionRelaxation",
    "Gumbel",
    "Relaxation",
    "Sigmoid",
    "Softmax",
    "add_alphas",
    "check_temperature",
    "expected",
    "get",
    "is_alphas",
    "normalize_edges",
    "penalty",
    "segment_softmax",
    "split_variables",
]
