"""Who chooses."""

from kerasnas.search.bilevel import BilevelTrainer
from kerasnas.search.bilevel_optimizer import BilevelOptimizer
from kerasnas.search.hypergradients import HYPERGRADIENTS, first_order

__all__ = ["HYPERGRADIENTS", "BilevelOptimizer", "BilevelTrainer", "first_order"]
