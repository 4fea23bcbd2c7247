"""Drift: a monitor of a deployed model's inputs, outputs and accuracy, with stated rates of false alarms."""

from kerasnas.drift.batch_norm import adapt_batch_norm
from kerasnas.drift.monitor import DriftMonitor as DriftMonitor

__all__ = [
    "adapt_batch_norm",
]
