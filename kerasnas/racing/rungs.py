"""Arithmetic of a race: how long a round is, and which candidates are expected to end best."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kerasnas import checks
from kerasnas.intervals import paired_difference

FIRST_SHARE = 0.6  # of that, at most, into its first rung: rungs double, and the second needs the rest
RECIPE_SHARE = 0.1  # of the budget goes into the comparison of augmentations, where that is enough
MOST = 12  # candidates
FIRST_STEPS = 150  # of training before anything is compared: below, ranks are noise
LEFT = 0.4  # accuracy that is still to be gained after an epoch; after n of them, an n-th of it
FIDELITY = 0.03  # standard deviation of how far accuracies move apart between the first rung and the end
SPREAD = 0.03  # standard deviation of what candidates reach in the end, about their prior


def race_share(seconds: float) -> float:
    """Return the share of a budget that candidates other than the first may take: a fifth of 15 minutes, less of less.

    The first has the best prospects, and its training is not lost if it wins. Of five minutes, two fifths for others
    cost the winner 0.6 to 1.7 points on satellite scenes and PACS, and chose the same network.

    Example:

    >>> [round(race_share(60 * minutes), 2) for minutes in (2, 5, 15, 45)]
    [0.07, 0.12, 0.2, 0.25]
    """
    return min(0.25, 0.2 * math.sqrt(checks.number("seconds", seconds, least=0) / 900))


def first_steps(seconds: float) -> int:
    """The steps of the first rung within a budget: `FIRST_STEPS`, and more where there is more time than five minutes.

    Half of what a longer budget adds goes into longer rungs, half into more candidates.

    Example:

    >>> first_steps(100), first_steps(300), first_steps(1200)
    (150, 150, 300)
    """
    return round(FIRST_STEPS * max(1.0, math.sqrt(checks.number("seconds", seconds, least=0) / 300)))


def fitting_batch_size(samples: int, most: int = 64) -> int:
    """Return the batch size of a training on so many samples: a quarter of them at most, and above 8 a multiple of 8.

    oneDNN's gradient of 1x1 convolutions with strides has ended the process on batches of 19 images.

    Example:

    >>> fitting_batch_size(5), fitting_batch_size(79), fitting_batch_size(5000)
    (1, 16, 64)
    """
    size = max(1, min(most, samples // 4))
    return size - size % 8 if size > 8 else size


def expected(
    accuracies: Mapping[str, float],
    priors: Mapping[str, float],
    epochs: Mapping[str, float],
    samples: int,
    progress: float,
    deviation: float | None = None,
) -> dict[str, float]:
    r"""The accuracy that each candidate is expected to end with, beside the others, trained for as many steps so far.

    At equal steps a network that is better stays better, as long as each can be trained to the end; at equal times a
    small one that learns fast is ahead of a deep one that ends far above it. A slow network that the budget gives few
    epochs does not get to its end: of the $E$ epochs that it will have had, it lacks about $c / E$ (`LEFT`). So a
    candidate's accuracy $a$ now speaks for $a - c / E$.

    It ends with $\mu + \epsilon$, its prior and a deviation of variance $\tau^2$ (`SPREAD`). What is seen now is a
    measurement of that, of variance $\sigma^2 = p (1 - p) / n + \phi^2 (1 - t)$: of $n$ validation samples, after a
    part $t$ of the training (`FIDELITY`). The posterior mean, beside the others, is

    $$ \mu + \frac{\tau^2}{\tau^2 + \sigma^2} (a - c / E - \mu) , $$

    all of them less their means over the candidates. Thus a narrow lead on few samples, or early, does not beat what
    was learned on other data.

    Args:
        accuracies: name -> accuracy on the validation data, of those that are compared.
        priors: name -> how much more accurate it is than others of the portfolio, on other data; 0 where unknown.
        epochs: name -> epochs that it will have had at the end of the budget, if it wins.
        samples: number of validation samples.
        progress: the part of its whole training that a winner has had by now, from 0 to 1.
        deviation: the standard deviation of the scores of single samples, in place of $\sqrt{p (1 - p)}$. Defaults to
            None: each sample is right or wrong.

    Returns:
        name -> expected accuracy.

    Raises:
        ValueError: for no candidates, or a number out of range.

    Example:

    >>> epochs = {"default": 50, "other": 50}
    >>> few = expected({"default": 0.90, "other": 0.91}, {"default": 0.01}, epochs, samples=100, progress=0.1)
    >>> many = expected({"default": 0.90, "other": 0.93}, {"default": 0.01}, epochs, samples=10000, progress=1)
    >>> max(few, key=few.get), max(many, key=many.get)
    ('default', 'other')
    """
    checks.integer("samples", samples, 1)
    progress = checks.number("progress", progress, least=0, most=1)
    if not accuracies:
        raise ValueError(checks.invalid("accuracies", "at least one candidate", accuracies))
    names = list(accuracies)
    ends = np.array([accuracies[name] - LEFT / max(epochs[name], 1.0) for name in names])
    prior = np.array([priors.get(name, 0.0) for name in names])
    mean = float(np.mean(list(accuracies.values())))
    chance = min(max(mean, 1 / (samples + 2)), 1 - 1 / (samples + 2))  # never a measurement without variance
    each = chance * (1 - chance) if deviation is None else checks.number("deviation", deviation, least=0) ** 2
    variance = each / samples + FIDELITY**2 * (1 - progress)
    trust = SPREAD**2 / (SPREAD**2 + variance)
    prior, seen = prior - prior.mean(), ends - ends.mean()
    return dict(zip(names, (ends.mean() + prior + trust * (seen - prior)).tolist(), strict=True))


def fading(gains: Mapping[str, float], progress: float) -> dict[str, float]:
    """Return the part that each candidate will have lost in the end of the lead that its initialization gives it now.

    The same network with drawn weights catches up: of the lead over it, after a part of the training, about that part
    is left in the end. Without this, an initialized network would end a race against networks that end above it.

    Example:

    >>> fading({"begun": 0.4, "behind": -0.1}, progress=0.5)
    {'begun': 0.2, 'behind': 0.0}
    """
    return {name: (1 - progress) * max(gain, 0.0) for name, gain in gains.items()}


def advancing(
    correct: Mapping[str, np.ndarray],
    scores: Mapping[str, float],
    number: int,
    progress: float,
    faded: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the candidates that advance after a rung, the best first.

    Args:
        correct: name -> for each validation sample, the candidate's score: whether it got it right.
        scores: name -> expected accuracy; see `expected`.
        number: how many advance at most.
        progress: as for `expected`.
        faded: as `fading` returns it. Defaults to none.

    Returns:
        At most `number` names; fewer where the others are hopeless: behind the best by more than three standard errors
        of the paired difference and three of what the rest of the training may change.
    """
    ranked = sorted(scores, key=lambda name: -scores[name])
    best, faded = ranked[0], faded or {}

    def hopeless(name: str) -> bool:
        difference, error = paired_difference(correct[best], correct[name])
        difference += faded.get(name, 0.0) - faded.get(best, 0.0)
        return difference > 3 * math.hypot(error, FIDELITY * math.sqrt(1 - progress))

    return [name for name in ranked[:number] if name == best or not hopeless(name)]
