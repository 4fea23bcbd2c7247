"""From settings to the supernet, its objective and its search."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import keras

from kerasnas import datasets, relaxations
from kerasnas.annotations import Log
from kerasnas.callbacks import TemperatureSchedule
from kerasnas.cost import COSTS, CostModel, LatencyTable
from kerasnas.distribution import resolve_strategy
from kerasnas.distribution.cluster import has_several_workers
from kerasnas.files.stages import COST, Stages
from kerasnas.meta import warm_start
from kerasnas.meta.shelf import load_initializer
from kerasnas.methods.final_training import network_sizes, plain_training
from kerasnas.methods.gradient.settings import SearchConfig, StepConfig
from kerasnas.search import BilevelTrainer, CostObjective
from kerasnas.spaces import SearchSpace
from kerasnas.trainers.alpha_rate import architecture_learning_rate
from kerasnas.trainers.progressive import ProgressiveSearch
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe


def make_shortlist_training(config: SearchConfig, space: SearchSpace, data: datasets.Dataset) -> NetworkTraining:
    """Return the short trainings of a shortlist: as many cells as the final network has, as thin as the search's."""
    sizes = {**network_sizes(config, space), **({"filters": config.filters} if "filters" in space.sizes else {})}
    return plain_training(config, space, data, sizes)


def make_supernet(config: StepConfig, space: SearchSpace, data: datasets.Dataset, seed: int = 0) -> Any:
    """Return the supernet of the settings."""
    options: dict[str, Any] = {"seed": seed}
    if config.relaxation or config.first_temperature is not None:
        options["relaxation"] = _relaxation(config, seed)
    for name in ("partial_channels", "edge_normalization"):
        if name in config.changed():
            if not space.mixes_channels:
                raise ValueError(f"Space '{space.name}' has no setting `{name}`.")
            options[name] = getattr(config, name)
    return space.build_supernet(data.input_shape, data.num_classes, **options)


def _relaxation(config: StepConfig, seed: int) -> Any:
    name = config.relaxation or "softmax"
    if config.first_temperature is None:
        return name
    if name not in ("softmax", "gumbel"):
        raise ValueError(f"Relaxation '{name}' has no setting `temperature`: softmax and gumbel have one.")
    seeded = {"seed": seed} if name == "gumbel" else {}
    return relaxations.RELAXATIONS[name](temperature=config.first_temperature, **seeded)


def schedules(config: SearchConfig) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the settings' schedules."""
    if len(config.temperature) < 2:
        return []
    initial, final = map(float, config.temperature)
    return [TemperatureSchedule(initial, final)]


def make_objective(
    stages: Stages, config: SearchConfig, space: SearchSpace, data: datasets.Dataset
) -> CostObjective | None:
    """Return the objective of the settings, or None; costs are measured once in a run, as its stage `cost`."""
    name = "latency" if config.latency_target_ms else config.cost
    if not name:
        return None
    record = stages.stage(COST) or stages.finish(COST, _cost_model(name, config, space, data).get_config())
    cost = CostModel.from_config(json.loads(json.dumps(record)))
    return CostObjective(cost, config.cost_weight, config.cost_limit or None, config.cost_form)


def _cost_model(name: str, config: SearchConfig, space: SearchSpace, data: datasets.Dataset) -> CostModel:
    sizes = network_sizes(config, space)
    if config.latency_table:
        return LatencyTable.load(config.latency_table).cost_model(space, data.input_shape, data.num_classes, **sizes)
    return COSTS[name](space, data.input_shape, data.num_classes, **sizes)


def distribution_scope(config: SearchConfig, log: Log) -> contextlib.AbstractContextManager:
    """Return the context in which the search is built, for the settings' distribution."""
    if keras.backend.backend() != "tensorflow" and config.distribution == "auto":
        return contextlib.nullcontext()
    if has_several_workers():
        raise ValueError("TF_CONFIG names several workers. The command line searches on one machine: unset it.")
    lines: list[str] = []
    try:
        strategy = resolve_strategy(config.distribution, log=lines.append)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if strategy.num_replicas_in_sync > 1 or config.distribution != "auto":
        log(*lines)
    return strategy.scope()


