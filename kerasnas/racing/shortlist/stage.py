"""Shortlist as a stage of a run: successive halving of short trainings from scratch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, as_entry
from kerasnas.networks.runners_up import runners_up
from kerasnas.proxies import ProxyScore
from kerasnas.proxies.score import PROXIES
from kerasnas.racing.shortlist.candidates import candidates, drawn
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import split_samples
from kerasnas.training.network_training import Arrays, NetworkTraining
from kerasnas.training.trainings import Trainings

HELD_OUT = 5000  # most samples that networks are compared on
_PROXY_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Shortlist:
    """Settings of a shortlist.

    Args:
        size: how many candidates. Defaults to 6.
        steps: of training, of each rung; a rung trains from scratch, with a learning rate that a cosine takes to 0, and
            leaves a third. Defaults to 400 and 1,200: fewer tell little.
        proxy: the name in `kerasnas.proxies.PROXIES` by which candidates are found. Defaults to `"auto"`: synflow, and
            the number of parameters where that is not defined. Of texts none is: candidates are drawn at random.
        evaluations: most networks that the proxy scores. Defaults to 60.

    Raises:
        ValueError: for values out of their range, or rungs of falling length.

    Example:

    >>> Shortlist(size=4, steps=(100,)).rungs()
    [(4, 100)]
    """

    size: int = 6
    steps: tuple[int, ...] = (400, 1200)
    proxy: str = "auto"
    evaluations: int = 60

    def __post_init__(self) -> None:
        checks.integer("size", self.size, least=1)
        checks.one_of("proxy", self.proxy, ("auto", "", *PROXIES))
        if isinstance(self.steps, (str, bytes)) or not isinstance(self.steps, Iterable):
            raise ValueError(checks.invalid("steps", "one or more numbers, rising", self.steps))
        object.__setattr__(self, "steps", tuple(checks.integer("steps", steps, least=1) for steps in self.steps))
        if not self.steps or list(self.steps) != sorted(set(self.steps)):
            raise ValueError(checks.invalid("steps", "one or more numbers, rising", self.steps))
        checks.integer("evaluations", self.evaluations, least=1)

    @checks.arguments(number=checks.size)
    def rungs(self, number: int | None = None) -> list[tuple[int, int]]:
        """Return the number of networks and their steps of training, of each rung in turn.

        Args:
            number: of the candidates there are. Defaults to None: `size`.
        """
        number, found = self.size if number is None else number, []
        for steps in self.steps:
            found.append((number, steps))
            number = math.ceil(number / 3)
        return found[:1] + [rung for rung in found[1:] if rung[0] > 1]


@checks.arguments(
    stages=Stages,
    settings=Shortlist,
    found=checks.each(Genotype, 1),
    training=NetworkTraining,
    data=checks.pair,
    held_out=checks.pair,
    within=checks.container,
    seed=checks.seed,
    log=checks.function,
    name=checks.name,
    executor=Executor,
    remembered=checks.each(Genotype),
)
def run_shortlist(
    stages: Stages,
    settings: Shortlist,
    found: Sequence[Genotype],
    training: NetworkTraining,
    data: Arrays,
    held_out: Arrays,
    within: Container[Genotype] | None = None,
    seed: int = 0,
    log: Log = print,
    name: str = "shortlist",
    executor: Executor | None = None,
    remembered: Sequence[Genotype] = (),
) -> dict[str, Any]:
    """Choose among what a search found and what is near it, as stage `name`; return the stage's record.

    Each training is a stage of its own: an interrupted shortlist resumes where it was. A network whose loss stops being
    finite is out.

    Args:
        stages: the store of the folder.
        settings: the size of the shortlist, and how long networks are trained.
        found: what the search found, the best first.
        training: of the networks: their size and the recipe, whose epochs are the most that any is trained for.
        data: `(x, y)` to train on.
        held_out: `(x, y)` to compare on; not the test data.
        within: the set that candidates are of, as for `candidates`. Defaults to None: the whole space.
        seed: of initial weights and orders, the same for all. Defaults to 0.
        log: called with a line for each network. Defaults to `print`.
        name: of the stage. Defaults to `"shortlist"`.
        executor: what the trainings of a rung run on. Defaults to None: this process.
        remembered: networks that did well in earlier searches, the best first: they take part whatever their scores, in
            half of the places at most. Defaults to none.

    Returns:
        `{"seconds", "proxy", "rungs", "genotype"}`: of each rung `"epochs"`, `"steps"` and its `"networks"`, each with
        `"genotype"` and `"val_accuracy"`, the metric of the task, None where its loss was not finite. The genotype is
        the one that is chosen.
    """
    finished = stages.stage(name)
    if finished is not None:
        return finished
    start, executor = time.perf_counter(), Local() if executor is None else executor
    proxy, chosen = _candidates(settings, found, training, data, within, seed)
    known = [genotype for genotype in remembered if genotype != chosen[0]][: settings.size // 2]
    chosen = list(dict.fromkeys([chosen[0], *known, *chosen]))[: settings.size]
    if len(chosen) < settings.size:
        log(f"A shortlist of {len(chosen)}: there are no more networks to choose from.")
    rungs: list[dict[str, Any]] = []
    batches = max(1, len(data[0]) // training.recipe.batch_size)
    for rung, (number, steps) in enumerate(settings.rungs(len(chosen))):
        recipe = dataclasses.replace(
            training.recipe, epochs=min(max(1, round(steps / batches)), training.recipe.epochs)
        )
        short = NetworkTraining(training.space, training.input_shape, training.num_classes, recipe)
        trainings = Trainings(short, stages, data, held_out, seed, "val")
        chosen = chosen[:number]
        names = {f"{name}-{rung}-{index}": genotype for index, genotype in enumerate(chosen)}
        reached: dict[Genotype, float | None] = {}
        for own, trained in trainings.run(executor, names):
            accuracy = None if trained is None else trained[f"val_{training.recipe.task.metric}"]
            reached[names[own]] = accuracy
            if accuracy is None:
                log(f"  {names[own]}: the loss is not finite")
            else:
                log(f"  after {recipe.epochs} epochs {accuracy:.4f} {names[own]}")
        networks = [{"genotype": as_entry(one), "val_accuracy": reached[one]} for one in chosen]
        rungs.append({"epochs": recipe.epochs, "steps": recipe.epochs * batches, "networks": networks})
        scores = {one: -math.inf if accuracy is None else accuracy for one, accuracy in reached.items()}
        chosen.sort(key=scores.__getitem__, reverse=True)  # stable: of equals, what was found first
    record = {"seconds": time.perf_counter() - start, "proxy": proxy, "rungs": rungs}
    return stages.finish(name, {**record, "genotype": as_entry(chosen[0])})


def _candidates(
    settings: Shortlist,
    found: Sequence[Genotype],
    training: NetworkTraining,
    data: Arrays,
    within: Container[Genotype] | None,
    seed: int,
) -> tuple[str, list[Genotype]]:
    """Return the proxy that was used, empty for texts, of which none is defined; and the candidates."""
    if len(training.input_shape) == 1:
        return "", drawn(training.space, found, settings.size, within, seed)
    x, y = data[0][:_PROXY_BATCH], data[1][:_PROXY_BATCH]
    make = partial(ProxyScore, training.space, x=x, y=y, num_classes=training.num_classes, seed=seed)
    proxy, options = settings.proxy, dict(training.recipe.options)
    score = make(proxy="synflow" if proxy == "auto" else proxy, **options)
    if proxy == "auto":
        proxy = "synflow"
        try:
            score(found[0])
        except ValueError:
            proxy = "parameters"
            score = make(proxy=proxy, **options)
    return proxy, candidates(training.space, found, settings.size, score, within, settings.evaluations, seed)


def halves(x: Any, y: Any, validation_split: float, seed: int, task: Task = CLASSIFICATION) -> tuple[Arrays, Arrays]:
    """The part of the training data that networks of a shortlist are trained on, and the one they are compared on."""
    first, second = split_samples(task, y, validation_split, seed)
    if len(second) > HELD_OUT:
        second = second[split_samples(task, y[second], HELD_OUT / len(second), seed)[1]]
    return (x[first], y[first]), (x[second], y[second])


def found_by(
    space: Any, derived: Genotype, weights: Mapping[str, np.ndarray], within: Container[Genotype] | None
) -> list[Genotype]:
    """Return the derived genotype of a gradient search, and the runner-ups of its decisions."""
    return [derived, *runners_up(space, derived, weights, within)]
