"""Data for searches: sets of images and signals by name or path, checks with clear words, reproducible batches."""

from kerasnas.datasets.batches import ArrayBatches, PairedBatches, compose, cutout, flip, shift
from kerasnas.datasets.images import DATASETS, ImageDataset, check_images, load, stratified_split
from kerasnas.datasets.signals import waveforms

__all__ = [
    "DATASETS",
    "ArrayBatches",
    "ImageDataset",
    "PairedBatches",
    "check_images",
    "compose",
    "cutout",
    "flip",
    "load",
    "shift",
    "stratified_split",
    "waveforms",
]
