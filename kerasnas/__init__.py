"""KerasNAS: neural architecture search for Keras.

A search space says what may be built; a relaxation makes the choice soft; a trainer makes the choice;
a genotype is what comes out. See the README for a first search.
"""

from kerasnas import (
    callbacks,
    cost,
    datasets,
    distribution,
    genotypes,
    meta,
    networks,
    relaxations,
    search,
    spaces,
    tabular,
)
from kerasnas.genotypes import Edge, Genotype
from kerasnas.primitives import MixedOp, register_primitive
from kerasnas.search import BilevelOptimizer, BilevelTrainer
from kerasnas.spaces import DARTSSpace, SearchSpace

__version__ = "0.1.0"

__all__ = [
    "BilevelOptimizer",
    "BilevelTrainer",
    "DARTSSpace",
    "Edge",
    "Genotype",
    "MixedOp",
    "SearchSpace",
    "callbacks",
    "cost",
    "datasets",
    "distribution",
    "genotypes",
    "meta",
    "networks",
    "register_primitive",
    "relaxations",
    "search",
    "spaces",
    "tabular",
]
