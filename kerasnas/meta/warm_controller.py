"""Controllers that start from earlier searches: initial parameters of a policy by Reptile, or by joint pre-training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kerasnas.meta.experience import SearchExperience, check_sources
from kerasnas.meta.source_predictions import SourcePredictions, SourceSurrogate
from kerasnas.spaces import SearchSpace
from kerasnas.strategies import PolicyGradient
from kerasnas.strategies.policies import Adam, Arrays

Make = Callable[..., PolicyGradient]
"""Makes the controller when called with `(space, seed=...)`: `Reinforce`, `Controller`, or a partial of one."""


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
    """Initial parameters of a controller, learned by Reptile: near to what every task makes of them.

    In each outer step a controller searches as many tasks as there are sources for `inner_steps` steps, beginning at
    the initial parameters `phi`; these then move towards the mean of where the searches end:

    `phi <- phi + rate (mean_t phi_t - phi)`, with a rate that falls linearly from `outer_rate` to 0.

    The inner loop is the controller's own `observe`, with a new optimizer and baseline as in a real search. What it is
    told of an architecture is the posterior mean of a Gaussian process that saw the source (`SourceSurrogate`): nothing
    but the recorded evaluations enters. A handful of sources is few tasks to learn from, so tasks between them are
    made: mixtures of the sources' rewards, with weights drawn uniformly over the simplex.

    Args:
        make: makes the controller: called as `make(space, seed=...)`.
        space: of the sources and of the next search.
        sources: what earlier searches were told.
        outer_steps: how often the initial parameters move. Defaults to 20.
        inner_steps: steps of each inner search. Defaults to 20.
        batch_size: evaluations between two inner steps: they cost nothing here. Defaults to 8.
        outer_rate: how far the initial parameters move at first. Defaults to 0.2.
        interpolate: whether the tasks are mixtures of the sources; with False they are the sources. Defaults to True.
        seed: seed of everything that is drawn. Defaults to 0.

    Returns:
        Arrays by name, for `set_parameters` of a controller that `make` makes.

    Raises:
        ValueError: without a source that has two different rewards, for one of another space, or if an argument is out
            of its range.

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
    predictions = SourcePredictions(_surrogates(space, sources))
    for argument, value in (("outer_steps", outer_steps), ("inner_steps", inner_steps), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(
                f"Invalid value received for argument `{argument}`. Expected at least 1. Received: {value}"
            )
    if not 0 < outer_rate <= 1:
        raise ValueError(
            f"Invalid value received for argument `outer_rate`. Expected a number in (0, 1]. Received: {outer_rate}"
        )
    rng = np.random.default_rng(seed)
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
            _search(strategy, predictions, mixture, inner_steps * batch_size)
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
    """Initial parameters of a controller by plain pre-training: one search for what is good on all sources together.

    The controller takes `steps` steps of its own policy gradient. The reward of an architecture is the mean of what the
    sources predict for it (`SourceSurrogate`), from nothing but the recorded evaluations. This is what `reptile_policy`
    has to be compared with.

    Args:
        make, space, sources, seed: as for `reptile_policy`.
        steps: how many steps. Defaults to 100.
        batch_size: evaluations between two steps. Defaults to 8.
        learning_rate: of Adam; a fine step is affordable here. Defaults to 0.05.

    Returns:
        Arrays by name, for `set_parameters` of a controller that `make` makes.

    Raises:
        ValueError: as for `reptile_policy`.
    """
    predictions = SourcePredictions(_surrogates(space, sources))
    for argument, value in (("steps", steps), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(
                f"Invalid value received for argument `{argument}`. Expected at least 1. Received: {value}"
            )
    if not learning_rate > 0:
        raise ValueError(
            "Invalid value received for argument `learning_rate`. Expected a positive number. "
            f"Received: {learning_rate}"
        )
    strategy = make(space, seed=seed)
    strategy.batch_size, strategy.optimizer = batch_size, Adam(learning_rate)
    tasks = len(predictions.surrogates)
    _search(strategy, predictions, np.full(tasks, 1 / tasks), steps * batch_size)
    return strategy.get_parameters()


def _surrogates(space: SearchSpace, sources: Sequence[SearchExperience]) -> list[SourceSurrogate]:
    useful = check_sources(space, sources)
    if not useful:
        raise ValueError(
            "Invalid value received for argument `sources`. Expected at least one with two different rewards. "
            f"Received: {len(sources)} without"
        )
    return [SourceSurrogate(space, source) for source in useful]


def _search(strategy: PolicyGradient, predictions: SourcePredictions, mixture: np.ndarray, evaluations: int) -> None:
    """The controller's own loop, without the book-keeping of `ask` and `tell`: architectures may come again."""
    for _ in range(evaluations):
        indices = strategy.propose()
        strategy.observe(indices, float(predictions([indices])[0] @ mixture))
