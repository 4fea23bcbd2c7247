"""Deployment: estimators, predictions, evaluation, export, monitoring and publication of finished runs."""

from kerasnas.deployment.estimators import AutoClassifier as AutoClassifier
from kerasnas.deployment.estimators import AutoRegressor as AutoRegressor
from kerasnas.deployment.estimators import GraphClassifier as GraphClassifier
from kerasnas.deployment.estimators import ImageClassifier as ImageClassifier
from kerasnas.deployment.estimators import ImageRegressor as ImageRegressor
from kerasnas.deployment.estimators import SignalClassifier as SignalClassifier
from kerasnas.deployment.estimators import SignalRegressor as SignalRegressor
from kerasnas.deployment.estimators import TableClassifier as TableClassifier
from kerasnas.deployment.estimators import TableRegressor as TableRegressor
from kerasnas.deployment.estimators import TextClassifier as TextClassifier
from kerasnas.deployment.estimators import TextRegressor as TextRegressor
from kerasnas.deployment.exporting import export
from kerasnas.deployment.loading import load as load
from kerasnas.deployment.monitoring import monitor
from kerasnas.deployment.predictions import evaluate, predict
from kerasnas.deployment.publishing import push as push
from kerasnas.deployment.readapting import readapt as readapt
from kerasnas.runs.preset_folders import presets as presets

__all__ = [
    "evaluate",
    "export",
    "monitor",
    "predict",
]
