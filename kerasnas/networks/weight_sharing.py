"""Weight sharing: every primitive of every edge once, of which a child network computes those it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend, checks
from kerasnas.networks.building import check_image_shape, fan_in, head_dtype, initialize
from kerasnas.primitives import BatchNorm, Primitive
from kerasnas.primitives.convolutions import Convolution
from kerasnas.primitives.parameter_free import Pooling


class Stem(Primitive):
    """What a network begins with: a 3x3 convolution and batch norm."""

    def stages(self) -> list[keras.layers.Layer]:
        return [Convolution(self.filters, 3, self.strides), BatchNorm(self.affine)]


class SharedPrimitives(keras.layers.Layer):
    """The weights of some primitives for each of some edges; computes one primitive with the weights of one edge.

    The weights of an edge are a row of one table, all primitives side by side: a step's time would otherwise go into
    thousands of small variables. Batch norm uses the statistics of the batch, in training and outside: moving
    statistics of weights that many children share belong to none of them.

    Args:
        candidates: the primitives, as layers of the same strides and filters. Their own weights are not used.
        edges: number of rows. Defaults to 1.
        seed: of the start values. Defaults to 0.

    Call arguments:
        inputs: tensor `(batch, height, width, channels)`.
        index: integer tensor `()`: which primitive. Only that one is computed, forward and backward.
        edge: integer or integer tensor `()`: whose weights. Defaults to 0.

    Returns:
        What a layer of its own, with these weights and in training, would: `(batch, h, w, filters)`.

    Example:

    >>> from kerasnas.primitives import primitive
    >>> layer = SharedPrimitives([primitive(name, filters=4) for name in ("skip_connect", "sep_conv_3x3")], edges=3)
    >>> layer.build((None, 8, 8, 4))
    >>> layer(ops.ones((2, 8, 8, 4)), index=ops.convert_to_tensor(0), edge=2).shape, tuple(layer.table.shape)
    (TensorShape([2, 8, 8, 4]), (3, 120))
    """

    def __init__(self, candidates: Sequence[keras.layers.Layer], edges: int = 1, seed: int = 0, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.edges, self.seed = edges, seed
        self._candidates = lambda: candidates  # in a function, Keras does not count their weights as this layer's

    def build(self, inputs_shape: tuple) -> None:
        candidates = self._candidates()
        for layer in candidates:
            layer.build(inputs_shape)
        self._outputs_shape = tuple(candidates[0].compute_output_spec(keras.KerasTensor(inputs_shape)).shape)
        self.shapes = [[tuple(variable.shape) for variable in layer.trainable_variables] for layer in candidates]
        values = _start_values(candidates, self.edges, self.seed)
        self.table = self.add_weight(name="table", shape=values.shape, initializer="zeros")
        self.table.assign(values)
        self._path = backend.traced_once(self._switch(candidates))

    def unpack(self, row: Any) -> list[list[Any]]:
        """The weights in a row of the table, for each primitive a list."""
        sizes = [int(np.prod(shape)) for shapes in self.shapes for shape in shapes]
        # The last part of the split, past all sizes, is empty.
        parts = iter(ops.split(row, list(itertools.accumulate(sizes)), axis=0)[:-1]) if sizes else iter(())
        return [[ops.reshape(next(parts), shape) for shape in shapes] for shapes in self.shapes]

    def _switch(self, candidates: Sequence[keras.layers.Layer]) -> Callable:
        def run(inputs: Any, index: Any, row: Any) -> Any:
            def branch(layer: keras.layers.Layer, position: int) -> Callable:
                return lambda: _with_batch_statistics(layer, self.unpack(row)[position], inputs)

            branches = [branch(layer, position) for position, layer in enumerate(candidates)]
            return ops.switch(index, branches) if len(branches) > 1 else branches[0]()

        return run

    def call(self, inputs: Any, index: Any = 0, edge: Any = 0) -> Any:
        # A product with a one-hot row: the gradient of indexing would be sparse, and an optimizer slow with it.
        chosen = ops.expand_dims(ops.one_hot(edge, self.edges, dtype=self.table.dtype), 0)
        row = ops.reshape(ops.matmul(chosen, ops.convert_to_tensor(self.table)), (-1,))
        return self._path(ops.cast(inputs, self.compute_dtype), ops.convert_to_tensor(index, "int32"), row)

    def compute_output_shape(self, inputs_shape: Any = None, **shapes: Any) -> tuple:
        return self._outputs_shape


def _start_values(candidates: Sequence[keras.layers.Layer], edges: int, seed: int) -> np.ndarray:
    """Kernels as in `initialize`, every edge's its own; other variables as the candidates have them."""
    rng = np.random.default_rng(seed)
    values = [np.zeros((edges, 0))]
    for variable in (variable for layer in candidates for variable in layer.trainable_variables):
        shape = tuple(variable.shape)
        if len(shape) > 1:
            values.append(np.sqrt(2 / fan_in(shape)) * rng.standard_normal((edges, int(np.prod(shape)))))
        else:
            values.append(np.tile(ops.convert_to_numpy(variable), (edges, 1)))
    return np.concatenate(values, axis=1)


