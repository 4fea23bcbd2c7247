"""One Keras optimizer that holds two: one for the network weights, one for the architecture parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasnas.relaxations import is_alphas


@keras.saving.register_keras_serializable(package="kerasnas")
class BilevelOptimizer(keras.optimizers.Optimizer):
    """Applies each gradient with the optimizer of its variable's level.

    Keras saves, restores and reports one optimizer a model; held in one, the states of both levels
    travel with `.keras` files, `BackupAndRestore` and checkpoints. `learning_rate` is that of the
    network weights, so that `LearningRateScheduler` and `ReduceLROnPlateau` act on it.

    Args:
        optimizer: for the network weights.
        architecture_optimizer: for the architecture parameters.

    Example:

    >>> both = BilevelOptimizer(keras.optimizers.SGD(0.1), keras.optimizers.Adam(3e-4))
    >>> round(float(both.learning_rate), 3)
    0.1
    """

    built: bool

    def __init__(self, optimizer: Any, architecture_optimizer: Any, name: str = "bilevel_optimizer", **kwargs: Any):
        super().__init__(learning_rate=0.0, name=name, **kwargs)
        self.inner = [keras.optimizers.get(optimizer), keras.optimizers.get(architecture_optimizer)]
        if self.inner[0] is self.inner[1]:
            raise ValueError("The two levels need an optimizer each. Received the same object for both.")

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
        variables = list(variables)
        self.inner[0].build([variable for variable in variables if not is_alphas(variable)])
        self.inner[1].build([variable for variable in variables if is_alphas(variable)])
        self._trainable_variables = variables
        self.built = True

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Any] | None = None) -> None:
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        self.build(variables)
        pairs = list(zip(grads, variables, strict=True))
        for optimizer, level in zip(self.inner, (False, True), strict=True):
            own = [(gradient, variable) for gradient, variable in pairs if is_alphas(variable) is level]
            if own:
                optimizer.apply([gradient for gradient, _ in own], [variable for _, variable in own])
                if not level:
                    self._iterations.assign_add(1)

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
