"""Races: candidates trained side by side within a budget of time, the best one trained to the end."""

from kerasnas.racing.budget import Budget
from kerasnas.racing.entrants.averaging import WeightAverage
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.portfolio import Candidate, portfolio
from kerasnas.racing.race.stage import Race, spent_before
from kerasnas.racing.rungs import advancing, expected, first_steps
from kerasnas.racing.shortlist import Shortlist, rerank, rerank_genotypes, run_shortlist
from kerasnas.racing.symmetries import SYMMETRIES, kept_accuracies
from kerasnas.racing.winners import train_winners

__all__ = [
    "SYMMETRIES",
    "Budget",
    "Candidate",
    "Contestant",
    "Race",
    "Shortlist",
    "WeightAverage",
    "advancing",
    "expected",
    "first_steps",
    "kept_accuracies",
    "portfolio",
    "rerank",
    "rerank_genotypes",
    "run_shortlist",
    "spent_before",
    "train_winners",
]
