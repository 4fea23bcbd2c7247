"""Relaxations: architecture parameters (alphas) -> mixing weights; and the flag that marks alphas."""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.registry import Registry

RELAXATIONS = Registry("relaxation")


def add_alphas(layer: keras.layers.Layer, shape: tuple[int, ...], name: str = "alphas", seed: int | None = 0) -> Any:
    """Create architecture parameters `shape` in `layer`: float32 under any precision policy, and marked as such.

    They are initialized to 1e-3 times a standard normal, as in DARTS (Liu et al., 2019, the published settings).
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
    """Return True if `variable` was made by `add_alphas`."""
    return getattr(variable, "is_architecture_parameter", False)


def split_variables(variables: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Split variables into (network weights, architecture parameters), each in the given order."""
    variables = list(variables)
    return [v for v in variables if not is_alphas(v)], [v for v in variables if is_alphas(v)]


class Relaxation(keras.layers.Layer):
    """Base of the relaxations: how architecture parameters become mixing weights.

    A subclass writes `call(alphas, training) -> (weights, active)`, and what differs from the defaults here.

    Attributes:
        paths: the number of primitives computed on an edge, if they are sampled. Defaults to None: every primitive is
            computed, and `active` is None.
        temperature: a scalar variable, if there is one. Defaults to None.
        threshold: minimum mixing weight at which `derive` keeps an edge, in spaces whose edges may be left out.
            Defaults to None: any.
        keeps_others: whether a step of the alphas preserves the probabilities of primitives that were not drawn; see
            `kerasnas.trainers.drawn_paths`. Defaults to False.

    Call arguments:
        alphas: tensor `(edges, primitives)`.
        training: whether to draw, if the relaxation draws.

    Returns:
        `(weights, active)`: weights `(edges, primitives)`, and the indices of the only primitives to compute, `(edges,
        paths)`, or None.

    Example:

    >>> class Halved(Relaxation):
    ...     def call(self, alphas, training=None):
    ...         return ops.softmax(alphas / 2, axis=-1), None
    >>> [float(weight) for weight in Halved().expected(ops.zeros((1, 2)))[0]]
    [0.5, 0.5]
    """

    paths: int | None = None
    temperature: Any = None
    threshold: float | None = None
    keeps_others = False

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.built = True

    @contextlib.contextmanager
    def for_weights(self) -> Iterator[None]:
        """Draw for a step of the network weights within this context; by default as for one of the alphas."""
        yield

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, Any]:
        raise NotImplementedError

    def expected(self, alphas: Tensor) -> Any:
        """Return the mean mixing weights `(edges, primitives)`; by default those outside of training."""
        return self(ops.convert_to_tensor(alphas), training=False)[0]

    def penalty(self, alphas: Tensor) -> Any:
        """Return a scalar that is added to the loss of the alphas; None, the default, for nothing."""
        return None

    def get_config(self) -> dict[str, Any]:
        return {}


@keras.saving.register_keras_serializable(package="kerasnas")
class FunctionRelaxation(Relaxation):
    """A relaxation made of any callable `(alphas, training) -> (weights, active)`."""

    def __init__(self, function: Callable[..., Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.function = function

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, Any]:
        return self.function(alphas, training=training)

    def get_config(self) -> dict[str, Any]:
        return {"function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FunctionRelaxation:
        return cls(keras.saving.deserialize_keras_object(config["function"]))


class Tempered(Relaxation):
    """Base of the relaxations with a temperature: a variable, so that a schedule needs no new graph."""

    def __init__(self, temperature: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial_temperature = checks.number("temperature", temperature, above=0)
        self.temperature = self.add_weight(
            name="temperature",
            shape=(),
            initializer=keras.initializers.Constant(temperature),
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
        )

    def cooled(self, logits: Tensor) -> Any:
        """Return `logits / temperature`."""
        return logits / ops.cast(ops.convert_to_tensor(self.temperature), logits.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.initial_temperature}


def normalize_edges(betas: Any, targets: Sequence[int]) -> Any:
    """Apply the edge normalization of PC-DARTS: a softmax over the edges into each node.

    `betas` is a tensor `(edges,)`; `targets` has the node that each edge leads to, in order: edges into one node are
    adjacent.

    Reference:
        Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", 2020 (arXiv
        1907.05737), equation 2.

    Differences from the paper:
        - None.
    """
    return segment_softmax(betas, [len(list(edges)) for _, edges in itertools.groupby(targets)])


def segment_softmax(alphas: Tensor, sizes: Sequence[int], temperature: Any = None) -> Any:
    """Apply a softmax to each part of a vector, of lengths `sizes`: the choice of a node's inputs in MetaNAS.

    The alphas are divided by `temperature`, if given; towards 0 each part becomes one-hot.

    Reference:
        Elsken et al., "Meta-Learning of Neural Architectures for Few-Shot Learning", 2020 (arXiv 1911.11090), the soft
        pruning of input nodes.

    Differences from the paper:
        - None.
    """
    logits = alphas if temperature is None else alphas / ops.cast(ops.convert_to_tensor(temperature), alphas.dtype)
    starts = [sum(sizes[:index]) for index in range(1, len(sizes))]
    parts = ops.split(logits, starts) if starts else [logits]
    # Keras warns about a softmax over one number.
    return ops.concatenate(
        [ops.softmax(p, axis=-1) if size > 1 else ops.ones_like(p) for p, size in zip(parts, sizes, strict=True)]
    )


def get_relaxation(identifier: Any, seed: int | None = None) -> Relaxation:
    """Return a relaxation from its name, its serialized form, a callable, or itself.

    `seed` determines the draws of one that is made from its name; None for its own default.
    """
    if isinstance(identifier, str):
        factory = RELAXATIONS[identifier]
        draws = seed is not None and "seed" in inspect.signature(factory).parameters
        identifier = factory(seed=seed) if draws else factory()
    elif isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Relaxation):
        return identifier
    if not callable(identifier) or isinstance(identifier, type):
        expected = "a name, a `Relaxation` or a callable `(alphas, training) -> (weights, active)`"
        raise ValueError(checks.invalid("relaxation", expected, identifier, "as `identifier`"))
    return FunctionRelaxation(identifier)
