"""A run for people to read: plots, a report and a model card.

The functions that take a `result` read the record of a run, whose entries `kerasnas.records` lists.
matplotlib is imported when the first plot is drawn, not before. Internal: runs and the command line write reports.
"""

from kerasnas.reporting.comparisons import COMPARISONS, RANDOM
from kerasnas.reporting.mixture import MixtureComparison
from kerasnas.reporting.race import RaceComparison
from kerasnas.reporting.random_networks import RandomComparison

COMPARISONS.register("race", RaceComparison)
COMPARISONS.register("mixture", MixtureComparison)
COMPARISONS.register(RANDOM, RandomComparison)
