"""The seam to Keras' private names: each behind one function that says why the public API does not do.

Nothing else in the package touches a private name of Keras (a test reads the source for it), and
`tests/backend/test_internals.py` has one test for each name, so that a release of Keras that drops one says which.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras

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
"""Private names of Keras that subclasses of ours define or set, which no function can stand in for, with reasons."""


def flatten_layers(layer: keras.layers.Layer, include_self: bool = True) -> list[keras.layers.Layer]:
    """Every layer inside `layer`, at any depth, each once.

    The public `Model.layers` stops at the first level, and a layer that is no model has no `layers`.

    Args:
        layer: a model or layer.
        include_self: whether `layer` itself comes first. Defaults to True.
    """
    return list(layer._flatten_layers(include_self=include_self, recursive=True))


def calls_of(model: keras.layers.Layer) -> Counter[int]:
    """The number of calls of each layer, by its `id`, in the functional models inside `model`, itself included.

    The public API does not say how often a layer is shared.
    """
    found: Counter[int] = Counter()
    for inner in flatten_layers(model):
        for nodes in getattr(inner, "_nodes_by_depth", {}).values():
            found.update(id(node.operation) for node in nodes)
    return found


def own_trainable_variables(layer: keras.layers.Layer) -> list[Any]:
    """The trainable variables that `layer` made itself, without those of the layers inside it.

    The public `trainable_variables` are of the layers inside as well.
    """
    return list(layer._trainable_variables)


def seed_states(layer: keras.layers.Layer) -> list[Any]:
    """The variables of the random generators of `layer` and of every layer inside it.

    The public `variables` hold them, among others, and do not say which they are.
    """
    return [generator.state for inner in flatten_layers(layer) for generator in inner._seed_generators]


def loss_tracker(model: keras.Model) -> keras.metrics.Metric:
    """The metric `loss` of a compiled model, which its train step updates.

    The public `Model.metrics` hold it among others, in an order that is not documented.
    """
    return model._loss_tracker


def metrics_are_built(model: keras.Model) -> bool:
    """Tell if the metrics given to `compile` have their variables; True where none were given.

    The public `Model.metrics` hold one metric for all of them, in an order that is not documented.
    """
    metrics = model._compile_metrics
    return metrics is None or metrics.built


def build_metrics(model: keras.Model, labels: keras.KerasTensor, predictions: keras.KerasTensor) -> None:
    """Make the variables of the metrics given to `compile` now, if they are not made.

    The public API makes them in the first step, which TensorFlow then traces twice, or by a symbolic step on the first
    batch, which has to be `(x, y)`.

    Args:
        model: a compiled model.
        labels, predictions: symbolic ones of a batch.
    """
    if not metrics_are_built(model):
        model._compile_metrics.build(labels, predictions)


def leave_gradients_unreduced(optimizer: keras.optimizers.Optimizer) -> None:
    """Have an optimizer on TensorFlow take gradients for sums over the replicas, and not sum them itself.

    By the public API an optimizer always sums, after it has clipped each replica's part.
    """
    optimizer.__dict__["_all_reduce_sum_gradients"] = list
