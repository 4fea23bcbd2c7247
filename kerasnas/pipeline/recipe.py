"""The recipe by which a discrete network is trained from scratch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerasnas import checks, datasets
from kerasnas.datasets.batches import Augmentation
from kerasnas.registry import Registry

AUGMENTATIONS = Registry("augmentation")
AUGMENTATIONS.register("shift", datasets.shift)
AUGMENTATIONS.register("flip", datasets.flip)
AUGMENTATIONS.register("cutout", lambda batch, rng: datasets.cutout(batch, rng, size=max(1, batch.shape[1] // 4)))


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """Size, schedule, batches and augmentation of the training of a discrete network.

    By default the optimizer is SGD with Nesterov momentum 0.9 and gradients clipped to a global norm of 5, whose
    learning rate a cosine takes to 0; the loss is sparse categorical cross-entropy from logits, the metric accuracy.

    Args:
        epochs: Defaults to 10.
        batch_size: Defaults to 64; data with fewer samples make one batch.
        learning_rate: the initial one. Defaults to 0.1.
        augment: `(batch, rng) -> batch`, for the training data. Defaults to None.
        compile: function that compiles the network it is given, in place of the above. Defaults to None.
        options: further arguments of the space's `build_network`, such as `filters`. Defaults to none.

    Raises:
        ValueError: for a number out of range.
        TypeError: if `augment` or `compile` cannot be called.

    Example:

    >>> recipe = TrainingRecipe(epochs=2, options={"filters": 4})
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> type(recipe.compile_network(model, steps=10).optimizer).__name__
    'SGD'
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.1
    augment: Augmentation | None = None
    compile: Callable[[keras.Model], Any] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, checks.integer(name, getattr(self, name), 1))
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.optional(checks.function, "augment", self.augment)
        checks.optional(checks.function, "compile", self.compile)
        object.__setattr__(self, "options", dict(self.options))

    def compile_network(self, model: keras.Model, steps: int) -> keras.Model:
        """Compile `model` for a training of `steps` steps; return it.

        Raises:
            ValueError: if the recipe's own `compile` leaves it uncompiled.
        """
        if self.compile is None:
            model.compile(
                keras.optimizers.SGD(
                    keras.optimizers.schedules.CosineDecay(self.learning_rate, steps),
                    momentum=0.9,
                    nesterov=True,
                    global_clipnorm=5.0,
                ),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
                jit_compile=False,  # XLA's depthwise convolutions are far slower on a CPU
            )
            return model
        self.compile(model)
        if not model.compiled:
            raise ValueError("The function given as `compile` left the network uncompiled. Call `model.compile(...)`.")
        return model

    def settings(self) -> dict[str, Any]:
        """The settings that a result depends on, as far as they are JSON-serializable."""
        record = {"epochs": self.epochs, "batch_size": self.batch_size, "options": json.loads(json.dumps(self.options))}
        # Left out at its default, which was the only one once: projects of that time continue.
        return record if self.learning_rate == 0.1 else {**record, "learning_rate": self.learning_rate}
