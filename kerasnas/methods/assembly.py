"""From settings to objects: space, data, supernet, objective, search, and the training of discrete networks."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from kerasnas import checks, datasets, relaxations
from kerasnas.callbacks import TemperatureSchedule
from kerasnas.companions.kernels import usual_features
from kerasnas.cost import COSTS, CostModel, LatencyTable
from kerasnas.datasets.augmentations import Augmentation
from kerasnas.datasets.graph_files import is_graph_file
from kerasnas.distribution import resolve_strategy
from kerasnas.distribution.cluster import read_cluster
from kerasnas.files.stages import COST, Stages
from kerasnas.meta import warm_start
from kerasnas.meta.shelf import load_initializer
from kerasnas.runs.settings import (
    RaceConfig,
    SearchConfig,
    Settings,
    SpaceConfig,
    StepConfig,
    TrainingConfig,
    pixel_size,
)
from kerasnas.search import BilevelTrainer, CostObjective
from kerasnas.spaces import SPACES, SearchSpace
from kerasnas.spaces.base import has_supernet
from kerasnas.trainers.alpha_rate import architecture_learning_rate
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import AUGMENTATIONS, FOR_KINDS, TrainingRecipe

_SIZES = {"retrain_filters": "filters", "retrain_cells": "num_cells"}  # setting of a final network -> size of its space


# The space and the data -----------------------------------------------------------------------------------
@checks.arguments(config=Settings, data=datasets.ImageDataset)
def make_space(config: StepConfig | TrainingConfig, data: datasets.ImageDataset | None = None) -> SearchSpace:
    """The search space that the settings describe.

    Where choices shape the network itself, the settings of its size are the space's own unless they are changed: those
    of its `for_data`, if it has one and `data` are given, or the defaults of its constructor.

    Raises:
        ValueError: for unknown names, and where the final network has cells that the search does not choose.
    """
    if isinstance(config, StepConfig):
        filters, num_cells = config.filters, config.num_cells
    else:
        filters, num_cells = config.retrain_filters, config.retrain_cells
    sizes = {"filters": filters, "num_cells": num_cells}
    check_kind(config, data)
    space = _make(config, sizes, data)
    if isinstance(config, SearchConfig):
        chosen, needed = _kinds(space), _kinds(_make(config, {**sizes, "num_cells": config.retrain_cells}))
        if missing := [kind for kind in needed if kind not in chosen]:
            raise ValueError(
                f"A network of retrain_cells={config.retrain_cells} has {missing[0]} cells, which a search with "
                f"num_cells={num_cells} does not choose. Set num_cells to at least 3, or retrain_cells to below 3."
            )
    return space


def _kinds(space: SearchSpace) -> tuple[str, ...]:
    """The kinds of cells that the space chooses."""
    return tuple(space.sample(np.random.default_rng(0)))


def _make(config: SpaceConfig, sizes: dict[str, int], data: datasets.ImageDataset | None = None) -> SearchSpace:
    """The space of the settings' name, given those settings that it takes; one that it does not take must be unset."""
    factory = SPACES[config.space]
    taken = inspect.signature(factory).parameters
    own = ("num_nodes", "stem_strides", "sparse")
    arguments: dict[str, Any] = {**sizes, **{name: getattr(config, name) for name in own}}
    if not has_supernet(config.space):
        asked = {_SIZES.get(name, name) for name in config.changed()}
        arguments = {name: value for name, value in arguments.items() if name in asked}
        if data is not None and hasattr(factory, "for_data"):
            factory = partial(factory.for_data, data.input_shape, data.num_classes, len(data.x_train))
    if data is not None and data.front is not None:
        arguments |= {name: value for name, value in data.front.sizes.items() if name in taken}
    if "num_cells" in arguments:
        arguments[getattr(SPACES[config.space], "depth", "num_cells")] = arguments.pop("num_cells")
    if config.primitives:
        arguments["primitives"] = config.primitives
    for name in set(config.changed()) & set(arguments) - set(taken):
        raise ValueError(f"Space '{config.space}' has no setting `{name}`. It takes: {', '.join(taken)}")
    return factory(**{name: value for name, value in arguments.items() if name in taken})


