"""SampledPaths: one primitive of a mixed operation, selected by its index, traced once for all edges of one kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import backend
from kerasnas.annotations import Tensor
from kerasnas.genotypes import NONE


class SampledPaths:
    """Functions that compute one primitive selected by its index, each traced once for all edges of one kind.

    A graph with a switch over all primitives on each edge of each cell would take minutes to trace.
    """

    def __init__(self) -> None:
        self._paths: dict[tuple, Callable] = {}

    def like(self, mixed: Any, inputs_shape: tuple) -> Callable:
        """Return the function for one copy of the `MixedOp` `mixed`.

        It takes `(inputs, weights, index, values, training)`, with the mixing weights `(primitives,)` and for each
        candidate the values of its variables, and returns the output and the values afterwards.
        """
        own = mixed.primitives, mixed.filters, mixed.strides, mixed.affine, mixed.graph, mixed.dtype_policy.name
        key = *own, *sorted(mixed.options.items()), *inputs_shape[1:]
        if key not in self._paths:
            self._paths[key] = _sampled_path(mixed, inputs_shape)
        return self._paths[key]


def _sampled_path(mixed: Any, inputs_shape: tuple) -> Callable:
    one = mixed.single(inputs_shape)
    candidates = list(one.candidates.values())

    def compute(
        candidate: Any, inputs: Tensor, weight: Tensor, values: list[Any], training: bool
    ) -> tuple[Any, list[Any]]:
        with keras.StatelessScope(state_mapping=list(zip(candidate.variables, values, strict=True))) as scope:
            y = candidate.mix(inputs, ops.broadcast_to(weight, (one.filters,)), training, {})
        return y, [scope.get_current_value(variable) for variable in candidate.variables]

    def statistics(values: list[list[Any]]) -> list[Any]:
        pairs = zip(candidates, values, strict=True)
        return [v for c, own in pairs for variable, v in zip(c.variables, own, strict=True) if not variable.trainable]

    def path(training: bool) -> Callable:
        def run(inputs: Tensor, weights: Tensor, index: Any, values: list[list[Any]]) -> Any:
            scales = dict(zip(one.primitives, ops.unstack(weights), strict=True))

            def branch(name: str) -> Callable:
                if name == NONE:
                    batch, *sizes, _ = ops.shape(inputs)
                    size = (batch, *(-(-length // one.strides) for length in sizes), one.filters)
                    return lambda: [ops.zeros(size, inputs.dtype), *statistics(values)]
                position = list(one.candidates).index(name)

                def chosen() -> list[Any]:
                    y, after = compute(candidates[position], inputs, scales[name], values[position], training)
                    return [y, *statistics([*values[:position], after, *values[position + 1 :]])]

                return chosen

            return ops.switch(index, [branch(name) for name in one.primitives])

        return backend.traced_once(run)

    functions = {training: path(training) for training in (False, True)}

    def call(inputs: Tensor, weights: Tensor, index: Any, values: list[list[Any]], training: bool | None) -> Tensor:
        y, *after = functions[bool(training)](inputs, weights, index, values)
        new = iter(after)
        pairs = zip(candidates, values, strict=True)
        updated = [
            [v if variable.trainable else next(new) for variable, v in zip(c.variables, own, strict=True)]
            for c, own in pairs
        ]
        return y, updated

    return call
