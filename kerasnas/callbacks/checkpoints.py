"""Checkpoints from which a training or a search resumes bit-identically."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.callbacks.state import restore, snapshot
from kerasnas.distribution.scope import is_chief, replicas_of, workers_of
from kerasnas.files.storage import CheckpointStore

METRIC = "metric-"  # prefix of metrics' variables in a checkpoint
_GRACE = 25.0  # seconds after SIGTERM


class TrainingCheckpoint(keras.callbacks.Callback):
    """Saves everything that a training needs to resume bit-identically, at its start and after every epoch.

    Written atomically: a kill at any moment leaves the last whole checkpoint, and a damaged one falls back to the one
    before.

    On SIGTERM, which preempted machines receive, it saves after the current step; then the signal goes to its previous
    handler, or the process ends with status 143, after 25 seconds in any case. A search or a meta-training resumes
    within the epoch; other trainings, and `ENASTrainer`, from the epoch's start, as with Keras' own backup. On several
    workers, the metrics of an interrupted epoch cover only the steps after the interruption.

    Of several workers the first one saves, and any that receives SIGTERM; all restore, so `folder` must be visible to
    all. Weights do not depend on the number of replicas: a search may resume on more or fewer.

    Args:
        folder: folder of the checkpoints.
        keep: number of checkpoints kept. Defaults to 2.
        log: called with one line when a damaged checkpoint is skipped, and when a search resumes on another number of
            replicas. Defaults to `print`.

    Attributes:
        history: metric -> value of every epoch since the start of the training, resumed or not.
        seconds: the training's time so far, in all its processes: in this one since the callback was made, in each
            earlier one up to the checkpoint that the next resumed from.

    Example:

        checkpoint = TrainingCheckpoint("runs/checkpoints")
        model.fit(data, initial_epoch=checkpoint.restore(model), epochs=20, callbacks=[checkpoint])
    """

    @checks.arguments(folder=checks.path, keep=checks.size, log=checks.function)
    def __init__(self, folder: str | os.PathLike, keep: int = 2, log: Log = print):
        super().__init__()
        self.store = CheckpointStore(folder, keep, log)
        self._began, self._earlier = time.perf_counter(), 0.0
        self.history: dict[str, list[float]] = {}
        self._epoch: int | None = None
        self.steps_done = 0  # of epoch `_epoch`, if the checkpoint was taken within it
        self.metrics: list[np.ndarray] = []  # state of the metrics after these steps
        self.resumes_within_epochs = False  # True if the data can skip these steps; set by `FollowEpochs`
        self._terminated = False
        self._handler: Any = None

    @property
    def seconds(self) -> float:
        return self._earlier + time.perf_counter() - self._began

    @checks.arguments(model=keras.Model)
    def restore(self, model: keras.Model) -> int:
        """Restore the last saved state of `model` (built and compiled); return the epoch to start at.

        Returns:
            The `initial_epoch` for `fit`; 0 if nothing is saved.

        Raises:
            ValueError: if the checkpoint belongs to another model.
        """
        if getattr(model, "optimizer", None) is None:
            raise ValueError(checks.invalid("model", "a compiled model", model.name))
        model.optimizer.build(model.trainable_variables)
        loaded = self.store.load_latest()
        if loaded is None:
            return 0
        self._epoch, arrays, record = loaded
        self.metrics = [arrays.pop(name) for name in sorted(arrays) if name.startswith(METRIC)]
        self._take_own(arrays)
        restore(model, arrays)
        self.history, self._earlier = record["history"], record.get("seconds", 0.0)
        self.steps_done = record.get("steps", 0)
        before, now = record.get("replicas", 1), replicas_of(model)
        if before != now:
            self.store.log(
                f"This checkpoint was written on {before} replica{'s' if before > 1 else ''}; the training resumes on "
                f"{now}, with the same global batches. Without synchronized batch norm, each replica's statistics now "
                "cover other samples."
            )
        return self._epoch

    def _take_own(self, arrays: dict[str, np.ndarray]) -> None:
        """Remove from `arrays` what is not a variable."""

    def _own_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def _save(self, epoch: int, steps: int = 0) -> None:
        arrays = {**snapshot(self.model), **self._own_arrays()}
        if steps and workers_of(self.model) == 1:  # one of several workers cannot read the metrics of all
            counted = enumerate(self.model.metrics_variables)
            arrays |= {f"{METRIC}{index:05d}": keras.ops.convert_to_numpy(variable) for index, variable in counted}
        if is_chief(self.model) or steps:
            record = {"history": self.history, "replicas": replicas_of(self.model), "steps": steps}
            self.store.save(epoch, arrays, {**record, "seconds": self.seconds})
        self._epoch = epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._epoch is None:
            self._save(0)
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._terminate)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _terminate(self, *_: Any) -> None:
        if not self._terminated:
            self._terminated = True
            watch = threading.Timer(_GRACE, os._exit, [128 + signal.SIGTERM])
            watch.daemon = True
            watch.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._terminated:
            return
        if self.resumes_within_epochs:
            self._save(self._epoch or 0, steps=self.steps_done + batch + 1)
        before = self._handler
        self.on_train_end()
        if callable(before):
            before(signal.SIGTERM, None)
        raise SystemExit(128 + signal.SIGTERM)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self.steps_done = 0
        self._save(epoch + 1)


def _callbacks(argument: str, value: Any) -> Any:
    return checks.each(keras.callbacks.Callback)(argument, value, "a list of Keras callbacks")


class FollowEpochs(keras.callbacks.Callback):
    """Sets the epoch of data whose order depends on it, and after an interruption the step to resume at.

    `data` has `set_epoch(epoch)`, and `skip(steps)` if it can leave out the first steps of an epoch. The restored
    `TrainingCheckpoint` is among `callbacks`, those of `fit`.
    """

    @checks.arguments(callbacks=checks.maybe(_callbacks))
    def __init__(self, data: Any, callbacks: Sequence[keras.callbacks.Callback] | None):
        super().__init__()
        if not callable(getattr(data, "set_epoch", None)):
            raise TypeError(checks.invalid("data", "data with a method `set_epoch`", data))
        self.data = data
        self.checkpoints = [callback for callback in callbacks or [] if isinstance(callback, TrainingCheckpoint)]
        for checkpoint in self.checkpoints:
            checkpoint.resumes_within_epochs = hasattr(data, "skip")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.data.set_epoch(epoch)
        for checkpoint in self.checkpoints:
            if checkpoint.steps_done:
                self.data.skip(checkpoint.steps_done)
                if len(checkpoint.metrics) == len(self.model.metrics_variables):
                    for variable, counted in zip(self.model.metrics_variables, checkpoint.metrics, strict=True):
                        variable.assign(counted)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Suppress Keras' warning that an epoch with skipped steps is shorter."""
        with warnings.catch_warnings():
            if any(checkpoint.steps_done for checkpoint in self.checkpoints):
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            yield


