"""Who chooses."""

from kerasnas.search.base import STRATEGIES, RandomSearch, SearchStrategy, SpaceExhaustedError
from kerasnas.search.bilevel import BilevelTrainer
from kerasnas.search.bilevel_optimizer import BilevelOptimizer
from kerasnas.search.hypergradients import HYPERGRADIENTS, InnerStep, finite_difference, first_order, unrolled

__all__ = [
    "HYPERGRADIENTS",
    "STRATEGIES",
    "BilevelOptimizer",
    "BilevelTrainer",
    "InnerStep",
    "RandomSearch",
    "SearchStrategy",
    "SpaceExhaustedError",
    "finite_difference",
    "first_order",
    "unrolled",
]
