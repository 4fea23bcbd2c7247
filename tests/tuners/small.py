"""Small spaces, their data, and trainings without a graph, for all tests of tuners."""

import keras
import keras_tuner
import numpy as np

from kerasnas import DARTSSpace
from kerasnas.spaces import ENASMicroSpace
from kerasnas.testing.strategies import GridSpace
from tuners import OneShotTuner, SharedWeights, SupernetHyperModel, SupernetTuner, TrainingRecipe

GRID = GridSpace((4, 4, 3, 3))
OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
CHILDREN = ENASMicroSpace(
    filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3", "avg_pool_3x3"]
)
SHAPE, CLASSES = (8, 8, 1), 3
RNG = np.random.default_rng(0)
X, Y = RNG.random((24, *SHAPE)).astype("float32"), np.arange(24) % CLASSES
X_VAL, Y_VAL = RNG.random((12, *SHAPE)).astype("float32"), np.arange(12) % CLASSES
VALIDATION = X_VAL, Y_VAL
EAGER = {"run_eagerly": True}


def eager(model, hp=None):
    """Compile without a graph: tracing one takes most of the time of such a training."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)


RECIPE = TrainingRecipe(epochs=1, batch_size=12, compile=eager)


def supernet_tuner(folder, hypermodel=None, filters=(2, 4), **options):
    """A tuner of two searches."""
    if hypermodel is None:
        hypermodel = SupernetHyperModel(SPACE, SHAPE, CLASSES, filters=list(filters), compile_options=EAGER)
    settings = {"max_trials": 2, "training": RECIPE, "report": False, "directory": folder, "project_name": "project"}
    return SupernetTuner(hypermodel, **{**settings, **options})


def one_shot_tuner(folder, **options):
    """A tuner of six children, the best two of which are trained from scratch."""
    settings = {"max_trials": 6, "retrain_best": 2, "training": RECIPE, "report": False, "project_name": "project"}
    settings |= {"shared_weights": SharedWeights(compile_options=EAGER), "directory": folder}
    return OneShotTuner(CHILDREN, SHAPE, CLASSES, **{**settings, **options})


def search(tuner, **options):
    """Search for one epoch, in silence; return the tuner."""
    data = {} if tuner.folds else {"validation_data": VALIDATION}
    tuner.search(X, Y, **{**data, "epochs": 1, "batch_size": 12, "verbose": 0, **options})
    return tuner


def reward(genotype, space=GRID):
    """The formula that `FormulaTuner` answers with."""
    return sum((position + 1.5) * index for position, index in enumerate(space.encode(genotype))) / 30


class Epochs(keras.callbacks.Callback):
    """Notes whose epochs begin, or their numbers alone; raises in one."""

    def __init__(self, seen, stop=None, names=True):
        super().__init__()
        self.seen, self.stop, self.names = seen, stop, names

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append((type(self.model).__name__, epoch) if self.names else epoch)
        if self.seen[-1] == self.stop:
            raise KeyboardInterrupt
