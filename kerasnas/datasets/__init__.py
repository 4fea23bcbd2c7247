"""Data for searches: images and signals by name or path, checks in clear words, reproducible batches and episodes."""

from kerasnas.datasets.batches import ArrayBatches, PairedBatches, compose, cutout, flip, shift
from kerasnas.datasets.episodes import (
    Episode,
    EpisodeSampler,
    TaskFamily,
    check_episode,
    split_classes,
    stack_episodes,
)
from kerasnas.datasets.glyphs import glyphs
from kerasnas.datasets.images import DATASETS, ImageDataset, check_images, load, stratified_split
from kerasnas.datasets.omniglot import omniglot
from kerasnas.datasets.pools import LabelledImages
from kerasnas.datasets.signals import waveforms
from kerasnas.datasets.sinusoids import SinusoidTasks

__all__ = [
    "DATASETS",
    "ArrayBatches",
    "Episode",
    "EpisodeSampler",
    "ImageDataset",
    "LabelledImages",
    "PairedBatches",
    "SinusoidTasks",
    "TaskFamily",
    "check_episode",
    "check_images",
    "compose",
    "cutout",
    "flip",
    "glyphs",
    "load",
    "omniglot",
    "shift",
    "split_classes",
    "stack_episodes",
    "stratified_split",
    "waveforms",
]
