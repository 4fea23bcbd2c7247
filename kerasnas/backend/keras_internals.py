"""Seam to Keras' private names: one function each, which says why the public API does not suffice.

No other file touches a private name of Keras (`tests/test_architecture.py`), and `tests/backend/test_internals.py` has
one test per name, so that a release of Keras that drops one is identified.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend.common import global_state

OVERRIDDEN = {
    "_symbolic_build": (
        "Trainers whose batch is not `(x, y)` define it: Keras' own builds metrics by a symbolic step on the first "
        "batch, which it takes for `(x, y)`."
    ),
    "_maybe_symbolic_build": (
        "Train steps on TensorFlow define it: Keras' own averages the first batch over the replicas, which several "
        "workers cannot."
    ),
    "_trainable_variables": (
        "`BilevelOptimizer` sets it: `Optimizer.stateless_apply`, the step of a meta-learner on JAX, reads which "
        "variables the optimizer was built for. `Optimizer.build`, which sets it, would make slots as well."
    ),
}
"""Private names of Keras that our subclasses define or set, which no function can wrap, with reasons."""


def flatten_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return `layer` itself and every layer inside of it, at any depth, each once.

    The public `Model.layers` stops at the first level, and a layer that is not a model has no `layers`.
    """
    return list(layer._flatten_layers(recursive=True))


def calls_of(model: keras.layers.Layer) -> Counter[int]:
    """Count the calls of each layer, by its `id`, in the functional models inside `model` and in itself.

    A layer counts for each call of the model that it is in, and, where it reads several parts of each sample, which
    `keras.ops.reshape` moved into the batch, for each of these.
    The public API does not expose how often a layer is shared.
    """
    calls: Counter[int] = Counter()
    for inner in flatten_layers(model):
        parts: dict[int, int] = {}  # of each sample, that a tensor has in its batch
        for operation, read, written in nodes_of(inner):
            number = max((parts.get(id(x), 1) for x in read), default=1)
            calls[id(operation)] += number * max(1, calls[id(inner)])
            shapes = [x.shape[1:] for x in (*read, *written)]
            if type(operation).__name__ == "Reshape" and all(None not in shape for shape in shapes):
                number = number * math.prod(shapes[0]) // math.prod(shapes[1])  # 1 of the layer of this name
            parts |= {id(x): number for x in written}
    return calls


def nodes_of(model: keras.layers.Layer) -> list[tuple[Any, list[Any], list[Any]]]:
    """Return the calls of a functional model in their order: each operation, its inputs and its outputs, KerasTensors.

    Those of a sequential model are in a functional one inside of it. There are none of other layers.

    The public `operation.input` is that of the first call, and that of an inner model its own.
    """
    functional = model._functional if isinstance(model, keras.Sequential) else model
    depths = getattr(functional, "_nodes_by_depth", {})
    nodes = [node for _, nodes in sorted(depths.items(), reverse=True) for node in nodes]
    return [(node.operation, list(node.input_tensors), list(node.outputs)) for node in nodes if not node.is_input]


def own_trainable_variables(layer: keras.layers.Layer) -> list[Any]:
    """Return the trainable variables that `layer` made itself; the public `trainable_variables` add inner layers'."""
    return list(layer._trainable_variables)


def seed_states(layer: keras.layers.Layer) -> list[Any]:
    """Return the random generators' variables of `layer` and of every layer inside it.

    The public `variables` hold them among others, without marking them.
    """
    return [generator.state for inner in flatten_layers(layer) for generator in inner._seed_generators]


@contextlib.contextmanager
def shapes_alone() -> Iterator[None]:
    """A context in which layers make variables that have shapes, and never values.

    With the public `keras.StatelessScope(initialize_variables=False)` Keras keeps these variables, and gives them
    values at the end of the thread's next stateless scope: in memory, and as variables of a graph that is being traced.
    """
    waiting = list(global_state.get_global_attribute("uninitialized_variables", []))
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)


def loss_tracker(model: keras.Model) -> keras.metrics.Metric:
    """Return a compiled model's metric `loss`, which its train step updates.

    The public `Model.metrics` hold it among others, in an undocumented order.
    """
    return model._loss_tracker


def metrics_are_built(model: keras.Model) -> bool:
    """Return True if the metrics given to `compile` have their variables, or none were given.

    The public `Model.metrics` hold one metric for all of them, in an undocumented order.
    """
    metrics = model._compile_metrics
    return metrics is None or metrics.built


def build_metrics(model: keras.Model, labels: keras.KerasTensor, predictions: keras.KerasTensor) -> None:
    """Build the variables of the metrics given to `compile` now, unless they are built, from a symbolic batch.

    The public API builds them in the first step, which TensorFlow then traces twice, or by a symbolic step on the first
    batch, which must be `(x, y)`.
    """
    if not metrics_are_built(model):
        model._compile_metrics.build(labels, predictions)


def index_of(optimizer: keras.optimizers.Optimizer, variable: Any) -> int:
    """Return the place of a variable among those that an optimizer was built for.

    `update_step` is called with the backend's variable, which the public lists do not hold.
    """
    return optimizer._get_variable_index(variable)


def leave_gradients_unreduced(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer on TensorFlow treat gradients as sums over the replicas instead of summing them itself.

    With the public API an optimizer always sums, after it has clipped each replica's part.
    """
    optimizer.__dict__["_all_reduce_sum_gradients"] = list
