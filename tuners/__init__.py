"""Everything that knows KerasTuner: architecture search through `tuner.search(...)`."""

from tuners.checks import CheckedHyperModel
from tuners.distributed import DistributedTuner, GenotypeTuner
from tuners.hypermodels import GenotypeHyperModel
from tuners.multi_fidelity import HyperbandOracle, SuccessiveHalvingOracle
from tuners.one_shot_tuner import OneShotTuner
from tuners.oracles import ControllerOracle, DefaultOracle, EvolutionOracle, LocalSearchOracle, PredictorOracle
from tuners.pareto import ParetoOracle, ParetoTrial
from tuners.random_oracle import RandomOracle
from tuners.strategy_oracle import StrategyOracle
from tuners.supernet_hypermodel import SupernetHyperModel
from tuners.supernet_tuner import SupernetTuner

__all__ = [
    "CheckedHyperModel",
    "ControllerOracle",
    "DefaultOracle",
    "DistributedTuner",
    "EvolutionOracle",
    "GenotypeHyperModel",
    "GenotypeTuner",
    "HyperbandOracle",
    "LocalSearchOracle",
    "OneShotTuner",
    "ParetoOracle",
    "ParetoTrial",
    "PredictorOracle",
    "RandomOracle",
    "StrategyOracle",
    "SuccessiveHalvingOracle",
    "SupernetHyperModel",
    "SupernetTuner",
]