class SearchCheckpoint(TrainingCheckpoint):
    """`TrainingCheckpoint` of a search; also saves the history of the mixing weights.

    Attributes:
        mixing_weights: kind of cell -> array `(1 + epochs, edges, primitives)`, the start first.

    Example:

        checkpoint = SearchCheckpoint("runs/checkpoints")
        search.fit(x, y, initial_epoch=checkpoint.restore(search), epochs=20, callbacks=[checkpoint])
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2, log: Log = print):
        super().__init__(folder, keep, log)
        self.mixing_weights: dict[str, np.ndarray] = {}

    def _take_own(self, arrays: dict[str, np.ndarray]) -> None:
        mixing = [name for name in arrays if name.startswith("mixing-")]
        self.mixing_weights = {name.removeprefix("mixing-"): arrays.pop(name) for name in mixing}

    def _save(self, epoch: int, steps: int = 0) -> None:
        if not steps:
            for kind, table in self.model.mixing_weights().items():
                past = self.mixing_weights.get(kind)
                self.mixing_weights[kind] = table[None] if past is None else np.concatenate([past, table[None]])
        super()._save(epoch, steps)

    def _own_arrays(self) -> dict[str, np.ndarray]:
        return {f"mixing-{kind}": tables for kind, tables in self.mixing_weights.items()}
