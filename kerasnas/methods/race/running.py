"""A run by a race: from the settings to the trained winner and its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import keras
import numpy as np

from kerasnas import datasets, reporting
from kerasnas.cost import COSTS, network_latency
from kerasnas.cost.counting import parameters
from kerasnas.executors import Executor, Local
from kerasnas.export import save_classifier
from kerasnas.genotypes import Genotype
from kerasnas.meta import warm_start
from kerasnas.methods import remembering
from kerasnas.methods.assembly import checked_data, make_space
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.plan import race_plan
from kerasnas.methods.race.given import given_networks
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.race.starts import Start, find_starts
from kerasnas.methods.rebuilding import GENOTYPE, Rebuilt
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.racing import Budget, Candidate, Race, portfolio, spent_before, train_winners
from kerasnas.reporting.tables import amount
from kerasnas.runs.executors import open_executor
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.progress import Progress
from kerasnas.runs.tracking import Tracking
from kerasnas.spaces import MacroSpace, SearchSpace
from kerasnas.training.recipe import TrainingRecipe
from kerasnas.training.search_stage import genotype_of

DEFAULT_MINUTES = 5.0
RECIPE = TrainingRecipe(learning_rate=0.1, weight_decay=5e-3, label_smoothing=0.1)
_MOST_VALIDATION = 2000  # images: more tell candidates apart no better, and cost time
_DRAWN = 10  # networks that a message on limits is made of
Log = Callable[[str], Any]
Build = Callable[[Genotype], keras.Model]


def make_budget(config: RaceConfig | GraphConfig, spent: float) -> Budget:
    """The budget of the settings, of which `spent` seconds are spent."""
    if config.cpu_minutes:
        return Budget(config.cpu_minutes, cpu=True, spent=spent)
    return Budget(config.minutes or DEFAULT_MINUTES, spent=spent)


def load_raced(config: RaceConfig) -> datasets.Dataset:
    """The data of the settings, checked.

    Raises:
        ValueError: for signals and texts, and for data that cannot be trained on.
    """
    data = checked_data(config)
    own = data.modality
    if not own.race_space:
        hint = f"add --space={own.gradient_space}"
        raise ValueError(f"{data.name} holds {own.plural}. Search the space of {own.plural}: {hint}.")
    return data


@dataclasses.dataclass(frozen=True)
class Networks:
    """Genotype -> its compiled network, in any process.

    Args:
        space: of all but the user's own.
        input_shape, num_classes: of the data.
        seed: of initial weights.
        recipe: that compiles them.
        own: genotype -> a network of the user's own.
        data: that these are built for, or None where there are none.
    """

    space: SearchSpace
    input_shape: tuple[int, ...]
    num_classes: int
    seed: int
    recipe: TrainingRecipe
    own: Mapping[Genotype, Rebuilt]
    data: datasets.Dataset | None

    def __call__(self, genotype: Genotype) -> keras.Model:
        if self.data is not None and genotype in self.own:
            model = self.own[genotype].build(self.data, self.seed)
        else:
            model = self.space.build_network(genotype, self.input_shape, self.num_classes, seed=self.seed)
        return self.recipe.compile_network(model, None)


def make_race(
    run: RunFolder,
    config: RaceConfig,
    data: datasets.Dataset,
    budget: Budget,
    tracking: Tracking,
    log: Log,
    executor: Executor | None = None,
) -> Race:
    """The race of the settings, on this process or on an executor.

    Raises:
        FileNotFoundError: if one of the user's own candidates is not there.
        ValueError: if no network is within the limits, or one of the user's own cannot take part.
    """
    space = make_space(TrainingConfig(imports=config.imports, space=config.space), data)
    given = given_networks(run, config, data, partial(_excess, config))
    own = {network.genotype: network for network in given.values()}
    share = min(config.validation_split, _MOST_VALIDATION / len(data.x_train))
    # With groups, what counts is how a network does on those that it has not seen.
    first, second = datasets.split_samples(data.task, data.y_train, share, config.seed, data.groups)
    recipe = dataclasses.replace(RECIPE, task=data.task)

    build = Networks(space, data.input_shape, data.num_classes, config.seed, recipe, own, data if own else None)

    @cache  # read when they are needed: a race that is resumed goes on from its checkpoints
    def starts() -> dict[str, Start]:
        return find_starts(config, space, data, build, log)

    def initialize(model: keras.Model, name: str) -> None:
        warm_start(model, starts()[name].initializer)

    def candidates(number: int) -> list[Candidate]:
        genotypes = {name: network.genotype for name, network in given.items()}
        allowed = _within(config, space, data, build)
        earlier = remembering.consult(run.stages, config, space, data, budget, allowed, log)
        begun = {name: start.genotype for name, start in starts().items() if allowed(start.genotype)}
        found = portfolio(space, number, config.seed, genotypes, allowed, earlier.genotypes, earlier.leads, begun)
        if not found:
            raise ValueError(_no_network(config, space, data, build))
        for one in found:
            if one.initializer:
                log(f"{one.name} begins from {one.initializer}, learned from other data (--initializer=none for none).")
        earlier.tell(found, log)
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
        initialize=initialize,
        task=data.task,
        tolerant=space.tolerant,
        executor=executor or Local(),
        watch=tracking.metrics,
    )


def _excess(config: RaceConfig, model: keras.Model) -> str:
    """By how much a network exceeds the limits of the settings, in words; empty where it does not."""
    each = f" for each of {config.ensemble}" if config.ensemble > 1 else ""
    if config.max_parameters and (number := parameters(model)) > (most := config.max_parameters / config.ensemble):
        return f"has {number:,} parameters, which is above max_parameters={most:,.0f}{each}"
    if (most := config.latency_target_ms / config.ensemble) and (latency := network_latency(model, rounds=3)) > most:
        return f"takes {amount(latency, ' ms')}, which is above latency_target_ms={most:g}{each}"
    return ""


def _within(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], bool]:
    """A function that says whether a network is within the limits of the settings; it measures latency here."""
    count = _parameters(space, data, build) if config.max_parameters else None

    def allowed(genotype: Genotype) -> bool:
        if count is not None and count(genotype) > config.max_parameters / config.ensemble:
            return False
        limit = config.latency_target_ms / config.ensemble
        return not limit or network_latency(build(genotype), rounds=3) <= limit

    return allowed


def _parameters(space: SearchSpace, data: datasets.Dataset, build: Build) -> Callable[[Genotype], float]:
    """A function that counts the parameters of a network: by the space's parts, or else those of the built network."""
    try:
        cost = COSTS["parameters"](space, data.input_shape, data.num_classes)
        cost.cost(space.sample(np.random.default_rng(0)))
    except ValueError:  # the space does not say what its networks consist of
        return lambda genotype: parameters(build(genotype))
    return cost.cost


