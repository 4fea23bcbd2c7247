"""AutoKeras as a contender of `value.py`: run by the interpreter of its own environment, without KerasNAS.

    PATH/TO/AUTOKERAS/python benchmarks/value_autokeras.py DATA.npz SECONDS SEED

`ImageClassifier` searches for half of the processor time, counted from the start of the process; then AutoKeras' own
last step, the training of the best network on all data for as many epochs as its trial, takes what is left of it. A
trial that half of the time cuts short counts only if there is no other. If there is time for less than half of those
epochs (the first step of a ResNet50, the second trial, takes half a minute), the network of the trial is the result.
Prints the accuracy on the test set and the parameters as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

import autokeras
import keras
import numpy as np

_FINISH = 5.0  # seconds to save, to load and to evaluate
_RUN = {
    "classifier": None,
    "end": 0.0,
    "best": False,
    "model": None,
}  # out of the callback, of which AutoKeras makes copies


class TimeUp(Exception):
    """Half of the time is up: the trial is given up."""


class Clock(keras.callbacks.Callback):
    """Ends the search at half of the time, and the training of the best network at the end."""

    def _search(self, within):
        oracle = _RUN["classifier"].tuner.oracle
        if time.process_time() < _RUN["end"] / 2:
            return
        oracle.max_trials = len(oracle.trials)
        if any(trial.status == "COMPLETED" for trial in oracle.trials.values()):
            raise TimeUp
        self.model.stop_training = within == "training"  # the first trial: it is evaluated as it is

    def on_train_batch_end(self, batch, logs=None):
        if _RUN["best"]:
            self.model.stop_training = time.process_time() >= _RUN["end"]
        else:
            self._search("training")

    def on_test_batch_end(self, batch, logs=None):
        if not _RUN["best"]:
            self._search("evaluation")


def main():
    path, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    with np.load(path) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(x))  # its validation data are the last ones
    with tempfile.TemporaryDirectory() as folder:
        classifier = autokeras.ImageClassifier(max_trials=1000, directory=folder, seed=seed)
        tuner, train_best = classifier.tuner, classifier.tuner.final_fit

        def final_fit(**arguments):
            _RUN["best"] = True
            pipeline, model, history = train_best(**arguments)
            completed = len(history.epoch) - (time.process_time() >= _RUN["end"])
            if 2 * completed >= arguments["epochs"]:
                _RUN["model"] = model
            return pipeline, model, history

        tuner.final_fit = final_fit
        _RUN.update(classifier=classifier, end=seconds - _FINISH)
        classifier.fit(x[order], y[order], batch_size=64, verbose=0, callbacks=[Clock()])
        trials = [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]
        on_all_data, model = _RUN["model"] is not None, _RUN["model"] or tuner.get_best_model()
        tuner.get_best_model = lambda: model  # for `predict`, which would take the one of the trial
        found = classifier.predict(x_test, verbose=0).reshape(-1).astype(y_test.dtype)
        best = tuner.oracle.get_best_trials(1)[0].hyperparameters.values
        record = {"accuracy": float((found == y_test).mean()), "trials": len(trials), "on_all_data": on_all_data}
        record["parameters"] = int(sum(np.prod(variable.shape) for variable in model.trainable_variables))
        record["winner"] = str(best.get("image_block_1/block_type"))
    print(json.dumps(record))


if __name__ == "__main__":
    main()
