"""From the settings of a run to its supernet, its objective and its trainer."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
from collections.abc import Callable
from typing import Any

import keras

from kerasnas import datasets, relaxations
from kerasnas.callbacks import TemperatureSchedule
from kerasnas.cost import COSTS, CostModel, LatencyTable, pareto_front
from kerasnas.distribution import resolve_strategy
from kerasnas.distribution.cluster import read_cluster
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.settings import SearchConfig, StepConfig
from kerasnas.spaces import SearchSpace
from kerasnas.trainers import BilevelTrainer, CostObjective


def make_supernet(config: StepConfig, space: SearchSpace, data: datasets.ImageDataset, seed: int = 0) -> Any:
    """The supernet of the settings.

    Raises:
        ValueError: for settings that the space or the relaxation does not have.
    """
    options: dict[str, Any] = {"seed": seed}
    if config.relaxation or (isinstance(config, SearchConfig) and config.temperature):
        options["relaxation"] = _relaxation(config, seed)
    for name in ("partial_channels", "edge_normalization"):
        if name in config.changed():
            if not space.mixes_channels:
                raise ValueError(f"Space '{space.name}' has no setting `{name}`.")
            options[name] = getattr(config, name)
    return space.build_supernet(data.input_shape, data.num_classes, **options)


def _relaxation(config: StepConfig, seed: int) -> Any:
    name = config.relaxation or "softmax"
    if not (isinstance(config, SearchConfig) and config.temperature):
        return name
    if name not in ("softmax", "gumbel"):
        raise ValueError(f"Relaxation '{name}' has no setting `temperature`: softmax and gumbel have one.")
    first = {"temperature": float(config.temperature[0])}
    return relaxations.RELAXATIONS[name](**first, **({"seed": seed} if name == "gumbel" else {}))


def schedules(config: SearchConfig) -> list[keras.callbacks.Callback]:
    """The callbacks of the settings' schedules."""
    if len(config.temperature) < 2:
        return []
    initial, final = map(float, config.temperature)
    return [TemperatureSchedule(initial, final)]


def make_objective(folder: RunFolder, space: SearchSpace, data: datasets.ImageDataset) -> CostObjective | None:
    """The objective of the settings, or None; what networks cost is measured once in a run, and kept in its folder.

    Raises:
        ValueError: if the target is below the cost of every network, or a latency table does not fit.
    """
    config: SearchConfig = folder.config  # type: ignore[assignment]
    name = "latency" if config.latency_target_ms else config.cost
    if not name:
        return None
    record = folder.stage("cost")
    if record is None:
        model = _cost_model(name, config, space, data)
        record = folder.finish_stage("cost", model.get_config())
    cost = CostModel.from_config(json.loads(json.dumps(record)))
    target = config.latency_target_ms or config.cost_target or None
    return CostObjective(cost, config.cost_weight, target, config.cost_form)


def _cost_model(name: str, config: SearchConfig, space: SearchSpace, data: datasets.ImageDataset) -> CostModel:
    sizes = network_sizes(config, space)
    if config.latency_table:
        return LatencyTable.load(config.latency_table).cost_model(space, data.input_shape, data.num_classes, **sizes)
    return COSTS[name](space, data.input_shape, data.num_classes, **sizes)


def network_sizes(config: Any, space: SearchSpace) -> dict[str, int]:
    """The size of the final network, as arguments of the space's `build_network` and `parts`."""
    sizes = {"filters": config.retrain_filters, "num_cells": config.retrain_cells}
    taken = inspect.signature(space.build_network).parameters  # the genotype of a chain says how long it is
    return {name: value for name, value in sizes.items() if name in taken}


def strategy_scope(config: SearchConfig, log: Callable[[str], Any]) -> Any:
    """The context in which the search is built, for the settings' strategy.

    Raises:
        ValueError: if there is no such device, and where TF_CONFIG asks for several machines.
    """
    if keras.backend.backend() != "tensorflow" and config.strategy == "auto":
        return contextlib.nullcontext()
    if os.environ.get("TF_CONFIG", "").strip() and len(read_cluster().addresses) > 1:
        raise ValueError("TF_CONFIG names several workers. The command line searches on one machine: unset it.")
    lines: list[str] = []
    try:
        strategy = resolve_strategy(config.strategy, log=lines.append)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if strategy.num_replicas_in_sync > 1 or config.strategy != "auto":
        log(*lines)
    return strategy.scope()


def make_trainer(config: SearchConfig, supernet: Any, objective: CostObjective | None) -> BilevelTrainer:
    """The trainer of the settings, not compiled."""
    caps: dict[str, Any] = {"auto": "auto", "any": None}
    return BilevelTrainer(
        supernet,
        hypergradient=config.hypergradient,
        objective=objective,
        architecture_warmup_epochs=config.architecture_warmup_epochs,
        auxiliary_skip=config.auxiliary_skip,
        max_skips=caps[config.max_skips] if config.max_skips in caps else int(config.max_skips),
        curvature_ratio=config.curvature_ratio or None,
    )


def cost_record(trainer: BilevelTrainer, objective: CostObjective) -> dict[str, Any]:
    """What a run keeps of its objective: what the found network costs, and what others on the front would."""
    cost, genotype = objective.cost, trainer.derive()
    front = pareto_front(trainer.supernet, cost, max_skips=trainer.skip_limit)
    return {
        "name": cost.name,
        "unit": cost.unit,
        "target": objective.target,
        "weight": objective.weight,
        "form": objective.form,
        "searched": cost.cost(genotype),
        "front": [{"cost": point.cost, "genotype": json.loads(point.genotype.to_json())} for point in front],
    }