def _no_network(config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build) -> str:
    """The message where nothing is within the limits: the least there is, and the choice that drives it."""
    if config.latency_target_ms:
        limit, unit = f"latency_target_ms={config.latency_target_ms:g}", " ms"

        def measured(genotype: Genotype) -> float:
            return network_latency(build(genotype), rounds=3)

        cost: Callable[[Genotype], float] = measured
    else:
        cost = _parameters(space, data, build)
        limit, unit = f"max_parameters={config.max_parameters:,}", " parameters"
    if not isinstance(space, MacroSpace):
        rng = np.random.default_rng(config.seed)
        drawn = [cost(space.sample(rng)) for _ in range(_DRAWN)]
        return (
            f"No network of space '{config.space}' is within {limit}: of {_DRAWN} drawn at random the least has "
            f"{amount(min(drawn), unit)}, the largest {amount(max(drawn), unit)}."
        )
    stem, width = space.stems[0], min(space.widths)
    depths = (0, *[1] * (min(space.stages) - 1))
    found = {block: space.network(stem, width, block, "pool", depths) for block in space.primitives}
    costs = {block: cost(genotype) for block, genotype in found.items() if genotype is not None}
    block = min(costs, key=lambda name: costs[name])
    if config.ensemble > 1:
        limit += f", shared by the {config.ensemble} of the ensemble"
    return (
        f"No network is within {limit}. The least there is has {amount(costs[block], unit)}: {min(space.stages)} "
        f"stages of {block}, {width:g} times as wide as usual; with {max(costs, key=lambda name: costs[name])} it has "
        f"{amount(max(costs.values()), unit)}."
    )


def run_race(
    run: RunFolder,
    config: RaceConfig,
    data: datasets.Dataset,
    spent: float,
    tracking: Tracking,
    progress: Progress,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The race of the settings and the training of its winner, in the folder; what is done is not repeated.

    Args:
        run: the folder.
        config: its settings.
        data: of `load_raced`.
        spent: seconds of the budget that were spent before this call, by the process; those of an interrupted run are
            added.
        tracking: told how each network does.
        progress: told each line, and how much of the budget is spent.

    Returns:
        `(searched, race)`: the records of the two stages.
    """
    budget = make_budget(config, spent + spent_before(run.stages))

    def state() -> tuple[float, float]:
        return budget.spent() / budget.seconds, budget.left()

    # Closed before the winner is trained, which gets all cores.
    with open_executor(config.executor, config.imports) as executor, progress.following(state):
        race = make_race(run, config, data, budget, tracking, progress, executor)
        progress(race_plan(config, data, budget))
        progress.phase("race")
        found = race.run()

    def keep(model: keras.Model) -> None:
        progress.phase("report")
        save_classifier(
            run.path,
            model,
            classes=data.classes,
            scale=data.scale,
            image_fit=data.image_fit,
            task=data.task,
            front=data.front,
            modality=data.modality,
        )

    with progress.following(state):
        progress.phase("training")
        searched = train_winners(race, (data.x_test, data.y_test), keep)
    genotype_of(searched).save(run.path / GENOTYPE)
    progress(
        f"  {searched['parameters']:,} parameters, test {data.task.words} {searched[f'test_{data.task.metric}']:.4f}, "
        f"{reporting.duration(searched['seconds'])} of training"
    )
    return searched, found
