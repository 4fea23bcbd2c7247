"""Contract check of relaxations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks, relaxations
from kerasnas.relaxations import RELAXATIONS
from kerasnas.relaxations.base import get_relaxation
from kerasnas.testing.common import POLICIES, dtype_policy, remade, require


@checks.arguments(distribution=checks.boolean)
def check_relaxation(relaxation: Any, distribution: bool = True) -> None:
    """Check that `relaxation` satisfies the contract of relaxations.

    It maps float32 alphas `(edges, primitives)` to `(weights, active)` with finite, non-negative float32
    weights of the same shape, in training and outside, under a mixed precision policy too; so does `expected`. With
    `paths`, `active` are that many primitives of each edge, and all others have weight 0; without, it is None.
    `penalty` is None or a finite scalar, and a temperature is a scalar above 0. Gradients reach the alphas of every
    edge; Keras can serialize it.

    Args:
        relaxation: a registered name, or the relaxation itself: a `Relaxation`, or a callable.
        distribution: whether the weights of an edge sum to one. Defaults to True.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> check_relaxation("softmax")
    >>> check_relaxation(relaxations.Softmax(temperature=0.5))
    """
    if isinstance(relaxation, str):
        require(relaxation in RELAXATIONS, f"No relaxation is registered as {relaxation!r}.")
    relax = get_relaxation(relaxation)
    what = f"Relaxation {relaxation!r}"
    alphas = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    for policy in POLICIES:
        for training in (False, True):
            with dtype_policy(policy):
                result = relax(ops.convert_to_tensor(alphas), training=training)
            case = f"{what} in {policy}, training={training}"
            require(
                isinstance(result, tuple) and len(result) == 2,
                f"{case}: expected the pair (weights, active). Received: {result!r}",
            )
            _check_mixing_weights(case, result[0], alphas.shape, distribution)
            _check_active(case, result[0], result[1], relax.paths)
        with dtype_policy(policy):
            expected = relax.expected(ops.convert_to_tensor(alphas))
        _check_mixing_weights(f"{what} in {policy}, expected", expected, alphas.shape, distribution)
    _check_scalars(what, relax, ops.convert_to_tensor(alphas))

    cotangent = np.random.default_rng(1).standard_normal(alphas.shape).astype("float32")

    def loss(parameters: list[Any]) -> tuple[Any, None]:
        return ops.sum(relax(parameters[0], training=True)[0] * cotangent), None

    _, (gradient,) = backend.value_and_grad(loss)([ops.convert_to_tensor(alphas)])
    received = ops.convert_to_numpy(gradient)
    require(
        np.isfinite(received).all() and received.any(axis=1).all(),
        f"{what}: no finite gradient reaches the alphas of every edge. Received: {received.tolist()}",
    )
    remade(what, relax, get_relaxation)


def _check_mixing_weights(case: str, weights: Any, shape: tuple[int, ...], distribution: bool) -> None:
    require(tuple(weights.shape) == shape, f"{case}: expected weights {shape}. Received: {tuple(weights.shape)}")
    dtype = keras.backend.standardize_dtype(weights.dtype)
    require(dtype == "float32", f"{case}: expected float32 weights of float32 alphas. Received: {dtype}")
    values = ops.convert_to_numpy(weights)
    require(np.isfinite(values).all(), f"{case}: the weights are not finite: {values.tolist()}")
    require((values >= 0).all(), f"{case}: expected no negative weight. Received: {values.tolist()}")
    sums = values.sum(axis=1)
    require(
        not distribution or np.allclose(sums, 1, atol=1e-5),
        f"{case}: expected the weights of each edge to sum to one. Received sums: {sums.tolist()}",
    )


def _check_active(case: str, weights: Any, active: Any, paths: int | None) -> None:
    if paths is None:
        require(active is None, f"{case}: expected None for `active`, as `paths` is None. Received: {active!r}")
        return
    found = np.zeros((0, 0)) if active is None else ops.convert_to_numpy(active)
    values = ops.convert_to_numpy(weights)
    expected = (len(values), paths)
    require(
        found.shape == expected and found.dtype.kind in "iu" and (found >= 0).all() and (found < values.shape[1]).all(),
        f"{case}: expected `active` to be integers {expected}, the primitives that are computed. Received: {active!r}",
    )
    distinct = all(len(set(row)) == paths for row in found.tolist())
    require(distinct, f"{case}: expected distinct `active` primitives on each edge. Received: {found.tolist()}")
    left = values.copy()
    np.put_along_axis(left, found.astype("int64"), 0.0, axis=1)
    require(not left.any(), f"{case}: primitives that are not active have a weight: {values.tolist()}")


def _check_scalars(what: str, relax: relaxations.Relaxation, alphas: Any) -> None:
    penalty = relax.penalty(alphas)
    if penalty is not None:
        value = ops.convert_to_numpy(penalty)
        right = value.shape == () and np.isfinite(value)
        require(right, f"{what}: expected a finite scalar as penalty, or None. Received: {value!r}")
    if relax.temperature is not None:
        value = ops.convert_to_numpy(relax.temperature)
        require(value.shape == () and value > 0, f"{what}: expected a scalar temperature above 0. Received: {value!r}")
