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


@RELAXATIONS.register("gumbel")
@keras.saving.register_keras_serializable(package="kerasnas")
class Gumbel(keras.layers.Layer):
    """The hard Gumbel-softmax of GDAS: one primitive an edge is drawn, and only that one is computed.

    With `g` standard Gumbel noise, `soft = softmax((log softmax(alphas) + g) / temperature)`, and the drawn
    primitive is its largest entry, which is a sample of `softmax(alphas)`. Forward the weights are one-hot; backward
    their gradient is that of `soft` (straight-through).

    Args:
        temperature: of `soft`; a variable, so that a schedule needs no new graph. Defaults to 10, where GDAS starts.
        seed: seed of the noise. Defaults to 0.

    Call arguments:
        alphas: tensor `(edges, primitives)`.
        training: whether to draw; otherwise the most probable primitive is taken.

    Returns:
        `(weights, active)`: one-hot weights `(edges, primitives)`, and the index of the drawn primitive `(edges, 1)`.

    Raises:
        ValueError: if `temperature` is not above 0.

    Example:

    >>> weights, active = Gumbel(seed=1)(ops.convert_to_tensor([[0.0, 9.0, 0.0]]), training=True)
    >>> [float(weight) for weight in weights[0]], int(active[0, 0])
    ([0.0, 1.0, 0.0], 1)

    Reference:
        Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", 2019 (arXiv 1910.04465),
        equations 3 to 5.
    """

    paths = 1  # primitives that are computed on an edge

    def __init__(self, temperature: float = 10.0, seed: int | None = 0, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        if not temperature > 0:
            raise ValueError(
                f"Invalid value received for argument `temperature`. Expected above 0. Received: {temperature}"
            )
        self.start, self.seed = temperature, seed
        self.temperature = self.add_weight(
            name="temperature", shape=(), initializer=keras.initializers.Constant(temperature), trainable=False,
            dtype="float32", autocast=False, aggregation="only_first_replica",
        )  # fmt: skip
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, alphas: Any, training: bool | None = None) -> tuple[Any, Any]:
        primitives = alphas.shape[-1]
        if not training:
            active = ops.argmax(alphas, axis=-1)
            return ops.one_hot(active, primitives, dtype=alphas.dtype), ops.expand_dims(active, -1)
        # Inside (0, 1): the logarithm of either end is infinite.
        uniform = keras.random.uniform(alphas.shape, 1e-7, 1 - 1e-7, dtype=alphas.dtype, seed=self.seed_generator)
        noise = -ops.log(-ops.log(uniform))
        temperature = ops.cast(ops.convert_to_tensor(self.temperature), alphas.dtype)
        soft = ops.softmax((ops.log_softmax(alphas, axis=-1) + noise) / temperature, axis=-1)
        active = ops.argmax(soft, axis=-1)
        hard = ops.one_hot(active, primitives, dtype=alphas.dtype)
        return hard + (soft - ops.stop_gradient(soft)), ops.expand_dims(active, -1)

    def expected(self, alphas: Any) -> Any:
        """The probability of each primitive."""
        return ops.softmax(alphas, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.start, "seed": self.seed}


def expected(relaxation: Any, alphas: Any) -> Any:
    """The mixing weights `(edges, primitives)` that `relaxation` gives on average: what a genotype is derived from."""
    alphas = ops.convert_to_tensor(alphas)
    if hasattr(relaxation, "expected"):
        return relaxation.expected(alphas)
    return relaxation(alphas, training=False)[0]


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