def make_trainer(config: SearchConfig, supernet: Any, objective: CostObjective | None) -> BilevelTrainer:
    """Return the search of the settings, not compiled."""
    options = {"architecture_warmup_epochs": config.architecture_warmup_epochs, "max_skips": max_skips_of(config)}
    return BilevelTrainer(supernet, **{**options, **asked_options(config, objective)})


def make_progressive(
    config: SearchConfig, space: Any, data: datasets.Dataset, objective: CostObjective | None
) -> ProgressiveSearch:
    """Return the search in stages of the settings."""
    options = asked_options(config, objective)
    return ProgressiveSearch(space, data.input_shape, data.num_classes, config.stages, config.seed, **options)


def asked_options(config: SearchConfig, objective: CostObjective | None) -> dict[str, Any]:
    """Return the arguments of `BilevelTrainer` that were asked for: a guard with nothing to act on then says so."""
    guards = {
        "architecture_warmup_epochs": config.architecture_warmup_epochs,
        "auxiliary_skip": config.auxiliary_skip,
        "max_skips": max_skips_of(config),
        "curvature_ratio": config.curvature_ratio or None,
    }
    changed = config.changed()
    asked = {name: value for name, value in guards.items() if name in changed}
    return {"hypergradient": config.hypergradient, "objective": objective, **asked}


def max_skips_of(config: SearchConfig) -> int | str | None:
    """Return the settings' cap of skip connections, as `BilevelTrainer` takes it."""
    if config.max_skips == "any":
        return None
    return config.max_skips if config.max_skips == "auto" else int(config.max_skips)


def search_batch_size(config: StepConfig, data: datasets.Dataset) -> int:
    """Return the batch size of the settings; if it is the default, at most the size of the smaller half of the data."""
    usual = type(config).suited(space=config.space, imports=config.imports).batch_size
    smaller = int(len(data.x_train) * min(config.validation_split, 1 - config.validation_split))
    return config.batch_size if config.batch_size != usual else max(min(config.batch_size, smaller), 1)


def build_search(
    config: SearchConfig,
    space: SearchSpace,
    data: datasets.Dataset,
    objective: CostObjective | None,
    log: Log,
) -> BilevelTrainer:
    """Return the compiled search of the settings, in the scope of their distribution."""

    def make() -> BilevelTrainer:
        return make_trainer(config, make_supernet(config, space, data, config.seed), objective)

    return compiled(config, make, data, config.epochs, log)


def compiled(
    config: SearchConfig, make: Callable[[], BilevelTrainer], data: datasets.Dataset, epochs: int, log: Log
) -> BilevelTrainer:
    """Return the search that `make` makes, in the scope of the settings' distribution, compiled for its epochs."""
    steps = max(int(len(data.x_train) * (1 - config.validation_split)) // search_batch_size(config, data), 1)
    recipe = TrainingRecipe(learning_rate=config.learning_rate, algorithm=config.optimizer)
    with distribution_scope(config, log):
        search = make()
        # In minutes instead of the paper's hours the alphas take large steps, whose noise the annealing averages out.
        # Their optimizer counts the steps that it takes: none in the warm-up.
        learning = max(epochs - search.architecture_warmup.length(epochs), 1) * steps
        rate = config.architecture_learning_rate or architecture_learning_rate(learning)
        schedule = keras.optimizers.schedules.CosineDecay(rate, learning)
        optimizer = None if config.optimizer == "sgd" else recipe.optimizer(epochs * steps)  # None: its own SGD
        search.compile(
            optimizer=optimizer,
            learning_rate=config.learning_rate,
            architecture_optimizer=keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.999),
            loss=data.task.loss(),
            metrics=data.task.metrics(),
        )
        if config.initializer not in ("", "none"):
            log(warm_start(search, load_initializer(config.initializer)))
    idle = search.idle_curvature_stop(epochs, 0)
    if idle and search.curvature_ratio == "auto":  # else `fit` warns
        log(f"Curvature-based early stopping is off: {idle}.")
    return search
