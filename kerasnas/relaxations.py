"""Relaxations: architecture parameters (alphas) -> mixing weights, and the flag that tells alphas from weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerasnas.registry import Registry

RELAXATIONS = Registry("relaxation")


def add_alphas(layer: keras.layers.Layer, shape: tuple[int, ...], name: str = "alphas", seed: int | None = 0) -> Any:
    """Create architecture parameters in `layer`: float32 under any precision policy, and marked as such.

    They start at 1e-3 times a standard normal, as in DARTS (Liu et al., 2019, the published settings).

    Args:
        layer: the layer that owns them.
        shape: `(edges, primitives)`.
        name: name of the variable.
        seed: seed of the start values.
    """
    alphas = layer.add_weight(
        name=name,
        shape=shape,
        initializer=keras.initializers.RandomNormal(stddev=1e-3, seed=seed),
        dtype="float64" if layer.variable_dtype == "float64" else "float32",
        autocast=False,  # otherwise read in the compute dtype, whatever its own
    )
    alphas.is_architecture_parameter = True
    return alphas


def is_alphas(variable: Any) -> bool:
    """Whether `variable` was made by `add_alphas`."""
    return getattr(variable, "is_architecture_parameter", False)


def split_variables(variables: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Part variables into (network weights, architecture parameters), each in the order given."""
    variables = list(variables)
    return [v for v in variables if not is_alphas(v)], [v for v in variables if is_alphas(v)]


@RELAXATIONS.register("softmax")
@keras.saving.register_keras_serializable(package="kerasnas")
class Softmax:
    """The continuous relaxation of DARTS: every primitive takes part, weighted by a softmax over its edge.

    Args:
        temperature: the alphas are divided by it; towards 0 the weights become one-hot. Defaults to 1.

    Call arguments:
        alphas: tensor `(edges, primitives)`.
        training: unused: this relaxation is deterministic.

    Returns:
        `(weights, active)`: weights of the same shape, rows summing to one; `active` is None, since
        every primitive is computed.

    Raises:
        ValueError: if `temperature` is not above 0.

    Example:

    >>> weights, active = Softmax()(ops.zeros((1, 4)))
    >>> [float(weight) for weight in weights[0]]
    [0.25, 0.25, 0.25, 0.25]

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 2.
    """

    def __init__(self, temperature: float = 1.0):
        if not temperature > 0:
            raise ValueError(
                f"Invalid value received for argument `temperature`. Expected above 0. Received: {temperature}"
            )
        self.temperature = temperature

    def __call__(self, alphas: Any, training: bool | None = None) -> tuple[Any, None]:
        return ops.softmax(alphas / self.temperature, axis=-1), None

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Softmax:
        return cls(**config)


def get(identifier: Any) -> Any:
    """A relaxation from its name, its serialized form, or itself."""
    if isinstance(identifier, str):
        return RELAXATIONS[identifier]()
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    if not callable(identifier):
        raise ValueError(
            "Invalid value received for argument `relaxation`. Expected a name or a callable "
            f"`(alphas, training) -> (weights, active)`. Received: {identifier!r}"
        )
    return identifier
