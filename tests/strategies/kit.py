"""Architectures, rewards and policies that the tests of strategies share."""

import itertools
import math

import numpy as np

from kerasnas.spaces import ENASMacroSpace, ENASMicroSpace, NASBench201Space
from kerasnas.strategies.attention import ChoiceWalk, LSTMPolicy, walk_of
from kerasnas.strategies.policies import CategoricalPolicy

SPACE = NASBench201Space()
PRIMITIVES = ("skip_connect", "max_pool_3x3")
ENAS_SPACES = {
    "micro": ENASMicroSpace(filters=2, num_cells=1, num_nodes=2, primitives=PRIMITIVES),
    "cells": ENASMicroSpace(filters=2, num_cells=3, num_nodes=1, primitives=PRIMITIVES),
    "macro": ENASMacroSpace(filters=2, num_layers=3, primitives=PRIMITIVES),
}
OPTIONS = {
    "categorical": (3, 1, 2, 4),
    "lstm": (3, 1, 2, 4),
    "micro": (2, 2, 2, 2, 3, 3, 2, 2),
    "cells": (2,) * 8,
    "macro": (2,) * 6,
}
"""Policy -> the number of options of each of its decisions."""


def architectures(count, seed=0, space=SPACE):
    """Distinct random architectures, as indices."""
    rng = np.random.default_rng(seed)
    return list({space.sample_indices(rng): None for _ in range(count)})


def additive(indices):
    """A reward that is a sum over the choices: at most 21, in `SPACE` by one of 15,625 architectures."""
    return sum((position + 1) * (index == 2) for position, index in enumerate(indices))


def opposed(genotype):
    """Two rewards in `SPACE` that go against each other."""
    indices = np.array(SPACE.encode(genotype))
    return [float(indices.sum()), float(-(indices**2).sum())]


def run(strategy, reward, evaluations, cost=None):
    """Ask and tell `reward(indices)`."""
    for _ in range(evaluations):
        genotype = strategy.ask()
        indices = strategy.space.encode(genotype)
        strategy.tell(genotype, reward(indices), **({} if cost is None else {"cost": cost(indices)}))
    return strategy


def advance(search, evaluations, reward, workers=1, fail=()):
    """Evaluate trials on parallel workers, the oldest first, by `reward(genotype, budget)`; return those asked for."""
    running, asked = list(search.running), []
    for _ in range(evaluations):
        while len(running) < workers:
            running.append(search.ask())
            asked.append(running[-1])
        done = running.pop(0)
        failed = len(search.results) in fail
        search.tell(done.genotype, math.nan if failed else reward(done.genotype, done.budget), done.budget)
    return asked


def scattered(policy, seed=0, scale=0.5):
    """The policy with noise on its parameters, so that no gradient vanishes."""
    rng = np.random.default_rng(seed)
    for value in policy.parameters.values():
        value += np.where(value < -1e9, 0, rng.normal(scale=scale, size=value.shape))
    return policy


def policy_of(name):
    """A scattered policy; `OPTIONS` names them."""
    if name in ENAS_SPACES:
        return scattered(LSTMPolicy(walk_of(ENAS_SPACES[name]), 4), scale=0.7)
    lstm = LSTMPolicy(ChoiceWalk(OPTIONS[name]), units=5)
    return scattered(CategoricalPolicy(OPTIONS[name]) if name == "categorical" else lstm)


def everything(name):
    """All rows of decisions of a policy."""
    return np.array(list(itertools.product(*map(range, OPTIONS[name]))))
