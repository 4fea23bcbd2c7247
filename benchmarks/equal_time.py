"""Architecture search through KerasTuner at equal time: our tuners and the stock ones, as a Markdown table.

    python benchmarks/equal_time.py                                            # some minutes for each tuner
    python benchmarks/equal_time.py --seconds=60 --tuners=supernet,random      # shorter, two of them

Data: 2,000 images of `fashion_mnist_mini` for search and training, 1,000 for validation and 1,000 for the test. The
space is DARTS' (3 cells of 2 nodes, 4 filters); `one_shot` searches the ENAS micro space of the same size, as DARTS'
supernet shares no weights. Each tuner has the same processor time over all threads, from the tuner's construction to
the end of `search`:

- `supernet`: SupernetTuner, one trial: half of the time for the search, the other for training its result;
- `one_shot`: OneShotTuner: over half for the shared weights and 60 children, the other for training the best one;
- `random`: stock RandomSearch over GenotypeHyperModel, 3 epochs a trial;
- `hyperband`: stock Hyperband over GenotypeHyperModel, up to 6 epochs.

`as found` is the test accuracy of `tuner.get_best_models()[0]`. `trained alike` is that of the best genotype trained
once more from scratch, in the same way for all (10 epochs of `TrainingRecipe`; not part of the time): it rates the
architecture independently of the tuner's training. The stock tuners end with the epoch in which their time is spent;
ours have numbers of epochs and children that took about that time on the author's machine, and the table lists the
actual times. One seed of one dataset: an illustration, not a ranking.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import skeleton
import tracked

from kerasnas.tasks.splits import stratified_split

TUNERS = ("supernet", "one_shot", "random", "hyperband")
SIZES = {"filters": 4, "num_cells": 3, "num_nodes": 2}
IMAGES = 3000
EPOCHS_ALIKE = 10


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        seconds=(90.0, "of processor time for each tuner"),
        seed=0,
        tuners=skeleton.listed(TUNERS),
        one={"choices": TUNERS, "help": skeleton.HIDDEN},  # in a process of its own
    )
    skeleton.prepare(quiet=3)
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.seconds, arguments.seed)))
        return
    shown = tracked.Table(
        ["tuner", "trials", "CPU s", "wall s", "validation", "test, as found", "test, trained alike", "parameters"]
    )
    for name in skeleton.names(arguments.tuners, TUNERS):
        words = (f"--one={name}", f"--seconds={arguments.seconds}", f"--seed={arguments.seed}")
        row = skeleton.child(__file__, *words)
        if row is None:
            sys.exit(1)
        accuracies = [f"{row[key]:.3f}" for key in ("validation", "found", "alike")]
        shown.add([name, row["trials"], f"{row['cpu']:.0f}", f"{row['wall']:.0f}", *accuracies, row["parameters"]])
    tracked.record(arguments, shown.rows, code=["tuners", "kerasnas/strategies"])


class Clock:
    """Processor time of all threads since its construction."""

    def __init__(self, seconds: float):
        self.seconds, self.start, self.wall = seconds, time.process_time(), time.perf_counter()

    def spent(self) -> float:
        return time.process_time() - self.start


def measure(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """Run the search of one tuner; return the test accuracy of its result."""
    import kerasnas
    from kerasnas.files.stages import Stages
    from kerasnas.training.network_training import NetworkTraining
    from kerasnas.training.recipe import TrainingRecipe
    from tuners.tuners.trial_inputs import SearchData

    # `Thread.currentThread`, once a call of a stock oracle
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="keras_tuner")
    data = kerasnas.datasets.load("fashion_mnist_mini")
    _, some = stratified_split(data.y_train, IMAGES / len(data.y_train), seed)
    train, held_out = (some[part] for part in stratified_split(data.y_train[some], 1 / 3, seed))
    parts = SearchData(data.x_train[train], data.y_train[train], data.x_train[held_out], data.y_train[held_out])
    clock = Clock(seconds)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        tuner, genotype = (ours if name in ("supernet", "one_shot") else stock)(name, parts, clock, seed, folder)
        cpu, wall = clock.spent(), time.perf_counter() - clock.wall
        model = tuner.get_best_models()[0]
        _, found = model.evaluate(data.x_test, data.y_test, verbose=0)
        _, validation = model.evaluate(parts.x_val, parts.y_val, verbose=0)
        trials = len(tuner.oracle.trials)
        space = kerasnas.spaces.ENASMicroSpace(**SIZES) if name == "one_shot" else kerasnas.DARTSSpace(**SIZES)
        training = NetworkTraining(space, data.input_shape, data.num_classes, TrainingRecipe(EPOCHS_ALIKE))
        test, whole = (data.x_test, data.y_test), (data.x_train[some], data.y_train[some])
        alike = training.run(Stages(Path(folder, "alike")), "alike", genotype, whole, test, seed)
    print(name, genotype, file=sys.stderr)
    return {
        "trials": trials,
        "cpu": cpu,
        "wall": wall,
        "validation": float(validation),
        "found": float(found),
        "alike": alike["test_accuracy"],
        "parameters": model.count_params(),
    }


def ours(name: str, parts: Any, clock: Clock, seed: int, folder: str) -> tuple[Any, Any]:
    """Return the tuner after its search, and its best genotype."""
    import kerasnas
    import tuners

    shape, classes = parts.x.shape[1:], 10
    # Epochs that take the time on two cores of an AMD EPYC; what they took is in the table.
    share = clock.seconds / 90
    common: dict[str, Any] = {"seed": seed, "directory": folder, "report": False}
    training = tuners.TrainingRecipe(epochs=round(14 * share))
    if name == "supernet":
        # The paper's rate of the alphas, 3e-4, is for 50 epochs.
        hypermodel = tuners.SupernetHyperModel(
            kerasnas.DARTSSpace(**SIZES), shape, classes, learning_rate=0.05, architecture_learning_rate=3e-3
        )
        tuner = tuners.SupernetTuner(hypermodel, max_trials=1, training=training, **common)
        epochs = round(6 * share)
    else:
        space = kerasnas.spaces.ENASMicroSpace(**SIZES)
        options = {"max_trials": round(60 * share), "retrain_best": 1, "training": training, **common}
        tuner = tuners.OneShotTuner(space, shape, classes, **options)
        epochs = round(6 * share)
    tuner.search(parts.x, parts.y, validation_data=(parts.x_val, parts.y_val), epochs=epochs, verbose=0)
    return tuner, tuner.get_best_genotypes()[0]


def stock(name: str, parts: Any, clock: Clock, seed: int, folder: str) -> tuple[Any, Any]:
    """Return the stock tuner after its search, which ends when its time is spent, and its best genotype."""
    import keras
    import keras_tuner

    import kerasnas
    import tuners

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if clock.spent() > clock.seconds:
                self.model.stop_training = True

        def __deepcopy__(self, memo: Any) -> "Stop":
            return Stop()

    hypermodel = tuners.GenotypeHyperModel(kerasnas.DARTSSpace(**SIZES), parts.x.shape[1:], 10)
    # The stock tuners take the seed 0 for "any".
    common: dict[str, Any] = {"objective": "val_accuracy", "seed": seed + 1, "directory": folder}
    if name == "random":
        tuner = keras_tuner.RandomSearch(hypermodel, max_trials=1000, **common)
    else:
        tuner = keras_tuner.Hyperband(hypermodel, max_epochs=6, hyperband_iterations=1000, **common)
    ended = tuner.on_trial_end

    def on_trial_end(trial: Any) -> None:
        ended(trial)
        if clock.spent() > clock.seconds:
            tuner.oracle.max_trials = len(tuner.oracle.trials)

    tuner.on_trial_end = on_trial_end
    held_out = (parts.x_val, parts.y_val)
    options = {"validation_data": held_out, "epochs": 3, "batch_size": 64, "callbacks": [Stop()], "verbose": 0}
    tuner.search(parts.x, parts.y, **options)
    return tuner, hypermodel.genotype(tuner.get_best_hyperparameters()[0])


if __name__ == "__main__":
    main()
