"""Everything that knows KerasTuner: architecture search through `tuner.search(...)`."""

from tuners.checks import CheckedHyperModel
from tuners.hypermodels import GenotypeHyperModel
from tuners.multi_fidelity import HyperbandOracle, SuccessiveHalvingOracle
from tuners.oracles import ControllerOracle, DefaultOracle, EvolutionOracle, LocalSearchOracle, PredictorOracle
from tuners.pareto import ParetoOracle, ParetoTrial
from tuners.strategy_oracle import StrategyOracle
from tuners.supernet_hypermodel import SupernetHyperModel

__all__ = [
    "CheckedHyperModel",
    "ControllerOracle",
    "DefaultOracle",
    "EvolutionOracle",
    "GenotypeHyperModel",
    "HyperbandOracle",
    "LocalSearchOracle",
    "ParetoOracle",
    "ParetoTrial",
    "PredictorOracle",
    "StrategyOracle",
    "SuccessiveHalvingOracle",
    "SupernetHyperModel",
]
