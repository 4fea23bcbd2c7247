"""Limits of a race: what exceeds them, and the message where nothing is within."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import keras
import numpy as np

from kerasnas import datasets
from kerasnas.cost import COSTS, device_cost, network_latency
from kerasnas.cost.counting import macs, parameters
from kerasnas.cost.device import DeviceCost, OperatorGraph
from kerasnas.cost.model import counted_before
from kerasnas.genotypes import Genotype
from kerasnas.methods.assembly import make_space
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.networks.measured import Part
from kerasnas.racing.portfolio import named_networks
from kerasnas.reporting.tables import amount
from kerasnas.spaces import MacroSpace, SearchSpace

_DRAWN = 10  # networks that a message on limits is made of
Build = Callable[[Genotype], keras.Model]


@dataclasses.dataclass(frozen=True)
class Limit:
    """A limit on the networks of a race.

    Args:
        setting: its name in `RaceConfig`, where 0 is no limit.
        verb, unit: of a sentence on the cost of a network.
        measure: the cost of a built network.
        counted: makes a function of the cost of a genotype by its parts, without building its network; of the
            arguments of a `COSTS`. Defaults to None: there is none.
    """

    setting: str
    verb: str
    unit: str
    measure: Callable[[keras.Model], float]
    counted: Callable[..., Callable[[Genotype], float]] | None = None

    def most(self, config: RaceConfig) -> float:
        """Return the bound for each of the networks that share it; 0 for none."""
        return getattr(config, self.setting) / config.ensemble

    def cost(self, space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], float]:
        """Return the cost of networks: by the parts of the space, or else that of the built network."""
        if self.counted is not None:
            try:
                cost = self.counted(space, data.input_shape, data.num_classes)
                cost(space.sample(np.random.default_rng(0)))
                return cost
            except ValueError:  # the space does not say what its networks consist of
                pass
        return lambda genotype: self.measure(build(genotype))


def _tabulated(name: str) -> Callable[..., Callable[[Genotype], float]]:
    return lambda *arguments: COSTS[name](*arguments).cost


def _on_device(measure: Callable[[DeviceCost], float]) -> dict[str, Any]:
    """Return how a limit measures what a microcontroller needs."""

    def counted(space: SearchSpace, input_shape: tuple[int, ...], num_classes: int) -> Callable[[Genotype], float]:
        known: dict[Part, OperatorGraph] = counted_before(space, "operators")

        def operators(part: Part) -> OperatorGraph:
            if part not in known:
                known[part] = OperatorGraph.of(part.model())
            return known[part]

        def cost(genotype: Genotype) -> float:
            parts = space.parts_of(genotype, input_shape, num_classes)
            if any(len(part.shapes) > 1 for part in parts):
                raise ValueError("These parts are no chain.")
            return measure(reduce(OperatorGraph.then, map(operators, parts)).cost())

        return cost

    return {"measure": lambda model: measure(device_cost(model)), "counted": counted}


# In this order they are checked: what a clock measures comes last.
LIMITS = (
    Limit("max_parameters", "has", " parameters", parameters, _tabulated("parameters")),
    Limit("max_macs", "does", " multiply-adds", macs, _tabulated("macs")),
    Limit("max_flash_kb", "takes", " kB of flash", **_on_device(lambda needs: needs.flash / 1000)),
    Limit("max_ram_kb", "takes", " kB of memory", **_on_device(lambda needs: needs.memory / 1000)),
    Limit("latency_target_ms", "takes", " ms", lambda model: network_latency(model, rounds=3)),
)


def limits(config: RaceConfig) -> tuple[Limit, ...]:
    """Return the limits that the settings set."""
    return tuple(limit for limit in LIMITS if limit.most(config))


def excess(config: RaceConfig, model: keras.Model) -> str:
    """By how much a network exceeds the limits of the settings, in words; empty where it does not."""
    each = f" for each of {config.ensemble}" if config.ensemble > 1 else ""
    for limit in limits(config):
        most = limit.most(config)
        if (cost := limit.measure(model)) > most:
            return f"{limit.verb} {amount(cost, limit.unit)}, which is above {limit.setting}={amount(most, '')}{each}"
    return ""


def within(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], bool]:
    """A function that says whether a network is within the limits of the settings; it measures latency here."""
    costs = [(limit.cost(space, data, build), limit.most(config)) for limit in limits(config)]
    return lambda genotype: all(cost(genotype) <= most for cost, most in costs)


def no_network(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> str:
    """Return the message where nothing is within the limits: the least there is, and the choice that drives it.

    It is of the limit that alone leaves nothing. Where only all of them together do, it has the network that exceeds
    them by the least factor.
    """
    limited = limits(config)
    if (alone := impossible(config, space, data, build)) or len(limited) == 1:
        return alone or _sentence(config, space, data, build, limited[0])
    costs = [limit.cost(space, data, build) for limit in limited]
    factors = {
        name: max(cost(genotype) / limit.most(config) for limit, cost in zip(limited, costs, strict=True))
        for name, genotype in _known(space, config.seed).items()
    }
    nearest = min(factors, key=lambda name: factors[name])
    needs = (cost(_known(space, config.seed)[nearest]) for cost in costs)
    words = (f"{limit.verb} {amount(need, limit.unit)}" for limit, need in zip(limited, needs, strict=True))
    return (
        f"No network is within {' and '.join(_bound(config, limit) for limit in limited)} together. The nearest of the "
        f"{len(factors)} smallest, {nearest}, {', '.join(words)}."
    )


def impossible(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> str:
    """Return the message where a limit is below the least of a macro space; empty where none is, or it is not known."""
    smallest = _smallest(space)
    for limit in limits(config):
        cost, most = limit.cost(space, data, build), limit.most(config)
        if smallest and limit.counted and not any(cost(genotype) <= most for genotype in smallest.values()):
            return _sentence(config, space, data, build, limit)
    return ""


def least_parameters(config: RaceConfig, data: datasets.Dataset) -> float:
    """Return the parameters of the smallest network that a race in the settings' space knows by name, or draws."""
    space = make_space(TrainingConfig.suited(imports=config.imports, space=config.space), data)
    build = partial(space.build_network, input_shape=data.input_shape, num_classes=data.num_classes)
    cost = LIMITS[0].cost(space, data, build)
    known = named_networks(space, lambda genotype: True) or _known(space, config.seed)
    return min(cost(space.narrowed(genotype)[-1]) for genotype in known.values())


