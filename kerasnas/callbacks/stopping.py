"""Guards that stop a search before it comes to harm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from kerasnas import checks
from kerasnas.callbacks.state import restore, snapshot


class NonFiniteError(ArithmeticError):
    """Raised when a loss stops being finite; the state of the epoch's start is restored."""


class NonFiniteGuard(keras.callbacks.Callback):
    """Stops the search at the first loss that is not finite, with the state of the epoch's start restored.

    Raises:
        NonFiniteError: naming the step and the loss.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._state = epoch, snapshot(self.model)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        losses = {"loss": "training", "val_loss": "validation"}
        bad = [
            f"{losses[name]} loss"
            for name, value in (logs or {}).items()
            if name in losses and not math.isfinite(float(value))
        ]
        if bad:
            restore(self.model, self._state)
            raise NonFiniteError(
                f"The {' and the '.join(bad)} stopped being finite at epoch {self._epoch + 1}, step {batch + 1}. "
                f"The state of the start of epoch {self._epoch + 1} was restored. Usual causes: a learning rate "
                "that is too high, labels outside the classes of the model, or non-finite values in the data."
            )


class CurvatureStop(keras.callbacks.Callback):
    """Stops the search when the loss becomes sharp in the alphas, and restores them to where it was flat.

    After every epoch it measures the largest eigenvalue of the Hessian of the validation loss with respect to the
    alphas (`curvature` in the logs), and averages it over `window` epochs in which the alphas learned. If that average
    exceeds `1 / ratio` times its value `window` epochs ago, the alphas of `window` epochs ago are restored and the
    search ends; an average that is not positive has no multiple. `BilevelTrainer.fit` adds one for `curvature_ratio` if
    the alphas learn in `2 * window` epochs, the fewest it can act after. Its memory lies in variables of the trainer,
    so that a resumed search continues it.

    Args:
        batch: a function that returns the batch `(x, y)` to measure on.
        ratio: Defaults to 0.25. The paper's is 0.75; in searches of minutes curvature doubles and trebles without harm.
        window: Defaults to the paper's 5.

    Attributes:
        stopped: True once it has stopped the search.

    Reference:
        Zela et al., "Understanding and Robustifying Differentiable Architecture Search", 2020 (arXiv 1909.09656),
        section 4.3.
    """

    @checks.arguments(batch=checks.function, ratio=checks.positive, window=checks.size)
    def __init__(self, batch: Callable[[], Any], ratio: float = 0.25, window: int = 5):
        super().__init__()
        self.batch, self.ratio, self.window = batch, ratio, window
        self.stopped = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        curvature = self.model.curvature(self.batch())
        if logs is not None:
            logs["curvature"] = curvature
        if self.model.architecture_warmup.frozen:
            return
        memory = self.model.curvature_memory
        memory.remember(curvature, self.model.architecture_parameters)
        averages = memory.averages(self.window)
        if len(averages) > self.window and 0 < averages[-1 - self.window] < self.ratio * averages[-1]:
            memory.restore(self.window, self.model.architecture_parameters)
            memory.stopped.assign(1.0)
            self.stopped = self.model.stop_training = True
