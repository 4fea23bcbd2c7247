"""The race as a stage, and the training of its winner: within a budget, resumable at any moment."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import backend, checks, datasets, storage
from kerasnas.callbacks import NonFiniteError
from kerasnas.cost import macs
from kerasnas.datasets import ArrayBatches
from kerasnas.genotypes import Genotype
from kerasnas.intervals import paired_difference
from kerasnas.pipeline.racing.budget import Budget
from kerasnas.pipeline.racing.contestant import Contestant
from kerasnas.pipeline.racing.portfolio import Candidate
from kerasnas.pipeline.racing.rungs import MOST, Rung, advancing, expected, plan_rungs
from kerasnas.pipeline.racing.symmetries import found, kept_accuracies
from kerasnas.pipeline.recipe import AUGMENTATIONS
from kerasnas.pipeline.stages import Stages

Arrays = tuple[Any, Any]
FIRST_STEPS = 150  # of the reference, before anything is compared: below, ranks are noise
FINISH_SECONDS = 5.0  # to save, to plot and to report
DECAY = 0.35  # last part of the winner's training, in which the learning rate falls to 0
_PIECES, _LEAST_PIECE = 25, 15.0  # the winner's training is saved so many times, no more often than every 15 seconds
_TIMED_STEPS = 20
_FAILURES: tuple[type[BaseException], ...] = (NonFiniteError, *backend.OUT_OF_MEMORY)  # of one candidate


@dataclasses.dataclass
class Race:
    """Candidates trained side by side on the same data, and the training of the one that is expected to end best.

    Everything is saved after each slice of training: killed at any moment, it resumes and loses that slice.

    Args:
        stages: the store of the run's folder.
        budget: what it all must fit in.
        candidates: number -> so many candidates at most, the one to begin with first.
        build: genotype -> its network, compiled with a constant learning rate.
        data: `(x, y)` to train on.
        held_out: `(x, y)` to compare on; the winner is trained on these too in the end.
        num_classes: number of classes.
        augment: names of augmentations, or None to find out which of `SYMMETRIES` the data have.
        batch_size: Defaults to 64; small data make smaller batches.
        seed: Defaults to 0.
        most: how many candidates take part at most. Defaults to `MOST`.
        log: called with each line of progress. Defaults to `print`.
    """

    stages: Stages
    budget: Budget
    candidates: Callable[[int], list[Candidate]]
    build: Callable[[Genotype], keras.Model]
    data: Arrays
    held_out: Arrays
    num_classes: int
    augment: tuple[str, ...] | None = None
    batch_size: int = 64
    seed: int = 0
    most: int = MOST
    log: Callable[[str], Any] = print

    def __post_init__(self) -> None:
        self.progress = read_progress(self.stages)
        self._live: dict[str, Contestant] = {}
        self._genotypes = {
            name: Genotype.from_json(json.dumps(entry["genotype"])) for name, entry in self._entries.items()
        }

    # The race ------------------------------------------------------------------------------------------------
    def run(self) -> dict[str, Any]:
        """Run the race as stage `"race"`, unless it is finished; return the stage's record."""
        finished = self.stages.stage("race")
        if finished is not None:
            return finished
        if "rungs" not in self.progress:
            self._scout()
        rungs = [Rung(*rung) for rung in self.progress["rungs"]]
        for index in range(self.progress["rung"], len(rungs)):
            self._run_rung(index, rungs)
        (winner,) = self.progress["standing"]
        self._entries[winner]["outcome"] = "winner"
        record = {key: self.progress[key] for key in ("augment", "kept", "step_seconds", "rungs")}
        record |= {"winner": winner, "seconds": self.budget.spent(), "validation_samples": len(self.held_out[0])}
        # The winner's state is where its training as a stage of its own begins.
        self._save(winner, "searched")
        record |= {"comparison": self._comparison(winner), "contestants": {}}
        for name, entry in self._entries.items():
            rungs_of = [{key: value for key, value in rung.items() if key != "hits"} for rung in entry["rungs"]]
            record["contestants"][name] = {**entry, "rungs": rungs_of}
        return self.stages.finish("race", record)

    def _scout(self) -> None:
        """Train the first candidate for its first slice: find out what a step takes, and what the data allow."""
        pool = self.candidates(self.most)
        for candidate in pool:
            before = self.budget.spent()
            self._enter(candidate)
            try:
                contestant = self._contestant(candidate.name, ("shift",) if self.augment is None else self.augment)
                contestant.advance(self.budget.clock, steps=2)
                overhead = self.budget.spent() - before
                contestant.advance(self.budget.clock, steps=_TIMED_STEPS)
                step = (self.budget.spent() - before - overhead) / _TIMED_STEPS
                self._check_budget(step)
                spare = 0.5 * (self.budget.left() - FINISH_SECONDS)
                contestant.advance(self.budget.clock, seconds=min(FIRST_STEPS * step, max(spare, 0.0)))
                kept = kept_accuracies(contestant.correct, *self.held_out, self.num_classes)
                break
            except _FAILURES as error:
                self._drop(candidate.name, error)
        else:
            raise ArithmeticError("No candidate could be trained: " + self._failures())
        augment = ("shift", *found(kept)) if self.augment is None else self.augment
        rungs = plan_rungs(self.budget.left() + contestant.seconds, FIRST_STEPS * step, overhead, len(pool))
        self.progress |= {
            "augment": list(augment),
            "kept": kept if self.augment is None else {},
            "step_seconds": step,
            "rungs": [list(dataclasses.astuple(rung)) for rung in rungs],
            "rung": 0,
            "standing": [candidate.name],
        }
        if rungs:
            others = [other for other in pool if other.name not in self._entries]
            for other in others[: rungs[0].number - 1]:
                self._enter(other)
                self.progress["standing"].append(other.name)
        self._log_plan(rungs)
        self._save(candidate.name)

    def _check_budget(self, step: float) -> None:
        least = self.budget.spent() + 2 * _TIMED_STEPS * step + FINISH_SECONDS
        if least > self.budget.seconds:
            raise ValueError(
                f"A budget of {self.budget.seconds / 60:.2g} minutes is too short for anything: with these data, a "
                f"network that has seen {2 * _TIMED_STEPS} batches takes {math.ceil(least / 6) / 10:g} minutes on this "
                "machine, its start and its report included."
            )

    def _log_plan(self, rungs: list[Rung]) -> None:
        augment = ", ".join(self.progress["augment"]) or "nothing"
        self.log(f"Done to the training images: {augment}.")
        left = self.budget.left()
        if not rungs:
            self.log(f"No race: {left:.0f} s are too short to compare networks. The default is trained for all of it.")
            return
        race = sum(rung.number * rung.seconds for rung in rungs)
        slices = ", ".join(f"{rung.number} networks for {rung.seconds:.0f} s each" for rung in rungs)
        self.log(f"Race: {slices}. The winner gets the rest, {max(0.0, left - race):.0f} s or more.")

    def _run_rung(self, index: int, rungs: list[Rung]) -> None:
        rung = rungs[index]
        x, y = self.held_out
        for name in list(self.progress["standing"]):
            entry = self._entries[name]
            if len(entry["rungs"]) > index:
                continue
            try:
                contestant = self._contestant(name, tuple(self.progress["augment"]))
                had = sum(other.seconds for other in rungs[:index])
                contestant.advance(self.budget.clock, seconds=max(0.0, had + rung.seconds - contestant.seconds))
                hits = contestant.correct(x, y)
            except _FAILURES as error:
                self._drop(name, error)
                self.progress["standing"].remove(name)
                continue
            progress = {"accuracy": float(hits.mean()), "steps": contestant.steps, "seconds": contestant.seconds}
            entry["rungs"].append({**progress, "hits": np.packbits(hits).tolist()})
            self.log(f"  {name}: {100 * hits.mean():.1f} % of the validation data after {contestant.seconds:.0f} s")
            self._save(name)
        if not self.progress["standing"]:
            raise ArithmeticError("No candidate could be trained: " + self._failures())
        number = rungs[index + 1].number if index + 1 < len(rungs) else 1
        correct = {name: self._hits(name, index) for name in self.progress["standing"]}
        priors = {name: self._entries[name]["prior"] for name in correct}
        trained = sum(other.seconds for other in rungs[: index + 1])
        share = min(1.0, trained / (self.budget.left() + trained))
        standing = advancing(correct, priors, number, share)
        for name in set(correct) - set(standing):
            self._entries[name]["outcome"] = f"out after rung {index + 1}"
            self._forget(name)
        scores = expected({name: float(hits.mean()) for name, hits in correct.items()}, priors, len(y), share)
        for name, score in scores.items():
            self._entries[name]["rungs"][-1]["expected"] = score
        self.progress |= {"standing": standing, "rung": index + 1}
        self._write_progress()

    # The winner ----------------------------------------------------------------------------------------------
    def train_winner(self, test: Arrays, keep_model: Callable[[keras.Model], Any]) -> dict[str, Any]:
        """Train the winner on all data with what is left of the budget, as stage `"searched"`; return its record.

        Args:
            test: `(x, y)` that it is evaluated on, once, at the end.
            keep_model: called with the network at its end, compiled with its loss and metrics.
        """
        race = self.run()
        name, finished = race["winner"], self.stages.stage("searched")
        if finished is not None:
            return finished
        x, y = (np.concatenate(pair) for pair in zip(self.data, self.held_out, strict=True))
        contestant = self._contestant(name, tuple(race["augment"]), (x, y), "searched")
        done = float(self.progress.get("winner_seconds", 0.0))
        if "reserve" not in self.progress:  # measured once: a resumed training ends where it would have ended
            self.progress["reserve"] = FINISH_SECONDS + len(test[0]) * self._evaluation_seconds(contestant)
            self._write_progress()
        reserve = float(self.progress["reserve"])
        left = self.budget.left() - reserve
        self.log(f"Training {name} for {max(0.0, left):.0f} s on all of the data.")
        while left > 0:
            total = done + left
            piece = min(left, max(_LEAST_PIECE, total / _PIECES))

            def schedule(past: float, done: float = done, total: float = total) -> float:
                return min(1.0, max(0.0, 1 - (done + past) / total) / DECAY)

            before = contestant.seconds
            contestant.advance(self.budget.clock, seconds=piece, schedule=schedule)
            done += contestant.seconds - before
            self.progress["winner_seconds"] = done
            self._save(name, "searched")
            left = self.budget.left() - reserve
        contestant.average.apply()
        model = contestant.model
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False
        )
        values = model.evaluate(*test, batch_size=250, verbose=0, return_dict=True)
        keep_model(model)
        record = {
            **{f"test_{metric}": float(value) for metric, value in values.items()},
            "parameters": sum(int(np.prod(weight.shape)) for weight in model.trainable_variables),
            "seconds": contestant.seconds,
            "steps": contestant.steps,
            "history": contestant.history,
            "genotype": self._entries[name]["genotype"],
        }
        shutil.rmtree(self._folder(), ignore_errors=True)
        return self.stages.finish("searched", record)

    def _evaluation_seconds(self, contestant: Contestant) -> float:
        """Seconds of the evaluation of one sample."""
        x, y = self.held_out
        contestant.correct(x, y)  # traces
        start = self.budget.clock()
        contestant.correct(x, y)
        return (self.budget.clock() - start) / len(x)

    # Contestants ---------------------------------------------------------------------------------------------
    @property
    def _entries(self) -> dict[str, dict[str, Any]]:
        return self.progress.setdefault("contestants", {})

    def _enter(self, candidate: Candidate) -> None:
        entry = {"kind": candidate.kind, "prior": candidate.prior, "rungs": [], "outcome": ""}
        self._entries[candidate.name] = {**entry, "genotype": json.loads(candidate.genotype.to_json())}
        self._genotypes[candidate.name] = candidate.genotype

    def _contestant(
        self, name: str, augment: tuple[str, ...], data: Arrays | None = None, stage: str | None = None
    ) -> Contestant:
        """The contestant as far as it has come: the living one, or from its checkpoint, or a new one."""
        batches = self._batches(self.data if data is None else data, augment)
        if name in self._live:
            self._live[name].batches = batches
            return self._live[name]
        contestant = Contestant(self.build(self._genotypes[name]), batches)
        saved = self._store(name, stage).load_latest()
        if saved is not None:
            _, arrays, record = saved
            contestant.set_state(arrays, record)
        entry = self._entries[name]
        entry["parameters"] = sum(int(np.prod(weight.shape)) for weight in contestant.model.trainable_variables)
        entry["macs"] = macs(contestant.model)
        self._live[name] = contestant
        return contestant

    def _batches(self, data: Arrays, augment: tuple[str, ...]) -> ArrayBatches:
        functions = [AUGMENTATIONS[name] for name in augment]
        size = max(1, min(self.batch_size, len(data[0]) // 4))
        return ArrayBatches(*data, size, seed=self.seed, augment=datasets.compose(*functions))

    def _drop(self, name: str, error: BaseException) -> None:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        self._entries[name]["outcome"] = f"failed: {reason}"
        self.log(f"  {name} is out of the race: {reason}")
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._live.pop(name, None)
        shutil.rmtree(self._folder() / name, ignore_errors=True)

    def _failures(self) -> str:
        return "; ".join(f"{name}: {entry['outcome']}" for name, entry in self._entries.items())

    def _hits(self, name: str, rung: int) -> np.ndarray:
        packed = np.array(self._entries[name]["rungs"][rung]["hits"], np.uint8)
        return np.unpackbits(packed, count=len(self.held_out[0])).astype(bool)

    def _comparison(self, winner: str) -> list[dict[str, Any]]:
        """How far each other contestant was behind the winner when both had been trained for the same time."""
        compared = []
        for name, entry in self._entries.items():
            if name == winner or not entry["rungs"]:
                continue
            last = len(entry["rungs"]) - 1
            difference, error = paired_difference(self._hits(winner, last), self._hits(name, last))
            compared.append({"name": name, "rung": last + 1, "difference": difference, "error": error})
        return compared

    # What is saved -------------------------------------------------------------------------------------------
    def _folder(self) -> Any:
        return self.stages.checkpoints("racing")

    def _store(self, name: str, stage: str | None = None) -> storage.CheckpointStore:
        folder = self._folder() / name if stage is None else self.stages.checkpoints(stage)
        return storage.CheckpointStore(folder, 2, self.log)

    def _save(self, name: str, stage: str | None = None) -> None:
        contestant = self._live.get(name) or self._contestant(name, tuple(self.progress["augment"]))
        self._store(name, stage).save(contestant.steps, *contestant.state())
        self._write_progress()

    def _write_progress(self) -> None:
        self.progress["spent"] = self.budget.spent()
        self._folder().mkdir(parents=True, exist_ok=True)
        storage.write_json(self._folder() / "progress.json", self.progress)


def read_progress(stages: Stages) -> dict[str, Any]:
    """How far the race in a folder has come: `"spent"`, seconds of its budget, among it. Empty before its start."""
    file = stages.checkpoints("racing") / "progress.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def spent_before(stages: Stages) -> float:
    """Seconds of its budget that the race in a folder has spent."""
    return checks.number("spent", read_progress(stages).get("spent", 0.0), least=0)
