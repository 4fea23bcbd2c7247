"""Checks that a model, its optimizers and its batches fit the strategy it is trained under."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import keras

from kerasnas import checks
from kerasnas.distribution.resolve import count_workers

BUILD_INSIDE = (
    "Build the supernet (or model) and its trainer, and make optimizers and metrics, inside one scope:\n"
    "    with strategy.scope():\n"
    "        supernet = space.build_supernet(...)\n"
    "        search = BilevelTrainer(supernet)\n"
    "        search.compile(...)"
)


def scope_of(model: keras.Model) -> Any:
    """Return the scope of the strategy that `model` was built under; on JAX a context without effect."""
    strategy = _strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def replicas_of(model: keras.Model) -> int:
    """Return the number of replicas that train `model`; 1 on JAX, where `keras.distribution` shards one step."""
    strategy = _strategy_of(model)
    return 1 if strategy is None else strategy.num_replicas_in_sync


def workers_of(model: keras.Model) -> int:
    """Return the number of processes that train `model` together."""
    strategy = _strategy_of(model)
    return 1 if strategy is None else count_workers(strategy)


def is_chief(model: keras.Model) -> bool:
    """Return True in the process that writes files for all that train `model` together."""
    resolver = getattr(_strategy_of(model), "cluster_resolver", None)
    if resolver is None or resolver.task_type is None:
        return True
    if "chief" in resolver.cluster_spec().as_dict():
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def check_scope(model: keras.Model, variables: Iterable[Any], what: str) -> None:
    """Raise ValueError if a variable of `what`, named in the message, was made outside the strategy of `model`."""
    variables = list(variables)
    if not all(hasattr(variable, "value") for variable in variables):
        raise TypeError(checks.invalid("variables", "Keras variables", variables))
    strategy = _strategy_of(model)
    if strategy is None:
        return
    for variable in variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                f"{what} was made under another strategy than '{model.name}', which is trained on "
                f"{strategy.num_replicas_in_sync} replica(s) of {type(strategy).__name__}: variable "
                f"'{variable.path}' of shape {tuple(variable.shape)} is not in its scope. {BUILD_INSIDE}"
            )


def check_global_batch(name: str, size: int | None, replicas: int) -> None:
    """Raise if a global batch of `size` samples (None if unknown) is smaller than the number of replicas.

    `name` is the argument's name, for the message.

    Example:

    >>> check_global_batch("batch_size", 4, replicas=8)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `batch_size`. Expected at least 8, one sample for each replica. ...
    """
    checks.optional(checks.integer, "size", size)
    if size is not None and size < replicas:
        expected = f"at least {replicas}, one sample for each replica"
        raise ValueError(checks.invalid(name, expected, size, "It counts the samples of all replicas together"))


def _strategy_of(model: keras.Model) -> Any:
    return getattr(model, "distribute_strategy", None) if keras.backend.backend() == "tensorflow" else None
