"""Black-box strategies, by ask and tell: each proposes genotypes and learns from their rewards."""

from kerasnas.strategies.asha import ASHA
from kerasnas.strategies.attention import AttentionPolicy
from kerasnas.strategies.bananas import BANANAS
from kerasnas.strategies.base import STRATEGIES, RandomSearch, SearchStrategy, SpaceExhaustedError
from kerasnas.strategies.bohb import BOHB
from kerasnas.strategies.brackets import Trial
from kerasnas.strategies.controller import Controller, PolicyGradient, Reinforce
from kerasnas.strategies.ehvi import EHVISearch
from kerasnas.strategies.evaluating import evaluate_batches
from kerasnas.strategies.evolution import RegularizedEvolution
from kerasnas.strategies.hyperband import Hyperband, SuccessiveHalving
from kerasnas.strategies.local_search import LocalSearch
from kerasnas.strategies.multi_fidelity import MultiFidelitySearch
from kerasnas.strategies.multi_objective import NSGA2, ParetoSearch
from kerasnas.strategies.policies import LSTMPolicy
from kerasnas.strategies.predictor import PredictorSearch
from kerasnas.strategies.tpe import TPESearch

__all__ = [
    "ASHA",
    "BANANAS",
    "BOHB",
    "NSGA2",
    "STRATEGIES",
    "AttentionPolicy",
    "Controller",
    "EHVISearch",
    "Hyperband",
    "LSTMPolicy",
    "LocalSearch",
    "MultiFidelitySearch",
    "ParetoSearch",
    "PolicyGradient",
    "PredictorSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SearchStrategy",
    "SpaceExhaustedError",
    "SuccessiveHalving",
    "TPESearch",
    "Trial",
    "evaluate_batches",
]
