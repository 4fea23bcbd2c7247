"""One Keras optimizer that holds two: for the network weights and for the architecture parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.backend import values
from kerasnas.relaxations.base import is_alphas, split_variables
from kerasnas.trainers import arguments
from kerasnas.trainers.hypergradients import InnerStep


@keras.saving.register_keras_serializable(package="kerasnas")
class BilevelOptimizer(keras.optimizers.Optimizer):
    """Applies each gradient with the optimizer of its variable's level.

    Keras saves, restores and reports one optimizer per model; held in one, the states of both levels are part of
    `.keras` files, `BackupAndRestore` and checkpoints. `learning_rate` is that of the network weights, so that
    `LearningRateScheduler` and `ReduceLROnPlateau` act on it.

    Args:
        optimizer: for the network weights.
        architecture_optimizer: for the architecture parameters.

    Example:

    >>> both = BilevelOptimizer(keras.optimizers.SGD(0.1), keras.optimizers.Adam(3e-4))
    >>> round(float(both.learning_rate), 3)
    0.1
    """

    built: bool

    @checks.arguments(optimizer=arguments.optimizer, architecture_optimizer=arguments.optimizer, name=checks.name)
    def __init__(self, optimizer: Any, architecture_optimizer: Any, name: str = "bilevel_optimizer", **kwargs: Any):
        super().__init__(learning_rate=0.0, name=name, **kwargs)
        self.inner = [keras.optimizers.get(optimizer), keras.optimizers.get(architecture_optimizer)]
        if self.inner[0] is self.inner[1]:
            raise ValueError("The two levels need an optimizer each. Received the same object for both.")

    def with_loss_scaling(self) -> BilevelOptimizer:
        """Return the same with dynamic loss scaling for each level, which float16 needs."""
        scaled = keras.optimizers.LossScaleOptimizer
        first, second = (inner if isinstance(inner, scaled) else scaled(inner) for inner in self.inner)
        return BilevelOptimizer(first, second, name=self.name)

    # `loss_scales` and `inner_step` read variables; in a `keras.StatelessScope` their values there.
    @property
    def loss_scales(self) -> list[Any]:
        """Factor of each level's loss before it is differentiated: 1.0 without loss scaling."""
        return [optimizer.scale_loss(1.0) for optimizer in self.inner]

    def inner_step(self, weight_decay: float = 0.0, required: bool = True) -> InnerStep | None:
        """Return the next step of the network weights as a function, from the current rate and momentum buffers.

        `weight_decay` is what the weights' gradient should include. Without `required`, returns None if the weights'
        optimizer takes no such step; otherwise raises ValueError.
        """
        sgd = getattr(self.inner[0], "inner_optimizer", self.inner[0])
        plain = isinstance(sgd, keras.optimizers.SGD) and not (sgd.weight_decay or sgd.gradient_accumulation_steps)
        if not plain and not required:
            return None
        if not plain:
            raise ValueError(
                "Invalid value received for argument `optimizer`. A second-order hypergradient differentiates the "
                "step of the network weights. Expected `keras.optimizers.SGD`, without gradient accumulation, and with "
                "the weight decay passed to `BilevelTrainer`; or hypergradient='first_order', which takes any "
                f"optimizer. Received: {type(sgd).__name__} with weight_decay={sgd.weight_decay} and "
                f"gradient_accumulation_steps={sgd.gradient_accumulation_steps}"
            )
        return InnerStep(
            learning_rate=ops.convert_to_tensor(sgd.learning_rate),
            momentum=sgd.momentum,
            velocity=values(sgd.momentums) if sgd.momentum else None,
            weight_decay=weight_decay,
            nesterov=sgd.nesterov,
            loss_scale=self.loss_scales[0],
        )

    @property
    def learning_rate(self) -> Any:
        return self.inner[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner[0].learning_rate = value

    @property
    def variables(self) -> list[Any]:
        return [self.iterations, *self.inner[0].variables, *self.inner[1].variables]

    def build(self, variables: Iterable[Any]) -> None:
        if self.built:
            return
        self._trainable_variables = list(variables)
        for optimizer, level in zip(self.inner, split_variables(self._trainable_variables), strict=True):
            optimizer.build(level)
        self.built = True

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        pairs = list(zip(grads, variables, strict=True))
        for optimizer, level in zip(self.inner, (False, True), strict=True):
            selected = [(gradient, variable) for gradient, variable in pairs if is_alphas(variable) is level]
            if selected:
                optimizer.apply([gradient for gradient, _ in selected], [variable for _, variable in selected])
                if not level:
                    self.iterations.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        first, second = (keras.optimizers.serialize(optimizer) for optimizer in self.inner)
        return {"name": self.name, "optimizer": first, "architecture_optimizer": second}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> BilevelOptimizer:
        optimizers = {
            key: keras.optimizers.deserialize(config[key], custom_objects)
            for key in ("optimizer", "architecture_optimizer")
        }
        return cls(**optimizers, name=config["name"])
