"""Hypergradients: gradients of the validation loss with respect to the alphas, as pure functions.

Each takes the two losses of the bilevel problem

    min_a  L_val(w*(a), a)   with   w*(a) = argmin_w L_train(w, a)

as functions of two lists of tensors, `loss(w, a) -> (value, auxiliary)`, the values `w` and `a`, and the step of the
weights' optimizer as a function; it returns `((value, auxiliary), gradient)` of the validation loss.

`unrolled` is the recommended second-order form: it is exact. `finite_difference` reproduces published results, and
saves little: a search step takes 2.6 times that of `first_order`, with `unrolled` 2.9 times (the README's supernet on
two cores).

A custom function takes the same five arguments. `inner_step` is None if the weights' optimizer is not SGD. Under
`mixed_float16` both losses are multiplied by a scale: return the gradient of the scaled validation loss, and divide by
`inner_step.loss_scale` what you derive from the training loss, as `inner_step` itself does. On several replicas both
losses are this replica's part of those of the global batch, and so is the returned gradient: what you put into
`inner_step` must be the sum over all, `kerasnas.backend.all_reduce(gradients)`, which is differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import all_reduce, value_and_grad
from kerasnas.registry import Registry

HYPERGRADIENTS = Registry("hypergradient")

Loss = Callable[[Sequence[Any], Sequence[Any]], tuple[Any, Any]]


class InnerStep(NamedTuple):
    """One step of SGD as a function `(w, gradients) -> w'`, by which the second-order forms look ahead.

    `m' = momentum m - learning_rate (g + weight_decay w)`, and `w' = w + m'`; with `nesterov`,
    `w' = w + momentum m' - learning_rate (g + weight_decay w)`. As published, the gradient is not clipped here.

    Args:
        learning_rate: a number or a scalar tensor.
        momentum: Defaults to 0.
        velocity: the momentum buffers `m` of Keras' SGD, which include the rate. None means zeros.
        weight_decay: L2 coefficient. Defaults to 0.
        nesterov: whether momentum is Nesterov's. Defaults to False.
        loss_scale: factor of the training loss, and so of `gradients`. A tensor is a dynamic scale, at which the step
            is skipped (`w' = w`) if gradients overflow. Defaults to 1.

    Example:

    >>> step = InnerStep(learning_rate=0.5, momentum=0.5, velocity=[ops.ones(2)])
    >>> [float(value) for value in step([ops.zeros(2)], [ops.ones(2)])[0]]
    [0.0, 0.0]
    """

    learning_rate: Any
    momentum: float = 0.0
    velocity: Sequence[Any] | None = None
    weight_decay: float = 0.0
    nesterov: bool = False
    loss_scale: Any = 1.0

    @property
    def rate(self) -> Any:
        """Factor of the gradient in the step: `-dw'/dg`."""
        return self.learning_rate * (1 + self.momentum) if self.nesterov else self.learning_rate

    @property
    def drift(self) -> float:
        """Factor of the velocity in the step."""
        return self.momentum**2 if self.nesterov else self.momentum

    def __call__(self, w: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Any]:
        velocity = [0.0] * len(w) if self.velocity is None else self.velocity
        decayed = [g / self.loss_scale + self.weight_decay * p for p, g in zip(w, gradients, strict=True)]
        ahead = [
            p + self.drift * m - ops.convert_to_tensor(self.rate, p.dtype) * g
            for p, m, g in zip(w, velocity, decayed, strict=True)
        ]
        if isinstance(self.loss_scale, float):
            return ahead
        finite = ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in gradients]))
        return [ops.where(finite, new, old) for new, old in zip(ahead, w, strict=True)]


@HYPERGRADIENTS.register("first_order")
def first_order(
    validation_loss: Loss,
    training_loss: Loss,
    w: Sequence[Tensor],
    a: Sequence[Tensor],
    inner_step: InnerStep | None = None,
) -> tuple[tuple[Any, Any], list[Any]]:
    """First-order form of DARTS: the current weights stand for the optimal ones.

    `grad_a L_val(w, a)`

    Args:
        validation_loss: `L_val(w, a) -> (value, auxiliary)`.
        training_loss: `L_train(w, a)`, not needed here.
        w: values of the network weights.
        a: values of the architecture parameters.
        inner_step: not needed here, so that the weights may have any optimizer.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), section 2.3, xi = 0.

    Differences from the paper:
        - None.
    """
    return value_and_grad(lambda alphas: validation_loss(w, alphas))(a)


@HYPERGRADIENTS.register("unrolled")
def unrolled(
    validation_loss: Loss, training_loss: Loss, w: Sequence[Tensor], a: Sequence[Tensor], inner_step: InnerStep
) -> tuple[tuple[Any, Any], list[Any]]:
    """Second-order form of DARTS, exact: the weights one step of SGD ahead stand for the optimal ones.

    `grad_a L_val(w'(a), a)` with `w'(a) = inner_step(w, grad_w L_train(w, a))`, differentiated through the step.

    Args:
        validation_loss: `L_val(w, a) -> (value, auxiliary)`; the results are those at `w'`.
        training_loss: `L_train(w, a) -> (value, auxiliary)`.
        w: values of the network weights.
        a: values of the architecture parameters.
        inner_step: the step of the weights' optimizer.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 6.

    Differences from the paper:
        - The derivative is exact, where the paper approximates it: see `finite_difference`.
        - The step looked through is the optimizer's, with its momentum; in equation 6 it has none, in the original code
          it does.
    """

    def unrolled_loss(alphas: Sequence[Tensor]) -> tuple[Any, Any]:
        _, gradients = value_and_grad(lambda weights: training_loss(weights, alphas))(w)
        return validation_loss(inner_step(w, all_reduce(gradients)), alphas)

    return value_and_grad(unrolled_loss)(a)


@HYPERGRADIENTS.register("finite_difference")
def finite_difference(
    validation_loss: Loss,
    training_loss: Loss,
    w: Sequence[Tensor],
    a: Sequence[Tensor],
    inner_step: InnerStep,
    radius: float = 0.01,
) -> tuple[tuple[Any, Any], list[Any]]:
    """Second-order form of DARTS as published: its second derivative by a central difference.

    With `w'` as in `unrolled` and `d = grad_w' L_val(w', a)`:

    `grad_a L_val(w', a) - rate (grad_a L_train(w + epsilon d, a) - grad_a L_train(w - epsilon d, a)) / (2 epsilon)`

    The difference needs a gradient that is smooth over the shift. A supernet's is not: ReLU has kinks, and batch norm
    turns sharply where a channel hardly varies. Measured in float64 on the README's supernet (8 filters, 3 cells of 4
    nodes, but no max pooling; Fashion-MNIST) at the published radius: the second-order part was 3.4 to 3.6 times too
    long and pointed elsewhere (cosine 0.2 to 0.4), so that the whole gradient was 14 to 18 % off, while that of first
    order is 17 to 21 % off. At radius 0.001 it was farther off. It was right, to 1e-8, at 1e-7, for which float32 is
    too coarse; in mixed precision it drowns in rounding. On a smooth cell it is 1e-7 off at the published radius.

    Args:
        radius: length of the shift `epsilon d` of all weights together: `epsilon = radius / |d|`. Defaults to 0.01,
            the published one. For another, pass `functools.partial(finite_difference, radius=...)`.
        validation_loss, training_loss, w, a, inner_step: as for `unrolled`.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 8.

    Differences from the paper:
        - The step looked through, as for `unrolled`.
    """
    _, gradients = value_and_grad(lambda weights: training_loss(weights, a))(w)
    ahead = inner_step(w, all_reduce(gradients))
    count = len(ahead)
    result, gradients = value_and_grad(lambda both: validation_loss(both[:count], both[count:]))([*ahead, *a])
    direction, direct = all_reduce(gradients[:count]), gradients[count:]
    norm = ops.sqrt(sum(ops.sum(ops.square(d)) for d in direction))
    epsilon = radius / ops.maximum(norm, 1e-30)

    def shifted_gradient(shift: Any) -> list[Any]:
        weights = [p + shift * d for p, d in zip(w, direction, strict=True)]
        return value_and_grad(lambda alphas: training_loss(weights, alphas))(a)[1]

    def implicit(plus: Any, minus: Any) -> Any:
        difference = (plus - minus) / (2 * epsilon * inner_step.loss_scale)
        return ops.convert_to_tensor(inner_step.rate, difference.dtype) * difference

    shifted = zip(direct, shifted_gradient(epsilon), shifted_gradient(-epsilon), strict=True)
    return result, [gradient - implicit(plus, minus) for gradient, plus, minus in shifted]
