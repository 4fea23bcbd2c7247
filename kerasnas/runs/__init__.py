"""Runs: settings, folder, record, progress and tracking. The only room that knows where a run's files are."""

from kerasnas.runs.executors import open_executor
from kerasnas.runs.progress import Progress
from kerasnas.runs.record import make_record, plot_genotype, write_record

__all__ = ["Progress", "make_record", "open_executor", "plot_genotype", "write_record"]
