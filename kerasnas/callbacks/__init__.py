"""Keras callbacks of a search: monitor, schedules, guards, checkpoints, drift."""

from kerasnas.callbacks.checkpoints import SearchCheckpoint, TrainingCheckpoint
from kerasnas.callbacks.drift import DriftCallback
from kerasnas.callbacks.schedules import TemperatureSchedule
from kerasnas.callbacks.stopping import CurvatureStop

__all__ = [
    "CurvatureStop",
    "DriftCallback",
    "SearchCheckpoint",
    "TemperatureSchedule",
    "TrainingCheckpoint",
]
