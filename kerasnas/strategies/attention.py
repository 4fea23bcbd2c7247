"""ENAS' controller: an LSTM that decides on an architecture, in any space, or with attention in ENAS' own."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np

from kerasnas import checks
from kerasnas.spaces import ENASMacroSpace, ENASMicroSpace, SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.attention_pass import Pass, Value
from kerasnas.strategies.numpy_networks import Arrays
from kerasnas.strategies.policies import Policy

SKIP_TARGET = 0.4  # prior probability of a skip, the paper's rho


class Walk(abc.ABC):
    """Order in which ENAS' controller decides on an architecture of one space.

    Attributes:
        primitives: number of operations.
        length: number of decisions.
        temperature, tanh_constant: the defaults of its logits.
    """

    primitives: int
    length: int
    temperature = 5.0
    tanh_constant = 2.5

    @abc.abstractmethod
    def run(self, controller: Pass) -> None:
        """Make all decisions by calls of `controller`."""

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters next to the LSTM's: one softmax of all operations, and attention."""
        return {
            "softmax": (units, self.primitives),
            "embedding": (self.primitives, units),
            "attention/keys": (units, units),
            "attention/query": (units, units),
            "attention/vector": (units,),
        }

    def architecture(self, decisions: Sequence[int]) -> Indices:
        """Map decisions to indices of the space."""
        return tuple(decisions)

    def decisions(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Map indices of the space to decisions."""
        return tuple(indices)


class CellWalk(Walk):
    """ENAS' micro space, node after node: two inputs by attention, then two operations, in order."""

    def __init__(self, space: ENASMicroSpace):
        self.space, self.primitives = space, len(space.primitives)
        self._pairs = [table.sources(node) for table in space.tables.values() for node in table.rows_by_node]
        self.length = 4 * len(self._pairs)

    def run(self, controller: Pass) -> None:
        for kind in range(len(self.space.kinds)):
            nodes, keys = list[Value](), list[Value]()
            for _ in range(2):  # the inputs of the cell
                keys.append(controller.key(controller.step(controller.start())))
                nodes.append(controller.zeros())
            x = controller.start()
            for node in range(self.space.num_nodes):
                for _ in range(2):
                    x = controller.choose_node(controller.step(x), nodes, keys)
                for _ in range(2):
                    x = controller.choose_primitive(controller.step(x))
                if kind + 1 < len(self.space.kinds) or node + 1 < self.space.num_nodes:  # something reads it
                    nodes.append(controller.step(x))
                    keys.append(controller.key(nodes[-1]))
                x = controller.start()

    def architecture(self, decisions: Sequence[int]) -> Indices:
        indices: list[int] = []
        names = self.space.primitives
        for place, pairs in enumerate(self._pairs):
            first, second, one, other = decisions[4 * place : 4 * place + 4]
            ordered = sorted([(first, one), (second, other)], key=lambda read: (read[0], names[read[1]]))
            indices += [pairs.index((ordered[0][0], ordered[1][0])), ordered[0][1], ordered[1][1]]
        return tuple(indices)

    def decisions(self, indices: Sequence[int]) -> tuple[int, ...]:
        decisions: list[int] = []
        for place, pairs in enumerate(self._pairs):
            pair, *primitives = indices[3 * place : 3 * place + 3]
            decisions += [*pairs[pair], *primitives]
        return tuple(decisions)


class LayerWalk(Walk):
    """ENAS' macro space, layer after layer: its operation, then by attention which earlier layers it reads."""

    temperature = 1.0  # of the original code for this space
    tanh_constant = 1.5

    def __init__(self, space: ENASMacroSpace):
        self.num_layers, self.primitives = space.num_layers, len(space.primitives)
        self.length = len(space.choices)

    def run(self, controller: Pass) -> None:
        x, layers, keys = controller.start(), list[Value](), list[Value]()
        for layer in range(self.num_layers):
            x = controller.choose_primitive(controller.step(x))
            h = controller.step(x)
            x = controller.choose_skips(h, layers, keys) if layer else controller.start()
            layers.append(h)
            keys.append(controller.key(h))


class ChoiceWalk(Walk):
    """Any space, one choice after another, each with a softmax and embeddings of its own."""

    def __init__(self, cardinalities: Sequence[int]):
        self.cardinalities, self.length = tuple(cardinalities), len(cardinalities)

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for choice, size in enumerate(self.cardinalities):
            shapes |= {f"logits/{choice}": (units, size), f"embedding/{choice}": (size, units)}
        return {name: shape for name, shape in shapes.items() if name != f"embedding/{self.length - 1}"}

    def run(self, controller: Pass) -> None:
        x = controller.start()
        for choice in range(self.length):
            index = controller.choose(controller.step(x), f"logits/{choice}")
            if choice + 1 < self.length:  # nothing reads the last decision
                x = controller.embed(index, f"embedding/{choice}")


def walk_of(space: SearchSpace) -> Walk | None:
    """Return the order in which ENAS' controller decides in `space`, None for other spaces."""
    if isinstance(space, ENASMicroSpace):
        return CellWalk(space)
    return LayerWalk(space) if isinstance(space, ENASMacroSpace) else None


class LSTMPolicy(Policy):
    """ENAS' controller: an LSTM that reads an embedding of its last decision, or the outputs that it attended to.

    With `h_i` the output of the LSTM after node or layer `i`, and `h` the current one, the score of reading `i` is
    `v^T tanh(W1 h_i + W2 h)`, with the same parameters for all nodes, which also share the softmax over the
    operations and their embeddings. In the micro space the scores go through a softmax, and the LSTM reads the chosen
    `h_i`; in the macro space each earlier layer is read by a coin of logits `(-score, score)`, and the LSTM reads
    `sum_i skip_i h_i / (1 + sum_i skip_i)`. A score `s` becomes the logit `tanh_constant * tanh(s / temperature)`.

    Indices of `sample` and `log_prob` are its own decisions: in the micro space two nodes and two operations for each
    node, in the order they were drawn; `architecture` maps them to indices of the space. `walk` is the order of the
    decisions; `units` is the size of the LSTM, of the embeddings and of the attention; temperature and tanh constant
    default to 5 and 2.5, in the macro space to 1 and 1.5; `skip_target` is the prior probability of a skip, for
    `penalty`; parameters start uniform in ±0.1.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268), sections 2.2
        to 2.4.

    Differences from the paper:
        - With a `ChoiceWalk`, each choice has its own softmax and embeddings, which suits any space.
        - One LSTM layer of 100 units; the original code has one of 64, its class two of 32.
        - No fixed bias towards separable convolutions in the normal cell, and no smaller tanh constant for operations:
          both are in the original code, not in the paper.
        - The penalty uses the probabilities that skips are drawn with, as in the paper; the original code takes
          `sigmoid(logit)`, while it draws with `sigmoid(2 logit)`. As there, it is summed over the earlier layers, and
          averaged over the layers.
    """

    def __init__(
        self,
        walk: Walk,
        units: int = 100,
        temperature: float | None = None,
        tanh_constant: float | None = None,
        skip_target: float = SKIP_TARGET,
        seed: int = 0,
    ):
        self.walk, self.units = checks.instance("walk", walk, Walk), checks.size("units", units)
        given = {"temperature": temperature, "tanh_constant": tanh_constant}
        self.temperature, self.tanh_constant = (
            checks.number(name, getattr(walk, name) if value is None else value, above=0)
            for name, value in given.items()
        )
        self.skip_target = checks.number("skip_target", skip_target, above=0, below=1)
        shapes = {"start": (units,), "lstm": (2 * units, 4 * units), **walk.shapes(units)}
        rng = np.random.default_rng(checks.seed(seed))
        self.parameters = {name: rng.uniform(-0.1, 0.1, shape) for name, shape in shapes.items()}

    def architecture(self, decisions: Sequence[int]) -> Indices:
        return self.walk.architecture(decisions)

    def decisions(self, indices: Sequence[int]) -> tuple[int, ...]:
        return self.walk.decisions(indices)

    def sample(self, rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        made = self._run(n, uniform=rng.random((n, self.walk.length)))
        return np.stack(made.made, axis=1), made.log_prob, made.entropy

    def log_prob(self, indices: np.ndarray) -> np.ndarray:
        return self._run(len(indices), given=np.asarray(indices)).log_prob

    def penalty(self, indices: np.ndarray) -> np.ndarray:
        """Return the penalty `(n,)` of skips: the divergence of their probabilities from `skip_target`.

        For each layer the sum over the earlier ones of `KL(Bernoulli(p) || Bernoulli(skip_target))`, then the mean over
        the layers that have earlier ones. 0 outside the macro space.
        """
        made = self._run(len(indices), given=np.asarray(indices))
        return made.penalty / max(made.penalized, 1)

    def gradients(
        self, indices: np.ndarray, coefficients: np.ndarray, entropy_weight: float = 0.0, penalty_weight: float = 0.0
    ) -> Arrays:
        made = self._run(len(indices), given=np.asarray(indices))
        return made.gradients(coefficients, entropy_weight, penalty_weight / max(made.penalized, 1))

    def _run(self, n: int, uniform: np.ndarray | None = None, given: np.ndarray | None = None) -> Pass:
        controller = Pass(self, n, uniform, given)
        self.walk.run(controller)
        return controller
