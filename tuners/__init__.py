"""Everything that knows KerasTuner: architecture search through `tuner.search(...)`."""

from kerasnas.pipeline import TrainingRecipe
from tuners.distributed.distributed_tuner import DistributedTuner, GenotypeTuner
from tuners.hypermodels.checked_hypermodel import CheckedHyperModel
from tuners.hypermodels.genotype_hypermodel import GenotypeHyperModel
from tuners.hypermodels.supernet_hypermodel import SupernetHyperModel
from tuners.oracles.multi_fidelity import ASHAOracle, BOHBOracle, HyperbandOracle, SuccessiveHalvingOracle
from tuners.oracles.named import ControllerOracle, DefaultOracle, EvolutionOracle, LocalSearchOracle, PredictorOracle
from tuners.oracles.pareto import ParetoOracle, ParetoTrial
from tuners.oracles.random_oracle import RandomOracle
from tuners.oracles.strategy_oracle import StrategyOracle
from tuners.tuners.one_shot_tuner import OneShotTuner
from tuners.tuners.shared_weights import SharedWeights
from tuners.tuners.supernet_tuner import SupernetTuner

__all__ = [
    "ASHAOracle",
    "BOHBOracle",
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
    "SharedWeights",
    "StrategyOracle",
    "SuccessiveHalvingOracle",
    "SupernetHyperModel",
    "SupernetTuner",
    "TrainingRecipe",
]
