"""Arithmetic of a race: how long a round is, and which candidates advance."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kerasnas.intervals import paired_difference

FIRST_SHARE = 0.6  # of that, at most, into its first rung: rungs double, and the second needs the rest
MOST = 12  # candidates
BATCH = 64  # samples
FIRST_STEPS = 150  # of training before anything is compared: below, ranks are noise
FIDELITY = 0.03  # standard deviation of how far accuracies move apart between the first rung and the end
SPREAD = 0.1  # that of two networks' lead at the end about the one that is expected then (benchmarks/curves.py)
_HOPE = 2.0  # standard errors behind, beyond which a candidate is hopeless: to wait for three cost winners their time


def race_share(seconds: float) -> float:
    """Return the share of a budget that candidates other than the first may take: a fifth of 15 minutes, less of less.

    The first has the best prospects, and its training is not lost if it wins. Of five minutes, two fifths for others
    cost the winner 0.6 to 1.7 points on satellite scenes and PACS, and chose the same network.

    Example:

    >>> [round(race_share(60 * minutes), 2) for minutes in (2, 5, 15, 45)]
    [0.07, 0.12, 0.2, 0.25]
    """
    return min(0.25, 0.2 * math.sqrt(seconds / 900))


def first_steps(seconds: float) -> int:
    """The steps of the first rung within a budget: `FIRST_STEPS`, and more where there is more time than five minutes.

    Half of what a longer budget adds goes into longer rungs, half into more candidates.

    Example:

    >>> first_steps(100), first_steps(300), first_steps(1200)
    (150, 150, 300)
    """
    return round(FIRST_STEPS * max(1.0, math.sqrt(seconds / 300)))


def fitting_batch_size(samples: int, most: int = BATCH) -> int:
    """Return the batch size of a training on so many samples: a quarter of them at most, and above 8 a multiple of 8.

    oneDNN's gradient of 1x1 convolutions with strides has ended the process on batches of 19 images.

    Example:

    >>> fitting_batch_size(5), fitting_batch_size(79), fitting_batch_size(5000)
    (1, 16, 64)
    """
    size = max(1, min(most, samples // 4))
    return size - size % 8 if size > 8 else size


def advancing(
    correct: Mapping[str, np.ndarray],
    scores: Mapping[str, float],
    number: int,
    progress: float,
    favorite: str = "",
) -> list[str]:
    """Return the candidates that advance after a rung, the best first.

    In doubt the favorite is the best: another one has to be expected to end ahead of it by a standard error, of the
    paired difference and of how far real leads are from expected ones.

    Args:
        correct: name -> for each validation sample, the candidate's score: whether it got it right.
        scores: name -> the score that it is expected to end with.
        number: how many advance at most.
        progress: the part of its whole training that a winner has had by now, from 0 to 1.
        favorite: the candidate that was the best on other data. Defaults to "": none.

    Returns:
        At most `number` names; fewer where the others are hopeless: expected to end behind the best by more than two
        standard errors, of the paired difference and of what the rest of the training may change.
    """
    ranked = sorted(scores, key=lambda name: -scores[name])
    left = math.sqrt(1 - progress)

    def ahead(name: str, other: str, spread: float, errors: float) -> bool:
        _, error = paired_difference(correct[name], correct[other])
        return scores[name] - scores[other] > errors * math.hypot(error, spread * left)

    if favorite in scores and not ahead(ranked[0], favorite, SPREAD, errors=1):
        ranked.remove(favorite)
        ranked.insert(0, favorite)
    best = ranked[0]
    return [name for name in ranked[:number] if name == best or not ahead(best, name, FIDELITY, _HOPE)]
