"""Limits of a race: what exceeds them, and the message where nothing is within."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from kerasnas import datasets
from kerasnas.cost import COSTS, network_latency
from kerasnas.cost.counting import parameters
from kerasnas.genotypes import Genotype
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.reporting.tables import amount
from kerasnas.spaces import MacroSpace, SearchSpace

_DRAWN = 10  # networks that a message on limits is made of
Build = Callable[[Genotype], keras.Model]


def excess(config: RaceConfig, model: keras.Model) -> str:
    """By how much a network exceeds the limits of the settings, in words; empty where it does not."""
    each = f" for each of {config.ensemble}" if config.ensemble > 1 else ""
    if config.max_parameters and (number := parameters(model)) > (most := config.max_parameters / config.ensemble):
        return f"has {number:,} parameters, which is above max_parameters={most:,.0f}{each}"
    if (most := config.latency_target_ms / config.ensemble) and (latency := network_latency(model, rounds=3)) > most:
        return f"takes {amount(latency, ' ms')}, which is above latency_target_ms={most:g}{each}"
    return ""


def within(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], bool]:
    """A function that says whether a network is within the limits of the settings; it measures latency here."""
    count = _parameters(space, data, build) if config.max_parameters else None

    def allowed(genotype: Genotype) -> bool:
        if count is not None and count(genotype) > config.max_parameters / config.ensemble:
            return False
        limit = config.latency_target_ms / config.ensemble
        return not limit or network_latency(build(genotype), rounds=3) <= limit

    return allowed


def _parameters(space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], float]:
    """A function that counts the parameters of a network: by the space's parts, or else those of the built network."""
    try:
        cost = COSTS["parameters"](space, data.input_shape, data.num_classes)
        cost.cost(space.sample(np.random.default_rng(0)))
    except ValueError:  # the space does not say what its networks consist of
        return lambda genotype: parameters(build(genotype))
    return cost.cost


def no_network(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> str:
    """Return the message where nothing is within the limits: the least there is, and the choice that drives it."""
    if config.latency_target_ms:
        limit, unit = f"latency_target_ms={config.latency_target_ms:g}", " ms"

        def measured(genotype: Genotype) -> float:
            return network_latency(build(genotype), rounds=3)

        cost: Callable[[Genotype], float] = measured
    else:
        cost = _parameters(space, data, build)
        limit, unit = f"max_parameters={config.max_parameters:,}", " parameters"
    if not isinstance(space, MacroSpace):
        rng = np.random.default_rng(config.seed)
        drawn = [cost(space.sample(rng)) for _ in range(_DRAWN)]
        return (
            f"No network of space '{config.space}' is within {limit}: of {_DRAWN} drawn at random the least has "
            f"{amount(min(drawn), unit)}, the largest {amount(max(drawn), unit)}."
        )
    stem, width = space.stems[0], min(space.widths)
    depths = (0, *[1] * (min(space.stages) - 1))
    found = {block: space.network(stem, width, block, "pool", depths) for block in space.primitives}
    costs = {block: cost(genotype) for block, genotype in found.items() if genotype is not None}
    block = min(costs, key=lambda name: costs[name])
    if config.ensemble > 1:
        limit += f", shared by the {config.ensemble} of the ensemble"
    return (
        f"No network is within {limit}. The least there is has {amount(costs[block], unit)}: {min(space.stages)} "
        f"stages of {block}, {width:g} times as wide as usual; with {max(costs, key=lambda name: costs[name])} it has "
        f"{amount(max(costs.values()), unit)}."
    )
