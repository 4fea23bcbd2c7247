"""Values that a meta-learner learns beside the model: inner rates, and for each inner step what batch norm needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

_NAMES = ("inner_rates", "statistics_", "shifts_")  # how the variables of these begin


def learned_variables(learner: Any) -> dict[str, Any]:
    """The variables of a meta-learner that it learns for its own inner loop, by name.

    Example:

    >>> import keras
    >>> from kerasnas.meta import MAML
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> learner = MAML(model, inner_steps=5, learn_inner_rates=True)
    >>> {name: tuple(variable.shape) for name, variable in learned_variables(learner).items()}
    {'inner_rates': (5, 1)}
    """
    own = {id(variable) for variable in learner.model.variables}
    variables = [variable for variable in learner.variables if id(variable) not in own]
    return {variable.name: variable for variable in variables if variable.name.startswith(_NAMES)}


def learned_arrays(learner: Any) -> dict[str, np.ndarray]:
    """Copies of the values of `learned_variables`."""
    return {name: np.array(ops.convert_to_numpy(variable)) for name, variable in learned_variables(learner).items()}


def check_learned(learner: Any, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Raise where values of `learned_arrays` do not fit another learner.

    Args:
        learner: the learner that they are for.
        arrays: the values.
        description: of the initialization that they come from; its `settings` are compared.

    Raises:
        ValueError: says what differs.
    """
    own = {name: tuple(variable.shape) for name, variable in learned_variables(learner).items()}
    wrong = [name for name, array in arrays.items() if name in own and array.shape != own[name]]
    if not wrong:
        return
    settings, config = description.get("settings", {}), learner.get_config()
    differing = [
        f"{name} {settings[name]!r}, expected {config[name]!r}"
        for name in ("inner_steps", "inner_variables")
        if name in settings and settings[name] != config[name]
    ]
    shapes = [f"{name} {arrays[name].shape}, expected {own[name]}" for name in wrong[:3]]
    raise ValueError(
        f"This initialization is of a learner with another inner loop: it has {'; '.join([*differing, *shapes])}"
    )


def assign_learned(learner: Any, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Assign the values of `learned_arrays` to the variables of these names; returns the names that were assigned."""
    variables = learned_variables(learner)
    names = [name for name in variables if name in arrays]
    for name in names:
        variables[name].assign(arrays[name])
    return names
