"""Hypergradients: the gradient of the validation loss by the architecture parameters, as pure functions.

Each takes the two losses of the bilevel problem

    min_a  L_val(w*(a), a)   with   w*(a) = argmin_w L_train(w, a)

as functions of two lists of tensors, `loss(w, a) -> (value, auxiliary)`, and returns
`((value, auxiliary), gradient)` of the validation loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasnas.backend import value_and_grad
from kerasnas.registry import Registry

HYPERGRADIENTS = Registry("hypergradient")

Loss = Callable[[Sequence[Any], Sequence[Any]], tuple[Any, Any]]


@HYPERGRADIENTS.register("first_order")
def first_order(
    validation_loss: Loss, training_loss: Loss, w: Sequence[Any], a: Sequence[Any]
) -> tuple[tuple[Any, Any], list[Any]]:
    """The first-order form of DARTS: the current weights stand for the optimal ones.

    `grad_a L_val(w, a)`

    Args:
        validation_loss: `L_val(w, a) -> (value, auxiliary)`.
        training_loss: `L_train(w, a)`, not needed here.
        w: values of the network weights.
        a: values of the architecture parameters.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), section 2.3, xi = 0.
    """
    return value_and_grad(lambda alphas: validation_loss(w, alphas))(a)
