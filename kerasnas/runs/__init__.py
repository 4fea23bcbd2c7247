"""A run and the folder it lives in: what the command line does, as functions."""

from kerasnas.runs.config import SearchConfig, TrainingConfig
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.run import make_space, plot, plot_genotype, resume, retrain, search

__all__ = [
    "RunFolder",
    "SearchConfig",
    "TrainingConfig",
    "make_space",
    "plot",
    "plot_genotype",
    "resume",
    "retrain",
    "search",
]
