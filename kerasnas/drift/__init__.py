"""Drift: a monitor of a deployed model's inputs, outputs and accuracy, with stated rates of false alarms."""

from kerasnas.drift.accuracy import AccuracyTest, ErrorSum, error_run_length, fisher_p_value
from kerasnas.drift.batch_norm import adapt_batch_norm
from kerasnas.drift.features import input_statistics
from kerasnas.drift.files import ARRAYS, RECORD
from kerasnas.drift.monitor import DriftMonitor
from kerasnas.drift.report import KINDS, Change, DriftReport
from kerasnas.drift.two_sample import FEWEST, MaximumTest

__all__ = [
    "ARRAYS",
    "FEWEST",
    "KINDS",
    "RECORD",
    "AccuracyTest",
    "Change",
    "DriftMonitor",
    "DriftReport",
    "ErrorSum",
    "MaximumTest",
    "adapt_batch_norm",
    "error_run_length",
    "fisher_p_value",
    "input_statistics",
]
