"""TensorBoard in trials: a log folder for each, and its hyperparameters for the HParams page, as in KerasTuner."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
from keras_tuner import HyperParameters

from tuners.keras_tuner_internals import hparams_of
from tuners.tuners.trial_inputs import Callbacks, fresh_callbacks


def logged(
    callbacks: Callbacks, trial_id: str, part: str, hyperparameters: HyperParameters | None = None
) -> Callable[[], list[keras.callbacks.Callback]]:
    """Return a function that makes the callbacks of one training, whose `TensorBoard`s have a folder of their own.

    That is `log_dir/trial_id/part`, part being `"search"` or `"network"`; KerasTuner's own is `execution0`. On
    TensorFlow, the page HParams shows the hyperparameters, if given, next to the metrics.
    """
    return partial(_logged, callbacks, trial_id, part, hyperparameters)


def _logged(
    callbacks: Callbacks, trial_id: str, part: str, hyperparameters: HyperParameters | None
) -> list[keras.callbacks.Callback]:
    copies = fresh_callbacks(callbacks)
    further: list[Any] = []
    for one in copies:
        if not isinstance(one, keras.callbacks.TensorBoard):
            continue
        one.log_dir = str(Path(one.log_dir, trial_id, part))
        if hyperparameters is not None and keras.backend.backend() == "tensorflow":
            from tensorboard.plugins.hparams import api  # not needed without such a callback

            hparams = hparams_of(hyperparameters)
            further.append(api.KerasCallback(writer=one.log_dir, hparams=hparams, trial_id=trial_id))
    return [*copies, *further]
