"""Who chooses."""

from kerasnas.search.base import STRATEGIES, RandomSearch, SearchStrategy, SpaceExhaustedError
from kerasnas.search.bilevel import BilevelTrainer
from kerasnas.search.bilevel_optimizer import BilevelOptimizer
from kerasnas.search.controller import Controller, PolicyGradient, Reinforce
from kerasnas.search.evolution import RegularizedEvolution
from kerasnas.search.hyperband import Hyperband, SuccessiveHalving, Trial
from kerasnas.search.hypergradients import HYPERGRADIENTS, InnerStep, finite_difference, first_order, unrolled
from kerasnas.search.local_search import LocalSearch
from kerasnas.search.multi_objective import NSGA2
from kerasnas.search.objectives import CostObjective
from kerasnas.search.one_shot import ENASTrainer
from kerasnas.search.one_shot_phases import ENASCheckpoint
from kerasnas.search.policies import LSTMPolicy
from kerasnas.search.predictor import PredictorSearch

__all__ = [
    "HYPERGRADIENTS",
    "NSGA2",
    "STRATEGIES",
    "BilevelOptimizer",
    "BilevelTrainer",
    "Controller",
    "CostObjective",
    "ENASCheckpoint",
    "ENASTrainer",
    "Hyperband",
    "InnerStep",
    "LSTMPolicy",
    "LocalSearch",
    "PolicyGradient",
    "PredictorSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SearchStrategy",
    "SpaceExhaustedError",
    "SuccessiveHalving",
    "Trial",
    "finite_difference",
    "first_order",
    "unrolled",
]
