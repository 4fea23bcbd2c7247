"""A race: candidates trained side by side, fewer and fewer, judged by where they will end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from kerasnas import checks
from kerasnas.intervals import paired_difference

SHARE = 0.4  # of the budget, at most, goes into the race
MOST = 12  # candidates
FIDELITY = 0.03  # standard deviation of how far accuracies move apart between the first rung and the end
SPREAD = 0.02  # standard deviation of what candidates reach in the end, about their prior


@dataclasses.dataclass(frozen=True)
class Rung:
    """A round of a race.

    Args:
        number: how many candidates enter it.
        seconds: how long each of them is trained in it.
    """

    number: int
    seconds: float


def plan_rungs(seconds: float, slice_seconds: float, overhead: float = 0.0, most: int = MOST) -> list[Rung]:
    """Successive halving that a budget affords: half of the candidates go on, each for twice as long as before.

    As many candidates as can have a first slice of `slice_seconds` within `SHARE` of the budget; what they leave of it
    makes the slices longer. Where not even two can, there is no race.

    Args:
        seconds: the budget.
        slice_seconds: the least first slice: below it, ranks are noise.
        overhead: seconds that each candidate costs besides, to build and to trace. Defaults to 0.
        most: how many candidates there are. Defaults to `MOST`.

    Returns:
        The rungs, none if there is no race. After the last one a single candidate is left.

    Raises:
        ValueError: for a number out of range.

    Example:

    >>> [(rung.number, round(rung.seconds)) for rung in plan_rungs(360, slice_seconds=7, overhead=1.5)]
    [(5, 7), (3, 14), (2, 29)]
    >>> plan_rungs(20, slice_seconds=7)
    []

    Reference:
        Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016
        (arXiv 1502.07943), with a budget of time in place of one of pulls.
    """
    seconds = checks.number("seconds", seconds, least=0)
    slice_seconds = checks.number("slice_seconds", slice_seconds, above=0)
    overhead, most = checks.number("overhead", overhead, least=0), checks.integer("most", most, 1)
    for number in range(most, 1, -1):
        sizes = [number]
        while sizes[-1] > 2:
            sizes.append(math.ceil(sizes[-1] / 2))
        slices = sum(size * 2**rung for rung, size in enumerate(sizes))
        first = (SHARE * seconds - number * overhead) / slices
        if first >= slice_seconds:
            return [Rung(size, first * 2**rung) for rung, size in enumerate(sizes)]
    return []


def expected(
    accuracies: Mapping[str, float], priors: Mapping[str, float], samples: int, progress: float
) -> dict[str, float]:
    r"""The accuracy that each candidate is expected to end with, beside the others.

    A candidate ends with $\mu + \epsilon$, its prior and a deviation of variance $\tau^2$ (`SPREAD`). Its accuracy now
    is a measurement of that with variance $\sigma^2 = p (1 - p) / n + \phi^2 (1 - t)$: of `samples` validation samples,
    and of a training that has seen only a part $t$ of its time (`FIDELITY`). The posterior mean is

    $$ \mu + \frac{\tau^2}{\tau^2 + \sigma^2} (a - \bar a - \mu + \bar \mu) + \bar a - \bar \mu . $$

    Thus a narrow lead on few samples, or early, does not beat what was learned on other data.

    Args:
        accuracies: name -> accuracy on the validation data, of those that are compared.
        priors: name -> how much more accurate it is than others of the portfolio, on other data; 0 where unknown.
        samples: number of validation samples.
        progress: the part of its whole training that the winner has had by now, from 0 to 1.

    Returns:
        name -> expected accuracy.

    Raises:
        ValueError: for no candidates, or a number out of range.

    Example:

    >>> few = expected({"default": 0.90, "other": 0.91}, {"default": 0.01}, samples=100, progress=0.1)
    >>> many = expected({"default": 0.90, "other": 0.93}, {"default": 0.01}, samples=10000, progress=1)
    >>> max(few, key=few.get), max(many, key=many.get)
    ('default', 'other')
    """
    checks.integer("samples", samples, 1)
    progress = checks.number("progress", progress, least=0, most=1)
    if not accuracies:
        raise ValueError(checks.invalid("accuracies", "at least one candidate", accuracies))
    mean = float(np.mean(list(accuracies.values())))
    prior_mean = float(np.mean([priors.get(name, 0.0) for name in accuracies]))
    chance = min(max(mean, 1 / (samples + 2)), 1 - 1 / (samples + 2))  # never a measurement without variance
    variance = chance * (1 - chance) / samples + FIDELITY**2 * (1 - progress)
    trust = SPREAD**2 / (SPREAD**2 + variance)

    def posterior(name: str) -> float:
        prior = priors.get(name, 0.0) - prior_mean
        return mean + prior + trust * (accuracies[name] - mean - prior)

    return {name: posterior(name) for name in accuracies}


def advancing(
    correct: Mapping[str, np.ndarray], priors: Mapping[str, float], number: int, progress: float
) -> list[str]:
    """The candidates that go on after a rung, the best first.

    Args:
        correct: name -> for each validation sample, whether the candidate got it right.
        priors: as for `expected`.
        number: how many go on at most.
        progress: as for `expected`.

    Returns:
        At most `number` names; fewer where the others are hopeless: behind the best by more than three standard errors
        of the paired difference and three of what the rest of the training may change.
    """
    accuracies = {name: float(np.mean(hits)) for name, hits in correct.items()}
    samples = len(next(iter(correct.values())))
    scores = expected(accuracies, priors, samples, progress)
    ranked = sorted(scores, key=lambda name: -scores[name])
    best = ranked[0]

    def hopeless(name: str) -> bool:
        difference, error = paired_difference(correct[best], correct[name])
        return difference > 3 * math.hypot(error, FIDELITY * math.sqrt(1 - progress))

    return [name for name in ranked[:number] if name == best or not hopeless(name)]
