"""The training of a given genotype as a method of a run."""

from __future__ import annotations

from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.runs.method import Method


class Retraining(Method):
    """The network of a genotype, trained from scratch."""

    name, words, settings, command = "retrain", "a training", TrainingConfig, "retrain"
