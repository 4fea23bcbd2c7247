"""A run and the folder it lives in: what the command line does, as functions."""

from kerasnas.pipeline.closing import plot, plot_genotype
from kerasnas.pipeline.comparison import bench
from kerasnas.pipeline.doctor import DoctorConfig, examine
from kerasnas.pipeline.run import resume, retrain, search
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.settings import BenchmarkConfig, SearchConfig, StrategyBenchConfig, TrainingConfig, make_space
from kerasnas.pipeline.step_timing import measure

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
