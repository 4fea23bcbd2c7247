"""Races: candidates trained side by side within a budget of time, the best one trained to the end."""

from kerasnas.pipeline.racing.averaging import WeightAverage
from kerasnas.pipeline.racing.budget import Budget
from kerasnas.pipeline.racing.contestant import Contestant
from kerasnas.pipeline.racing.portfolio import Candidate, portfolio
from kerasnas.pipeline.racing.rungs import advancing, expected, first_steps
from kerasnas.pipeline.racing.stage import Race, spent_before
from kerasnas.pipeline.racing.symmetries import SYMMETRIES, kept_accuracies
from kerasnas.pipeline.racing.winners import train_winners

__all__ = [
    "SYMMETRIES",
    "Budget",
    "Candidate",
    "Contestant",
    "Race",
    "WeightAverage",
    "advancing",
    "expected",
    "first_steps",
    "kept_accuracies",
    "portfolio",
    "spent_before",
    "train_winners",
]
