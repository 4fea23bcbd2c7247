"""check_relaxation: the contract of relaxations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, relaxations
from kerasnas.relaxations import RELAXATIONS
from kerasnas.testing.common import POLICIES, dtype_policy, remade, require


def check_relaxation(relaxation: Any, distribution: bool = True) -> None:
    """Check that `relaxation` keeps the contract of relaxations.

    It maps float32 alphas `(edges, primitives)` to `(weights, active)` with finite, non-negative float32
    weights of the same shape, in training and outside, under a mixed precision policy too; gradients reach
    the alphas of every edge; Keras can serialize it.

    Args:
        relaxation: a registered name, or the relaxation itself.
        distribution: whether the weights of an edge sum to one. Defaults to True.

    Raises:
        AssertionError: naming the first violation.

    Example:

    >>> check_relaxation("softmax")
    >>> check_relaxation(relaxations.Softmax(temperature=0.5))
    """
    if isinstance(relaxation, str):
        require(relaxation in RELAXATIONS, f"No relaxation is registered as {relaxation!r}.")
    relax = relaxations.get(relaxation)
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

    cotangent = np.random.default_rng(1).standard_normal(alphas.shape).astype("float32")

    def loss(parameters: list[Any]) -> tuple[Any, None]:
        return ops.sum(relax(parameters[0], training=True)[0] * cotangent), None

    _, (gradient,) = backend.value_and_grad(loss)([ops.convert_to_tensor(alphas)])
    received = ops.convert_to_numpy(gradient)
    require(
        np.isfinite(received).all() and received.any(axis=1).all(),
        f"{what}: no finite gradient reaches the alphas of every edge. Received: {received.tolist()}",
    )
    _check_relaxation_config(what, relax)


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


def _check_relaxation_config(what: str, relax: Any) -> None:
    again = remade(what, relax, relaxations.get)
    require(
        type(again) is type(relax) and again.get_config() == relax.get_config(),
        f"{what}: its configuration recreates another relaxation. Expected {relax.get_config()}. "
        f"Received: {again.get_config()}",
    )
