"""Runs: settings, folder, record, progress and tracking. The only room that knows where a run's files are."""

from kerasnas.runs.executors import open_executor
from kerasnas.runs.progress import Progress

__all__ = ["Progress", "open_executor"]
