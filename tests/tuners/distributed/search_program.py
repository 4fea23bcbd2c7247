"""A program with a search that takes no training, run as chief and workers: what a user would write.

It is controlled by variables of the environment, so that it is one and the same in all processes:

SEARCH_FOLDER: the directory. `runs` in it notes the beginning and the end of each run of a trial, and by whom.
SEARCH_TUNER: "ours", or "stock" for KerasTuner's own.
SEARCH_HANG: "worker:n": this worker stays in its n-th trial, for SEARCH_HANG_SECONDS or for ever.
SEARCH_RAISE: "worker": this worker's first trial raises an error; "fatal:worker" one that KerasTuner calls fatal.
SEARCH_BREAK: the oracle raises when the end of this trial is reported.
SEARCH_TRIALS, SEARCH_SEED: of the oracle.
SEARCH_OVERWRITE: whether `overwrite=True`.
"""

import json
import os
import time
from pathlib import Path

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from kerasnas.testing.strategies import GridSpace
from tuners import DistributedTuner, PredictorOracle

SPACE = GridSpace((4, 4, 3, 3))
FOLDER = Path(os.environ["SEARCH_FOLDER"])
NAME = os.environ.get("KERASTUNER_TUNER_ID", "alone")
TRIALS, SEED = int(os.environ.get("SEARCH_TRIALS", "30")), int(os.environ.get("SEARCH_SEED", "0"))


class Oracle(PredictorOracle):
    def trial_finished(self, trial):
        super().trial_finished(trial)
        if trial.trial_id == os.environ.get("SEARCH_BREAK"):
            raise ArithmeticError("the oracle is broken")


class Formula:
    """A trial takes 0.2 s."""

    runs = 0

    def run_trial(self, trial, **kwargs):
        self.runs += 1
        note(trial.trial_id, "begins")
        if os.environ.get("SEARCH_HANG") == f"{NAME}:{self.runs}":
            note(trial.trial_id, "hangs")
            time.sleep(float(os.environ.get("SEARCH_HANG_SECONDS", "600")))
        if os.environ.get("SEARCH_RAISE") == NAME and self.runs == 1:
            raise ArithmeticError("out of numbers")
        if os.environ.get("SEARCH_RAISE") == f"fatal:{NAME}":
            raise keras_tuner.errors.FatalValueError("what a fool")
        time.sleep(0.2)
        genotype = SPACE.genotype({name: trial.hyperparameters.values[name] for name in SPACE.choices})
        score = sum((i + 1.5) * index for i, index in enumerate(SPACE.encode(genotype))) / 30
        note(trial.trial_id, "ends")
        return {"val_accuracy": score}


class OurTuner(Formula, DistributedTuner):
    pass


class StockTuner(Formula, BaseTuner):
    pass


def note(trial_id, what):
    with open(FOLDER / "runs", "a") as file:
        file.write(f"{trial_id} {what} {NAME}\n")


def main():
    oracle = Oracle(SPACE, keras_tuner.Objective("val_accuracy", "max"), TRIALS, SEED, lease=4.0)
    tuner_class = StockTuner if os.environ.get("SEARCH_TUNER") == "stock" else OurTuner
    tuner = tuner_class(oracle, None, str(FOLDER), "project", overwrite=os.environ.get("SEARCH_OVERWRITE") == "1")
    tuner.search(verbose=0)
    if tuner_class is OurTuner:
        best = tuner.oracle.get_best_trials(3)
        values = [[trial.trial_id, trial.score] for trial in best]
        values.append(tuner.remaining_trials)
        (FOLDER / f"best.{NAME}").write_text(json.dumps(values))


if __name__ == "__main__":
    main()
