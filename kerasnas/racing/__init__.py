"""Races: candidates trained side by side within a budget of time, the best one trained to the end."""

from kerasnas.racing.shortlist.reranking import rerank, rerank_genotypes
from kerasnas.racing.shortlist.stage import Shortlist, run_shortlist

__all__ = [
    "Shortlist",
    "rerank",
    "rerank_genotypes",
    "run_shortlist",
]