def check_kind(config: SpaceConfig, data: datasets.ImageDataset | None) -> None:
    """Raise ValueError unless the space of the settings takes samples like those of `data`; names one that does."""
    if data is None:
        return
    takes = getattr(SPACES[config.space], "inputs", "image") + "s"
    if takes != data.kind:
        fitting = {"images": "darts", "signals": "signals", "texts": "text"}[data.kind]
        raise ValueError(
            f"Space '{config.space}' takes {takes}, and {data.name} holds {data.kind}, of shape "
            f"{data.input_shape}. Add --space={fitting}, or another space of {data.kind}."
        )


def checked_data(config: RaceConfig | SpaceConfig) -> datasets.ImageDataset:
    """The data of the settings, whose values and labels networks can be trained on.

    Raises:
        ValueError: otherwise.
    """
    if config.dataset not in datasets.DATASETS and is_graph_file(config.dataset):
        takes = getattr(SPACES[config.space], "inputs", "image")
        raise ValueError(
            f"{config.dataset} is a graph, and space '{config.space}' takes {takes}s. "
            "Leave out --space, or say --space=graphs (from Python: `kerasnas.GraphClassifier`)."
        )
    size = pixel_size(config.image_size)
    given: dict[str, Any] = {"image_size": size, "image_fit": config.image_fit}
    if isinstance(config, SpaceConfig):
        given["limits"] = datasets.TextLimits(config.text_words, config.text_length, config.tokens)
        given["text_column"] = config.text_column
    data = datasets.load(config.dataset, task=config.task, target=config.target, **given)
    expected: dict[str, Any] = {"num_classes": data.num_classes, "input_shape": data.input_shape, "task": data.task}
    datasets.check_images(data.x_train, data.y_train, **expected, what="training")
    datasets.check_images(data.x_test, data.y_test, **expected, what="test")
    return data


def load_data(config: TrainingConfig) -> datasets.ImageDataset:
    """The data of the settings, checked.

    Raises:
        ValueError: for data that cannot be trained on, and for a batch that they do not fill.
    """
    data = checked_data(config)
    check_kind(config, data)
    asked = "retrain_batch_size" in config.changed()  # the default one makes one batch of fewer samples
    if asked and config.retrain_batch_size > len(data.x_train):  # found out now, not after the search
        raise ValueError(
            f"Invalid value received for setting `retrain_batch_size`. Expected at most the number of training "
            f"samples, {len(data.x_train)}. Received: {config.retrain_batch_size}"
        )
    make_augmentation(config, data)
    return data


# Training of discrete networks ----------------------------------------------------------------------------
def make_training(config: TrainingConfig, space: SearchSpace, data: datasets.ImageDataset) -> NetworkTraining:
    """The training of the space's discrete networks by the settings' recipe."""
    recipe = TrainingRecipe(
        config.retrain_epochs,
        config.retrain_batch_size,
        config.retrain_learning_rate,
        make_augmentation(config, data),
        # A space of a user's own need not know drop-path.
        options={**({"drop_path": config.drop_path} if config.drop_path else {}), **network_sizes(config, space)},
        task=data.task,
        algorithm=config.optimizer,
        ngrams=longest_runs(config, data),
        kernels=features_of_kernels(config, data),
    )
    return NetworkTraining(space, data.input_shape, data.num_classes, recipe)