def _with_batch_statistics(layer: keras.layers.Layer, weights: Sequence[Any], inputs: Any) -> Any:
    """What `layer` makes of `inputs` in training, with `weights` instead of its own, and without a trace."""
    if isinstance(layer, Pooling):  # in a discrete network pools have no batch norm, and neither do they here
        return layer.chain[0].call(inputs)
    state = [(variable, ops.zeros(variable.shape, variable.dtype)) for variable in layer.non_trainable_variables]
    with keras.StatelessScope(state_mapping=[*zip(layer.trainable_variables, weights, strict=True), *state]):
        if isinstance(layer, Primitive):
            return layer.mix(inputs, None, True, {})
        return layer(inputs, **({"training": True} if layer._call_has_training_arg else {}))


class WeightSharingSupernet(keras.Model):
    """Base of the supernets that compute one child at a time, with weights that all children share.

    A subclass makes its layers, says in `features` what the head reads, and calls `finish` at the end of its
    constructor.

    Args:
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        num_choices: length of an architecture.
        halvings: how often the network halves the image.
        seed: seed of all start values.

    Call arguments:
        inputs: images `(batch, height, width, channels)`.
        architecture: integer tensor `(choices,)`, the architecture as its space encodes it (`SearchSpace.encode`):
            one child for the whole batch. Defaults to the first option of every choice.
        training: has no effect: batch norm uses the statistics of the batch in any case.

    Returns:
        Logits `(batch, num_classes)`.
    """

    built: bool

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        num_choices: int,
        halvings: int,
        seed: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.image_shape = check_image_shape(input_shape, halvings)
        self.num_classes = checks.size("num_classes", num_classes)
        self.num_choices, self.seed = num_choices, seed
        self._seeds = np.random.default_rng(seed)
        self.classifier = keras.layers.Dense(num_classes, dtype=head_dtype(self.dtype_policy))

    def share(self, candidates: Sequence[keras.layers.Layer], edges: int = 1) -> SharedPrimitives:
        """A `SharedPrimitives` with start values of its own."""
        return SharedPrimitives(candidates, edges, seed=int(self._seeds.integers(2**31)), dtype=self.dtype_policy)

    def features(self, inputs: Any, architecture: Any) -> Any:
        """What the classifier reads: tensor `(batch, features)`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        own = {"input_shape": list(self.image_shape), "num_classes": self.num_classes, "seed": self.seed}
        return {**super().get_config(), **own}

    def finish(self, num_features: int) -> None:
        """Build the head; the rest is built already."""
        self.classifier.build((None, num_features))
        initialize(self.classifier, int(self._seeds.integers(2**31)))
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Everything is built by the constructor."""

    def call(self, inputs: Any, architecture: Any = None, training: bool | None = None) -> Any:
        if architecture is None:
            architecture = np.zeros(self.num_choices)
        return self.classifier(self.features(inputs, ops.cast(architecture, "int32")))

    @property
    def architecture_parameters(self) -> list[Any]:
        """None: who chooses stands outside, and learns from rewards."""
        return []

    @property
    def network_weights(self) -> list[Any]:
        """All trainable variables: the shared weights."""
        return self.trainable_variables


def keep(tensor: Any, condition: Any) -> Any:
    """`tensor` where the scalar `condition` is true, else zeros."""
    return tensor * ops.cast(condition, tensor.dtype)
