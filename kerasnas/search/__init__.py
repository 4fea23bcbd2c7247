"""Who chooses."""

from kerasnas.search.bilevel import BilevelTrainer
from kerasnas.search.bilevel_optimizer import BilevelOptimizer
from kerasnas.search.hypergradients import HYPERGRADIENTS, InnerStep, finite_difference, first_order, unrolled

__all__ = [
    "HYPERGRADIENTS",
    "BilevelOptimizer",
    "BilevelTrainer",
    "InnerStep",
    "finite_difference",
    "first_order",
    "unrolled",
]
