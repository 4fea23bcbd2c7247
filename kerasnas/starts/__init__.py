"""Starts: pretrained networks to begin with, whatever their source, and the space of how to adapt them."""

from kerasnas.starts.applications import KerasApplication
from kerasnas.starts.base import STARTS, Start, available_starts
from kerasnas.starts.efficientnet_lite import EfficientNetLite0
from kerasnas.starts.probes import begin
from kerasnas.starts.saved import SavedStart
from kerasnas.starts.space import AdaptationSpace

__all__ = [
    "STARTS",
    "AdaptationSpace",
    "EfficientNetLite0",
    "KerasApplication",
    "SavedStart",
    "Start",
    "available_starts",
    "begin",
]
