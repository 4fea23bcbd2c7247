"""Batch norm of MAML++ for each inner step: moving statistics, and shifts of scale and offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensors
from kerasnas.primitives.normalization import batch_norms


class StepStatistics:
    """Moving statistics of batch norm for each number of inner steps taken (BNRS of MAML++).

    Row k belongs to the data seen after k steps: the support set for k below `inner_steps`, the query in the last row.

    Attributes:
        variables: the moving means and variances of the model.
        tables: for each of them a variable `(inner_steps + 1, channels)`.
    """

    def __init__(self, learner: Any):
        self._learner, self._model = learner, learner.model
        self.variables = [
            variable for layer in batch_norms(learner.model) for variable in (layer.moving_mean, layer.moving_variance)
        ]
        self.tables = [
            learner.add_weight(
                name=f"statistics_{index}",
                shape=(learner.inner_steps + 1, *variable.shape),
                trainable=False,
                initializer=lambda shape, dtype, v=variable: ops.broadcast_to(ops.cast(v, dtype), shape),
                aggregation="mean",
            )
            for index, variable in enumerate(self.variables)
        ]

    def at(self, values: Tensors, trainable: Tensors, state: Tensors, step: int) -> list[Any]:
        """Return the model's state `values`, with the moving statistics after `step` steps."""
        tables = self._learner.values_of(self.tables, trainable, state)
        rows = dict(zip(map(id, self.variables), (table[step] for table in tables), strict=True))
        variables = self._model.non_trainable_variables
        return [rows.get(id(variable), value) for variable, value in zip(variables, values, strict=True)]

    def kept(self, states: Sequence[Tensors], state: Tensors) -> list[Any]:
        """Return `state` of the learner, with the statistics in the model's states after each step."""
        position = {id(variable): index for index, variable in enumerate(self._model.non_trainable_variables)}
        columns = [position[id(variable)] for variable in self.variables]
        rows = [ops.stack([values[column] for values in states]) for column in columns]
        return self._learner.with_values(self.tables, rows, state)


class StepShifts:
    """Shifts for each number of inner steps, added to the scale and the offset of every batch norm (BNWB of MAML++).

    After k steps the network normalizes with `gamma + row k` and `beta + row k`. Rows start at 0, and only the outer
    loop updates them.

    Attributes:
        variables: the scales and offsets of the model.
        tables: for each of them a trainable variable `(inner_steps + 1, channels)`.

    Raises:
        ValueError: if no batch norm of the model learns a scale or an offset.
    """

    def __init__(self, learner: Any):
        self._learner = learner
        self.variables = scales_and_offsets(learner.model)
        if not self.variables:
            raise ValueError(
                "Expected a model whose batch norm learns a scale or an offset, for `per_step_scale_offset`. Received: "
                f"{learner.model.name}, which has none"
            )
        position = {id(variable): index for index, variable in enumerate(learner.model.trainable_variables)}
        self._positions = [position[id(variable)] for variable in self.variables]
        shapes = [(learner.inner_steps + 1, *variable.shape) for variable in self.variables]
        self.tables = [
            learner.add_weight(name=f"shifts_{index}", shape=shape, initializer="zeros")
            for index, shape in enumerate(shapes)
        ]

    def moved(self, w: Tensors, trainable: Tensors, state: Tensors, step: Any) -> list[Any]:
        """Return `w` after `step - 1` steps, with the shifts of `step` in place of those of the previous step.

        Args:
            w: values of the model's trainable variables.
            trainable, state: values of the learner's variables.
            step: number of steps taken, an integer or a tensor; beyond `inner_steps` the shifts do not change.
        """
        w, tables = list(w), self._learner.values_of(self.tables, trainable, state)
        row = ops.minimum(step, self._learner.inner_steps + 1)
        for index, table in zip(self._positions, tables, strict=True):
            none = ops.zeros_like(table[:1])
            steps = ops.concatenate([table, table[-1:]]) - ops.concatenate([none, table])
            w[index] = w[index] + ops.cast(ops.take(steps, row, axis=0), w[index].dtype)
        return w


def scales_and_offsets(model: keras.Model) -> list[Any]:
    """Return the trainable scales and offsets of every batch norm inside `model`."""
    variables = [getattr(layer, name, None) for layer in batch_norms(model) for name in ("gamma", "beta")]
    trainable = {id(variable) for variable in model.trainable_variables}
    return [variable for variable in variables if id(variable) in trainable]