def longest_runs(config: TrainingConfig, data: datasets.ImageDataset) -> int:
    """The tokens of the longest runs that a linear model beside the network knows; 0 of other data than texts.

    Raises:
        ValueError: if such a model is asked for, and the data are no texts.
    """
    if not isinstance(data.front, datasets.Vocabulary):
        if config.ngrams > 0:
            expected = f"0, or nothing, for the {data.kind} of {data.name}"
            raise ValueError(checks.invalid("ngrams", expected, config.ngrams, what="setting"))
        return 0
    return data.front.ngrams if config.ngrams < 0 else config.ngrams


def features_of_kernels(config: TrainingConfig, data: datasets.ImageDataset) -> int:
    """The number of features of the random kernels beside the network; 0 of other data than signals.

    By default there are none where the cost of the network has a limit, which does not count them.

    Raises:
        ValueError: if kernels are asked for, and the data are no signals.
    """
    if data.kind != "signals":
        if config.kernels > 0:
            expected = f"0, or nothing, for the {data.kind} of {data.name}"
            raise ValueError(checks.invalid("kernels", expected, config.kernels, what="setting"))
        return 0
    limited = isinstance(config, SearchConfig) and (config.latency_target_ms or config.cost_target)
    usual = 0 if limited else usual_features(len(data.x_train))
    return usual if config.kernels < 0 else config.kernels


def make_augmentation(config: TrainingConfig, data: datasets.ImageDataset) -> Augmentation:
    """The augmentations of the settings in turn; of the default ones, those that exist for such data.

    Raises:
        ValueError: if one is asked for that does not.
    """
    names, fit = config.augment, FOR_KINDS.get(data.kind, tuple(name for name in AUGMENTATIONS if name != "drop_words"))
    if unfit := [name for name in names if name not in fit]:
        if "augment" in config.changed():
            expected = f"{'' if len(fit) == 1 else 'some of '}{', '.join(fit)}, or nothing, for the {data.kind} of"
            raise ValueError(
                f"Invalid value received for setting `augment`. Expected {expected} {data.name}. "
                f"Received: {', '.join(names)}"
            )
        names = tuple(name for name in names if name not in unfit)
    return datasets.compose(*(AUGMENTATIONS[name] for name in names))


def network_sizes(config: TrainingConfig, space: SearchSpace) -> dict[str, int]:
    """The size of the final network, as arguments of the space's `build_network` and `parts`.

    None where choices shape the network itself: its space has that size.
    """
    if space.shapes_network:
        return {}
    sizes = {"filters": config.retrain_filters, "num_cells": config.retrain_cells}
    return {name: value for name, value in sizes.items() if name in space.sizes}


def make_shortlist_training(config: SearchConfig, space: SearchSpace, data: datasets.ImageDataset) -> NetworkTraining:
    """The short trainings of a shortlist: as many cells as the final network has, as thin as the search's."""
    sizes = {**network_sizes(config, space), **({"filters": config.filters} if "filters" in space.sizes else {})}
    recipe = TrainingRecipe(
        config.retrain_epochs,
        config.retrain_batch_size,
        config.retrain_learning_rate,
        options=sizes,
        task=data.task,
        algorithm=config.optimizer,
    )
    return NetworkTraining(space, data.input_shape, data.num_classes, recipe)


# The search -----------------------------------------------------------------------------------------------
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


def make_objective(
    stages: Stages, config: SearchConfig, space: SearchSpace, data: datasets.ImageDataset
) -> CostObjective | None:
    """The objective of the settings, or None; costs are measured once in a run, as its stage `cost`.

    Raises:
        ValueError: if the target is below the cost of every network, or a latency table does not fit.
    """
    name = "latency" if config.latency_target_ms else config.cost
    if not name:
        return None
    record = stages.stage(COST) or stages.finish(COST, _cost_model(name, config, space, data).get_config())
    cost = CostModel.from_config(json.loads(json.dumps(record)))
    target = config.latency_target_ms or config.cost_target or None
    return CostObjective(cost, config.cost_weight, target, config.cost_form)


