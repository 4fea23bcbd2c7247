"""Schedules that depend on the epoch alone, so that a resumed search continues them."""

from __future__ import annotations

import math
from typing import Any

import keras

from kerasnas import checks


class ArchitectureWarmup(keras.callbacks.Callback):
    """Freezes the alphas and their optimizer for the first `epochs` epochs, as partial-channel DARTS does.

    `BilevelTrainer.fit` adds one for `architecture_warmup_epochs`, unless one is passed to it.

    Args:
        epochs: length of the warm-up; 0 for none.

    Reference:
        Xu et al., "PC-DARTS", 2020 (arXiv 1907.05737), section 3.3.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = checks.integer("epochs", epochs, least=0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.activate_architecture(epoch >= self.epochs)


class AuxiliarySkipSchedule(keras.callbacks.Callback):
    """Anneals the weight of the auxiliary skip connections linearly to 0 over the epochs of `fit`.

    `BilevelTrainer.fit` adds one if the supernet has any.

    Args:
        initial: weight in the first epoch; it is 0 in the last. Defaults to 1.

    Example:

    >>> [round(AuxiliarySkipSchedule().weight(epoch, 5), 2) for epoch in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]

    Reference:
        Chu et al., "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", 2021
        (arXiv 2009.01027), section 3.3.
    """

    def __init__(self, initial: float = 1.0):
        super().__init__()
        self.initial = checks.number("initial", initial, least=0)

    def weight(self, epoch: int, epochs: int) -> float:
        """Return the weight in `epoch` of `epochs`."""
        return self.initial * (1 - epoch / max(epochs - 1, 1))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.supernet.add_auxiliary_skip(self.weight(epoch, self.params["epochs"]))


class SkipDropoutSchedule(keras.callbacks.Callback):
    """Fades the dropout after skip connections: linearly in the warm-up, then by a factor of `exp(-0.2)` an epoch.

    Where the warm-up ends, the rate is the initial one again, as in the original code.

    Args:
        initial: rate at the start, from 0 on and below 1: the supernet's `skip_dropout`.
        warmup: number of epochs in which the alphas are frozen. Defaults to 0.

    Example:

    >>> schedule = SkipDropoutSchedule(0.4, warmup=2)
    >>> [round(schedule.rate(epoch, 4), 2) for epoch in range(4)]
    [0.3, 0.2, 0.4, 0.33]

    Reference:
        Chen et al., "Progressive Differentiable Architecture Search", 2019 (arXiv 1904.12760), section 3.3.1, and its
        original code.
    """

    def __init__(self, initial: float, warmup: int = 0):
        super().__init__()
        self.initial = checks.number("initial", initial, least=0, below=1)
        self.warmup = checks.integer("warmup", warmup, least=0)

    def rate(self, epoch: int, epochs: int) -> float:
        """Return the rate in `epoch` of `epochs`."""
        if epoch < self.warmup:
            return self.initial * (epochs - epoch - 1) / epochs
        return self.initial * math.exp(-0.2 * (epoch - self.warmup))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.supernet.set_skip_dropout(self.rate(epoch, self.params["epochs"]))


class CosineSchedule(keras.callbacks.Callback):
    """Anneals a learning rate by a half cosine over the epochs of `fit`.

    Args:
        initial: learning rate of the first epoch.
        minimum: learning rate at the end of the schedule. Defaults to 0.
        frozen: number of epochs before it falls. Defaults to 0.
        alphas: if True, the rate is that of the alphas. Defaults to False.

    Raises:
        ValueError: if a number is negative or not finite, or `alphas` is not a boolean.

    Example:

    >>> [round(CosineSchedule(1.0, frozen=1).rate(epoch, 5), 3) for epoch in range(5)]
    [1.0, 1.0, 0.854, 0.5, 0.146]
    """

    def __init__(self, initial: float, minimum: float = 0.0, frozen: int = 0, alphas: bool = False):
        super().__init__()
        self.initial = checks.number("initial", initial, least=0)
        self.minimum = checks.number("minimum", minimum, least=0)
        self.frozen, self.alphas = checks.integer("frozen", frozen, least=0), checks.boolean("alphas", alphas)

    def rate(self, epoch: int, epochs: int) -> float:
        """Return the learning rate in `epoch` of `epochs`."""
        angle = math.pi * max(epoch - self.frozen, 0) / max(epochs - self.frozen, 1)
        return self.minimum + (self.initial - self.minimum) * (1 + math.cos(angle)) / 2

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        optimizer = self.model.optimizer.inner[1] if self.alphas else self.model.optimizer
        optimizer.learning_rate = self.rate(epoch, self.params["epochs"])


class TemperatureSchedule(keras.callbacks.Callback):
    """Anneals the temperature of the supernet's relaxation linearly over the epochs of `fit`.

    In a custom model it anneals every `MixedOp`'s.

    Args:
        initial: temperature of the first epoch. Defaults to 10, where GDAS starts.
        final: temperature of the last epoch. Defaults to 0.1, where it ends.

    Raises:
        ValueError: if a temperature is not above 0, and in `fit` if the relaxation has no temperature.

    Example:

    >>> [round(TemperatureSchedule(10.0, 0.1).temperature(epoch, 4), 2) for epoch in range(4)]
    [10.0, 6.7, 3.4, 0.1]

    Reference:
        Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", 2019 (arXiv 1910.04465).
    """

    def __init__(self, initial: float = 10.0, final: float = 0.1):
        super().__init__()
        self.initial, self.final = checks.number("initial", initial, above=0), checks.number("final", final, above=0)

    @checks.arguments(epoch=checks.count, epochs=checks.size)
    def temperature(self, epoch: int, epochs: int) -> float:
        """Return the temperature in `epoch` of `epochs`."""
        return self.initial + (self.final - self.initial) * (epoch / max(epochs - 1, 1))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if all(relaxation.temperature is None for relaxation in self.model.relaxations()):
            raise ValueError("TemperatureSchedule needs a relaxation with a temperature: 'softmax' or 'gumbel'.")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = self.temperature(epoch, self.params["epochs"])
        for relaxation in self.model.relaxations():
            if relaxation.temperature is not None:
                relaxation.temperature.assign(now)
