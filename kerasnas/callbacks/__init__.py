"""Keras callbacks, the event engine of a search: monitor, schedules, guards, checkpoints, drift, TensorBoard."""

import importlib
from typing import Any

from kerasnas.callbacks.checkpoints import FollowEpochs, SearchCheckpoint, TrainingCheckpoint
from kerasnas.callbacks.drift import DriftCallback
from kerasnas.callbacks.monitor import ArchitectureMonitor
from kerasnas.callbacks.schedules import ArchitectureWarmup, AuxiliarySkipSchedule, CosineSchedule, TemperatureSchedule
from kerasnas.callbacks.state import restore, snapshot
from kerasnas.callbacks.stopping import CurvatureStop, NonFiniteError, NonFiniteGuard

__all__ = [
    "ArchitectureLog",
    "ArchitectureMonitor",
    "ArchitectureWarmup",
    "AuxiliarySkipSchedule",
    "CosineSchedule",
    "CurvatureStop",
    "DriftCallback",
    "FollowEpochs",
    "NonFiniteError",
    "NonFiniteGuard",
    "SearchCheckpoint",
    "TemperatureSchedule",
    "TrainingCheckpoint",
    "restore",
    "snapshot",
]


def __getattr__(name: str) -> Any:
    """`ArchitectureLog`, which draws with what stands above this room, when it is asked for."""
    if name == "ArchitectureLog":
        return importlib.import_module("kerasnas.platforms.tensorboard_log").ArchitectureLog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
