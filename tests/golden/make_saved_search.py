"""Writes saved_search.json: the files of a search that was killed, as an older version of this package leaves them.

    git checkout <the version>; python tests/golden/make_saved_search.py

A project folder has to be readable by every later version: run this where its format changes, and keep the old files.
"""

import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path

import keras_tuner

from kerasnas.testing.strategies import GridSpace
from tuners import PredictorOracle

TRIALS, KILLED_AFTER = 8, 5


class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """A trial is a formula; the third fails. It is killed in the sixth."""

    asked: list = []

    def run_trial(self, trial, **kwargs):
        if len(self.asked) == KILLED_AFTER and kwargs["kill"]:
            raise KeyboardInterrupt
        indices = self.oracle.space.encode(self.oracle.genotype(trial))
        self.asked.append(list(indices))
        if len(self.asked) == 3:
            raise ArithmeticError("out of numbers")
        return {"val_accuracy": (indices[0] + 1.5 * indices[1]) / 10}


def search(folder, kill):
    oracle = PredictorOracle(GridSpace((3, 4)), keras_tuner.Objective("val_accuracy", "max"), TRIALS)
    with contextlib.suppress(KeyboardInterrupt), contextlib.redirect_stdout(io.StringIO()):
        Tuner(oracle, None, folder, "project").search(verbose=0, kill=kill)


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        search(folder, kill=True)
        project = Path(folder, "project")
        files = {
            path.relative_to(project).as_posix(): path.read_text()
            for path in sorted(project.rglob("*.*"))
            if path.is_file()
        }
        search(folder, kill=False)
    result = {"files": files, "asked": Tuner.asked}
    Path(__file__).with_name("saved_search.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
