"""Keras callbacks, the event engine of a search: monitor, schedules, guards, checkpoints, drift."""

from kerasnas.callbacks.checkpoints import FollowEpochs, SearchCheckpoint, TrainingCheckpoint
from kerasnas.callbacks.drift import DriftCallback
from kerasnas.callbacks.monitor import ArchitectureMonitor
from kerasnas.callbacks.schedules import ArchitectureWarmup, AuxiliarySkipSchedule, CosineSchedule, TemperatureSchedule
from kerasnas.callbacks.state import restore, snapshot
from kerasnas.callbacks.stopping import CurvatureStop, NonFiniteError, NonFiniteGuard

__all__ = [
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
