"""Checks that a model, its optimizers and its batches fit the strategy that it is trained under."""

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


@checks.arguments(model=keras.Model)
def scope_of(model: keras.Model) -> Any:
    """A context: the scope of the strategy that `model` was built under; on JAX it does nothing."""
    strategy = _strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


@checks.arguments(model=keras.Model)
def replicas_of(model: keras.Model) -> int:
    """The number of replicas that `model` is trained on; 1 on JAX, where `keras.distribution` shards one step."""
    strategy = _strategy_of(model)
    return 1 if strategy is None else strategy.num_replicas_in_sync


@checks.arguments(model=keras.Model)
def workers_of(model: keras.Model) -> int:
    """The number of processes that train `model` together."""
    strategy = _strategy_of(model)
    return 1 if strategy is None else count_workers(strategy)


@checks.arguments(model=keras.Model)
def is_chief(model: keras.Model) -> bool:
    """True in the one process, of those that train `model` together, that writes files for all."""
    resolver = getattr(_strategy_of(model), "cluster_resolver", None)
    if resolver is None or resolver.task_type is None:
        return True
    if "chief" in resolver.cluster_spec().as_dict():
        return resolver.task_type == "chief"
    return resolver.task_id == 0


@checks.arguments(model=keras.Model, variables=Iterable, what=checks.name)
def check_scope(model: keras.Model, variables: Iterable[Any], what: str) -> None:
    """Raise if variables were made outside the strategy of `model`.

    Args:
        model: the trainer.
        variables: Keras variables.
        what: their owner, for the message.

    Raises:
        ValueError: if one was; names it, and shows how to build everything in one scope.
    """
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


@checks.arguments(name=checks.name, replicas=checks.size)
def check_global_batch(name: str, size: int | None, replicas: int) -> None:
    """Raise if a global batch, that of all replicas together, has fewer samples than there are replicas.

    Args:
        name: name of the argument, for the message.
        size: samples of the global batch; None if not known.
        replicas: number of replicas.

    Raises:
        ValueError: if there are fewer samples than replicas.

    Example:

    >>> check_global_batch("batch_size", 4, replicas=8)
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `batch_size`. Expected at least 8, one sample for each replica. \
Received: 4 It counts the samples of all replicas together
    """
    checks.optional(checks.integer, "size", size)
    if size is not None and size < replicas:
        expected = f"at least {replicas}, one sample for each replica"
        raise ValueError(checks.invalid(name, expected, size, "It counts the samples of all replicas together"))


def _strategy_of(model: keras.Model) -> Any:
    return getattr(model, "distribute_strategy", None) if keras.backend.backend() == "tensorflow" else None
