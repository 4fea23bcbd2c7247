"""Gradient search as a method of a run: search, derive, train, compare with random genotypes, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras

from kerasnas import datasets
from kerasnas.files.stages import EXPERIENCE
from kerasnas.methods.assembly import SIZES, make_space
from kerasnas.methods.final_training import load_data
from kerasnas.methods.gradient.choosing import choose_genotype, last_weights, random_others, shortlist_of
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.gradient.supernet import (
    build_search,
    compiled,
    make_objective,
    make_progressive,
    schedules,
    search_batch_size,
)
from kerasnas.methods.plan import LATER, count, plan_text, report_words
from kerasnas.methods.remembering import remember_search
from kerasnas.methods.retraining import FinalTrainings
from kerasnas.records import Record
from kerasnas.runs.method import Context, Method
from kerasnas.runs.progress import EpochCount
from kerasnas.search import BilevelTrainer
from kerasnas.spaces import SPACES, SearchSpace
from kerasnas.spaces.base import has_supernet
from kerasnas.trainers.progressive import ProgressiveSearch
from kerasnas.training.search_stage import run_search


class GradientSearch(Method[SearchConfig, datasets.Dataset]):
    """A supernet, whose alphas learn by gradients, and a training of the network that they choose."""

    name, words, settings, option = "search", "a gradient search", SearchConfig, "gradient"
    way = "Add --space=darts, or another space with a supernet."

    def flags(self, settings: SearchConfig) -> list[str]:
        """Return the flags of the settings, and `--method` where no space is named."""
        flags = settings.flags()
        return flags if any(flag.startswith("--space=") for flag in flags) else ["--method=gradient", *flags]

    def suits(self, space: str | None, dataset: str) -> bool:
        return space is not None and has_supernet(space)

    def check_space(self, space: str | None) -> None:
        if space is not None and not has_supernet(space):
            raise ValueError(f"Space '{space}' has no supernet for a gradient search. Race it: leave out --method.")

    def network_settings(self, settings: SearchConfig) -> dict[str, Any]:
        """The settings that build its networks: of the sizes that they are not resized to, those of the search."""
        sizes = getattr(SPACES[settings.space], "sizes", ())
        kept = {name: getattr(settings, size) for name, size in SIZES.items() if size not in sizes}
        return {**super().network_settings(settings), **kept}

    def check(self, settings: SearchConfig) -> None:
        make_space(settings)

    def load(self, settings: SearchConfig) -> datasets.Dataset:
        return load_data(settings)

    def plan(self, context: Context[SearchConfig, datasets.Dataset]) -> str:
        return search_plan(context.settings, make_space(context.settings, context.data).size, context.data)

    def run(self, context: Context[SearchConfig, datasets.Dataset]) -> Record:
        config, stages, progress = context.settings, context.stages, context.progress
        space, shortlist = make_space(config, context.data), shortlist_of(config)
        short = {} if shortlist is None else {"shortlist": sum(number for number, _ in shortlist.rungs())}
        names = [f"random-{index + 1}" for index in range(config.random_genotypes)]
        trainings = FinalTrainings(context, space, {**config.searches, **short}, ["searched", *names])
        # Opened first: a cluster that does not answer is reported before the search.
        with context.executor() as executor, progress.following(trainings.epochs.state):
            found = search_stage(context, space, trainings.epochs)
            genotype, chosen = choose_genotype(context, space, found, executor)
            if short:
                trainings.epochs.finish("shortlist")
            context.keep_genotype(genotype)
            progress(str(genotype))
            searched = trainings.run("searched", genotype)
            others = random_others(stages, config, space, genotype)
            random = trainings.run_all(dict(zip(names, others, strict=False)), executor)
            experience = stages.stage(EXPERIENCE)
            progress.phase("report")
            record = context.finish(searched, found, random, shortlist=chosen, experience=experience)
        if chosen is not None:
            remember_search(config, context.data, found, chosen, searched, experience, progress)
        return record


def search_stage(
    context: Context[SearchConfig, datasets.Dataset], space: SearchSpace, epochs: EpochCount
) -> dict[str, Any]:
    """Return the search of the settings, as stage `search`."""
    config, data, stages, progress = context.settings, context.data, context.stages, context.progress
    if (found := stages.stage("search")) is not None:
        for name in config.searches:
            epochs.finish(name)
        return found
    progress.phase("search", epochs.at_work)
    progress(f"Searching the {config.space} space ({count(space.size)} architectures) on {data.name}.")
    objective = make_objective(stages, config, space, data)
    if config.stages:
        return staged_search(context, make_progressive(config, space, data, objective), epochs)
    build = partial(build_search, config, space, data, objective, progress)
    return one_search(context, "search", build, epochs)


def one_search(
    context: Context[SearchConfig, datasets.Dataset],
    name: str,
    build: Callable[[], BilevelTrainer],
    epochs: EpochCount,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Return what the search that `build` makes found, as the stage of this name."""
    config, data = context.settings, context.data
    fit = {
        "batch_size": search_batch_size(config, data),
        "epochs": config.searches[name],
        "validation_split": config.validation_split,
        "verbose": context.progress.verbosity,
        "seed": config.seed,
    }

    def all_callbacks() -> list[keras.callbacks.Callback]:
        return [*schedules(config), *callbacks, epochs.callback(name), *context.tracking.callbacks()]

    samples = data.x_train, data.y_train
    found = run_search(context.stages, build, samples, fit, all_callbacks, log=context.progress, name=name)
    epochs.finish(name)  # before its last epoch, where a guard stops it
    return found


