"""The shortlist: what a search found and what is near it, trained for a short time, the best on held-out data taken."""

from kerasnas.pipeline.shortlist.candidates import candidates
from kerasnas.pipeline.shortlist.stage import Shortlist, run_shortlist, shortlist

__all__ = ["Shortlist", "candidates", "run_shortlist", "shortlist"]
