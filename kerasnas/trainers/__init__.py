"""Gradient search as Keras models with `fit`: bilevel (DARTS and its family) and one-shot (ENAS)."""

from kerasnas.trainers.alpha_rate import architecture_learning_rate
from kerasnas.trainers.beta_decay import BetaDecay
from kerasnas.trainers.bilevel import BilevelTrainer
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.cost_objective import CostObjective
from kerasnas.trainers.hypergradients import HYPERGRADIENTS, InnerStep, finite_difference, first_order, unrolled
from kerasnas.trainers.one_shot import ENASTrainer
from kerasnas.trainers.one_shot_phases import ENASCheckpoint
from kerasnas.trainers.perturbation import select_by_perturbation
from kerasnas.trainers.supernet_score import SupernetScore

__all__ = [
    "HYPERGRADIENTS",
    "BetaDecay",
    "BilevelOptimizer",
    "BilevelTrainer",
    "CostObjective",
    "ENASCheckpoint",
    "ENASTrainer",
    "InnerStep",
    "SupernetScore",
    "architecture_learning_rate",
    "finite_difference",
    "first_order",
    "select_by_perturbation",
    "unrolled",
]
