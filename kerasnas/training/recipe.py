"""Recipe by which a discrete network is trained from scratch."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import keras

from kerasnas import checks
from kerasnas.modalities.augmentations import Augmentation
from kerasnas.modalities.fronts import Front
from kerasnas.networks.random_kernels import KERNELS
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.training.muon import Muon

ALGORITHMS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": functools.partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    "adam": keras.optimizers.Adam,
    "muon": Muon,
}
"""The optimizers of network weights."""


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """Size, schedule, batches and augmentation of the training of a discrete network.

    By default the optimizer is SGD with Nesterov momentum 0.9 and gradients clipped to a global norm of 5, whose
    learning rate a cosine takes to 0; loss and metrics are those of the task.

    Args:
        epochs: Defaults to 10.
        batch_size: Defaults to 64; data with fewer samples make one batch.
        learning_rate: the initial one. Defaults to 0.1.
        augment: `(batch, rng) -> batch`, for the training data. Defaults to None.
        compile: function that compiles the network it is given, in place of the above. Defaults to None.
        options: further arguments of the space's `build_network`, such as `filters`. Defaults to none.
        weight_decay: decoupled, of all weights but biases and the scales and centers of batch norm, in units of the
            learning rate: with momentum 0.9 it acts like ten times less in the papers' form. Defaults to 0.
        label_smoothing: share of the label that is spread over all classes, in training. Defaults to 0.
        task: what the network predicts. Defaults to classification.
        algorithm: `"sgd"`, as above, or `"adam"` or `"muon"`, clipped likewise. Defaults to `"sgd"`.
        ngrams: of texts, as token ids: the number of tokens of the longest runs that a linear model beside the network
            knows, fitted to the same data; a part of them decides how much each counts. Defaults to 0: no such model.
        kernels: of signals: the number of features of random kernels that a linear model beside the network knows, at
            least 84; likewise. Defaults to 0: no such model.
        front: of the data, whose pretrained vectors of words a linear model reads too. Defaults to None.

    Raises:
        ValueError: for a number out of range.
        TypeError: if `augment` or `compile` cannot be called, or `task` is no task.

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
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    task: Task = CLASSIFICATION
    algorithm: str = "sgd"
    ngrams: int = 0
    kernels: int = 0
    front: Front | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, checks.integer(name, getattr(self, name), 1))
        checks.integer("ngrams", self.ngrams, 0)
        if checks.integer("kernels", self.kernels, 0) and self.kernels < KERNELS:
            raise ValueError(checks.invalid("kernels", f"0, or at least {KERNELS}", self.kernels))
        if self.ngrams and self.kernels:
            raise ValueError(checks.invalid("kernels", "0 beside `ngrams`, which are of texts", self.kernels))
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.number("weight_decay", self.weight_decay, least=0)
        checks.number("label_smoothing", self.label_smoothing, least=0, below=1)
        checks.instance("task", self.task, Task, "a `kerasnas.tasks.Task`")
        checks.one_of("algorithm", self.algorithm, ALGORITHMS)
        checks.optional(checks.function, "augment", self.augment)
        checks.optional(checks.instance, "front", self.front, Front)
        checks.optional(checks.function, "compile", self.compile)
        object.__setattr__(self, "options", dict(self.options))

    @checks.arguments(steps=checks.maybe(checks.size))
    def optimizer(self, steps: int | None) -> keras.optimizers.Optimizer:
        """A new optimizer for a training of `steps` steps; `steps` as for `compile_network`."""
        schedule = keras.optimizers.schedules.CosineDecay
        rate = self.learning_rate if steps is None else schedule(self.learning_rate, steps)
        options = {"weight_decay": self.weight_decay or None, "global_clipnorm": 5.0}
        optimizer = ALGORITHMS[self.algorithm](rate, **options)
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    @checks.arguments(model=keras.Model, steps=checks.maybe(checks.size))
    def compile_network(self, model: keras.Model, steps: int | None) -> keras.Model:
        """Compile `model` for a training of `steps` steps; return it.

        Args:
            model: a network whose outputs are logits.
            steps: of the cosine. None for a learning rate that is constant, until it is set.

        Raises:
            ValueError: if the recipe's own `compile` leaves it uncompiled.
        """
        if self.compile is None:
            # XLA's depthwise convolutions are far slower on a CPU.
            loss, metrics = self.task.loss(self.label_smoothing), self.task.metrics()
            model.compile(self.optimizer(steps), loss, metrics=metrics, jit_compile=False)
            return model
        self.compile(model)
        if not model.compiled:
            raise ValueError("The function given as `compile` left the network uncompiled. Call `model.compile(...)`.")
        return model

    def settings(self) -> dict[str, Any]:
        """Return the settings that a result depends on, as far as they are JSON-serializable."""
        names = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing", "algorithm")
        record = {name: getattr(self, name) for name in (*names, "ngrams", "kernels")}
        return {**record, "options": json.loads(json.dumps(self.options)), **self.task.entry()}
