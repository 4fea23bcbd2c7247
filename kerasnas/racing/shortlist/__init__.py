"""Shortlist: what a search found and what is near it, trained for a short time, the best on held-out data taken."""

from kerasnas.racing.shortlist.candidates import candidates
from kerasnas.racing.shortlist.reranking import rerank, rerank_genotypes
from kerasnas.racing.shortlist.stage import Shortlist, found_by, halves, run_shortlist

__all__ = ["Shortlist", "candidates", "found_by", "halves", "rerank", "rerank_genotypes", "run_shortlist"]
