"""Curvature of the validation loss in the alphas: the top eigenvalue of its Hessian, by the Lanczos method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import value_and_grad

Loss = Callable[[Sequence[Any]], Any]


def hessian_vector_product(loss: Loss, point: Sequence[Any], vector: Sequence[Any]) -> list[Any]:
    """Return `H v` of a scalar function of a list of tensors at `point`, exactly: the gradient of `<grad loss, v>`.

    Example:

    >>> vector = ops.convert_to_tensor([1.0, 0.0])
    >>> product = hessian_vector_product(lambda x: ops.sum(x[0] ** 3), [ops.ones(2)], [vector])
    >>> [float(value) for value in product[0]]
    [6.0, 0.0]
    """

    def directional(values: Sequence[Tensor]) -> tuple[Any, None]:
        _, gradients = value_and_grad(lambda inner: (loss(inner), None))(values)
        return sum(ops.sum(g * v) for g, v in zip(gradients, vector, strict=True)), None

    return value_and_grad(directional)(point)[1]


def top_eigenvalue(
    loss: Loss, point: Sequence[Any], start: Sequence[Any], iterations: int = 20
) -> tuple[Any, list[Any]]:
    """Return the largest eigenvalue of the Hessian of `loss` at `point`, by Lanczos with full orthogonalization.

    The largest, not that of largest magnitude, which a power iteration finds and which may be negative. `start` is the
    first vector, of the shapes of `point` and not orthogonal to the eigenvector; as many `iterations`, each a
    Hessian-vector product, as there are dimensions are exact. Returns the largest Ritz value, a scalar tensor that is
    at most the eigenvalue, and its unit vector.

    Example:

    >>> value, _ = top_eigenvalue(lambda x: x[0][0] ** 2 - 3 * x[0][1] ** 2, [ops.zeros(2)], [ops.ones(2)])
    >>> round(float(value), 4)
    2.0

    Reference:
        Golub and Van Loan, "Matrix Computations", section 10.3.
    """
    sizes = [math.prod(tensor.shape) for tensor in point]
    dtype, size = start[0].dtype, min(iterations, sum(sizes))

    def flat(tensors: Sequence[Tensor]) -> Any:
        return ops.concatenate([ops.reshape(tensor, (-1,)) for tensor in tensors])

    def shaped(vector: Any) -> list[Any]:
        parts = ops.split(vector, np.cumsum(sizes)[:-1].tolist()) if len(sizes) > 1 else [vector]
        return [ops.reshape(part, tensor.shape) for part, tensor in zip(parts, point, strict=True)]

    def unit(vector: Any) -> Any:
        return vector / ops.maximum(ops.norm(vector), 1e-30)

    def body(row: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        basis, products, vector = state
        product = flat(hessian_vector_product(loss, point, shaped(vector)))
        place = ops.cast(ops.equal(ops.arange(size), row), dtype)[:, None]
        basis, products = basis + place * vector, products + place * product
        rest = product
        for _ in range(2):  # Gram-Schmidt twice: once loses digits in float32
            rest = rest - ops.matmul(ops.matmul(basis, rest), basis)
        is_new = ops.norm(rest) > 1e-6 * ops.norm(product)  # else the basis spans the whole Krylov space
        rest = unit(rest)
        return basis, products, ops.where(is_new, unit(rest - ops.matmul(ops.matmul(basis, rest), basis)), 0)

    empty = ops.zeros((size, sum(sizes)), dtype)
    basis, products, _ = ops.fori_loop(0, size, body, (empty, empty, unit(flat(start))))
    projected = ops.matmul(basis, ops.transpose(products))
    # Rows that stayed empty have the eigenvalue 0: shift it below all others.
    vacant = 1 - ops.sum(ops.square(basis), axis=-1)
    least = 1 + 2 * ops.norm(projected)
    values, vectors = ops.eigh((projected + ops.transpose(projected)) / 2 - ops.diag(least * ops.round(vacant)))
    return values[-1], shaped(ops.matmul(vectors[:, -1], basis))


class CurvatureMemory(keras.layers.Layer):
    """The last `capacity` curvatures of a search and the alphas they belong to, in variables that checkpoints save.

    Attributes:
        stopped: a variable: 1 if the search was ended for its curvature.
        vector: variables: where the next measurement starts.
    """

    def __init__(self, alphas: Sequence[Tensor], capacity: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

        def zeros(name: str, shape: tuple[int, ...], dtype: str = "float32") -> Any:
            options: dict[str, Any] = {"initializer": "zeros", "trainable": False, "aggregation": "only_first_replica"}
            return self.add_weight(name=name, shape=shape, dtype=dtype, **options)

        self.capacity = capacity
        self.count, self.stopped = zeros("count", ()), zeros("stopped", ())
        self.values = zeros("values", (capacity,))
        self.places = [zeros(f"places_{i}", (capacity, *a.shape), a.dtype) for i, a in enumerate(alphas)]
        self.vector = [zeros(f"vector_{i}", tuple(a.shape), a.dtype) for i, a in enumerate(alphas)]
        for index, vector in enumerate(self.vector):
            vector.assign(np.random.default_rng(index).standard_normal(vector.shape))
        self.built = True

    def remember(self, curvature: float, alphas: Sequence[Tensor]) -> None:
        """Add a measurement and the alphas it was made at."""
        for memory, now in [(self.values, np.array(curvature)), *zip(self.places, alphas, strict=True)]:
            past = ops.convert_to_numpy(memory)
            memory.assign(np.concatenate([past[1:], ops.convert_to_numpy(now)[None]]))
        self.count.assign_add(1.0)

    def averages(self, window: int) -> list[float]:
        """Return the means over `window` consecutive curvatures, oldest first."""
        count = min(int(ops.convert_to_numpy(self.count)), self.capacity)
        values = ops.convert_to_numpy(self.values)[self.capacity - count :]
        return [float(values[end - window : end].mean()) for end in range(window, count + 1)]

    def restore(self, ago: int, alphas: Sequence[Tensor]) -> None:
        """Restore the alphas of `ago` measurements ago."""
        for variable, places in zip(alphas, self.places, strict=True):
            variable.assign(ops.convert_to_numpy(places)[self.capacity - 1 - ago])
