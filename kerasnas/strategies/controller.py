"""Policy gradients: REINFORCE, and ENAS' controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.spaces import SearchSpace
from kerasnas.spaces.base import Indices
from kerasnas.strategies.attention import SKIP_TARGET, ChoiceWalk, LSTMPolicy, walk_of
from kerasnas.strategies.base import STRATEGIES, SearchStrategy, check_space
from kerasnas.strategies.numpy_networks import Adam, pack, unpack
from kerasnas.strategies.policies import CategoricalPolicy, Policy


class PolicyGradient(SearchStrategy):
    """Base of all policy gradients: REINFORCE with a moving-average baseline and an entropy bonus.

    `Controller` documents the arguments; `policy` is the distribution that architectures are drawn from.

    Attributes:
        policy: the policy.
        baseline: the moving average, which starts at the first reward; None before it.
        skip_weight: weight of the policy's penalty.

    Reference:
        Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", 1992.

    Differences from the paper:
        - A moving average as the baseline, Adam, and the entropy bonus, which came later.
    """

    skip_weight = 0.0

    def __init__(
        self,
        space: SearchSpace,
        policy: Policy,
        learning_rate: float,
        baseline_decay: float,
        entropy_weight: float,
        batch_size: int,
        seed: int = 0,
        unique: bool = True,
    ):
        super().__init__(space, seed, unique)
        self.policy = checks.instance("policy", policy, Policy)
        self.optimizer = Adam(learning_rate)
        self.baseline_decay = checks.number("baseline_decay", baseline_decay, least=0, below=1)
        self.entropy_weight = checks.number("entropy_weight", entropy_weight, least=0)
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self.baseline: float | None = None
        self._batch: list[tuple[Indices, float]] = []
        self._drawn: dict[Indices, tuple[int, ...]] = {}  # the policy's decisions for architectures that are pending

    def propose(self) -> Indices:
        # In a space with constraints most draws of a policy may not be feasible.
        for n in (1, 4, 16, 64):
            for row in self.policy.sample(self.rng, n)[0].tolist():
                indices = self.policy.architecture(row)
                if self.space.feasible(indices):
                    self._remember(indices, tuple(row))
                    return indices
        return self.space.sample_indices(self.rng)

    def _remember(self, indices: Indices, decisions: tuple[int, ...]) -> None:
        """Store decisions that differ from the policy's own for `indices`: it must learn from those it drew."""
        if self._drawn:
            waiting = set(self.pending)
            self._drawn = {known: drawn for known, drawn in self._drawn.items() if known in waiting}
        if decisions != self.policy.decisions(indices):
            self._drawn.setdefault(indices, decisions)

    def observe(self, indices: Indices, reward: float) -> None:
        self._batch.append((self._drawn.get(indices) or self.policy.decisions(indices), reward))
        if len(self._batch) == self.batch_size:
            decisions, rewards = zip(*self._batch, strict=True)
            self._batch = []
            self.learn(np.array(decisions), np.array([self._advantage(reward) for reward in rewards]))

    def learn(self, indices: np.ndarray, advantages: np.ndarray) -> None:
        """Take one step of gradient ascent on the mean of `advantage * log_prob + entropy_weight * entropy`.

        Rows of `indices` are the policy's decisions; advantages are rewards minus the baseline.
        """
        n = len(indices)
        gradients = self.policy.gradients(indices, advantages / n, self.entropy_weight / n, self.skip_weight / n)
        self.optimizer.ascend(self.policy.parameters, gradients)

    def _advantage(self, reward: float) -> float:
        self.baseline = reward if self.baseline is None else self.baseline
        advantage = reward - self.baseline
        self.baseline += (1 - self.baseline_decay) * advantage
        return advantage

    def get_parameters(self) -> dict[str, np.ndarray]:
        """Return copies of the policy's parameters by name, for a later search to start from."""
        return {name: array.copy() for name, array in self.policy.parameters.items()}

    def set_parameters(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start from the result of `get_parameters` of a strategy of the same space.

        The optimizer, the baseline and the observations stay unchanged.

        Raises:
            TypeError: if `parameters` is not a mapping.
            ValueError: if a name or shape differs, or a number is not finite.
        """
        self.policy.set_parameters(parameters)

    def state(self) -> dict[str, Any]:
        return {
            "parameters": pack(self.policy.parameters),
            "means": pack(self.optimizer.means),
            "squares": pack(self.optimizer.squares),
            "iterations": self.optimizer.iterations,
            "baseline": self.baseline,
            "batch": [[list(indices), reward] for indices, reward in self._batch],
            "drawn": [[list(indices), list(drawn)] for indices, drawn in self._drawn.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.policy.set_parameters(unpack(state["parameters"]))
        self.optimizer.means, self.optimizer.squares = unpack(state["means"]), unpack(state["squares"])
        self.optimizer.iterations = state["iterations"]
        self.baseline = state["baseline"]
        self._batch = [(tuple(indices), reward) for indices, reward in state["batch"]]
        self._drawn = {tuple(indices): tuple(drawn) for indices, drawn in state["drawn"]}


@STRATEGIES.register("reinforce")
class Reinforce(PolicyGradient):
    """REINFORCE over an independent categorical distribution for every choice, as in the NAS-Bench-201 paper.

    Args:
        space, seed: as for `SearchStrategy`.
        learning_rate: learning rate of Adam. Defaults to 0.1.
        baseline_decay: decay of the moving average of the rewards. Defaults to 0.9.
        unique: as for `SearchStrategy`. Defaults to True; the paper has False.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = Reinforce(DARTSSpace(num_nodes=1), seed=0)
    >>> for _ in range(100):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("sep_conv_3x3"))
    >>> strategy.best[1]  # of 4 edges
    4.0

    Reference:
        Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", 2020
        (arXiv 2001.00326).

    Differences from the paper:
        - Architectures are not repeated unless `unique=False`.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        learning_rate: float = 0.1,
        baseline_decay: float = 0.9,
        unique: bool = True,
    ):
        policy = CategoricalPolicy(check_space(space).cardinalities)
        super().__init__(space, policy, learning_rate, baseline_decay, 0.0, 1, seed, unique)