def _cost_model(name: str, config: SearchConfig, space: SearchSpace, data: datasets.ImageDataset) -> CostModel:
    sizes = network_sizes(config, space)
    if config.latency_table:
        return LatencyTable.load(config.latency_table).cost_model(space, data.input_shape, data.num_classes, **sizes)
    return COSTS[name](space, data.input_shape, data.num_classes, **sizes)


def distribution_scope(config: SearchConfig, log: Callable[[str], Any]) -> contextlib.AbstractContextManager:
    """The context in which the search is built, for the settings' distribution.

    Raises:
        ValueError: if there is no such device, and where TF_CONFIG asks for several machines.
    """
    if keras.backend.backend() != "tensorflow" and config.distribution == "auto":
        return contextlib.nullcontext()
    if os.environ.get("TF_CONFIG", "").strip() and len(read_cluster().addresses) > 1:
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
    """The search of the settings, not compiled."""
    asked = config.changed()  # a guard that was asked for, and has nothing to act on, says so
    return BilevelTrainer(
        supernet,
        hypergradient=config.hypergradient,
        objective=objective,
        architecture_warmup_epochs=config.architecture_warmup_epochs,
        auxiliary_skip=config.auxiliary_skip if "auxiliary_skip" in asked else "auto",
        max_skips=max_skips_of(config),
        curvature_ratio=(config.curvature_ratio or None) if "curvature_ratio" in asked else "auto",
    )


def max_skips_of(config: SearchConfig) -> int | str | None:
    """The settings' cap of skip connections, as `BilevelTrainer` takes it."""
    if config.max_skips == "any":
        return None
    return config.max_skips if config.max_skips == "auto" else int(config.max_skips)


def search_batch_size(config: StepConfig, data: datasets.ImageDataset) -> int:
    """The batch size of the settings; if it is the default, at most the size of the smaller half of the data."""
    usual = type(config).suited(space=config.space, imports=config.imports).batch_size
    smaller = int(len(data.x_train) * min(config.validation_split, 1 - config.validation_split))
    return config.batch_size if config.batch_size != usual else max(min(config.batch_size, smaller), 1)


def _weights_optimizer(config: SearchConfig, steps: int) -> keras.optimizers.Optimizer | None:
    """The optimizer of the network weights in a search of so many steps; None for the search's own, SGD."""
    if config.optimizer == "sgd":
        return None
    return TrainingRecipe(learning_rate=config.learning_rate, algorithm=config.optimizer).optimizer(steps)


def build_search(
    config: SearchConfig,
    space: SearchSpace,
    data: datasets.ImageDataset,
    objective: CostObjective | None,
    log: Callable[[str], Any],
) -> BilevelTrainer:
    """The compiled search of the settings, in the scope of their distribution."""
    steps = int(len(data.x_train) * (1 - config.validation_split)) // search_batch_size(config, data)
    # In minutes instead of the paper's hours the alphas take large steps, whose noise the annealing averages out.
    # Their optimizer counts the steps that it takes: none in the warm-up.
    learning = max(config.epochs - config.architecture_warmup_epochs, 1)
    learning *= max(steps, 1)
    rate = config.architecture_learning_rate or architecture_learning_rate(learning)
    schedule = keras.optimizers.schedules.CosineDecay(rate, learning)
    with distribution_scope(config, log):
        search = make_trainer(config, make_supernet(config, space, data, config.seed), objective)
        search.compile(
            optimizer=_weights_optimizer(config, config.epochs * max(steps, 1)),
            learning_rate=config.learning_rate,
            architecture_optimizer=keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.999),
            loss=data.task.loss(),
            metrics=data.task.metrics(),
        )
        if config.initializer not in ("", "none"):
            log(warm_start(search, load_initializer(config.initializer)))
    idle = search.idle_curvature_stop(config.epochs, 0)
    if idle and search.curvature_ratio == "auto":  # else `fit` warns
        log(f"No stop for the curvature: {idle}.")
    return search
