"""From settings to the search space and the data."""

from __future__ import annotations

import dataclasses
import inspect
from functools import partial
from typing import Any

import numpy as np

from kerasnas import datasets
from kerasnas.datasets.dataset import DATASETS
from kerasnas.datasets.faults import find_faults
from kerasnas.modalities.graphs import is_graph_file
from kerasnas.modalities.lookup import of_space
from kerasnas.spaces import SPACES, SearchSpace
from kerasnas.spaces.base import divides, has_supernet
from kerasnas.spaces.macro import WHOLE

SIZES = {"retrain_filters": "filters", "retrain_cells": "num_cells"}
"""Setting of a final network -> size of its space."""


def make_space(config: Any, data: datasets.Dataset | None = None, seen: tuple[int, ...] | None = None) -> SearchSpace:
    """Return the search space that the settings describe.

    Where choices shape the network itself, the settings of its size are the space's own unless they are changed: those
    of its `for_data`, if it has one and `data` are given, or the defaults of its constructor.

    Args:
        config: the settings.
        data: that networks of the space are for. Defaults to None: any.
        seen: shape of the samples as the networks see them. Defaults to None: that of the data.

    Raises:
        ValueError: for unknown names, and where the final network has cells that the search does not choose.
    """
    check_kind(config, data)
    space = _make(config, config.space_sizes, data, seen)
    if (cells := config.cells_to_choose) is not None:
        chosen, needed = _kinds(space), _kinds(_make(config, {**config.space_sizes, "num_cells": cells}))
        if missing := [kind for kind in needed if kind not in chosen]:
            raise ValueError(
                f"A network of retrain_cells={cells} has {missing[0]} cells, which a search with "
                f"num_cells={config.space_sizes['num_cells']} does not choose. Set num_cells to at least 3, or "
                "retrain_cells to below 3."
            )
    return space


def _kinds(space: SearchSpace) -> tuple[str, ...]:
    """Return the kinds of cells that the space chooses."""
    return tuple(space.sample(np.random.default_rng(0)))


def divisions_of(space: str, data: datasets.Dataset) -> tuple[str, ...]:
    """Return the divisions that samples suggest and networks of a space can make."""
    possible = divides(space)
    return tuple(one for one in data.divisions if one in possible) if possible else ()


def _make(
    config: Any, sizes: dict[str, int], data: datasets.Dataset | None = None, seen: tuple[int, ...] | None = None
) -> SearchSpace:
    """The space of the settings' name, given those settings that it takes; one that it does not take must be unset."""
    factory = SPACES[config.space]
    taken = inspect.signature(factory).parameters
    own = ("num_nodes", "stem_strides", "sparse")
    arguments: dict[str, Any] = {**sizes, **{name: getattr(config, name) for name in own}}
    if not has_supernet(config.space):
        asked = {SIZES.get(name, name) for name in config.changed()}
        arguments = {name: value for name, value in arguments.items() if name in asked}
        if data is not None and hasattr(factory, "for_data"):
            factory = partial(factory.for_data, seen or data.input_shape, data.num_classes, len(data.x_train))
    if data is not None and (divisions := divisions_of(config.space, data)):
        arguments["divisions"] = (WHOLE, *divisions)
    if data is not None:
        arguments |= {name: value for name, value in data.front.sizes.items() if name in taken}
    if "num_cells" in arguments:
        arguments[getattr(SPACES[config.space], "depth", "num_cells")] = arguments.pop("num_cells")
    if config.primitives:
        arguments["primitives"] = config.primitives
    for name in set(config.changed()) & set(arguments) - set(taken):
        raise ValueError(f"Space '{config.space}' has no setting `{name}`. It takes: {', '.join(taken)}")
    return factory(**{name: value for name, value in arguments.items() if name in taken})


def check_kind(config: Any, data: datasets.Dataset | None) -> None:
    """Raise ValueError unless the space of the settings takes samples like those of `data`; names one that does."""
    if data is None:
        return
    own = data.modality
    if not own.fits(SPACES[config.space]):
        taken = of_space(SPACES[config.space]).plural
        raise ValueError(
            f"Space '{config.space}' takes {taken}, and {data.name} holds {own.plural}, of shape "
            f"{data.input_shape}. Add --space={own.gradient_space or own.race_space}, or another space of {own.plural}."
        )


def checked_data(config: Any, **how: Any) -> datasets.Dataset:
    """Return the data of the settings, whose values and labels networks can be trained on; `how` as for `load`."""
    if config.dataset not in DATASETS and is_graph_file(config.dataset):
        taken = of_space(SPACES[config.space]).plural
        raise ValueError(
            f"{config.dataset} is a graph, and space '{config.space}' takes {taken}. "
            "Leave out --space, or say --space=graphs (from Python: `kerasnas.GraphClassifier`)."
        )
    data = datasets.load(config.dataset, **config.reading, **how)
    expected: dict[str, Any] = {"num_classes": data.num_classes, "input_shape": data.input_shape, "task": data.task}
    data.modality.check(data.x_train, data.y_train, **expected, what="training")
    data.modality.check(data.x_test, data.y_test, **expected, what="test")
    return _examined(data, config.strict)


def _examined(data: datasets.Dataset, strict: bool) -> datasets.Dataset:
    """Return the data with their faults; with `strict`, raise ValueError if there are any."""
    try:
        faults = find_faults(data)
    except Exception as error:  # noqa: BLE001 - a look at the data ends no run
        faults = {f"The data could not be examined for faults: {type(error).__name__}: {error}": ""}
    lines = [f"{fault} ({first})" if first else fault for fault, first in faults.items()]
    if strict and lines:
        raise ValueError("\n  ".join([f"{data.name} has faults, which the setting `strict` does not accept:", *lines]))
    return dataclasses.replace(data, notes=(*data.notes, *lines), faults=tuple(faults))
