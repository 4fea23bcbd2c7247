"""Relaxations: architecture parameters (alphas) -> mixing weights, and the flag that tells alphas from weights."""

from kerasnas.relaxations.base import RELAXATIONS, Relaxation
from kerasnas.relaxations.deterministic import Sigmoid, Softmax
from kerasnas.relaxations.sampled import BinaryGates, Dirichlet, Gumbel

__all__ = [
    "RELAXATIONS",
    "BinaryGates",
    "Dirichlet",
    "Gumbel",
    "Relaxation",
    "Sigmoid",
    "Softmax",
]
