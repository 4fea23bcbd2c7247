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
from kerasnas.cost import macs, network_latency, parameters
from kerasnas.datasets import ArrayBatches
from kerasnas.genotypes import Genotype
from kerasnas.intervals import paired_difference
from kerasnas.pipeline.racing.baseline import pixel_baseline
from kerasnas.pipeline.racing.budget import Budget
from kerasnas.pipeline.racing.contestant import Contestant
from kerasnas.pipeline.racing.portfolio import Candidate
from kerasnas.pipeline.racing.rungs import FIRST_SHARE, MOST, SHARE, advancing, expected, first_steps
from kerasnas.pipeline.racing.symmetries import found, kept_accuracies
from kerasnas.pipeline.recipe import AUGMENTATIONS
from kerasnas.pipeline.stages import Stages
from kerasnas.pipeline.training_loop import EVALUATION_BATCH

Arrays = tuple[Any, Any]
FINISH_SECONDS = 5.0  # to save, to plot and to report
DECAY = 0.35  # last part of the winner's training, in which the learning rate falls to 0
_PIECES, _LEAST_PIECE = 25, 15.0  # the winner's training is saved so many times, no more often than every 15 seconds
_FEWEST = 3  # candidates that the first rung has room for: one that would take more of it does not start
_TRACED, _TIMED = 2, 20  # steps that are not like the others, and steps that are timed
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
        if "standing" not in self.progress:
            self._scout()
        while len(self.progress["standing"]) > 1 or not self.progress["rungs"]:
            if not self._run_rung():
                break  # one is left
        (winner,) = self.progress["standing"]
        self._entries[winner]["outcome"] = "winner"
        record = {key: self.progress[key] for key in ("augment", "kept", "rungs")}
        record |= {"winner": winner, "seconds": self.budget.spent(), "validation_samples": len(self.held_out[0])}
        # The winner's state is where its training as a stage of its own begins.
        self._save(winner, "searched")
        record |= {"comparison": self._comparison(winner), "contestants": {}}
        record |= {"baseline": pixel_baseline(self.data, self.held_out, self.seed) if len(self._entries) > 1 else None}
        for name, entry in self._entries.items():
            rungs_of = [{key: value for key, value in rung.items() if key != "hits"} for rung in entry["rungs"]]
            record["contestants"][name] = {**entry, "rungs": rungs_of}
        return self.stages.finish("race", record)

    def _scout(self) -> None:
        """Train the first candidate for the first rung: find out what a step takes, and what the data allow."""
        steps = first_steps(self.budget.seconds)
        pool = self.candidates(self.most)
        for candidate in pool:
            self._enter(candidate)
            before = self.budget.spent()
            try:
                contestant = self._contestant(candidate.name, ("shift",) if self.augment is None else self.augment)
                contestant.advance(self.budget.clock, steps=_TRACED)
                traced = self.budget.spent()
                contestant.advance(self.budget.clock, steps=_TIMED)
                step = (self.budget.spent() - traced) / _TIMED
                self._check_budget(step)
                spare = max(0.0, 0.5 * (self.budget.left() - FINISH_SECONDS))
                contestant.advance(self.budget.clock, spare, steps - contestant.steps)
                kept = kept_accuracies(contestant.correct, *self.held_out, self.num_classes)
                break
            except _FAILURES as error:
                self._drop(candidate.name, error)
        else:
            raise ArithmeticError("No candidate could be trained: " + self._failures())
        augment = ("shift", *found(kept)) if self.augment is None else self.augment
        self._entries[candidate.name] |= {"step_seconds": step, "cost": self.budget.spent() - before}
        self.progress |= {
            "augment": list(augment),
            "kept": kept if self.augment is None else {},
            "steps": contestant.steps,  # fewer, where half of a short budget is spent: then there is no race
            "rungs": [],
            "waiting": [other.name for other in pool if other.name not in self._entries],
            "standing": [candidate.name],
        }
        for other in pool:
            if other.name in self.progress["waiting"]:
                self._enter(other)
        self.log(f"Done to the training images: {', '.join(augment) or 'nothing'}.")
        self._save(candidate.name)

    def _check_budget(self, step: float) -> None:
        least = self.budget.spent() + 2 * _TIMED * step + FINISH_SECONDS
        if least > self.budget.seconds:
            raise ValueError(
                f"A budget of {self.budget.seconds / 60:.2g} minutes is too short for anything: with these data, a "
                f"network that has seen {2 * _TIMED} batches takes {math.ceil(least / 6) / 10:g} minutes on this "
                "machine, its start and its report included."
            )

    def _run_rung(self) -> bool:
        """Train and compare those that stand, at first those that wait too; False where there is no time for more."""
        index, allowance = len(self.progress["rungs"]), SHARE * self.budget.seconds
        steps = self.progress["steps"] * 2**index
        if index == 0:
            self._fill_first_rung(steps, allowance)
        elif self._race_seconds() + self._rung_seconds(steps) > allowance:
            self._keep(self._ranked(index - 1, 1), index)
            return False
        for name in list(self.progress["standing"]):
            self._train(name, index, steps)
        standing = self.progress["standing"]
        if not standing:
            raise ArithmeticError("No candidate could be trained: " + self._failures())
        self.progress["rungs"].append([len(standing), steps])
        # Two are trained side by side as long as there is time, or until one is hopeless.
        self._keep(self._ranked(index, max(2, math.ceil(len(standing) / 2))), index + 1)
        return True

    def _keep(self, names: list[str], rungs: int) -> None:
        """Let all but `names` drop out, after so many rungs."""
        for name in set(self.progress["standing"]) - set(names):
            self._entries[name]["outcome"] = f"out after rung {rungs}"
            self._forget(name)
        self.progress["standing"] = names
        self._write_progress()

    def _fill_first_rung(self, steps: int, allowance: float) -> None:
        """Train candidates that wait, as many as there is time for; those that are too slow for it do not start."""
        (first, *_) = self.progress["standing"]
        self._train(first, 0, steps)
        while self.progress["waiting"] and self.progress["standing"]:
            costs = [entry["cost"] for entry in self._entries.values() if entry["rungs"]]
            share = FIRST_SHARE if len(self.progress["standing"]) > 1 else 1.0
            left = share * allowance - self._race_seconds()
            name = self.progress["waiting"][0]
            given = self._entries[name]["kind"] == "given"  # the user's own start, unless they take most of the budget
            if min(costs, default=0.0) > left and not given:
                break
            self.progress["waiting"].pop(0)
            most = self.budget.left() / 2 if given else min(left, FIRST_SHARE * allowance / _FEWEST)
            if self._first_rung_seconds(name, steps) > most:
                self._entries[name]["outcome"] = "not started: too slow for this budget"
                self._forget(name)
                continue
            self.progress["standing"].append(name)
            self._train(name, 0, steps)
        for name in self.progress["waiting"]:
            del self._entries[name]
        self.progress["waiting"] = []

    def _first_rung_seconds(self, name: str, steps: int) -> float:
        """Seconds that the first rung of a candidate will take, by its multiply-adds beside those of the others."""
        trained = [entry for entry in self._entries.values() if entry["rungs"]]
        try:
            self._contestant(name, tuple(self.progress["augment"]))
        except _FAILURES:
            return 0.0  # to fail where failures are dealt with
        if not trained:
            return 0.0
        entry = self._entries[name]
        return steps * float(np.mean([one["step_seconds"] / one["macs"] for one in trained])) * entry["macs"]

    def _train(self, name: str, index: int, steps: int) -> None:
        """Train a contestant up to `steps` steps and compare it, unless that is done."""
        entry = self._entries[name]
        if len(entry["rungs"]) > index:
            return
        before = self.budget.spent()
        try:
            contestant = self._contestant(name, tuple(self.progress["augment"]))
            if not contestant.steps:
                contestant.advance(self.budget.clock, steps=_TRACED)
            start, done = self.budget.spent(), contestant.steps
            spare = max(0.0, 0.9 * (self.budget.left() - FINISH_SECONDS))
            contestant.advance(self.budget.clock, spare, steps - done)
            if contestant.steps > done:
                entry["step_seconds"] = (self.budget.spent() - start) / (contestant.steps - done)
            hits = contestant.correct(*self.held_out)
        except _FAILURES as error:
            self._drop(name, error)
            self.progress["standing"].remove(name)
            return
        entry["cost"] = entry.get("cost", 0.0) + self.budget.spent() - before
        progress = {"accuracy": float(hits.mean()), "steps": contestant.steps, "seconds": contestant.seconds}
        entry["rungs"].append({**progress, "hits": np.packbits(hits).tolist()})
        self.log(
            f"  {name}: {100 * hits.mean():.1f} % of the held-out images after {contestant.steps:,} steps, "
            f"{1000 * entry['step_seconds']:.0f} ms each"
        )
        self._save(name)

    def _ranked(self, index: int, number: int) -> list[str]:
        """The best of those that stand, at most `number`, as far as rung `index` tells; their scores are recorded."""
        names = [name for name in self.progress["standing"] if len(self._entries[name]["rungs"]) > index]
        correct = {name: self._hits(name, index) for name in names}
        priors = {name: self._entries[name]["prior"] for name in names}
        left = max(self.budget.left() - FINISH_SECONDS, 0.0)
        ends = {name: self._entries[name]["rungs"][index]["steps"] for name in names}
        totals = {name: ends[name] + left / self._entries[name]["step_seconds"] for name in names}
        batch = self._batch_size(len(self.data[0]))
        epochs = {name: total * batch / len(self.data[0]) for name, total in totals.items()}
        share = float(np.mean([ends[name] / totals[name] for name in names]))
        accuracies = {name: float(hits.mean()) for name, hits in correct.items()}
        scores = expected(accuracies, priors, epochs, len(self.held_out[0]), share)
        for name, score in scores.items():
            self._entries[name]["rungs"][index] |= {"expected": score, "epochs_at_the_end": epochs[name]}
        return advancing(correct, scores, number, share)

    def _race_seconds(self) -> float:
        return sum(entry.get("cost", 0.0) for entry in self._entries.values())

    def _rung_seconds(self, steps: int) -> float:
        """Seconds that those that stand need to get to `steps` steps."""
        standing = [self._entries[name] for name in self.progress["standing"]]
        return sum(entry["step_seconds"] * (steps - entry["rungs"][-1]["steps"]) for entry in standing)

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
        values = model.evaluate(*test, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        keep_model(model)
        record = {
            **{f"test_{metric}": float(value) for metric, value in values.items()},
            "parameters": parameters(model),
            "latency_ms": network_latency(model),
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
        entry["parameters"] = parameters(contestant.model)
        entry["macs"] = macs(contestant.model)
        self._live[name] = contestant
        return contestant

    def _batches(self, data: Arrays, augment: tuple[str, ...]) -> ArrayBatches:
        functions = [AUGMENTATIONS[name] for name in augment]
        return ArrayBatches(*data, self._batch_size(len(data[0])), seed=self.seed, augment=datasets.compose(*functions))

    def _batch_size(self, samples: int) -> int:
        return max(1, min(self.batch_size, samples // 4))

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
        """The winner's lead over each other contestant when both had been trained for as many steps."""
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
    """The progress of the race in a folder: `"spent"`, seconds of its budget, among it. Empty before its start."""
    file = stages.checkpoints("racing") / "progress.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def spent_before(stages: Stages) -> float:
    """Seconds of its budget that the race in a folder has spent."""
    return checks.number("spent", read_progress(stages).get("spent", 0.0), least=0)
