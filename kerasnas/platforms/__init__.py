"""Adapters to other platforms, each an extra that is imported in its one file alone."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a Ray worker, which imports this package, loads no TensorFlow for it
    import keras

TRACKERS = {
    "tensorboard": ("tensorboard_log", "TensorBoardTracker"),
    "mlflow": ("mlflow_run", "MlflowTracker"),
    "wandb": ("wandb_run", "WandbTracker"),
}
"""Name of a tracker -> its module in this package, and its class."""
TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0", "WANDB_ERROR_REPORTING": "false"}
"""Environment variables that switch the packages' usage statistics off, set unless the environment has them."""
for _name, _off in TELEMETRY.items():
    os.environ.setdefault(_name, _off)


class Tracker(Protocol):
    """A tracker of a run, created with a folder of its own, the run's name, its settings, and the state of an earlier
    tracker.

    Attributes:
        state: a JSON-serializable mapping, by which a later process continues the same tracked run.
    """

    state: dict[str, Any]

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any], state: Mapping[str, Any]): ...

    def metrics(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Log values of a part of the run, such as `search`, at one of its steps."""

    def result(self, values: Mapping[str, float], files: Sequence[Path]) -> None:
        """Log the results: numbers, and the files of the run."""

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return callbacks for a gradient search; here none."""
        return []

    def close(self, outcome: str) -> None:
        """End this process' part: the run is `"finished"`, `"failed"` or `"interrupted"`."""


def load_tracker(name: str) -> type[Tracker]:
    """Return the class of a tracker; raises ModuleNotFoundError with the extra if its package is missing."""
    module, kind = TRACKERS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), kind)
