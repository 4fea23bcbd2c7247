"""Limits of a race: what exceeds them, and the message where nothing is within."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable
from functools import cache, partial, reduce
from typing import TypeVar

import keras
import numpy as np

from kerasnas import datasets
from kerasnas.cost import COSTS, network_latency
from kerasnas.cost.board import HERE
from kerasnas.cost.counting import macs, parameters
from kerasnas.cost.device import OperatorGraph
from kerasnas.cost.model import counted_once
from kerasnas.genotypes import Genotype
from kerasnas.methods.assembly import make_space
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.racing.portfolio import named_networks
from kerasnas.reporting.tables import amount
from kerasnas.spaces import MacroSpace, SearchSpace

_DRAWN = 10  # networks that a message on limits is made of
# Times the bound: a cost that is estimated below the one, or above the other, is not measured; of unlike networks, and
# of networks that are alike.
_NEAR, _CLOSE = (0.6, 1.5), (0.8, 1.25)
T = TypeVar("T")
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
        estimate: an estimate of the cost of a built network, where what is measured takes long; what is counted is one
            as well then. Defaults to None: it does not.
        most: the bound for each of the networks that share it. Defaults to none.
    """

    setting: str
    verb: str
    unit: str
    measure: Callable[[keras.Model], float]
    counted: Callable[..., Callable[[Genotype], float]] | None = None
    estimate: Callable[[keras.Model], float] | None = None
    most: float = math.inf

    def cost(self, space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], float]:
        """Return the cost of networks: by the parts of the space, or else that of the built network."""
        if self.counted is not None:
            try:
                cost = self.counted(space, data.input_shape, data.num_classes)
                cost(space.sample(np.random.default_rng(0)))
                return self._checked(cost, lambda one: self.measure(build(one)), _NEAR) if self.estimate else cost
            except ValueError:  # the space does not say what its networks consist of
                pass
        return lambda genotype: self.measure(build(genotype))

    def of_networks(self) -> Callable[[keras.Model], float]:
        """Return the cost of built networks."""
        return self._checked(self.estimate, self.measure, _CLOSE) if self.estimate else self.measure

    def _checked(
        self, estimate: Callable[[T], float], measure: Callable[[T], float], near: tuple[float, float]
    ) -> Callable[[T], float]:
        """Return what is measured, or, far from the bound, the estimate, corrected by what was measured."""
        ratios: list[float] = []

        def cost(network: T) -> float:
            expected = estimate(network)
            corrected = expected * statistics.median(ratios or [1.0])
            if ratios and not near[0] <= corrected / self.most <= near[1]:
                return corrected
            measured = measure(network)
            ratios.append(measured / expected)
            return measured

        return cost


def _tabulated(name: str) -> Callable[..., Callable[[Genotype], float]]:
    return lambda *arguments: COSTS[name](*arguments).cost


def _inside(part: keras.Model) -> OperatorGraph:
    return OperatorGraph.of(part, inside=True)


def _by_operators(
    measure: Callable[[OperatorGraph], float], deployed: Callable[[OperatorGraph], OperatorGraph] = lambda graph: graph
) -> tuple[Callable[[keras.Model], float], Callable[..., Callable[[Genotype], float]]]:
    """Return `measure` and `counted` of a limit on what depends on the operators of a network as it is `deployed`."""

    def counted(space: SearchSpace, input_shape: tuple[int, ...], num_classes: int) -> Callable[[Genotype], float]:
        operators = counted_once(space, _inside)

        def cost(genotype: Genotype) -> float:
            parts = space.parts_of(genotype, input_shape, num_classes)
            if any(len(part.shapes) > 1 for part in parts):
                raise ValueError("These parts are no chain.")
            return measure(deployed(reduce(OperatorGraph.then, map(operators, parts))))

        return cost

    return lambda model: measure(deployed(OperatorGraph.of(model))), counted


PARAMETERS = Limit("max_parameters", "has", " parameters", parameters, _tabulated("parameters"))
_estimate, _counted = _by_operators(HERE.latency_ms)


def limits(config: RaceConfig, data: datasets.Dataset | None = None) -> tuple[Limit, ...]:
    """Return the limits that the settings set, or their board, in the order in which they are checked.

    What stands before the networks of `data` in a file, and after them, counts: see `_deployed`.
    """
    on_device = config.board or config.max_flash_kb or config.max_ram_kb
    around = (_deployed(data),) if on_device and data is not None else ()
    flash = _by_operators(lambda graph: graph.cost().flash / 1000, *around)
    memory = _by_operators(lambda graph: graph.cost().memory / 1000, *around)
    found = [
        PARAMETERS,
        Limit("max_macs", "does", " multiply-adds", macs, _tabulated("macs")),
        Limit("max_flash_kb", "takes", " kB of flash", *flash),
        Limit("max_ram_kb", "takes", " kB of memory", *memory),
        # What a clock measures comes last.
        Limit("latency_target_ms", "takes", " ms", lambda model: network_latency(model, rounds=3), _counted, _estimate),
    ]
    bounds = {one.setting: getattr(config, one.setting) or math.inf for one in found}
    if (board := config.on_board) is not None:
        bounds["max_flash_kb"] = min(bounds["max_flash_kb"], board.flash_kb)
        bounds["max_ram_kb"] = min(bounds["max_ram_kb"], board.ram_kb)
        bounds["board"] = 0 if board.lacks else math.inf
        kinds = f" operators that it lacks ({', '.join(board.lacks)})"
        timed = _by_operators(board.latency_ms, *around)
        found[-1] = Limit("latency_target_ms", "takes", f" ms on {board.name}", *timed)
        found.insert(0, Limit("board", "has", kinds, *_by_operators(board.lacking, *around)))
    bounded = (dataclasses.replace(one, most=bounds[one.setting]) for one in found)
    return tuple(one for one in bounded if one.most < math.inf)


