"""Contestants of a race: what is known of each, the networks in training, and their checkpoints."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas.annotations import Log
from kerasnas.cost.counting import macs, parameters
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.files import storage
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, as_entry
from kerasnas.networks.precision import FLOAT32
from kerasnas.racing.curves import USUAL
from kerasnas.racing.entrants.contestant import WARMUP, Contestant
from kerasnas.racing.entrants.slices import network_of
from kerasnas.racing.portfolio import Candidate
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.wording import first_line


class Contestants:
    """Contestants of a race by name, and all that the race resumes from.

    Args:
        stages, build, log, task: as for `Field`.
        initialize: called with the name of an initialization, a new network that is to begin from it, and the samples
            and labels that it learns from, and their weights, if they have any. Defaults to None: there are none.

    Attributes:
        progress: a JSON-serializable record of the race, written by `write` and read again when the race resumes.
        entries: name -> what is known of a contestant: its genotype, kind, an augmentation that it has beside
            those of all, what it cost, how it did in each rung, how it ended. A part of `progress`.
    """

    def __init__(
        self,
        stages: Stages,
        build: Callable[[Genotype], keras.Model],
        log: Log,
        initialize: Callable[..., Any] | None = None,
        task: Task = CLASSIFICATION,
    ):
        self.stages, self.build, self.log, self.initialize, self.task = stages, build, log, initialize, task
        self.folder = stages.checkpoints("racing")
        self.progress = stages.progress("racing")
        self.progress.setdefault("saved", {})
        self.progress |= self.task.entry()
        self.entries: dict[str, dict[str, Any]] = self.progress.setdefault("contestants", {})
        self._live: dict[str, Contestant] = {}

    def enter(self, candidate: Candidate) -> None:
        """Let a candidate take part."""
        entry: dict[str, Any] = {"kind": candidate.kind, "rungs": [], "outcome": ""}
        recipe = {name: getattr(candidate, name) for name in ("initializer", "learning_rate", "batch_size", "favorite")}
        recipe |= {"warmup": candidate.warmup} if candidate.warmup != WARMUP else {}
        recipe |= {"exponent": candidate.exponent} if candidate.exponent != USUAL else {}
        entry |= {name: value for name, value in recipe.items() if value}
        self.entries[candidate.name] = {**entry, "genotype": as_entry(candidate.genotype)}

    def get(self, name: str, batches: ArrayBatches) -> Contestant:
        """A contestant as far as it has come: the living one, or from its checkpoint, or a new one."""
        if name in self._live:
            self._live[name].batches = batches
            return self._live[name]
        entry = self.entries[name]
        model = network_of(entry, self.build)
        saved = self._load(name, None)
        begin = None
        if self.initialize is not None and entry.get("initializer"):
            begin = functools.partial(self.initialize, entry["initializer"])
            if saved is None:
                begin(model, *batches.arrays)
        warmup, precision = entry.get("warmup", WARMUP), self.progress.get("precision", FLOAT32)
        contestant = Contestant(model, batches, warmup, self.task, begin, precision)
        if saved is not None:
            _, arrays, record = saved
            contestant.set_state(arrays, record)
        entry["parameters"] = parameters(contestant.model)
        entry["macs"] = macs(contestant.model)
        self._live[name] = contestant
        return contestant

    def at_work(self) -> str:
        """Describe the contestant in training: its steps, its latest loss, its held-out score; `""` between trainings.

        Another thread may call it at any time: it reads what the training leaves anyway.
        """
        for name, contestant in self._live.copy().items():
            if latest := contestant.latest:
                score = [self.task.show_score(one["accuracy"]) for one in self.entries[name].get("curve", ())[-1:]]
                held_out = f", held-out {self.task.score_words} {score[0]}" if score else ""
                return f"{name}, {contestant.steps:,} steps, loss {float(latest['loss']):.3f}{held_out}"
        return ""

    def drop(self, name: str, error: BaseException) -> None:
        """Let a contestant that failed drop out, and say why."""
        reason = first_line(error)
        self.entries[name]["outcome"] = f"failed: {reason}"
        self.log(f"  {name} is out of the race: {reason}")
        self.forget(name)

    def forget(self, name: str) -> None:
        """Free the network of a contestant and its checkpoints."""
        self._live.pop(name, None)
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def outcomes(self) -> str:
        """Return the outcome of each contestant, in words."""
        return "; ".join(f"{name}: {entry['outcome']}" for name, entry in self.entries.items())

    def scores(self, name: str, rung: int, samples: int) -> np.ndarray:
        """For each of the held-out samples, the score of a contestant after a rung."""
        entry = self.entries[name]["rungs"][rung]
        if "hits" in entry:
            return np.unpackbits(np.array(entry["hits"], np.uint8), count=samples).astype(bool)
        return np.array(entry["scores"])

    def save(self, name: str, spent: float, stage: str | None = None) -> None:
        """Write the checkpoint of a living contestant, and the progress; `spent` as for `write`."""
        contestant = self._live[name]
        self._store(name, stage).save(contestant.steps, *contestant.state())
        self.progress["saved"][_key(name, stage)] = contestant.steps
        self.write(spent)

    def state_of(self, name: str, stage: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return the state that a contestant continues from, or None before its first checkpoint."""
        found = self._load(name, stage)
        return None if found is None else found[1:]

    def keep(self, name: str, state: tuple[Mapping[str, np.ndarray], Mapping[str, Any]], spent: float) -> None:
        """Write the state of a contestant that was trained elsewhere as its checkpoint, and the progress."""
        self._live.pop(name, None)  # it is behind
        self._store(name, None).save(state[1]["steps"], *state)
        self.progress["saved"][name] = state[1]["steps"]
        self.write(spent)

    def write(self, spent: float) -> None:
        """Write the progress, `spent` seconds of the budget included."""
        self.progress["spent"] = spent
        self.stages.note("racing", self.progress)

    def remove(self) -> None:
        """Remove all that the race resumes from, at its end."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _load(self, name: str, stage: str | None) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
        """The last checkpoint that the progress knows. Where a kill fell between the two, what it was of is done again.

        The race would have a network then that is trained, and not know how it did, nor what it cost.
        """
        store, known = self._store(name, stage), self.progress["saved"].get(_key(name, stage), -1)
        found = store.load_latest()
        while found is not None and found[0] > known:
            store.remove(found[0])
            found = store.load_latest()
        return found

    def _store(self, name: str, stage: str | None) -> storage.CheckpointStore:
        folder = self.folder if stage is None else self.stages.checkpoints(stage)
        return storage.CheckpointStore(folder / name, 2, self.log)


def packed(scores: np.ndarray) -> dict[str, list]:
    """Scores as the entry of a rung: whether each is right, eight in a number, or the scores themselves.

    Example:

    >>> packed(np.array([True, False, True])), packed(np.array([0.5, -1.0]))
    ({'hits': [160]}, {'scores': [0.5, -1.0]})
    """
    return {"hits": np.packbits(scores).tolist()} if scores.dtype == bool else {"scores": scores.round(6).tolist()}


def _key(name: str, stage: str | None) -> str:
    """Return the name of a contestant's checkpoints in the progress."""
    return name if stage is None else f"{stage}/{name}"
