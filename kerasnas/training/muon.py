"""Stochastic gradient descent that turns the filters of convolutions in all directions alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.backend.keras_internals import index_of

_ITERATIONS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)  # of Jordan et al.: takes all singular values near 1 in five iterations
_LEAST_NORM = 1e-3  # of filters: those that begin at 0 would stay there
_EPSILON = 1e-7  # without it, filters that no gradient reaches would not be finite


@keras.saving.register_keras_serializable(package="kerasnas")
class Muon(keras.optimizers.Optimizer):
    r"""SGD with Nesterov momentum, whose steps on the filters of convolutions are orthogonal matrices.

    Of filters as a matrix $W$, a column for each output channel, with gradient $G$,

    $$M \leftarrow \mu M + G, \qquad V = W - \eta \rho \, \lVert W \rVert \frac{O}{\lVert O \rVert}, \qquad
    W \leftarrow V \min\left(1, \frac{\max(\lVert W \rVert, \sqrt c)}{\lVert V \rVert}\right), \qquad
    O = \mathrm{orth}(G + \mu M),$$

    where $\mathrm{orth}(U \Sigma V^\top) \approx U V^\top$ and $c$ is the number of output channels: a step turns the
    filters by the same angle whatever the size of the gradient, and in its weak directions as far as in its strong
    ones. It leaves them no longer than they were, or than $\sqrt c$: steps in proportion to the norm would let it grow
    without bound. All other weights (biases, batch norms, dense layers, depthwise filters) take the steps of
    `keras.optimizers.SGD` with Nesterov momentum.

    Args:
        learning_rate: $\eta$, of all weights. Defaults to 0.1.
        momentum: of the steps of SGD. Defaults to 0.9.
        filter_momentum: $\mu$. Defaults to 0.95.
        pace: $\rho$. By default, 0.2, a step at a learning rate of 0.1 is 2 % as long as the filters.
        **options: further arguments of `keras.optimizers.Optimizer`, such as `weight_decay` and `global_clipnorm`.

    Example:

    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    >>> model.compile(Muon(0.1), "mse", jit_compile=False)

    Reference:
        Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024
        (https://kellerjordan.github.io/posts/muon). Differences: steps are relative to the norm of the filters, before
        batch norm an angle, and bound it, where theirs have one length; the iteration multiplies polynomials, matrices
        of output channels alone, which is equal and takes less time; what is not a filter is left to SGD, not to Adam.
        `keras.optimizers.Muon` takes matrices alone, and updates filters by Adam.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        momentum: float = 0.9,
        filter_momentum: float = 0.95,
        pace: float = 0.2,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        self.momentum, self.filter_momentum, self.pace = momentum, filter_momentum, pace

    def build(self, variables: Sequence[Any]) -> None:
        """Make the momenta, one for each of the variables."""
        if not self.built:
            super().build(variables)
            self.momenta = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step on one variable."""
        turns = len(variable.shape) > 2 and variable.shape[-1] > 1
        past, decay = self.momenta[index_of(self, variable)], self.filter_momentum if turns else self.momentum
        self.assign(past, ops.add(ops.multiply(past, decay), gradient))
        step = ops.add(gradient, ops.multiply(past, decay))
        if turns:
            step, norm = orthogonal(step), _norm(variable)
            length = self.pace * ops.maximum(norm, _LEAST_NORM)
            moved = variable - ops.multiply(step, learning_rate * length / (_norm(step) + _EPSILON))
            longest = ops.maximum(norm, math.sqrt(variable.shape[-1]))
            self.assign(variable, moved * ops.minimum(1.0, longest / (_norm(moved) + _EPSILON)))
        else:
            self.assign_sub(variable, ops.multiply(step, learning_rate))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = ("momentum", "filter_momentum", "pace")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def orthogonal(filters: Any) -> Any:
    r"""Return $U V^\top$ of filters $U \Sigma V^\top$, roughly: singular values end between 0.7 and 1.2.

    Args:
        filters: of shape (..., output channels), a matrix of that many columns.
    """
    a, b, c = _QUINTIC
    matrix = ops.reshape(filters, (-1, filters.shape[-1]))
    wide = matrix.shape[0] < matrix.shape[1]
    matrix = ops.transpose(matrix) if wide else matrix
    matrix = matrix / (_norm(matrix) + _EPSILON)
    gram = ops.matmul(ops.transpose(matrix), matrix)
    product = one = ops.eye(gram.shape[0], dtype=gram.dtype)
    for _ in range(_ITERATIONS):  # X <- X p(X'X): every p is of the same eigenvectors
        polynomial = a * one + b * gram + c * ops.matmul(gram, gram)
        product = ops.matmul(product, polynomial)
        gram = ops.matmul(ops.matmul(polynomial, gram), polynomial)
    matrix = ops.matmul(matrix, product)
    return ops.reshape(ops.transpose(matrix) if wide else matrix, filters.shape)


def _norm(values: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(values)))
