"""Monitor of a search: the state of its choice, epoch by epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class ArchitectureMonitor(keras.callbacks.Callback):
    """Adds `alpha_entropy` (nats, mean over edges), `skips` and costs to the logs."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        shares = [table / np.sum(table, axis=-1, keepdims=True) for table in self.model.mixing_weights().values()]
        entropies = [-np.sum(share * np.log(np.maximum(share, 1e-30)), axis=-1) for share in shares]
        logs["alpha_entropy"] = float(np.mean(np.concatenate(entropies)))
        if self.model.can_derive:
            genotype = self.model.derive()
            logs["skips"] = genotype.count("skip_connect")
            logs.update(self.model.costs(genotype))
