"""What is killed: commands and programs that are the same where they begin and where they resume.

Controlled by variables of the environment:

SUBJECT: a name in `SUBJECTS`.
FOLDER: what it works in.
SHARED: a folder with `tiny.npz`, `other.npz` and a finished run of `search`.
KILL_AT: the number of the operation on a file or a folder in FOLDER before which it kills itself. Files that are being
    written then lack what is still in buffers.
COUNT: the file that it writes the number of these operations to, at its end.
"""

import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
from counting import counted_pretraining, counted_race

import kerasnas
import tuners
from kerasnas import cli
from kerasnas.callbacks import TrainingCheckpoint
from kerasnas.datasets import EpisodeSampler
from kerasnas.federated import federate
from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.channels import ClientInfo
from kerasnas.files.storage import CheckpointStore
from kerasnas.meta import Reptile, ReptileInitializer
from kerasnas.networks import few_shot_network

FOLDER, SHARED = Path(os.environ["FOLDER"]), Path(os.environ["SHARED"])
TINY, OTHER, FINISHED = SHARED / "tiny.npz", SHARED / "other.npz", SHARED / "search"
SPACE = ("--space=darts", "--stem_strides=1", "--num_nodes=1", "--primitives=none,skip_connect,max_pool_3x3")
CELLS = kerasnas.DARTSSpace(
    filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3", "avg_pool_3x3"]
)


# Operations on files ------------------------------------------------------------------------------------------
class Operations:
    """Counts what is done to files in a folder, and kills the process before the operation `at`."""

    def __init__(self, folder, at):
        self.folder, self.at, self.number = str(folder), at, 0

    def __call__(self, event, args):
        if event not in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"):
            return
        if event == "open" and not self._writes(*args[1:3]):
            return
        path = args[0] if isinstance(args[0], str) else os.fsdecode(args[0]) if isinstance(args[0], bytes) else ""
        inside = args[-1]  # of what folder, as `shutil.rmtree` says it
        if path and not os.path.isabs(path) and isinstance(inside, int) and inside >= 0:
            path = os.path.join(os.readlink(f"/proc/self/fd/{inside}"), path)
        if path.startswith(self.folder):
            if self.number == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.number += 1

    @staticmethod
    def _writes(mode, flags):
        return bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else bool(set("wax+") & set(mode))


# Commands -----------------------------------------------------------------------------------------------------
def command(*arguments):
    """Begin with these arguments, or resume."""
    if (FOLDER / "config.json").exists():
        arguments = ("resume",)
    said = cli.main([*map(str, arguments), f"--output_dir={FOLDER}"])
    assert said == 0, f"exit status {said}"


def search(*others):
    flags = ("--filters=2", "--num_cells=1", "--batch_size=8", "--epochs=6", "--architecture_learning_rate=0.05")
    more = ("--random_genotypes=0", "--shortlist=0", "--retrain_filters=2", "--retrain_cells=2", "--drop_path=0.2")
    last = ("--retrain_batch_size=8", "--retrain_epochs=6", "--curvature_ratio=0")
    command("search", f"--dataset={TINY}", *SPACE, *flags, *more, *last, *others)


def training():
    flags = ("--retrain_filters=2", "--retrain_cells=2", "--retrain_batch_size=8", "--retrain_epochs=20")
    command("retrain", f"--genotype={FINISHED / 'genotype.json'}", f"--dataset={TINY}", *flags, "--drop_path=0.2")


def report():
    """Of a run whose last training has ended, see `test_kills.py`."""
    command("resume")


def export():
    """Of a finished run."""
    assert cli.main(["export", str(FOLDER), "--format=savedmodel,litert,litert-int8"]) == 0


def shortlist():
    """A gradient search that compares the searched network with random ones, by accuracy and cost."""
    search("--random_genotypes=2", "--shortlist=2", "--shortlist_steps=4", "--cost=parameters")


def race(data="tiny.npz", parameters=9000):
    counted_race()
    limits = ("--minutes=2", "--candidates=3", "--initializer=none", f"--max_parameters={parameters}")
    command("search", f"--dataset={SHARED / data}", *limits)


def text():
    race("text.npz", 90_000)


def series():
    race("series.npz", 90_000)


def table():
    race("table.npz", 90_000)


