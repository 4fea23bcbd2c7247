"""Steps of the alphas that move probability only among an edge's drawn primitives, as in ProxylessNAS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from kerasnas.annotations import Tensor

_NEVER = -1e30  # logit of a primitive that was not drawn: finite, so that no difference is NaN


def drawn_mask(active: Tensor, primitives: int) -> Any:
    """Return a boolean tensor `(edges, primitives)`, True for the drawn primitives `(edges, paths)`."""
    return ops.any(ops.one_hot(active, primitives, dtype="bool"), axis=1)


def within_drawn(gradients: Sequence[Tensor], alphas: Sequence[Tensor], masks: Sequence[Any]) -> list[Any]:
    """Project gradients with respect to the alphas such that the drawn primitives' total probability stays.

    With `q` the softmax over the drawn ones: `g_i - q_i sum_j g_j` for these, 0 for the others. A gate's gradient sums
    to 0 over the pair and is unchanged; a loss with a term in all probabilities has other parts too. Each table is
    `(edges, primitives)`; its mask is the result of `drawn_mask`, or None if it may move freely.
    """
    projected = []
    for gradient, alpha, mask in zip(gradients, alphas, masks, strict=True):
        if mask is not None:
            gradient = ops.where(mask, gradient, 0)
            q = ops.softmax(ops.where(mask, alpha, _NEVER), axis=-1)
            gradient = gradient - q * ops.sum(gradient, axis=-1, keepdims=True)
        projected.append(gradient)
    return projected


def rescaled(before: Sequence[Any], after: Sequence[Any], masks: Sequence[Any]) -> list[Any]:
    """Rescale alphas after a step such that primitives that were not drawn keep their probabilities.

    `alpha_i - log(sum_j exp(after_j) / sum_j exp(before_j))` for the drawn ones, summed over these; the others as
    before. Tables and masks are those of `within_drawn`.

    Example:

    >>> before, after = ops.log([[0.2, 0.3, 0.5]]), ops.log([[0.6, 0.3, 0.9]])
    >>> (alphas,) = rescaled([before], [after], [drawn_mask(ops.convert_to_tensor([[0, 1]]), 3)])
    >>> [round(float(p), 4) for p in ops.softmax(alphas)[0]]
    [0.3333, 0.1667, 0.5]

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019
        (arXiv 1812.00332), section 3.2.1: "multiplying a ratio to the updated probabilities".

    Differences from the paper:
        - None in the resulting probabilities; see `kerasnas.relaxations.BinaryGates`.
    """
    corrected = []
    for old, new, mask in zip(before, after, masks, strict=True):
        if mask is not None:
            totals = [ops.logsumexp(ops.where(mask, x, _NEVER), axis=-1, keepdims=True) for x in (new, old)]
            new = ops.where(mask, new - (totals[0] - totals[1]), old)
        corrected.append(new)
    return corrected
