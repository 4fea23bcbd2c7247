"""Learning curves: where a network's score will be at the end of a budget, after its first seconds."""

from __future__ import annotations

import math

USUAL, TUNED = 0.1, 0.15  # exponents of the power law on other data: of most networks, of tuned pretrained ones
_STRENGTH = 1.0  # of the usual exponent, in doublings of the time
_MOST = 1.0
_BENT = 0.5  # of the last exponent, that the next ones have: curves bend (with 0.75, ends were 1 to 4 points too high)
_NOISE = 100.0  # samples with which the noise of a measured exponent is as large as what its curve's bends make of it


def extrapolated(
    early: float,
    late: float,
    doublings: float,
    doublings_left: float,
    usual: float = USUAL,
    samples: float = math.inf,
) -> float:
    r"""Return the score at the end, of a network whose error falls with a power of the time.

    After $d$ doublings of the time the error $e = 1 - s$ has fallen from $e_1$ to $e_2$, so that its exponent is
    $b = \log_2 (e_1 / e_2) / d$. Half of it is expected of what follows, shrunk to the usual one, which
    counts as much as one doubling, and as more where few samples tell; and never below 0.
    After $D$ more it is $e_2 2^{-b D}$.

    Args:
        early, late: scores, at best 1, the second after `doublings` more of the time.
        doublings: of the time, between both.
        doublings_left: of the time, from then to the end.
        usual: exponent of such curves on other data. Defaults to `USUAL`.
        samples: that the scores are means of. Defaults to infinity.

    Example:

    >>> round(extrapolated(0.6, 0.7, doublings=1, doublings_left=4), 3)
    0.804
    >>> extrapolated(0.97, 0.97, 1, 0)
    0.97

    Reference:
        Power laws of the time extrapolate the curves of LCDB 1.1 best: Mohr et al., 2022 (LCDB), and its revision of
        2025. The shrinkage is this project's own.
    """
    before, now = max(1 - early, 1e-6), max(1 - late, 1e-6)
    measured = _BENT * math.log2(before / now)
    strength = _STRENGTH * (1 + _NOISE / samples)
    exponent = (measured + strength * usual) / (doublings + strength)
    exponent = min(max(exponent, 0.0), _MOST)
    return 1 - now * 2 ** (-exponent * max(doublings_left, 0.0))
