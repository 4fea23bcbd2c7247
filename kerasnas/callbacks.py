"""Keras callbacks, the event engine of a search: monitor, schedules, guard, checkpoint."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.storage import CheckpointStore


class NonFiniteError(ArithmeticError):
    """A loss stopped being finite; the search was put back to the start of the epoch."""


def snapshot(search: keras.Model) -> dict[str, np.ndarray]:
    """Every variable of a trainer and its optimizer (weights, alphas, statistics, random state, slots)."""
    return {name: np.array(keras.ops.convert_to_numpy(variable)) for name, variable in _variables(search).items()}


def restore(search: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Put a `snapshot` back.

    Raises:
        ValueError: if it was taken of a different trainer: says how the variables differ.
    """
    variables = _variables(search)
    if variables.keys() != arrays.keys():
        raise ValueError(
            "This state belongs to another search: expected "
            f"{len(variables)} variables, received {len(arrays)}; only in one of the two: "
            f"{sorted(variables.keys() ^ arrays.keys())[:4]}"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise ValueError(
                f"This state belongs to another search: expected shape {tuple(variable.shape)} for {name}, "
                f"received {arrays[name].shape}"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(search: keras.Model) -> dict[str, Any]:
    # Paths repeat (unnamed layers), so the position leads; it is fixed by the order of construction.
    named = {f"model-{index:05d}": variable for index, variable in enumerate(search.variables)}
    optimizer = getattr(search, "optimizer", None)
    slots = [] if optimizer is None else optimizer.variables
    return {**named, **{f"optimizer-{index:05d}": variable for index, variable in enumerate(slots)}}


class ArchitectureMonitor(keras.callbacks.Callback):
    """Adds `alpha_entropy` (nats, mean over edges) and `skips` to the logs, and records the mixing weights.

    Attributes:
        mixing_weights: for each kind of cell, one array `(edges, primitives)` for the start and each epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mixing_weights: dict[str, list[np.ndarray]] = {}

    def _record(self) -> dict[str, np.ndarray]:
        weights = self.model.mixing_weights()
        for kind, table in weights.items():
            self.mixing_weights.setdefault(kind, []).append(table)
        return weights

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.mixing_weights:
            self._record()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        shares = [table / np.sum(table, axis=-1, keepdims=True) for table in self._record().values()]
        entropies = [-np.sum(share * np.log(np.maximum(share, 1e-30)), axis=-1) for share in shares]
        logs["alpha_entropy"] = float(np.mean(np.concatenate(entropies)))
        if hasattr(self.model.supernet, "derive"):
            logs["skips"] = self.model.derive().count("skip_connect")


class ArchitectureWarmup(keras.callbacks.Callback):
    """Rests the alphas for the first `epochs` epochs, as partial-channel DARTS does.

    Reference:
        Xu et al., "PC-DARTS", 2020 (arXiv 1907.05737), section 3.3.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.architecture_active.assign(float(epoch >= self.epochs))


class CosineSchedule(keras.callbacks.Callback):
    """Anneals the learning rate by a half cosine over the epochs of `fit`; a function of the epoch alone.

    Args:
        initial: learning rate of the first epoch.
        minimum: learning rate that the schedule ends at. Defaults to 0.

    Example:

    >>> [round(CosineSchedule(1.0).rate(epoch, 4), 3) for epoch in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """

    def __init__(self, initial: float, minimum: float = 0.0):
        super().__init__()
        self.initial, self.minimum = initial, minimum

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate of `epoch` out of `epochs`."""
        return self.minimum + (self.initial - self.minimum) * (1 + math.cos(math.pi * epoch / epochs)) / 2

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = self.rate(epoch, self.params["epochs"])


class NonFiniteGuard(keras.callbacks.Callback):
    """Stops the search at the first loss that is not finite, with the state of the epoch's start restored.

    Raises:
        NonFiniteError: says at which step, and which loss.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._state = epoch, snapshot(self.model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        losses = {"loss": "training", "val_loss": "validation"}
        bad = [f"{losses[name]} loss" for name, value in (logs or {}).items()
               if name in losses and not math.isfinite(float(value))]  # fmt: skip
        if bad:
            restore(self.model, self._state)
            raise NonFiniteError(
                f"The {' and the '.join(bad)} stopped being finite at epoch {self._epoch + 1}, step {batch + 1}. "
                f"The state of the start of epoch {self._epoch + 1} was restored. Usual causes: a learning rate "
                "that is too high, labels outside the classes of the model, or non-finite values in the data."
            )


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
