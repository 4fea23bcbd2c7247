"""A run and the folder it lives in: what the command line does, as functions."""

from kerasnas.runs.benchmark import measure
from kerasnas.runs.comparison import bench
from kerasnas.runs.config import BenchmarkConfig, SearchConfig, StrategyBenchConfig, TrainingConfig, make_space
from kerasnas.runs.doctor import DoctorConfig, examine
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.results import plot, plot_genotype
from kerasnas.runs.run import resume, retrain, search

__all__ = [
    "BenchmarkConfig",
    "DoctorConfig",
    "RunFolder",
    "SearchConfig",
    "StrategyBenchConfig",
    "TrainingConfig",
    "bench",
    "examine",
    "make_space",
    "measure",
    "plot",
    "plot_genotype",
    "resume",
    "retrain",
    "search",
]
