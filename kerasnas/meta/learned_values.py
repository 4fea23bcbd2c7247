"""Values that a meta-learner learns alongside the model: inner rates, and statistics and shifts of each inner step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

_NAMES = ("inner_rates", "statistics_", "shifts_")  # beginnings of the names of these variables


def learned_variables(learner: Any) -> dict[str, Any]:
    """Return by name the variables that a meta-learner learns for its own inner loop."""
    of_model = {id(variable) for variable in learner.model.variables}
    variables = [variable for variable in learner.variables if id(variable) not in of_model]
    return {variable.name: variable for variable in variables if variable.name.startswith(_NAMES)}


def learned_arrays(learner: Any) -> dict[str, np.ndarray]:
    """Return copies of the values of `learned_variables`."""
    return {name: np.array(ops.convert_to_numpy(variable)) for name, variable in learned_variables(learner).items()}


def check_learned(learner: Any, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Raise ValueError if `arrays` do not fit `learner`; compares `settings` of the initialization's `description`."""
    shapes = {name: tuple(variable.shape) for name, variable in learned_variables(learner).items()}
    wrong = [name for name, array in arrays.items() if name in shapes and array.shape != shapes[name]]
    if not wrong:
        return
    settings, config = description.get("settings", {}), learner.get_config()
    differing = [
        f"{name} {settings[name]!r}, expected {config[name]!r}"
        for name in ("inner_steps", "inner_variables")
        if name in settings and settings[name] != config[name]
    ]
    differing += [f"{name} {arrays[name].shape}, expected {shapes[name]}" for name in wrong[:3]]
    raise ValueError(f"This initialization is of a learner with another inner loop: it has {'; '.join(differing)}")


def assign_learned(learner: Any, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Assign `arrays` to the learner's variables of these names; return the names assigned."""
    variables = learned_variables(learner)
    names = [name for name in variables if name in arrays]
    for name in names:
        variables[name].assign(arrays[name])
    return names
