"""Monitor of a search: the state of its choice, epoch by epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class ArchitectureMonitor(keras.callbacks.Callback):
    """Adds `alpha_entropy` (nats, mean over edges), `skips` and costs to the logs, and records the mixing weights.

    Attributes:
        mixing_weights: for each kind of cell, one array `(edges, primitives)` at the start and after each epoch.
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
        if self.model.can_derive:
            genotype = self.model.derive()
            logs["skips"] = genotype.count("skip_connect")
            logs.update(self.model.costs(genotype))
