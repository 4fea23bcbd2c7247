"""Checkpoints that a training or a search resumes from, bit-identically."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas.callbacks.state import restore, snapshot
from kerasnas.storage import CheckpointStore


class TrainingCheckpoint(keras.callbacks.Callback):
    """Saves all that a training needs to go on bit-identically, at its start and after every epoch.

    Written atomically: a kill at any moment leaves the last whole checkpoint, and a damaged one falls
    back to the one before.

    Args:
        folder: where the checkpoints lie.
        keep: how many are held. Defaults to 2.
        log: called with one line when a damaged checkpoint is passed over. Defaults to `print`.

    Attributes:
        history: metric -> value of every epoch since the start of the training, resumed or not.

    Example:

        checkpoint = TrainingCheckpoint("runs/checkpoints")
        model.fit(data, initial_epoch=checkpoint.restore(model), epochs=20, callbacks=[checkpoint])
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2, log: Callable[[str], Any] = print):
        super().__init__()
        self.store = CheckpointStore(folder, keep, log)
        self.history: dict[str, list[float]] = {}
        self._epoch: int | None = None

    def restore(self, model: keras.Model) -> int:
        """Put `model` (built and compiled) into the last saved state; return the epoch to start at.

        Returns:
            The `initial_epoch` for `fit`; 0 where nothing is saved.

        Raises:
            ValueError: if the checkpoint is of another model.
        """
        model.optimizer.build(model.trainable_variables)
        loaded = self.store.load_latest()
        if loaded is None:
            return 0
        self._epoch, arrays, record = loaded
        self._take_own(arrays)
        restore(model, arrays)
        self.history = record["history"]
        return self._epoch

    def _take_own(self, arrays: dict[str, np.ndarray]) -> None:
        """Take what is not a variable out of `arrays`."""

    def _own_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def _save(self, epoch: int) -> None:
        self.store.save(epoch, {**snapshot(self.model), **self._own_arrays()}, {"history": self.history})
        self._epoch = epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._epoch is None:
            self._save(0)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self._save(epoch + 1)


class SearchCheckpoint(TrainingCheckpoint):
    """The `TrainingCheckpoint` of a search: keeps the course of the mixing weights as well.

    Attributes:
        mixing_weights: kind of cell -> array `(1 + epochs, edges, primitives)`, the start first.

    Example:

        checkpoint = SearchCheckpoint("runs/checkpoints")
        search.fit(x, y, initial_epoch=checkpoint.restore(search), epochs=20, callbacks=[checkpoint])
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2, log: Callable[[str], Any] = print):
        super().__init__(folder, keep, log)
        self.mixing_weights: dict[str, np.ndarray] = {}

    def _take_own(self, arrays: dict[str, np.ndarray]) -> None:
        own = [name for name in arrays if name.startswith("mixing-")]
        self.mixing_weights = {name.removeprefix("mixing-"): arrays.pop(name) for name in own}

    def _own_arrays(self) -> dict[str, np.ndarray]:
        for kind, table in self.model.mixing_weights().items():
            past = self.mixing_weights.get(kind)
            self.mixing_weights[kind] = table[None] if past is None else np.concatenate([past, table[None]])
        return {f"mixing-{kind}": tables for kind, tables in self.mixing_weights.items()}
