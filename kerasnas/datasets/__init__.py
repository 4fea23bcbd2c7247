"""Data for searches: images and signals by name or path, clear checks, reproducible batches and episodes."""

import kerasnas.datasets.published  # noqa: F401  # registers its names
from kerasnas.datasets.dataset import Dataset
from kerasnas.datasets.episodes import EpisodeSampler
from kerasnas.datasets.glyphs import glyphs
from kerasnas.datasets.graph_files import graph_dataset
from kerasnas.datasets.graphs import GraphDataset, stochastic_blocks
from kerasnas.datasets.loading import load
from kerasnas.datasets.mazes import mazes
from kerasnas.datasets.mini_imagenet import mini_imagenet
from kerasnas.datasets.omniglot import omniglot
from kerasnas.datasets.rollouts import roll_out
from kerasnas.datasets.signals import waveforms
from kerasnas.datasets.smoothing import smoothed
from kerasnas.datasets.tasks import TaskFamily
from kerasnas.tasks.splits import split_classes

__all__ = [
    "Dataset",
    "EpisodeSampler",
    "GraphDataset",
    "TaskFamily",
    "glyphs",
    "graph_dataset",
    "load",
    "mazes",
    "mini_imagenet",
    "omniglot",
    "roll_out",
    "smoothed",
    "split_classes",
    "stochastic_blocks",
    "waveforms",
]
