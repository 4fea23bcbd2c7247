"""Checks of the arguments of `compile` and `fit` that all trainers share with Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerasnas import checks

_METRICS = "None, or a list of names, functions and `keras.metrics.Metric`s"


def optimizer(argument: str, value: Any) -> Any:
    """Return `value` if it is a Keras optimizer, its name or its configuration."""
    kinds = (str, dict, keras.optimizers.Optimizer)
    checks.instance(argument, value, kinds, "a `keras.optimizers.Optimizer` or its name")
    return _known(argument, value, keras.optimizers.get, "optimizers")


def _known(argument: str, value: Any, get: Callable[[Any], Any], what: str) -> Any:
    """Return `value`; raise ValueError if Keras does not know it as a name or configuration."""
    if isinstance(value, (str, dict)):
        try:
            get(value)
        except (ValueError, KeyError, TypeError):
            expected = f"one of Keras' {what}, its name or its configuration"
            raise ValueError(checks.invalid(argument, expected, value)) from None
    return value


def loss(argument: str, value: Any) -> Any:
    """Return `value` if it is a loss, its name, its configuration or a function."""
    if isinstance(value, (str, dict, keras.losses.Loss)) or (callable(value) and not isinstance(value, type)):
        return _known(argument, value, keras.losses.get, "losses")
    raise TypeError(checks.invalid(argument, "a loss, its name or a function `(y_true, y_pred) -> loss`", value))


def metrics(argument: str, value: Any) -> Any:
    """Return `value` if it is a list of metrics."""
    is_list = isinstance(value, (list, tuple)) and all(
        isinstance(metric, (str, dict, keras.metrics.Metric)) or (callable(metric) and not isinstance(metric, type))
        for metric in value
    )
    if not is_list:
        raise TypeError(checks.invalid(argument, _METRICS, value))
    for metric in value:
        if isinstance(metric, dict) or metric not in ("acc", "accuracy", "ce", "crossentropy"):
            _known(argument, metric, keras.metrics.get, "metrics")
    return value


def jit_compile(argument: str, value: Any) -> Any:
    """Return `value` if it is True, False or "auto"."""
    return checks.one_of(argument, value, (True, False, "auto"))


def verbose(argument: str, value: Any) -> Any:
    """Return `value` if it is one of Keras' verbosity levels."""
    return checks.one_of(argument, value, ("auto", 0, 1, 2, True, False))


def callbacks(argument: str, value: Any) -> Any:
    """Return `value` if it is a list of Keras callbacks."""
    if not isinstance(value, keras.callbacks.CallbackList):
        checks.each(keras.callbacks.Callback)(argument, value, "a list of `keras.callbacks.Callback`s")
    return value


COMPILE: Mapping[str, Callable[[str, Any], Any]] = {
    "optimizer": optimizer,
    "loss": loss,
    "metrics": metrics,
    "jit_compile": jit_compile,
}
FIT: Mapping[str, Callable[[str, Any], Any]] = {
    "verbose": verbose,
    "callbacks": callbacks,
    "initial_epoch": checks.count,
    "steps_per_epoch": checks.size,
}
SEARCH_FIT: Mapping[str, Any] = {
    **FIT,
    "batch_size": checks.size,
    "epochs": checks.size,
    "validation_steps": checks.size,
    "augment": checks.function,
    "seed": checks.seed,
}
