"""Guards that keep a differentiable search from collapse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.backend import traced_once, values
from kerasnas.callbacks import CurvatureStop
from kerasnas.callbacks.schedules import AuxiliarySkipSchedule
from kerasnas.trainers.curvature import CurvatureMemory
from kerasnas.trainers.gradients import BilevelGradients
from kerasnas.trainers.protocol import PlainSupernet, SupernetProtocol

CURVATURE_WINDOW = 5  # epochs, as in RobustDARTS
AUXILIARY_SKIP, CURVATURE_RATIO = 1.0, 0.25  # the values of "auto"; `CurvatureStop` says why 0.25


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


class SearchGuards:
    """Guards of a `BilevelTrainer`, which documents the arguments. One without effect warns, unless it is `"auto"`.

    Attributes:
        auxiliary_skip: weight of the auxiliary skip at the start of a search; 0 if there is none.
        memory: the curvatures measured so far; None if none are.
    """

    def __init__(
        self,
        supernet: SupernetProtocol | PlainSupernet,
        auxiliary_skip: float | str,
        max_skips: int | str | None,
        curvature_ratio: float | str | None,
    ):
        self.supernet = supernet
        weight, edges = AUXILIARY_SKIP, None
        skip_asked = not _is_auto(auxiliary_skip)
        if skip_asked:
            weight = checks.number("auxiliary_skip", auxiliary_skip, least=0)
        if not _is_auto(max_skips) and max_skips is not None and (type(max_skips) is not int or max_skips < 0):
            raise ValueError(checks.invalid("max_skips", "'auto', None or an integer of at least 0", max_skips))
        self.max_skips = max_skips
        ratio: float | None = CURVATURE_RATIO
        self._asked = not _is_auto(curvature_ratio)
        if self._asked:
            ratio = checks.optional(checks.number, "curvature_ratio", curvature_ratio, above=0, below=1)
        if weight:
            edges = supernet.add_auxiliary_skip(weight)
            if edges == 0 and skip_asked:
                _warn(f"auxiliary_skip={weight}", "the supernet has no edge of stride 1 for a skip")
        self.auxiliary_skip = 0.0 if edges == 0 else weight
        obstacle = self._obstacle()
        if ratio and obstacle and self._asked:
            _warn(f"curvature_ratio={ratio}", f"{obstacle}, so that no curvature is measured")
        self.ratio = None if obstacle else ratio
        self.memory: CurvatureMemory | None = None
        if self.ratio:
            self.memory = CurvatureMemory(supernet.architecture_parameters, capacity=2 * CURVATURE_WINDOW)
        self._measure: Callable | None = None

    def _obstacle(self) -> str | None:
        """Return why no curvature can be measured, None if it can."""
        if isinstance(self.supernet, PlainSupernet):
            return "the supernet was not built by a space"
        return f"the relaxation {type(self.supernet.relaxation).__name__} samples paths" if self._samples else None

    @property
    def _samples(self) -> bool:
        """True if the supernet is of a space, and samples paths."""
        return not isinstance(self.supernet, PlainSupernet) and self.supernet.relaxation.paths is not None

    @property
    def skip_limit(self) -> int | None:
        """Maximum number of skip connections that `derive` leaves in each kind of cell; None for no limit."""
        return self.supernet.skip_cap if isinstance(self.max_skips, str) else self.max_skips

    def idle_stop(self, initial_epoch: int, epochs: int, frozen: int) -> str | None:
        """Return why a `fit` with `frozen` warm-up epochs is too short to end for its curvature, None if it is not."""
        if self.memory is None:
            return None
        past = int(ops.convert_to_numpy(self.memory.count))
        learning, needed = past + max(epochs - max(initial_epoch, frozen), 0), 2 * CURVATURE_WINDOW
        if learning >= needed:
            return None
        return f"it needs {needed} epochs with trainable alphas, and this search has {learning}"

    def callbacks(
        self, data: Any, initial_epoch: int, epochs: int, frozen: int
    ) -> tuple[list[keras.callbacks.Callback], int]:
        """Return the guards' callbacks for a `fit` on `data`, and the epoch at which it ends; see `idle_stop`."""
        guards: list[keras.callbacks.Callback] = []
        # With sampled paths it stays: as it fades, skips and pools, which need no training, carry the signal and win.
        if self.auxiliary_skip and not self._samples:
            guards.append(AuxiliarySkipSchedule(self.auxiliary_skip))
        if self.memory is None or self.ratio is None:
            return guards, epochs
        if float(ops.convert_to_numpy(self.memory.stopped)):
            return guards, initial_epoch  # the resumed search had already ended
        if idle := self.idle_stop(initial_epoch, epochs, frozen):
            if self._asked:
                _warn(f"curvature_ratio={self.ratio}", idle)
            return guards, epochs
        return [*guards, CurvatureStop(lambda: _validation_batch(data), self.ratio, CURVATURE_WINDOW)], epochs

    def curvature(self, search: BilevelGradients, batch: Any, iterations: int) -> float:
        """Return the curvature on a batch; see `BilevelTrainer.curvature`."""
        memory = self.memory
        if memory is None:
            obstacle = self._obstacle() or "`curvature_ratio` is None"
            raise ValueError(f"This search measures no curvature: {obstacle}.")
        if self._measure is None:

            def measure(batch: Any, start: list[Any]) -> tuple[Any, list[Any]]:
                state = values(search.non_trainable_variables)
                w, a = values(search.network_weights), values(search.architecture_parameters)
                return search.architecture_curvature(w, a, state, batch, start, iterations)

            self._measure = traced_once(measure)
        batch = keras.tree.map_structure(ops.convert_to_tensor, tuple(batch))
        eigenvalue, vector = self._measure(batch, values(memory.vector))
        for variable, value in zip(memory.vector, vector, strict=True):
            variable.assign(value)
        return float(eigenvalue)


def _warn(guard: str, reason: str) -> None:
    checks.warn(f"The guard {guard} has no effect: {reason}.")


def _validation_batch(data: Any) -> Any:
    """Return the first batch of the half that moves the alphas."""
    pair = data[0] if isinstance(data, keras.utils.PyDataset) else next(iter(data))
    return pair[1]
