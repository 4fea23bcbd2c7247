"""Warm-up of a search: the first epochs, in which the alphas are frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import replicas


class AlphaWarmup:
    """Warm-up of a search: the first epochs of `fit` (by default a quarter), in which the alphas are frozen.

    Neither the alphas nor any variable of their optimizer change. An optimizer that receives zeros still counts its
    steps: after a warm-up, Adam's bias correction would be spent while its second moment is still zero, and the first
    steps would be up to `sqrt(1 / (1 - beta_2)) (1 - beta_1)` times its rate, 16 times with the defaults of
    `BilevelTrainer`.

    On one replica, and on JAX, the graph of a step holds both phases and the scalar variable `active` picks one, 1
    while the alphas learn, so that the end of the warm-up traces nothing. A branch of a graph cannot sum over replicas:
    on several, the phase is a constant of the graph, which is traced again when it changes. Without a warm-up the graph
    holds one phase. `active` is the trainer's, saved and restored with it.

    Attributes:
        needed: True if the alphas are frozen in any epoch, so that the graph must hold that phase.
    """

    def __init__(self, epochs: int | None, active: Tensor, replicated: bool = False):
        self.epochs, self.active, self.replicated = epochs, active, replicated
        self.needed = bool(epochs)
        self._frozen_graph = False  # on several replicas: the phase that the graph is traced for

    def length(self, epochs: int) -> int:
        """Return for how many of the `epochs` epochs of a `fit` the alphas are frozen."""
        return epochs // 4 if self.epochs is None else self.epochs

    @property
    def frozen(self) -> bool:
        """True while the alphas are frozen."""
        return not float(ops.convert_to_numpy(self.active))

    def freeze(self, frozen: bool) -> bool:
        """Freeze the alphas, or let them learn, from the next step on; return True if it must be traced again."""
        self.active.assign(float(not frozen))
        if self.replicated:
            stale, self._frozen_graph = self._frozen_graph is not frozen, frozen
        else:
            stale = frozen and not self.needed
        self.needed = self.needed or frozen
        return stale

    def choose(self, active: Tensor, learning: Callable[[], Any], frozen: Callable[[], Any]) -> Any:
        """Return `learning()`, or in the warm-up `frozen()`, which returns the same structure, for use in a step.

        `active` is the value of the variable of this name in the step.
        """
        if replicas() > 1:
            return frozen() if self._frozen_graph else learning()
        return ops.cond(active > 0, learning, frozen) if self.needed else learning()

    def select(self, active: Tensor, learned: Sequence[Any], frozen: Sequence[Any]) -> list[Any]:
        """Return the tensors `learned`, or in the warm-up `frozen`; both are computed, so that no branch waits.

        `active` is the value of the variable of this name in the step.
        """
        if not self.needed:
            return list(learned)
        return [ops.where(active > 0, new, old) for new, old in zip(learned, frozen, strict=True)]
