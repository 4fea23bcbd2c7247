"""Data for searches: images and signals by name or path, clear checks, reproducible batches and episodes."""

import kerasnas.datasets.published  # noqa: F401  # registers its names
from kerasnas.datasets.dataset import DATASETS, Dataset
from kerasnas.datasets.episodes import EpisodeSampler
from kerasnas.datasets.glyphs import glyphs
from kerasnas.datasets.graph_files import graph_dataset
from kerasnas.datasets.graphs import GraphDataset, stochastic_blocks
from kerasnas.datasets.loading import load
from kerasnas.datasets.mazes import mazes
from kerasnas.datasets.mini_imagenet import mini_imagenet
from kerasnas.datasets.omniglot import omniglot
from kerasnas.datasets.pools import LabelledImages
from kerasnas.datasets.rollouts import roll_out
from kerasnas.datasets.signals import waveforms
from kerasnas.datasets.smoothing import smoothed
from kerasnas.datasets.tasks import Episode, TaskFamily
from kerasnas.modalities import TextLimits
from kerasnas.modalities.augmentations import (
    color_jitter,
    compose,
    cutout,
    drop_words,
    flip,
    flip_vertical,
    rotate,
    shift,
)
from kerasnas.modalities.fronts import Front, LogMel, Scaling, Vocabulary
from kerasnas.modalities.lookup import check_images
from kerasnas.modalities.values import unit_pixels
from kerasnas.tasks.splits import grouped_split, split_classes, split_samples, stratified_split

__all__ = [
    "DATASETS",
    "Dataset",
    "Episode",
    "EpisodeSampler",
    "Front",
    "GraphDataset",
    "LabelledImages",
    "LogMel",
    "Scaling",
    "TaskFamily",
    "TextLimits",
    "Vocabulary",
    "check_images",
    "color_jitter",
    "compose",
    "cutout",
    "drop_words",
    "flip",
    "flip_vertical",
    "glyphs",
    "graph_dataset",
    "grouped_split",
    "load",
    "mazes",
    "mini_imagenet",
    "omniglot",
    "roll_out",
    "rotate",
    "shift",
    "smoothed",
    "split_classes",
    "split_samples",
    "stochastic_blocks",
    "stratified_split",
    "unit_pixels",
    "waveforms",
]