def staged_search(
    context: Context[SearchConfig, datasets.Dataset], progressive: ProgressiveSearch, epochs: EpochCount
) -> dict[str, Any]:
    """Return what the last stage of a search in stages found, as stage `search`, with the seconds of all of them."""
    config, found, seconds = context.settings, {}, 0.0
    for number, (name, share) in enumerate(config.searches.items(), start=1):
        context.progress(f"Stage {number} of {len(config.searches)}: {progressive.describe()}.")
        make = partial(progressive.build, share, config.relaxation or None)
        build = partial(compiled, config, make, context.data, share, context.progress)
        found = one_search(context, name, build, epochs, progressive.callbacks(share))
        progressive.finish(last_weights(found), found["alphas"])
        seconds += found["seconds"]
    return context.stages.finish("search", {**found, "seconds": seconds})


def search_plan(config: SearchConfig, size: float, data: datasets.Dataset) -> str:
    """Return the plan of a gradient search in a space of this many architectures.

    Example:

    >>> print(search_plan(SearchConfig(), 49.0, datasets.load("fashion_mnist_mini")))
    Plan: time estimates follow the first epoch of each phase.
      search    12 epochs in the darts space, of 49 architectures, on fashion_mnist_mini
      shortlist 6 networks, the derived one and others near it, for 400 steps, 2 for 1,200
      training  the network found and 3 random ones, 13 epochs each
      report    accuracy on 1,000 test images, plots, report, model card
    """
    space = f"the {config.space} space, of {count(size)} architectures"
    stages = f" in {len(config.searches)} stages" if config.stages else ""
    phases = [("search", f"{config.epochs} epochs{stages} in {space}, on {data.name}")]
    if (shortlist := shortlist_of(config)) is not None:
        (number, steps), *longer = shortlist.rungs()
        first = f"{number} networks, the derived one and others near it, for {steps:,} steps"
        phases.append(("shortlist", ", ".join([first, *(f"{few} for {many:,}" for few, many in longer)])))
    number = config.random_genotypes
    random = f" and {number} random one{'s' if number > 1 else ''}" if number else ""
    training = f"the network found{random}, {config.retrain_epochs} epochs{' each' if random else ''}"
    return plan_text(LATER, *phases, ("training", training), ("report", report_words(data)))
