"""The mix of several models, by their outputs for samples that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnas.companions.base import PRIOR, Companion, Weights, minimum, rows_of
from kerasnas.intervals import paired_difference
from kerasnas.tasks import Task

_PRIOR_STRENGTH = 5.0  # in samples


def mix(
    task: Task,
    outputs: Sequence[np.ndarray],
    y: np.ndarray,
    prior: Sequence[float] | None = None,
    strength: float = _PRIOR_STRENGTH,
    weights: Weights = None,
) -> np.ndarray:
    """The weights of several models in the sum of their outputs, by which the loss of held-out data is least.

    None counts less than nothing. The fewer the samples, the nearer to what was best on other data.

    Args:
        task: what is predicted.
        outputs: of each model, of a linear one or two and of a network, in this order, `(samples, outputs)` each.
        y: the labels of these samples.
        prior: what was best on other data. Defaults to None: that of linear models of texts.
        strength: how many samples that counts as. Defaults to 5.
        weights: of the samples. Defaults to None: they count alike.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> y = np.arange(200) % 2
    >>> right, wrong = 3 * np.eye(2)[y], 3 * np.eye(2)[1 - y]
    >>> bool(mix(CLASSIFICATION, [right, right, wrong], y)[-1] == 0)
    True
    """
    targets, values = task.targets(y, outputs[0].shape[1]), np.stack(outputs)
    if prior is None or len(prior) != len(outputs):
        prior = PRIOR if len(outputs) == len(PRIOR) else (1 - PRIOR[-1], PRIOR[-1])
    usual = np.array(prior)

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        found, gradient = task.linear_loss(np.tensordot(shares, values, 1), targets, weights)
        off = shares - usual
        of_shares = np.einsum("mso,so->m", values, gradient) + strength * off
        return found + 0.5 * strength * float(off @ off), of_shares

    return minimum(loss, usual, bounds=[(0, None)] * len(usual))


def crossed(
    task: Task,
    outputs: Sequence[np.ndarray],
    y: np.ndarray,
    prior: Sequence[float] | None = None,
    weights: Weights = None,
) -> np.ndarray:
    """Return the mix of held-out outputs, of each half of the samples by the shares that suit the other half."""
    halves, mixed = np.arange(len(y)) % 2, np.zeros(outputs[0].shape)
    for half in (0, 1):
        learned, measured = halves != half, halves == half
        seen = rows_of(weights, learned)
        shares = mix(task, [part[learned] for part in outputs], y[learned], prior, weights=seen)
        mixed[measured] = np.tensordot(shares, np.stack(outputs)[:, measured], 1)
    return mixed


def comparison(
    task: Task, fuller: np.ndarray, simpler: np.ndarray, y: np.ndarray, weights: Weights = None, sure: float = 0.0
) -> dict[str, Any]:
    """Return whether the fuller of two models is worth it, and the mean losses `"with"` and `"without"` what it adds.

    It is if its loss is lower by more than `sure` standard errors of the paired difference, and its score no worse.

    Args:
        task: what is predicted.
        fuller: outputs for held-out samples.
        simpler: those of the other model.
        y: the labels of these samples.
        weights: of the samples. Defaults to None: they count alike.
        sure: number of standard errors. Defaults to 0.

    Example:

    >>> from kerasnas.tasks.known import CLASSIFICATION
    >>> y = np.arange(200) % 2
    >>> right = 3.0 * np.eye(2)[y]
    >>> comparison(CLASSIFICATION, right, 0 * right, y)["used"], comparison(CLASSIFICATION, right, right, y)["used"]
    (True, False)
    """
    targets, counts = task.targets(y, fuller.shape[1]), np.ones(len(y)) if weights is None else weights
    lost = [task.linear_losses(one, targets)[0].sum(axis=1) * counts for one in (fuller, simpler)]
    scored = [float((task.scores(one, y) * counts).sum()) for one in (fuller, simpler)]
    gain, error = paired_difference(lost[1], lost[0])
    used = gain > sure * error and scored[0] >= scored[1]
    return {"used": used, "with": float(lost[0].mean()), "without": float(lost[1].mean())}


def shares_of(
    task: Task, outputs: list[np.ndarray], y: np.ndarray, kind: Companion, weights: Weights
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return how much each model counts, and the losses that decided whether two of them take part.

    A model that is pretrained counts only where cross-validated mixes are better with it; the network, as the linear
    models are the simpler answer, where they are better by a standard error.
    """
    prior = np.array(kind.prior if len(kind.prior) == len(outputs) else (*PRIOR[: len(outputs) - 1], PRIOR[-1]))
    used, record = list(range(len(outputs))), dict[str, Any]()

    def mixed(models: list[int]) -> np.ndarray:
        return crossed(task, [outputs[model] for model in models], y, prior[models] / prior[models].sum(), weights)

    optional = [("pretrained", len(outputs) - 2, 0.0)] if kind.pretrained else []
    for name, model, sure in [*optional, ("network", len(outputs) - 1, 1.0)] if len(y) > 1 else []:
        others = [other for other in used if other != model]
        record[name] = comparison(task, mixed(used), mixed(others), y, weights, sure)
        used = used if record[name]["used"] else others
    shares = np.zeros(len(outputs))
    share = prior[used] / prior[used].sum()
    shares[used] = mix(task, [outputs[model] for model in used], y, share, weights=weights)
    if "network" in record:
        record["network"]["used"] = bool(shares[-1])  # the bound of the mix may be 0 as well
    if "pretrained" in record:
        record["pretrained"]["name"] = kind.pretrained
    return shares, record