def _deployed(data: datasets.Dataset) -> Callable[[OperatorGraph], OperatorGraph]:
    """Return what adds the operators around the networks of data, in a file, to those of a network.

    Before it stands no more than a reshape, as whoever fills the input scales samples; after it what makes answers of
    its outputs.
    """
    inputs, outputs = keras.Input(data.input_shape), keras.Input((data.num_classes,))
    start = OperatorGraph.of(keras.Model(inputs, inputs))
    answers = OperatorGraph.of(keras.Model(outputs, data.task.layer()(outputs)))
    return lambda graph: start.then(graph).then(answers)


def exceeding(config: RaceConfig, data: datasets.Dataset) -> Callable[[keras.Model], str]:
    """A function that says by how much a network exceeds the limits of the settings; empty where it does not.

    It measures the latency of the first, and estimates those of others by it: they are alike but for their images.
    """
    costs = [(limit, limit.of_networks()) for limit in limits(config, data)]

    def excess(model: keras.Model) -> str:
        for limit, cost in costs:
            if (needed := cost(model)) > limit.most:
                words = f"{limit.verb} {amount(needed, limit.unit)}"
                return f"{words}, which is above {_named(config, limit)}"
        return ""

    return excess


def needs(config: RaceConfig, data: datasets.Dataset, model: keras.Model) -> str:
    """Return in words what a network needs of all that the settings limit; empty where they limit nothing."""
    return ", ".join(amount(limit.measure(model), limit.unit) for limit in limits(config, data))


class Within:
    """Networks of a space within the limits of the settings: called with a genotype, it says whether that is one.

    Args:
        config: of the race.
        space, data, build: whose networks, of which data, and what builds them.
    """

    def __init__(self, config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build):
        self.config, self.space = config, space
        self.costs = [(limit, cache(limit.cost(space, data, build))) for limit in limits(config, data)]

    def __call__(self, genotype: Genotype) -> bool:
        return all(cost(genotype) <= limit.most for limit, cost in self.costs)

    def impossible(self) -> str:
        """Return the message where a limit is below the least of a macro space; empty where none is, or not known."""
        smallest = _smallest(self.space)
        for limit, cost in self.costs:
            if smallest and limit.counted and not any(cost(genotype) <= limit.most for genotype in smallest.values()):
                return self._sentence(limit, cost)
        return ""

    def no_network(self) -> str:
        """Return the message where nothing is within the limits: the least there is, and the choice that drives it.

        It is of the limit that alone leaves nothing. Where only all of them together do, it has the network that
        exceeds them by the least factor.
        """
        if (alone := self.impossible()) or len(self.costs) == 1:
            return alone or self._sentence(*self.costs[0])
        known = _known(self.space, self.config.seed)
        factors = {
            name: max(cost(genotype) / limit.most for limit, cost in self.costs) for name, genotype in known.items()
        }
        nearest = min(factors, key=lambda name: factors[name])
        needed = (f"{limit.verb} {amount(cost(known[nearest]), limit.unit)}" for limit, cost in self.costs)
        return (
            f"No network is within {' and '.join(_named(self.config, limit) for limit, _ in self.costs)} together. The "
            f"nearest of the {len(factors)} smallest, {nearest}, {', '.join(needed)}."
        )

    def _sentence(self, limit: Limit, cost: Callable[[Genotype], float]) -> str:
        config, space = self.config, self.space
        costs = {name: cost(genotype) for name, genotype in _known(space, config.seed).items()}
        least, largest = (amount(one(costs.values()), limit.unit) for one in (min, max))
        bound = _named(config, limit)
        if not isinstance(space, MacroSpace):
            return (
                f"No network of space '{config.space}' is within {bound}: of {_DRAWN} drawn at random the least "
                f"{limit.verb} {least}, the largest {largest}."
            )
        return (
            f"No network is within {bound}. The least there is {limit.verb} {least}: {min(space.stages)} stages of "
            f"{min(costs, key=lambda name: costs[name])}, {min(space.widths):g} times as wide as usual; with "
            f"{max(costs, key=lambda name: costs[name])} it {limit.verb} {largest}."
        )


def least_parameters(config: RaceConfig, data: datasets.Dataset) -> float:
    """Return the parameters of the smallest network that a race in the settings' space knows by name, or draws."""
    space = make_space(TrainingConfig.suited(imports=config.imports, space=config.space), data)
    build = partial(space.build_network, input_shape=data.input_shape, num_classes=data.num_classes)
    cost = PARAMETERS.cost(space, data, build)
    known = named_networks(space) or _known(space, config.seed)
    return min(map(cost, {space.narrowed(genotype)[-1] for genotype in known.values()}))


def _named(config: RaceConfig, limit: Limit) -> str:
    """Return a bound as the user set it, or the board."""
    own = getattr(config, limit.setting)
    return f"{limit.setting}={amount(limit.most, '')}" if own and own != config.board else f"board={config.board}"


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