def _sentence(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build, limit: Limit) -> str:
    cost = limit.cost(space, data, build)
    costs = {name: cost(genotype) for name, genotype in _known(space, config.seed).items()}
    least, largest = (amount(one(costs.values()), limit.unit) for one in (min, max))
    bound = _bound(config, limit)
    if not isinstance(space, MacroSpace):
        return (
            f"No network of space '{config.space}' is within {bound}: of {_DRAWN} drawn at random the least "
            f"{limit.verb} {least}, the largest {largest}."
        )
    if config.ensemble > 1:
        bound += f", shared by the {config.ensemble} of the ensemble"
    return (
        f"No network is within {bound}. The least there is {limit.verb} {least}: {min(space.stages)} stages of "
        f"{min(costs, key=lambda name: costs[name])}, {min(space.widths):g} times as wide as usual; with "
        f"{max(costs, key=lambda name: costs[name])} it {limit.verb} {largest}."
    )


def _bound(config: RaceConfig, limit: Limit) -> str:
    return f"{limit.setting}={amount(getattr(config, limit.setting), '')}"


def _known(space: SearchSpace, seed: int) -> dict[str, Genotype]:
    """Return the smallest networks of a macro space, or some of another that are drawn at random."""
    rng = np.random.default_rng(seed)
    return _smallest(space) or {f"number {number}": space.sample(rng) for number in range(1, _DRAWN + 1)}


def _smallest(space: SearchSpace) -> dict[str, Genotype]:
    """Return the smallest networks of a macro space, of each block after each stem of 3x3; none of other spaces."""
    if not isinstance(space, MacroSpace):
        return {}
    depths = (0, *[1] * (min(space.stages) - 1))
    stems = dict.fromkeys((space.stems[0], *(stem for stem in space.stems if stem.endswith("3x3_s2"))))
    found = {
        f"{block} after {stem}": space.network(stem, min(space.widths), block, "pool", depths)
        for stem in stems
        for block in space.primitives
    }
    return {name: genotype for name, genotype in found.items() if genotype is not None}
