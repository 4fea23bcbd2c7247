"""Settings of a training from scratch."""

from __future__ import annotations

import dataclasses

from kerasnas.modalities.augmentations import AUGMENTATIONS
from kerasnas.modalities.token_vectors import STARTS
from kerasnas.networks.random_kernels import KERNELS
from kerasnas.runs.settings import Settings, setting
from kerasnas.runs.shared_settings import DataSettings, ImportSettings, RunSettings, SpaceSettings, TextSettings


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Settings, RunSettings, SpaceSettings, TextSettings, DataSettings, ImportSettings):
    """Settings of `kerasnas retrain`: the training of a discrete network from scratch."""

    retrain_filters: int = setting(
        18,
        "Filters of the first cells of the final network; without a supernet, by default what suits the data.",
        least=1,
    )
    retrain_cells: int = setting(3, "Number of cells of the final network.", least=1)
    retrain_epochs: int = setting(13, "Epochs of training for each discrete network.", least=1)
    retrain_batch_size: int = setting(64, "Batch size of that training.", least=1)
    retrain_learning_rate: float = setting(0.1, "Its initial learning rate; a cosine takes it to 0.", above=0)
    optimizer: str = setting(
        "sgd",
        "What network weights learn by, in the training and in a search before it: sgd, with momentum, or adam.",
        known=("sgd", "adam"),
    )
    drop_path: float = setting(0.0, "Drop-path probability of the last cell, from 0 up to below 1.", least=0, below=1)
    ngrams: int = setting(
        -1,
        "Of texts: words, or characters, of the longest n-grams of a linear model next to the final network; 0 for no "
        "such model. Default: -1, 2 words or 4 characters.",
        least=-1,
    )
    kernels: int = setting(
        -1,
        "Of signals: number of features of random convolutional kernels, for a linear model next to the final network, "
        "at least 84; 0 for no such model. Default: -1, 9996, fewer from 3000 signals on, and 0 with a cost limit.",
        least=-1,
        right=lambda number: number < 1 or number >= KERNELS,
        expected=f"-1, 0, or at least {KERNELS}",
    )
    starts: str = setting(
        "auto",
        "Of texts: pretrained vectors of words, which a linear model next to the final network reads too: auto, those "
        "that are installed (pip install 'kerasnas[texts]'; nothing is downloaded); none; or wordllama, an error if "
        "it is not installed.",
        known=STARTS,
    )
    augment: tuple[str, ...] = setting(
        ("shift", "flip"),
        "Augmentations of the training data, comma-separated: shift (by up to 2 pixels), flip (left-right; not for "
        "digits or letters), cutout (a square of a quarter of the side). Empty: none. Signals: shift (by up to 2 "
        "steps, the default) or none. Texts: drop_words (a fifth of the words becomes unknown, the default) or none.",
        known=AUGMENTATIONS,
    )

    @property
    def vectors(self) -> str:
        return self.starts

    @property
    def space_sizes(self) -> dict[str, int]:
        """Size of the network, by the names that spaces give them."""
        return {"filters": self.retrain_filters, "num_cells": self.retrain_cells}

    @property
    def cost_limit(self) -> float:
        """Limit of the cost; 0 for none."""
        return 0.0