def graph():
    command("search", f"--dataset={SHARED / 'graph.npz'}", "--evaluations=6", "--members=2")


def pretrain():
    counted_pretraining()
    command("pretrain", f"--datasets={TINY},{OTHER}", "--network=cnn", "--minutes=2")


# Programs -----------------------------------------------------------------------------------------------------
def arrays():
    with np.load(TINY) as file:
        return {
            "x": file["x_train"],
            "y": file["y_train"],
            "validation_data": (file["x_test"], file["y_test"]),
            "verbose": 0,
        }


def compile(model, hp):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"], jit_compile=False)


def trial():
    """KerasTuner's own trials, which begin again from their first epoch; with one order of the batches."""
    _trials(tuners.EvolutionOracle(CELLS, "val_accuracy", max_trials=5))


def _trials(oracle):
    hypermodel = tuners.GenotypeHyperModel(CELLS, (8, 8, 1), 3, compile)
    tuner = tuners.GenotypeTuner(hypermodel, oracle=oracle, directory=FOLDER, project_name="project")
    tuner.search(**arrays(), epochs=3, batch_size=8, shuffle=False)
    assert tuner.remaining_trials == 0 and len(tuner.get_best_models(1)) == 1


def front_trial():
    """Trials of two objectives, with their front."""
    costs = {"parameters": lambda genotype: float(sum(CELLS.encode(genotype)))}
    _trials(tuners.ParetoOracle(CELLS, "val_accuracy", max_trials=5, costs=costs))


def search_trial():
    options = {"curvature_ratio": None}
    hypermodel = tuners.SupernetHyperModel(CELLS, (8, 8, 1), 3, filters=[2, 4], trainer_options=options)
    training = tuners.TrainingRecipe(epochs=4, batch_size=8)
    tuner = tuners.SupernetTuner(hypermodel, max_trials=2, training=training, directory=FOLDER, project_name="project")
    tuner.search(**arrays(), epochs=4, batch_size=8)
    assert tuner.remaining_trials == 0 and len(tuner.get_best_models(1)) == 1


def meta_training():
    with np.load(OTHER) as file:
        sampler = EpisodeSampler(file["x_train"], file["y_train"], ways=2, shots=2, query_shots=0)
    learner = Reptile(few_shot_network((8, 8, 1), 2, filters=4), inner_steps=2)
    learner.compile()
    checkpoint = TrainingCheckpoint(FOLDER / "checkpoints")
    epoch = checkpoint.restore(learner)
    learner.fit(sampler, 60, 2, steps_per_epoch=4, initial_epoch=epoch, callbacks=[checkpoint], verbose=0)
    ReptileInitializer.from_learner(learner).save(FOLDER)


def federation():
    """Rounds of which each is kept."""
    store, weights = CheckpointStore(FOLDER), [np.zeros((8, 8, 1), "float32")]
    done, values, rounds = store.load_latest() or (0, {"weights": weights[0]}, {"rounds": []})
    federate(
        [Averaging(number) for number in range(3)],
        Values([values["weights"]]),
        20,
        participation=0.7,
        initial_round=done,
        on_round=lambda one, new: store.save(one.number + 1, {"weights": new.weights[0]}, rounds),
    )


class Averaging:
    """A client that learns the mean of its images."""

    def __init__(self, number):
        with np.load(TINY) as file:
            self.name, self.x = f"client {number}", file["x_train"][number::3]

    def describe(self):
        return ClientInfo(self.name, len(self.x), self.x.shape[1:])

    def train(self, values, number, rounds):
        rng = np.random.default_rng(number)
        moved = [one + 0.1 * (self.x[rng.permutation(len(self.x))[:8]].mean(0) - one) for one in values.weights]
        return Update(Values(moved), len(self.x))


_NAMED = (search, shortlist, training, report, race, text, series, table, graph, pretrain, export)
_NAMED += (trial, front_trial, search_trial, meta_training, federation)
SUBJECTS = {one.__name__: one for one in _NAMED}

if __name__ == "__main__":
    operations = Operations(FOLDER, int(os.environ.get("KILL_AT", "-1")))
    sys.addaudithook(operations)
    SUBJECTS[os.environ["SUBJECT"]]()
    Path(os.environ["COUNT"]).write_text(str(operations.number))
