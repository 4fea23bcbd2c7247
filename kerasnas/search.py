"""The public face of search: black-box strategies (`ask`, `tell`) and gradient trainers (`fit`)."""

from kerasnas.strategies.asha import ASHA
from kerasnas.strategies.bananas import BANANAS
from kerasnas.strategies.base import STRATEGIES, RandomSearch, SearchStrategy
from kerasnas.strategies.bohb import BOHB
from kerasnas.strategies.controller import Controller, Reinforce
from kerasnas.strategies.ehvi import EHVISearch
from kerasnas.strategies.evaluating import evaluate_batches
from kerasnas.strategies.evolution import RegularizedEvolution
from kerasnas.strategies.hyperband import Hyperband, SuccessiveHalving
from kerasnas.strategies.local_search import LocalSearch
from kerasnas.strategies.multi_objective import NSGA2
from kerasnas.strategies.predictor import PredictorSearch
from kerasnas.strategies.tpe import TPESearch
from kerasnas.trainers.beta_decay import BetaDecay
from kerasnas.trainers.bilevel import BilevelTrainer as BilevelTrainer
from kerasnas.trainers.cost_objective import CostObjective
from kerasnas.trainers.hypergradients import HYPERGRADIENTS
from kerasnas.trainers.one_shot import ENASTrainer
from kerasnas.trainers.one_shot_phases import ENASCheckpoint
from kerasnas.trainers.perturbation import select_by_perturbation
from kerasnas.trainers.progressive import ProgressiveSearch
from kerasnas.trainers.supernet_score import SupernetScore

__all__ = [
    "ASHA",
    "BANANAS",
    "BOHB",
    "HYPERGRADIENTS",
    "NSGA2",
    "STRATEGIES",
    "BetaDecay",
    "Controller",
    "CostObjective",
    "EHVISearch",
    "ENASCheckpoint",
    "ENASTrainer",
    "Hyperband",
    "LocalSearch",
    "PredictorSearch",
    "ProgressiveSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SearchStrategy",
    "SuccessiveHalving",
    "SupernetScore",
    "TPESearch",
    "evaluate_batches",
    "select_by_perturbation",
]
