"""Training of discrete networks and of supernets: one recipe, one loop, resumable stages."""

from kerasnas.modalities.augmentations import AUGMENTATIONS
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.search_stage import run_search

__all__ = ["AUGMENTATIONS", "NetworkTraining", "TrainingRecipe", "run_search"]