@STRATEGIES.register("controller")
class Controller(PolicyGradient):
    """ENAS' controller: an LSTM policy that learns by REINFORCE with baseline and entropy bonus.

    Args:
        space: the space to search.
        seed: seed of all random draws and of the policy's initialization. Defaults to 0.
        units, temperature, tanh_constant: arguments of the policy. Default to 100, 5 and 2.5; in ENAS' macro space to
            100, 1 and 1.5.
        learning_rate: learning rate of Adam. Defaults to 0.0035.
        baseline_decay: decay of the moving average of the rewards. Defaults to 0.9.
        entropy_weight: weight of the entropy relative to the rewards, to be chosen for their scale. Defaults to 1e-4.
        batch_size: number of rewards between two updates. Defaults to 1.
        unique: as for `SearchStrategy`. Defaults to True; the paper has False.
        attention: if True, connections are chosen by attention and operations by one shared softmax
            (ENAS' spaces only); if False, each choice has its own softmax. Defaults to None: True in ENAS' spaces.
        skip_weight: with attention, in the macro space: weight of the divergence of the probabilities of skips from
            `skip_target` in the loss. Defaults to 0.8.
        skip_target: prior probability of a skip, in (0, 1). Defaults to 0.4.

    Raises:
        TypeError: if `space` is not a search space.
        ValueError: for attention outside ENAS' spaces, or another argument out of its range.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> strategy = Controller(DARTSSpace(num_nodes=1), seed=0, units=16, learning_rate=0.05)
    >>> for _ in range(60):
    ...     genotype = strategy.ask()
    ...     strategy.tell(genotype, genotype.count("sep_conv_3x3"))
    >>> strategy.best[1] >= 3  # of 4 edges
    True

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).

    Differences from the paper:
        - The entropy is a term of the objective, with its exact gradient; the original code adds it to the reward.
        - The baseline starts at the first reward instead of 0, where the first rewards would all count as good; its
          decay is 0.9, in the original code 0.99.
        - Architectures are not repeated unless `unique=False`: without weight sharing, the reward of one evaluated
          before is known.
        - Outside ENAS' spaces each choice has its own softmax and embeddings: there is nothing to attend to.
        - See `LSTMPolicy` for its own.
    """

    policy: LSTMPolicy

    def __init__(
        self,
        space: SearchSpace,
        seed: int = 0,
        units: int = 100,
        temperature: float | None = None,
        tanh_constant: float | None = None,
        learning_rate: float = 0.0035,
        baseline_decay: float = 0.9,
        entropy_weight: float = 1e-4,
        batch_size: int = 1,
        unique: bool = True,
        attention: bool | None = None,
        skip_weight: float = 0.8,
        skip_target: float = SKIP_TARGET,
    ):
        self.skip_weight = checks.number("skip_weight", skip_weight, least=0)
        attention = checks.optional(checks.boolean, "attention", attention)
        walk = walk_of(check_space(space))
        if attention and walk is None:
            expected = "None or False in a space other than `ENASMicroSpace` and `ENASMacroSpace`"
            raise ValueError(checks.invalid("attention", expected, attention))
        self.attention = walk is not None and attention is not False
        if walk is None or not self.attention:
            walk = ChoiceWalk(space.cardinalities)
        policy = LSTMPolicy(walk, units, temperature, tanh_constant, skip_target, seed)
        super().__init__(space, policy, learning_rate, baseline_decay, entropy_weight, batch_size, seed, unique)
