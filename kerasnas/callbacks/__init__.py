"""Keras callbacks, the event engine of a search: monitor, schedules, guards, checkpoints."""

from kerasnas.callbacks.checkpoints import FollowEpochs, SearchCheckpoint, TrainingCheckpoint
from kerasnas.callbacks.guards import CurvatureStop, NonFiniteError, NonFiniteGuard
from kerasnas.callbacks.monitor import ArchitectureMonitor
from kerasnas.callbacks.schedules import ArchitectureWarmup, CosineSchedule, TemperatureSchedule
from kerasnas.callbacks.state import restore, snapshot

__all__ = [
    "ArchitectureMonitor",
    "ArchitectureWarmup",
    "CosineSchedule",
    "CurvatureStop",
    "FollowEpochs",
    "NonFiniteError",
    "NonFiniteGuard",
    "SearchCheckpoint",
    "TemperatureSchedule",
    "TrainingCheckpoint",
    "restore",
    "snapshot",
]
