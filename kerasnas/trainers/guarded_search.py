"""What keeps a differentiable search from collapse, and within what its network may cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas.backend import traced_once, values
from kerasnas.callbacks import CurvatureStop
from kerasnas.genotypes import Genotype
from kerasnas.networks import Supernet
from kerasnas.trainers.cost_objective import CostObjective
from kerasnas.trainers.curvature import CurvatureMemory
from kerasnas.trainers.gradients import BilevelGradients

CURVATURE_WINDOW = 5  # epochs, of RobustDARTS


class GuardedSearch(BilevelGradients):
    """The part of `BilevelTrainer` that holds its guards, and derives within limits."""

    def set_guards(self, auxiliary_skip: float, max_skips: int | str | None, curvature_ratio: float | None) -> None:
        """Put up the guards; see `BilevelTrainer` for the arguments.

        Raises:
            ValueError: for a value outside its range.
        """
        whole = isinstance(max_skips, int) and not isinstance(max_skips, bool) and max_skips >= 0
        checks = {
            "auxiliary_skip": (auxiliary_skip, auxiliary_skip >= 0, "at least 0"),
            "max_skips": (max_skips, max_skips in ("auto", None) or whole, "'auto', None or an integer of at least 0"),
            "curvature_ratio": (
                curvature_ratio,
                curvature_ratio is None or 0 < curvature_ratio < 1,
                "None, or between 0 and 1",
            ),
        }
        for argument, (value, right, expected) in checks.items():
            if not right:
                raise ValueError(
                    f"Invalid value received for argument `{argument}`. Expected {expected}. Received: {value!r}"
                )
        self.auxiliary_skip, self.max_skips, self.curvature_ratio = auxiliary_skip, max_skips, curvature_ratio
        self._curvature_function: Callable | None = None
        self.curvature_memory: CurvatureMemory | None = None
        if not isinstance(self.supernet, Supernet):
            return
        if auxiliary_skip:
            self.supernet.add_auxiliary_skip(auxiliary_skip)
        if curvature_ratio and not hasattr(self.supernet.relaxation, "paths"):
            self.curvature_memory = CurvatureMemory(self.architecture_parameters, capacity=2 * CURVATURE_WINDOW)

    def guards_config(self) -> dict[str, Any]:
        """The arguments of `set_guards`."""
        return {
            "auxiliary_skip": self.auxiliary_skip,
            "max_skips": self.max_skips,
            "curvature_ratio": self.curvature_ratio,
        }

    def guards(self, data: Any, initial_epoch: int, epochs: int) -> tuple[list[keras.callbacks.Callback], int]:
        """The callbacks of the guards for a `fit` on `data`, and the epoch at which that ends."""
        if (
            self.curvature_memory is None or self.curvature_ratio is None or epochs < 2 * CURVATURE_WINDOW
        ):  # before, there is nothing to compare
            return [], epochs
        if float(ops.convert_to_numpy(self.curvature_memory.stopped)):
            return [], initial_epoch  # the search that this one resumes was ended
        return [CurvatureStop(lambda: _validation_batch(data), self.curvature_ratio, CURVATURE_WINDOW)], epochs

    def derive(self) -> Genotype:
        """The genotype that the alphas point to now, within `max_skips` and the target of a `CostObjective`.

        Raises:
            TypeError: if the supernet is not of a space and has no rule.
        """
        if not hasattr(self.supernet, "derive"):
            raise TypeError(f"The supernet '{self.supernet.name}' was not built by a space: it has no rule to derive.")
        if not isinstance(self.supernet, Supernet):
            return self.supernet.derive()
        limits: dict[str, Any] = {}
        if isinstance(self.objective, CostObjective) and self.objective.target is not None:
            limits = {"cost": self.objective.cost, "limit": self.objective.target}
        return self.supernet.derive(self.skip_limit, **limits)

    @property
    def skip_limit(self) -> int | None:
        """Most skip connections that `derive` leaves in each kind of cell; None for any number."""
        return self.supernet.skip_cap if isinstance(self.max_skips, str) else self.max_skips

    def costs(self, genotype: Genotype) -> dict[str, float]:
        """With a `CostObjective`: the cost of the derived `genotype`, and what the mixing weights let expect of it."""
        if not isinstance(self.objective, CostObjective):
            return {}
        cost = self.objective.cost
        expected = float(cost.expected(self.supernet.expected_weights()))
        return {f"expected_{cost.name}": expected, f"derived_{cost.name}": cost.cost(genotype)}

    def curvature(self, batch: Any, iterations: int = 6) -> float:
        """The magnitude of the top eigenvalue of the Hessian of the loss on `batch` by the alphas.

        A few power iterations, from where those of the last call came out.

        Args:
            batch: `(x, y)`.
            iterations: how many. Defaults to 6.
        """
        memory = self.curvature_memory
        if memory is None:
            raise ValueError(
                "This search measures no curvature: `curvature_ratio` is None, or its relaxation draws paths."
            )
        if self._curvature_function is None:

            def measure(batch: Any, start: list[Any]) -> tuple[Any, list[Any]]:
                state = values(self.non_trainable_variables)
                w, a = values(self.network_weights), values(self.architecture_parameters)
                return self.architecture_curvature(w, a, state, batch, start, iterations)

            self._curvature_function = traced_once(measure)
        batch = keras.tree.map_structure(ops.convert_to_tensor, tuple(batch))
        eigenvalue, vector = self._curvature_function(batch, values(memory.vector))
        for variable, value in zip(memory.vector, vector, strict=True):
            variable.assign(value)
        return abs(float(eigenvalue))


def _validation_batch(data: Any) -> Any:
    """The first batch of the half that moves the alphas."""
    pair = data[0] if hasattr(data, "__getitem__") else next(iter(data))
    return pair[1]
