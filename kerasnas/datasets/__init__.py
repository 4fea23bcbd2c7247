"""Data for searches: image sets by name or path, checks with clear words, and reproducible batches."""

from kerasnas.datasets.batches import ArrayBatches, PairedBatches, compose, cutout, flip, shift
from kerasnas.datasets.images import DATASETS, ImageDataset, check_images, load, stratified_split

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
]
