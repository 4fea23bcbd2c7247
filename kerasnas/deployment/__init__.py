"""Deployment: estimators, predictions, evaluation, export, monitoring and publication of finished runs."""

from kerasnas.deployment.estimators import (
    GraphClassifier,
    ImageClassifier,
    ImageRegressor,
    TableClassifier,
    TableRegressor,
    TextClassifier,
)
from kerasnas.deployment.exporting import export
from kerasnas.deployment.loading import Preset, load
from kerasnas.deployment.monitoring import monitor
from kerasnas.deployment.predictions import Prediction, evaluate, predict
from kerasnas.deployment.publishing import push
from kerasnas.deployment.readapting import Readaptation, readapt
from kerasnas.runs.preset_folders import presets

__all__ = [
    "GraphClassifier",
    "ImageClassifier",
    "ImageRegressor",
    "Prediction",
    "Preset",
    "Readaptation",
    "TableClassifier",
    "TableRegressor",
    "TextClassifier",
    "evaluate",
    "export",
    "load",
    "monitor",
    "predict",
    "presets",
    "push",
    "readapt",
]
