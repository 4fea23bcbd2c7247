"""Architecture search through KerasTuner: `tuner.search(...)`.

`GenotypeTuner` is KerasTuner's own `Tuner`, with the arguments of its `RandomSearch`. `SupernetTuner` and
`OneShotTuner` differ from it:

| | KerasTuner's tuners | these |
|---|---|---|
| a trial | one `fit` of what `build` returns | a search, and the training of what it found (`OneShotTuner`: a child) |
| data | whatever `fit` takes | arrays, or a `tf.data.Dataset` or `PyDataset`, read into arrays once |
| `validation_data`, `validation_split` | passed to `fit` | evaluate the found networks only |
| `architecture_split` | - | the fraction of the rest that moves the alphas, or rewards children |
| further arguments of `search` | passed to `fit` | those that `search` names, such as `augment` |
| `epochs` | of `fit` | of the search; those of the network are in `training=TrainingRecipe(epochs=...)` |
| `executions_per_trial` | the same trial again | `folds=` cross-validates |
| `verbose=1`, `2` | Keras' output, a table for each trial | the same with a row each; `"rows"`: rows alone |
| `TensorBoard` | `log_dir/trial/execution0`, with HParams | `.../trial/search`, `.../trial/network`, with HParams |
| the model of a trial | weights of the best epoch | the network after its last epoch, as `model.keras` |
| a trial that was killed | starts again | resumes from its last epoch |
| several objectives | their sum | with `ParetoOracle`, their front |
"""

from kerasnas.other_tools import ANSWERS
from kerasnas.training.recipe import TrainingRecipe
from tuners.distributed.distributed_tuner import DistributedTuner, GenotypeTuner
from tuners.hypermodels.adaptation_hypermodel import AdaptationHyperModel
from tuners.hypermodels.genotype_hypermodel import GenotypeHyperModel
from tuners.hypermodels.supernet_hypermodel import SupernetHyperModel
from tuners.oracles.multi_fidelity import ASHAOracle, BOHBOracle, HyperbandOracle, SuccessiveHalvingOracle
from tuners.oracles.named import ControllerOracle, EvolutionOracle, LocalSearchOracle, PredictorOracle
from tuners.oracles.pareto import ParetoOracle
from tuners.oracles.random_oracle import RandomOracle
from tuners.oracles.strategy_oracle import StrategyOracle
from tuners.tuners.one_shot_tuner import OneShotTuner
from tuners.tuners.shared_weights import SharedWeights
from tuners.tuners.supernet_tuner import SupernetTuner

__all__ = [
    "ASHAOracle",
    "AdaptationHyperModel",
    "BOHBOracle",
    "ControllerOracle",
    "DistributedTuner",
    "EvolutionOracle",
    "GenotypeHyperModel",
    "GenotypeTuner",
    "HyperbandOracle",
    "LocalSearchOracle",
    "OneShotTuner",
    "ParetoOracle",
    "PredictorOracle",
    "RandomOracle",
    "SharedWeights",
    "StrategyOracle",
    "SuccessiveHalvingOracle",
    "SupernetHyperModel",
    "SupernetTuner",
    "TrainingRecipe",
]


def __getattr__(name: str) -> object:
    raise AttributeError(ANSWERS.get(name, f"module '{__name__}' has no attribute '{name}'"))
