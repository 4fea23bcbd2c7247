"""Field of a race: its settings, its contestants, and what each of them cost and reached."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.annotations import Log
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, of_entry
from kerasnas.networks.precision import FLOAT32
from kerasnas.racing.budget import Budget
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.entrants.contestants import Contestants, packed
from kerasnas.racing.entrants.slices import batches_of
from kerasnas.racing.portfolio import Candidate
from kerasnas.racing.rungs import BATCH, MOST, fitting_batch_size
from kerasnas.racing.symmetries import SYMMETRIES, kept_accuracies
from kerasnas.starts.probes import Prober, spread
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION

_ZOOMED = 16  # pixels of the shorter side of images that are zoomed, at least
_EPOCHS = 60  # that there is time for, at least, where images are zoomed: in 31, CIFAR-10 lost a point by it
_JUDGES = 250  # images, at most, of each part that symmetries are judged by: of 224 pixels, 500 took four seconds

Arrays = tuple[Any, ...]
"""`(x, y)`, or `(x, y, weights)`."""


@dataclasses.dataclass(frozen=True)
class Small:
    """Networks that see samples at a smaller size.

    Args:
        build: genotype -> its network, as for `Field`.
        area: how many times as many multiply-adds it has at full size.
    """

    build: Callable[[Genotype], keras.Model]
    area: float


@dataclasses.dataclass
class Field:
    """Candidates of a race on the same data, and how far each has come.

    Args:
        stages: the store of the run's folder.
        budget: what it all must fit in.
        candidates: number -> so many candidates at most, the one to begin with first.
        build: genotype -> its network, compiled with a constant learning rate.
        data: `(x, y)` to train on, or `(x, y, weights)`: of each sample, by which its loss and its score count.
        held_out: `(x, y)` to compare on; the winner is trained on these too in the end.
        num_classes: number of outputs.
        augment: names of augmentations, or None to find out which of `SYMMETRIES` the data have.
        watch: called with the name of a network, its accuracy on held-out data or its training's loss and metrics, and
            the steps after which it has them. Defaults to nothing.
        tolerant: with `augment=None`: whether images are shifted. Defaults to True.
        seed: Defaults to 0.
        most: how many candidates take part at most. Defaults to `MOST`.
        trainings: of the winner at most, whose networks become one. Defaults to 1.
        log: called with each line of progress. Defaults to `print`.
        initialize: as for `Contestants`. Defaults to None.
        task: what the networks predict. Defaults to classification.
        baseline: what a support vector machine is fitted to, to compare with, in words; "" where none is. Defaults to
            `"pixels"`.
        most_epochs: number of epochs after which the winners' training ends. Defaults to any: when the time is up.
        share: of the budget, that candidates other than the first may take. Defaults to 0: `race_share`.
        precision: in which networks are computed, `"float32"`, `"bfloat16"`, or `"auto"`: in the latter, where a step
            of the first one takes less time so. Defaults to `"float32"`.
        samples: in words. Defaults to `"images"`.
        small: networks for heats. Defaults to None: there are none.
        prober: of pretrained networks, which challenge the first candidate. Defaults to None: none do.
        duel: whether candidates race before pretrained networks challenge the best of them, and not after that.
            Defaults to False.
        views: whether answers of the winner are means over the views of an image that its augmentations allow. Defaults
            to False.
        test_samples: number of samples that the winner is tested on: they take time at the end. Defaults to 0.
        executor: what candidates are trained on, beyond the first steps of the first of them; a wall clock's budget
            then. Defaults to this process.
    """

    stages: Stages
    budget: Budget
    candidates: Callable[[int], list[Candidate]]
    build: Callable[[Genotype], keras.Model]
    data: Arrays
    held_out: Arrays
    num_classes: int
    augment: tuple[str, ...] | None = None
    seed: int = 0
    most: int = MOST
    trainings: int = 1
    log: Log = print
    initialize: Callable[..., Any] | None = None
    task: Task = CLASSIFICATION
    tolerant: bool = True
    baseline: str = "pixels"
    most_epochs: float = math.inf
    share: float = 0.0
    samples: str = "images"
    precision: str = FLOAT32
    small: Small | None = None
    prober: Prober | None = None
    duel: bool = False
    views: bool = False
    test_samples: int = 0
    executor: Executor = dataclasses.field(default_factory=Local)
    watch: Callable[[str, dict[str, Any], int], Any] = lambda name, values, steps: None

    def __post_init__(self) -> None:
        self.contestants = Contestants(self.stages, self.build, self.log, self.initialize, self.task)
        self.progress, self.entries = self.contestants.progress, self.contestants.entries
        self.name = uuid.uuid4().hex  # by which workers tell it from others
        self.most_seconds = math.inf  # that the candidate which is to start may take

    def leave_out(self, name: str) -> None:
        """Note that a candidate is too slow to start."""
        self.entries[name]["outcome"] = "not started: too slow for this budget"
        self.contestants.forget(name)

    def pace(self) -> float:
        """Seconds of a step for each multiply-add, of those that have been trained; 0 where none has."""
        trained = [entry for entry in self.entries.values() if entry["rungs"] and entry["rungs"][-1]["steps"]]
        return float(np.mean([one["step_seconds"] / one["macs"] for one in trained])) if trained else 0.0

    def note(self, name: str, scores: np.ndarray, steps: int, seconds: float) -> None:
        """Note how a contestant did in a rung."""
        entry = self.entries[name]
        progress: dict[str, Any] = {"accuracy": float(scores.mean()), "steps": steps, "seconds": seconds}
        entry["rungs"].append({**progress, **packed(scores)})
        self._look(entry, steps, progress["accuracy"])
        self.log(
            f"  {name}: {self.task.score_in_words(scores.mean(), f'held-out {self.samples}')} after {steps:,} steps, "
            f"{1000 * entry['step_seconds']:.0f} ms each"
        )
        self.watch(f"race/{name}", {f"val_{self.task.metric}": self.task.value_of(progress["accuracy"])}, steps)

    def trace(self, name: str, contestant: Contestant) -> np.ndarray:
        """Note a point of a contestant's learning curve; return its score on each held-out sample."""
        scores = contestant.scores(*self.held_out)
        self._look(self.entries[name], contestant.steps, float(scores.mean()))
        return scores

    def kept(self, contestant: Contestant, step: float) -> dict[str, float]:
        """Return how well a contestant recognizes transformed images; see `kept_accuracies`.

        Of enlarged ones, not where parts of images are read, nor where `step`, seconds of one, allows for few epochs.
        """

        def chance(y: Any, *weights: np.ndarray) -> float:
            return self.task.metric_chance(np.asarray(y), self.num_classes, *weights)

        known, held_out = (spread(part, _JUDGES) for part in (self.data, self.held_out))
        often = self.budget.left() >= _EPOCHS * len(contestant.batches) * step
        zoomed = often and self.tolerant and not self.duel and min(known[0].shape[1:3]) >= _ZOOMED
        names = [name for name in SYMMETRIES if zoomed or name != "zoom"]
        return kept_accuracies(contestant.scores, chance, known, held_out, names)

    @staticmethod
    def _look(entry: dict[str, Any], steps: int, accuracy: float) -> None:
        """Add what a look at a network showed to its curve, unless it is known."""
        curve = entry.setdefault("curve", [])
        if not curve or curve[-1]["steps"] < steps:
            curve.append({"steps": steps, "accuracy": accuracy})

    def starts_of(self, name: str) -> list[dict[str, Any]]:
        """Return what is known of the pretrained networks that a contestant is made from."""
        genotype = of_entry(self.entries[name]["genotype"])
        if self.prober is None or genotype.space != self.prober.space.name:
            return []
        return [self.prober.describe(genotype)]

    def scores(self, name: str, rung: int) -> np.ndarray:
        """Return the score of a contestant on each held-out sample, after a rung."""
        return self.contestants.scores(name, rung, len(self.held_out[0]))

    def spent_on_others(self) -> float:
        """Seconds that candidates other than the first have taken."""
        return sum(entry.get("cost", 0.0) for name, entry in self.entries.items() if name != self.progress["first"])

    def begun(self, name: str) -> Contestant:
        """A contestant as far as it has come."""
        return self.contestants.get(name, self.batches(self.data, name))

    @property
    def always(self) -> tuple[str, ...]:
        """The augmentations that were given; where they are to be found out, those that need no proof."""
        if self.augment is not None:
            return self.augment
        return ("shift",) if self.tolerant else ()

    def batches(self, data: Arrays, name: str, order: int = 0) -> ArrayBatches:
        """Batches of `data` for a contestant's training, with the augmentations known so far, in one of many orders."""
        size, augment = self.batch_size_for(len(data[0]), self.entries[name]), tuple(self.progress["augment"])
        seed = int(np.random.SeedSequence([self.seed, order]).generate_state(1)[0]) if order else self.seed
        return batches_of(data, size, seed, augment)

    def batch_size_for(self, samples: int, entry: Mapping[str, Any] | None = None) -> int:
        """Return the batch size of a training on so many samples: the race's, or that of a contestant's entry."""
        return fitting_batch_size(samples, (entry or {}).get("batch_size", BATCH))
