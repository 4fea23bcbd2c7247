"""Starts: pretrained networks to begin with, whatever their source, and the space of how to adapt them."""

from kerasnas.starts import applications, efficientnet_lite  # noqa: F401  they register names
from kerasnas.starts.base import STARTS, Start, available_starts
from kerasnas.starts.probes import begin
from kerasnas.starts.space import AdaptationSpace

__all__ = [
    "STARTS",
    "AdaptationSpace",
    "Start",
    "available_starts",
    "begin",
]
