"""The plan of a run: what it will do, and how long that may take, told before it begins."""

from __future__ import annotations

from kerasnas import datasets
from kerasnas.methods.gradient.choosing import shortlist_of
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.racing import Budget
from kerasnas.racing.rungs import race_share
from kerasnas.racing.slices import FINISH_SECONDS
from kerasnas.reporting.tables import duration


def race_plan(config: RaceConfig, data: datasets.Dataset, budget: Budget) -> str:
    """The plan of a race, with the seconds of each of its phases.

    Example:

    >>> data = datasets.load("fashion_mnist_mini")
    >>> print(race_plan(RaceConfig(), data, Budget(5)))
    Plan: 5 min 0 s for everything, by the clock.
      race      up to 12 networks on 28x28x1 images of fashion_mnist_mini; about 34.6 s for others than the first
      training  the best one, on all 6,000 images, with the rest of the time
      report    accuracy on 1,000 test images, plots, report, model card; about 5 s
    """
    clock = "of the processor" if budget.cpu else "by the clock"
    shape = "x".join(map(str, data.input_shape))
    if config.candidates > 1:
        others = f"; about {duration(race_share(budget.seconds) * budget.seconds)} for others than the first"
        race = f"up to {config.candidates} networks on {shape} {data.modality.plural} of {data.name}{others}"
    else:
        race = f"none: one network on {shape} {data.modality.plural} of {data.name}"
    best = "the best one" if config.ensemble == 1 else f"the best {config.ensemble}, which share the time"
    return _text(
        f"{duration(round(budget.left()))} {'left ' if budget.spent() > 60 else ''}for everything, {clock}.",
        ("race", race),
        ("training", f"{best}, on all {len(data.x_train):,} {data.modality.plural}, with the rest of the time"),
        ("report", f"{_report(data)}; about {FINISH_SECONDS:.0f} s"),
    )


def search_plan(config: SearchConfig, size: float, data: datasets.Dataset) -> str:
    """The plan of a gradient search in a space of so many architectures.

    Example:

    >>> print(search_plan(SearchConfig(), 49.0, datasets.load("fashion_mnist_mini")))
    Plan: how long it takes is told after the first epoch of each phase.
      search    12 epochs in the darts space, of 49 architectures, on fashion_mnist_mini
      shortlist 6 networks, the derived one and others near it, for 400 steps, 2 for 1,200
      training  the network found, and 3 random ones beside it, 13 epochs each
      report    accuracy on 1,000 test images, plots, report, model card
    """
    number = config.random_genotypes
    beside = f", and {number} random one{'s' if number > 1 else ''} beside it" if number else ""
    space = f"the {config.space} space, of {count(size)} architectures"
    return _text(
        _LATER,
        ("search", f"{config.epochs} epochs in {space}, on {data.name}"),
        *_shortlist(config),
        ("training", f"the network found{beside}, {config.retrain_epochs} epochs{' each' if beside else ''}"),
        ("report", _report(data)),
    )


def _shortlist(config: SearchConfig) -> list[tuple[str, str]]:
    shortlist = shortlist_of(config)
    if shortlist is None:
        return []
    (number, steps), *longer = shortlist.rungs()
    first = f"{number} networks, the derived one and others near it, for {steps:,} steps"
    return [("shortlist", ", ".join([first, *(f"{few} for {many:,}" for few, many in longer)]))]


def training_plan(config: TrainingConfig, data: datasets.Dataset) -> str:
    """The plan of the training of a given genotype."""
    return _text(
        _LATER,
        ("training", f"the network of the genotype on {data.name}, {config.retrain_epochs} epochs"),
        ("report", _report(data)),
    )


def count(number: float) -> str:
    """A number of things, exact up to a million.

    Example:

    >>> count(49.0), count(15_625), count(3.2e14)
    ('49', '15,625', '3.2e+14')
    """
    return f"{round(number):,}" if number < 1e6 else f"{number:.1e}"


_LATER = "how long it takes is told after the first epoch of each phase."


def _report(data: datasets.Dataset) -> str:
    return f"{data.task.words} on {len(data.x_test):,} test {data.modality.plural}, plots, report, model card"


def _text(first: str, *phases: tuple[str, str]) -> str:
    return "\n".join([f"Plan: {first}", *(f"  {name:<9} {words}" for name, words in phases)])
