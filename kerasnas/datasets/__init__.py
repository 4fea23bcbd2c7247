"""Data for searches: images and signals by name or path, clear checks, reproducible batches and episodes."""

from kerasnas.datasets.augmentations import (
    color_jitter,
    compose,
    cutout,
    drop_words,
    flip,
    flip_vertical,
    rotate,
    shift,
)
from kerasnas.datasets.episodes import EpisodeSampler
from kerasnas.datasets.fronts import Front, LogMel, Scaling, Vocabulary
from kerasnas.datasets.glyphs import glyphs
from kerasnas.datasets.graph_files import graph_dataset
from kerasnas.datasets.graphs import GraphDataset, stochastic_blocks
from kerasnas.datasets.image_checks import check_images, unit_pixels
from kerasnas.datasets.images import DATASETS, ImageDataset, load
from kerasnas.datasets.mazes import mazes
from kerasnas.datasets.mini_imagenet import mini_imagenet
from kerasnas.datasets.omniglot import omniglot
from kerasnas.datasets.pools import LabelledImages
from kerasnas.datasets.rollouts import roll_out
from kerasnas.datasets.sequences import TextLimits
from kerasnas.datasets.signals import waveforms
from kerasnas.datasets.smoothing import smoothed
from kerasnas.datasets.splits import grouped_split, split_classes, split_samples, stratified_split
from kerasnas.datasets.tasks import Episode, TaskFamily

__all__ = [
    "DATASETS",
    "Episode",
    "EpisodeSampler",
    "Front",
    "GraphDataset",
    "ImageDataset",
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
