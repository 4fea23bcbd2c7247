"""A run by a race: from the settings to the trained winner and its report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from kerasnas import datasets, reporting
from kerasnas.cost import COSTS, network_latency
from kerasnas.genotypes import Genotype
from kerasnas.pipeline.assembly import checked_data
from kerasnas.pipeline.racing import Budget, Candidate, Race, portfolio, spent_before, train_winners
from kerasnas.pipeline.recipe import TrainingRecipe
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.search_stage import genotype_of
from kerasnas.pipeline.settings import RaceConfig
from kerasnas.pipeline.training_stage import save_model
from kerasnas.reporting.tables import amount
from kerasnas.spaces import MacroSpace

GENOTYPE = "genotype.json"
DEFAULT_MINUTES = 5.0
RECIPE = TrainingRecipe(learning_rate=0.1, weight_decay=5e-3, label_smoothing=0.1)
_MOST_VALIDATION = 2000  # images: more tell candidates apart no better, and cost time
Log = Callable[[str], Any]


def make_budget(config: RaceConfig, spent: float) -> Budget:
    """The budget of the settings, of which `spent` seconds are spent."""
    if config.cpu_minutes:
        return Budget(config.cpu_minutes, cpu=True, spent=spent)
    return Budget(config.minutes or DEFAULT_MINUTES, spent=spent)


def load_images(config: RaceConfig) -> datasets.ImageDataset:
    """The data of the settings, checked.

    Raises:
        ValueError: for signals, and for data that cannot be trained on.
    """
    data = checked_data(config.dataset)
    if len(data.input_shape) != 3:
        raise ValueError(f"{data.name} holds signals. Search the space of signals: add --space=signals.")
    return data


def make_race(run: RunFolder, config: RaceConfig, data: datasets.ImageDataset, budget: Budget, log: Log) -> Race:
    """The race of the settings.

    Raises:
        ValueError: if no network is within the limits.
    """
    space = MacroSpace.for_data(data.input_shape, data.num_classes, len(data.x_train))
    share = min(config.validation_split, _MOST_VALIDATION / len(data.x_train))
    if data.groups is None:
        first, second = datasets.stratified_split(data.y_train, share, config.seed)
    else:  # what counts is how a network does on groups that it has not seen
        first, second = datasets.grouped_split(data.y_train, data.groups, share, config.seed)

    def build(genotype: Genotype) -> keras.Model:
        model = space.build_network(genotype, data.input_shape, data.num_classes, seed=config.seed)
        return RECIPE.compile_network(model, None)

    def candidates(number: int) -> list[Candidate]:
        found = portfolio(space, number, config.seed, allowed=_within(config, space, data, build))
        if not found:
            raise ValueError(_no_network(config, space, data))
        return found

    return Race(
        run.stages,
        budget,
        candidates,
        build,
        (data.x_train[first], data.y_train[first]),
        (data.x_train[second], data.y_train[second]),
        data.num_classes,
        augment=None if config.augment == ("auto",) else config.augment,
        seed=config.seed,
        most=config.candidates,
        winners=config.ensemble,
        log=log,
    )


def _within(
    config: RaceConfig, space: MacroSpace, data: datasets.ImageDataset, build: Callable[[Genotype], keras.Model]
) -> Callable[[Genotype], bool]:
    """A function that says whether a network is within the limits of the settings; it measures latency here."""
    parameters = COSTS["parameters"](space, data.input_shape, data.num_classes)

    def allowed(genotype: Genotype) -> bool:
        if config.max_parameters and parameters.cost(genotype) > config.max_parameters / config.ensemble:
            return False
        limit = config.latency_target_ms / config.ensemble
        return not limit or network_latency(build(genotype), rounds=3) <= limit

    return allowed


def _no_network(config: RaceConfig, space: MacroSpace, data: datasets.ImageDataset) -> str:
    """The message where nothing is within the limits: the least there is, and the choice that drives it."""
    stem, width = space.stems[0], min(space.widths)
    depths = (0, *[1] * (min(space.stages) - 1))
    found = {block: space.network(stem, width, block, "pool", depths) for block in space.primitives}
    networks = {block: genotype for block, genotype in found.items() if genotype is not None}
    if config.latency_target_ms:
        built = {
            block: space.build_network(genotype, data.input_shape, data.num_classes)
            for block, genotype in networks.items()
        }
        costs = {block: network_latency(model, rounds=3) for block, model in built.items()}
        limit, unit = f"latency_target_ms={config.latency_target_ms:g}", " ms"
    else:
        count = COSTS["parameters"](space, data.input_shape, data.num_classes)
        costs = {block: count.cost(genotype) for block, genotype in networks.items()}
        limit, unit = f"max_parameters={config.max_parameters:,}", " parameters"
    block = min(costs, key=lambda name: costs[name])
    if config.ensemble > 1:
        limit += f", shared by the {config.ensemble} of the ensemble"
    return (
        f"No network is within {limit}. The least there is has {amount(costs[block], unit)}: {min(space.stages)} "
        f"stages of {block}, {width:g} times as wide as usual; with {max(costs, key=lambda name: costs[name])} it has "
        f"{amount(max(costs.values()), unit)}."
    )


def run_race(
    run: RunFolder, config: RaceConfig, data: datasets.ImageDataset, spent: float, log: Log
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The race of the settings and the training of its winner, in the folder; what is done is not repeated.

    Args:
        run: the folder.
        config: its settings.
        data: of `load_images`.
        spent: seconds of the budget that were spent before this call, by the process; those of an interrupted run are
            added.
        log: called with each line of progress.

    Returns:
        `(searched, race)`: the records of the two stages.
    """
    budget = make_budget(config, spent + spent_before(run.stages))
    race = make_race(run, config, data, budget, log)
    found = race.run()

    searched = train_winners(race, (data.x_test, data.y_test), partial(save_model, run.stages))
    genotype_of(searched).save(run.path / GENOTYPE)
    log(
        f"  {searched['parameters']:,} parameters, test accuracy {searched['test_accuracy']:.4f}, "
        f"{reporting.duration(searched['seconds'])} of training"
    )
    return searched, found
