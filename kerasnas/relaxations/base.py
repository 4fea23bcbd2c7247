"""Relaxations: architecture parameters (alphas) -> mixing weights, and the flag that tells alphas from weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
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


def check_temperature(temperature: float) -> float:
    """Return `temperature` if it is above 0."""
    if not temperature > 0:
        raise ValueError(
            f"Invalid value received for argument `temperature`. Expected above 0. Received: {temperature}"
        )
    return temperature


class Tempered(keras.layers.Layer):
    """Base of the relaxations with a temperature: a variable, so that a schedule needs no new graph.

    Args:
        temperature: above 0.
    """

    def __init__(self, temperature: float, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.start = check_temperature(temperature)
        self.temperature = self.add_weight(
            name="temperature",
            shape=(),
            initializer=keras.initializers.Constant(temperature),
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def cooled(self, logits: Any) -> Any:
        """`logits / temperature`."""
        return logits / ops.cast(ops.convert_to_tensor(self.temperature), logits.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.start}


def expected(relaxation: Any, alphas: Any) -> Any:
    """The mixing weights `(edges, primitives)` that `relaxation` gives on average: what a genotype is derived from."""
    alphas = ops.convert_to_tensor(alphas)
    if hasattr(relaxation, "expected"):
        return relaxation.expected(alphas)
    return relaxation(alphas, training=False)[0]


def penalty(relaxation: Any, alphas: Any) -> Any:
    """What `relaxation` adds to the loss of the alphas, a scalar; None if it adds nothing."""
    return relaxation.penalty(alphas) if hasattr(relaxation, "penalty") else None


def normalize_edges(betas: Any, targets: Sequence[int]) -> Any:
    """The edge normalisation of PC-DARTS: a softmax over the edges into each node.

    Args:
        betas: tensor `(edges,)`.
        targets: the node that each edge leads to, in order: edges into one node stand together.

    Example:

    >>> [float(weight) for weight in normalize_edges(ops.zeros((5,)), [2, 2, 3, 3, 3])][:2]
    [0.5, 0.5]

    Reference:
        Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", 2020
        (arXiv 1907.05737), equation 2.
    """
    starts = [edge for edge in range(len(targets)) if edge == 0 or targets[edge] != targets[edge - 1]]
    parts = [betas[start:end] for start, end in zip(starts, [*starts[1:], len(targets)], strict=True)]
    return ops.concatenate([ops.softmax(part, axis=-1) for part in parts])


def get(identifier: Any, seed: int | None = None) -> Any:
    """A relaxation from its name, its serialized form, or itself; one made from its name draws by `seed`, if given."""
    if isinstance(identifier, str):
        factory = RELAXATIONS[identifier]
        draws = seed is not None and "seed" in inspect.signature(factory).parameters
        return factory(seed=seed) if draws else factory()
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    if not callable(identifier):
        raise ValueError(
            "Invalid value received for argument `relaxation`. Expected a name or a callable "
            f"`(alphas, training) -> (weights, active)`. Received: {identifier!r}"
        )
    return identifier
