"""Training of discrete networks and of supernets: one recipe, one loop, resumable stages."""

from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe

__all__ = [
    "NetworkTraining",
    "TrainingRecipe",
]
