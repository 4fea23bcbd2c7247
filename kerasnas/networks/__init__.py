"""The readings of a skeleton: supernets that mix or share, discrete networks, and their parts for cost models."""

from kerasnas.networks.few_shot import few_shot_network
from kerasnas.networks.skeleton import ChoiceTable, Filler
from kerasnas.networks.supernet import Supernet

__all__ = [
    "ChoiceTable",
    "Filler",
    "Supernet",
    "few_shot_network",
]
