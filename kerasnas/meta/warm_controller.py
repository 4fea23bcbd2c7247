"""Initial parameters of a controller, learned from earlier searches by Reptile or by joint pre-training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kerasnas import checks
from kerasnas.meta.experience import SearchExperience, check_sources
from kerasnas.meta.warm_predictor import SourcePredictions, SourceSurrogate
from kerasnas.spaces import SearchSpace
from kerasnas.strategies.controller import PolicyGradient
from kerasnas.strategies.numpy_networks import Adam, Arrays

Make = Callable[..., PolicyGradient]
"""A factory of controllers, called as `make(space, seed=...)`: `Reinforce`, `Controller`, or a partial of one."""


def reptile_policy(
    make: Make,
    space: SearchSpace,
    sources: Sequence[SearchExperience],
    outer_steps: int = 20,
    inner_steps: int = 20,
    batch_size: int = 8,
    outer_rate: float = 0.2,
    interpolate: bool = True,
    seed: int = 0,
) -> Arrays:
    """Learn initial parameters of a controller by Reptile: close to the parameters that every task leads to.

    In each outer step a controller searches one task per source for `inner_steps` steps, starting from the initial
    parameters `phi`, which then move towards the mean of the searches' final parameters:

    `phi <- phi + rate (mean_t phi_t - phi)`, with a rate that falls linearly from `outer_rate` to 0.

    The inner loop is the controller's own `observe`, with a new optimizer and baseline as in a real search. Rewards are
    the posterior means of Gaussian processes fitted to the sources (`SourceSurrogate`), from recorded evaluations only.
    As a handful of sources is few tasks, intermediate tasks are added: mixtures of the sources' rewards, with weights
    drawn uniformly from the simplex.

    Args:
        make: a factory of controllers, called as `make(space, seed=...)`.
        space: the space of the sources and of the next search.
        sources: records of earlier searches.
        outer_steps: number of updates of the initial parameters. Defaults to 20.
        inner_steps: steps of each inner search. Defaults to 20.
        batch_size: evaluations per inner step; predicted rewards are cheap. Defaults to 8.
        outer_rate: rate of the first update, above 0 and at most 1. Defaults to 0.2.
        interpolate: whether the tasks are mixtures of the sources, not the sources themselves. Defaults to True.
        seed: seed of all draws. Defaults to 0.

    Returns:
        Arrays by name, for `set_parameters` of a controller that `make` returns.

    Raises:
        TypeError: if `make` is not callable, `space` not a `SearchSpace`, or a source not a `SearchExperience`.
        ValueError: without a source with two different rewards, for a source of another space, or an argument out of
            range.

    Example:

    >>> from kerasnas.search import RandomSearch, Reinforce
    >>> from kerasnas.spaces import NASBench201Space
    >>> space, search = NASBench201Space(), RandomSearch(NASBench201Space())
    >>> for genotype in search.ask(60):
    ...     search.tell(genotype, genotype.count("nor_conv_3x3"))
    >>> strategy = Reinforce(space)
    >>> strategy.set_parameters(reptile_policy(Reinforce, space, [SearchExperience.of(search)], outer_steps=5))
    >>> probabilities = np.exp(strategy.policy.log_prob(np.array([[3] * 6, [0] * 6])))
    >>> bool(probabilities[0] > 10 * probabilities[1])
    True

    Reference:
        Nichol et al., "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999). Tasks between the given ones:
        Yao et al., "Meta-Learning with Fewer Tasks through Task Interpolation", 2021 (arXiv 2106.02695), which mixes
        data where this mixes rewards.
    """
    checks.function("make", make)
    checks.size("outer_steps", outer_steps)
    checks.number("outer_rate", outer_rate, above=0, most=1)
    checks.boolean("interpolate", interpolate)
    evaluations = checks.size("inner_steps", inner_steps) * checks.size("batch_size", batch_size)
    predictions = SourcePredictions(_surrogates(space, sources))
    rng = np.random.default_rng(checks.seed(seed))
    tasks = len(predictions.surrogates)
    initial = make(space, seed=seed).get_parameters()
    for outer_step in range(outer_steps):
        rate = outer_rate * (1 - outer_step / outer_steps)
        mixtures = rng.dirichlet(np.ones(tasks), size=tasks) if interpolate else np.eye(tasks)
        ends = []
        for mixture in mixtures:
            strategy = make(space, seed=int(rng.integers(2**31)))
            strategy.set_parameters(initial)
            strategy.batch_size = batch_size
            _search(strategy, predictions, mixture, evaluations)
            ends.append(strategy.policy.parameters)
        for name, array in initial.items():
            array += rate * (np.mean([end[name] for end in ends], axis=0) - array)
    return initial


def pretrain_policy(
    make: Make,
    space: SearchSpace,
    sources: Sequence[SearchExperience],
    steps: int = 100,
    batch_size: int = 8,
    learning_rate: float = 0.05,
    seed: int = 0,
) -> Arrays:
    """Learn initial parameters of a controller by plain pre-training: one search for the mean reward of all sources.

    The controller takes `steps` steps of its own policy gradient, on the mean of the sources' predictions
    (`SourceSurrogate`). It is the baseline for `reptile_policy`.

    Args:
        make, space, sources, seed: as for `reptile_policy`.
        steps: steps of the policy gradient. Defaults to 100.
        batch_size: evaluations per step. Defaults to 8.
        learning_rate: learning rate of Adam, lower than in a search, as predicted rewards are cheap. Defaults to 0.05.

    Returns:
        Arrays by name, for `set_parameters` of a controller that `make` returns.

    Raises:
        TypeError, ValueError: as for `reptile_policy`.
    """
    checks.function("make", make)
    evaluations = checks.size("steps", steps) * checks.size("batch_size", batch_size)
    checks.number("learning_rate", learning_rate, above=0)
    predictions = SourcePredictions(_surrogates(space, sources))
    strategy = make(space, seed=checks.seed(seed))
    strategy.batch_size, strategy.optimizer = batch_size, Adam(learning_rate)
    tasks = len(predictions.surrogates)
    _search(strategy, predictions, np.full(tasks, 1 / tasks), evaluations)
    return strategy.get_parameters()


def _surrogates(space: SearchSpace, sources: Sequence[SearchExperience]) -> list[SourceSurrogate]:
    useful = check_sources(space, sources)
    if not useful:
        expected = "at least one with two different rewards"
        raise ValueError(checks.invalid("sources", expected, [source.name for source in sources]))
    return [SourceSurrogate(space, source) for source in useful]


def _search(strategy: PolicyGradient, predictions: SourcePredictions, mixture: np.ndarray, evaluations: int) -> None:
    """Run the controller's loop without the bookkeeping of `ask` and `tell`: architectures may repeat."""
    for _ in range(evaluations):
        indices = strategy.propose()
        strategy.observe(indices, float(predictions([indices])[0] @ mixture))
