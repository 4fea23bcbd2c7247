"""CostModel: the cost of a space's networks, as a table over its choices; NetworkCost: of each network by itself."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.cost.counting import macs, parameters
from kerasnas.genotypes import Genotype
from kerasnas.networks.measured import NetworkParts, Part
from kerasnas.networks.skeleton import ChoiceTable
from kerasnas.registry import Registry
from kerasnas.spaces import SearchSpace

T = TypeVar("T")
COSTS = Registry("cost")
"""Name -> `(space, input_shape, num_classes, **sizes) -> CostModel`, or `NetworkCost` where `shapes_network`."""


@checks.fields(
    name=checks.name,
    unit=checks.text,
    base=checks.number,
    choices=checks.entries(ChoiceTable),
    tables=checks.entries(checks.array),
    least=checks.name,
)
@keras.saving.register_keras_serializable(package="kerasnas")
@dataclasses.dataclass(frozen=True)
class CostModel:
    """The cost of every network of a space at one size: a base, and an amount for each choice.

    Args:
        name: name of the cost.
        unit: suffix of a number of it, with its space, as `" ms"`.
        base: cost of the parts of every network.
        choices: the choices of each kind of cell, as the supernet's.
        tables: for each kind an array `(edges, primitives)`: what a choice adds, in all cells of the kind together.
        least: adjective for the network of least cost. Defaults to `"cheapest"`.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space()
    >>> model = COSTS["parameters"](space, (32, 32, 3), 10)
    >>> genotype = space.from_string(
    ...     "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|")
    >>> model.cost(genotype)
    802426.0
    """

    name: str
    unit: str
    base: float
    choices: Mapping[str, ChoiceTable]
    tables: Mapping[str, np.ndarray]
    least: str = "cheapest"

    def __post_init__(self) -> None:
        for kind, choice in self.choices.items():
            if kind not in self.tables or np.shape(self.tables[kind]) != choice.shape:
                received = {kind: np.shape(table) for kind, table in self.tables.items()}
                raise ValueError(checks.invalid("tables", f"an array of shape {choice.shape} for {kind!r}", received))

    @checks.arguments(genotype=Genotype)
    def cost(self, genotype: Genotype) -> float:
        """Return the cost of the network of `genotype`.

        Raises:
            ValueError: if an edge of it is not among the choices.
        """
        total = self.base
        for cell, edges in genotype.cells:
            kinds = [cell] if cell in self.choices else list(self.choices)
            for edge in edges:
                total += self._choice(kinds, edge)
        return float(total)

    def _choice(self, kinds: list[str], edge: Any) -> float:
        for kind in kinds:
            choice = self.choices[kind]
            if (edge.source, edge.target) not in choice.edges:
                continue
            if edge.primitive in choice.primitives:
                row = choice.edges.index((edge.source, edge.target))
                return self.tables[kind][row, choice.primitives.index(edge.primitive)]
            if edge.primitive == "none":
                return 0.0  # an edge that is left out
        raise ValueError(f"This cost is of another space: it has no edge {tuple(edge)}.")

    @checks.arguments(weights=checks.entries(checks.tensor))
    def expected(self, weights: Mapping[str, Any]) -> Any:
        """Return the expected cost under mixing weights, differentiable: a scalar tensor.

        The weights are treated as probabilities of derived choices: without `none`, which is never derived, and scaled
        so that each node keeps as many edges as a derived one does.

        Args:
            weights: for each kind a tensor `(edges, primitives)`, of a supernet's `expected_weights()`.
        """
        parts = []
        for kind, choice in self.choices.items():
            if kind not in weights or tuple(weights[kind].shape) != choice.shape:
                received = {name: tuple(table.shape) for name, table in weights.items()}
                raise ValueError(checks.invalid("weights", f"a table of shape {choice.shape} for {kind!r}", received))
            mixing = ops.convert_to_tensor(weights[kind])

            def constant(values: Any, dtype: Any = mixing.dtype) -> Any:
                return ops.convert_to_tensor(np.asarray(values, "float64"), dtype)

            probable = mixing * constant([name != "none" for name in choice.primitives])
            targets = np.array([target for _, target in choice.edges])
            same = targets[:, None] == targets[None]  # which rows lead to the node of each row
            keeps = np.minimum(same.sum(1), np.inf if choice.keep is None else choice.keep)
            mass = ops.matmul(constant(same), ops.sum(probable, axis=-1, keepdims=True))
            probable = probable * constant(keeps[:, None]) / ops.maximum(mass, 1e-12)
            parts.append(ops.sum(probable * constant(self.tables[kind])))
        return self.base + sum(parts)

    def least_cost(self) -> float:
        """Return the cost of the network of least cost: no target can be below it."""
        total = self.base
        for kind, choice in self.choices.items():
            cheapest = self.tables[kind][:, [name != "none" for name in choice.primitives]].min(axis=1)
            for rows in choice.rows_by_node.values():
                total += sum(sorted(cheapest[rows])[: choice.keep])
        return float(total)

    def get_config(self) -> dict[str, Any]:
        """Return the fields, JSON-serializable."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        choices = {
            kind: [list(map(list, table.edges)), list(table.primitives), table.keep]
            for kind, table in self.choices.items()
        }
        return {**fields, "choices": choices, "tables": {kind: table.tolist() for kind, table in self.tables.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CostModel:
        """Invert `get_config`."""
        choices = {
            kind: ChoiceTable(tuple((source, target) for source, target in edges), tuple(primitives), keep)
            for kind, (edges, primitives, keep) in config["choices"].items()
        }
        tables = {kind: np.array(table) for kind, table in config["tables"].items()}
        return cls(**{**config, "choices": choices, "tables": tables})


@checks.fields(
    name=checks.name,
    unit=checks.text,
    parts=checks.function,
    measure=checks.function,
    least=checks.name,
)
@dataclasses.dataclass(frozen=True)
class NetworkCost:
    """The cost of every network of a space whose choices shape the network itself: summed over the parts of each.

    There is no table over the choices, and so no expected cost: it is for ask/tell strategies.

    Args:
        name: name of the cost.
        unit: suffix of a number of it, with its space, as `" parameters"`.
        parts: genotype -> the parts of its network.
        measure: part -> its cost.
        least: adjective for the network of least cost. Defaults to `"cheapest"`.

    Example:

    >>> from kerasnas.spaces import MacroSpace
    >>> space = MacroSpace()
    >>> COSTS["parameters"](space, (28, 28, 1), 10).cost(space.references()["cnn"])
    94186.0
    """

    name: str
    unit: str
    parts: Callable[[Genotype], Sequence[Part]]
    measure: Callable[[Part], float]
    least: str = "cheapest"

    @checks.arguments(genotype=Genotype)
    def cost(self, genotype: Genotype) -> float:
        """Return the cost of the network of `genotype`.

        Raises:
            ValueError: if it is not of the space.
        """
        return float(sum(map(self.measure, self.parts(genotype))))

    __call__ = cost

    def get_config(self) -> dict[str, Any]:
        """Raise ValueError: there is no table to save."""
        raise ValueError(
            f"The cost '{self.name}' of a space whose choices shape the network is no table, and the space has no "
            "supernet whose search it could guide. Search it with an ask/tell strategy."
        )


@checks.arguments(parts=NetworkParts, measure=checks.function)
def tabulate(parts: NetworkParts, measure: Callable[[Part], float], **names: Any) -> CostModel:
    """Return the cost model of a network's parts, each distinct one of them measured once.

    Args:
        parts: of a space's `parts`.
        measure: part -> its cost.
        names: `name`, `unit`, and `least` of the `CostModel`.
    """
    measure = functools.cache(measure)
    tables = {
        kind: np.array([[float(sum(map(measure, pieces))) for pieces in row] for row in rows])
        for kind, rows in parts.options.items()
    }
    return CostModel(base=float(sum(map(measure, parts.fixed))), choices=parts.choices, tables=tables, **names)


def _counted(name: str, unit: str, count: Callable[[keras.Model], int], least: str) -> None:
    @COSTS.register(name)
    @checks.arguments(space=SearchSpace, num_classes=checks.size)
    def build(
        space: SearchSpace, input_shape: tuple[int, ...], num_classes: int, **sizes: Any
    ) -> CostModel | NetworkCost:
        sizes |= {"input_shape": input_shape, "num_classes": num_classes}
        if space.shapes_network:
            return NetworkCost(
                name, unit, functools.partial(space.parts_of, **sizes), counted_once(space, count), least
            )
        return tabulate(space.parts(**sizes), lambda part: count(part.model()), name=name, unit=unit, least=least)


def counted_once(space: SearchSpace, count: Callable[[keras.Model], T]) -> Callable[[Part], T]:
    """Return `count` of a part's model, which counts each part of such spaces once in this process.

    A race with a limit counts some 80 parts, for which it has to build them: seconds that its next seed, or the fold
    after it, need not spend again. Blocks of a user's own space may be redefined under their name, as in a notebook,
    and their layers may make variables of values, which an outline cannot.
    """
    if type(space).__module__.partition(".")[0] == "kerasnas":
        return _counting(type(space), count)
    return functools.cache(lambda part: count(part.model()))


@functools.cache
def _counting(kind: type[SearchSpace], count: Callable[[keras.Model], T]) -> Callable[[Part], T]:
    return functools.cache(lambda part: count(part.outline()))


_counted("parameters", " parameters", parameters, "smallest")
_counted("macs", " MACs", macs, "lightest")
