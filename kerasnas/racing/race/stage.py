"""Race as a stage: candidates side by side, within a budget, resumable at any moment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from kerasnas.networks.precision import AUTO, BFLOAT16, computes_bfloat16, dense
from kerasnas.racing.baseline import pixel_baseline
from kerasnas.racing.entrants.contestant import TRACED, Contestant
from kerasnas.racing.entrants.slices import FAILURES, FINISH_SECONDS, TIMED
from kerasnas.racing.race.challenge import SLICE, challenge
from kerasnas.racing.race.field import Field
from kerasnas.racing.race.heats import heats
from kerasnas.racing.race.ranking import comparison, control_of, gain, ranked
from kerasnas.racing.race.remote import train_remotely
from kerasnas.racing.rungs import FIRST_SHARE, first_steps, race_share
from kerasnas.racing.symmetries import found

_FASTER = 0.9  # of the time of a step in float32, that one in bfloat16 may take at most
_FEWEST = 2  # others that the first rung has room for: one that would take more of it does not start


class Race(Field):
    """A race, run until the candidate is left that is expected to end best; arguments as for `Field`.

    Everything is saved after each slice of training: killed at any moment, it resumes and loses that slice.
    `train_winner` trains the one that is left.
    """

    def run(self) -> dict[str, Any]:
        """Run the race as stage `"race"`, unless it is finished; return the stage's record."""
        finished = self.stages.stage("race")
        if finished is not None:
            return finished
        self._decide()
        winner = self.progress["standing"][0]
        self.entries[winner]["outcome"] = "winner"
        self.begun(winner)
        self.contestants.save(winner, self.budget.spent())  # where its training as a stage of its own begins
        return self.stages.finish("race", self._record(winner))

    def _decide(self) -> None:
        """Let candidates drop out until one stands, or there is no time for more; a pretrained network comes first."""
        if "standing" not in self.progress:
            self._scout()
        if not self.duel:
            challenge(self)
        while len(self.progress["standing"]) > 1 or not self.progress["rungs"]:
            if not self._run_rung():
                break
        if self.duel and len(self.progress["standing"]) == 1:
            self.progress["first"] = self.progress["standing"][0]
            challenge(self)

    def _record(self, winner: str) -> dict[str, Any]:
        """Return the stage's record: what was compared, and how, beside how good a machine that sees pixels is."""
        found = {key: self.progress[key] for key in ("augment", "kept", "rungs")}
        optional = {
            "samples": self.samples if self.samples != "images" else None,
            "precision": self.progress.get("precision"),
            "starts": self.starts_of(winner),
        }
        record = {
            **found,
            **{key: value for key, value in optional.items() if value},
            "winner": winner,
            "validation_samples": len(self.held_out[0]),
            "comparison": comparison(self, winner),
            "initialization": [lead for name in self.entries if (lead := gain(self, name))],
            "contestants": {name: _without_samples(entry) for name, entry in self.entries.items()},
            "seconds": self.budget.spent(),
            "baseline": None,
        }
        # A machine answers classes, by which not every metric can be told, and is fitted without weights.
        if len(self.entries) > 1 and self.baseline and not self.task.chosen and not self.data[2:]:
            record["baseline"] = pixel_baseline(self.data, self.held_out, self.seed, self.task, self.baseline)
        return record

    def _scout(self) -> None:
        """Train the first candidate for the first rung: find out what a step takes, and what the data allow."""
        steps = first_steps(self.budget.seconds)
        if self.precision == BFLOAT16:
            self.progress["precision"] = BFLOAT16
        pool, self.progress["augment"] = self.candidates(self.most), list(self.always)
        for candidate in pool:
            self.contestants.enter(candidate)
            before = self.budget.spent()
            try:
                contestant = self.begun(candidate.name)
                step = contestant.seconds_a_step(self.budget.clock, TIMED)
                self._check_budget(step)
                step = self._choose_precision(contestant, step)
                spare = max(0.0, 0.5 * (self.budget.left() - FINISH_SECONDS))
                if self.prober is not None:  # others wait
                    spare = min(spare, SLICE * self.budget.seconds)
                start = self.budget.spent()
                for part in (0.5, 1.0):  # two looks, however short the time: one says nothing of a curve
                    left = max(0.0, start + part * spare - self.budget.spent())
                    contestant.advance(self.budget.clock, left, max(0, int(part * steps) - contestant.steps))
                    self.trace(candidate.name, contestant)
                kept = self.kept(contestant, step) if self.augment is None else {}
                break
            except FAILURES as error:
                self.contestants.drop(candidate.name, error)
        else:
            raise ArithmeticError("No candidate could be trained: " + self.contestants.outcomes())
        augment = self.progress["augment"] = [*self.always, *found(kept)]
        self.entries[candidate.name] |= {"step_seconds": step, "cost": self.budget.spent() - before}
        self.progress |= {
            "kept": kept,
            "steps": contestant.steps,  # fewer, where half of a short budget is spent: then there is no race
            "rungs": [],
            "waiting": [other.name for other in pool if other.name not in self.entries],
            "standing": [candidate.name],
            "first": candidate.name,
        }
        if self.prober is not None:
            self.progress["challenge"] = {"probes": [], "done": False}
        for other in pool:
            if other.name in self.progress["waiting"]:
                self.contestants.enter(other)
        if augment or self.augment is None:
            self.log(f"Augmentations: {', '.join(augment) or 'none'}.")
        self.contestants.save(candidate.name, self.budget.spent())

    def _choose_precision(self, contestant: Contestant, step: float) -> float:
        """Compute in bfloat16 from here on, if the first candidate is faster so; return the seconds of its step."""
        if self.precision != AUTO or not dense(contestant.model) or not computes_bfloat16():
            return step
        other = contestant.seconds_in(BFLOAT16, self.budget.clock, TIMED // 4)
        if other > _FASTER * step:
            return step
        contestant.precision = self.progress["precision"] = BFLOAT16
        self.log(f"Convolutions are computed in bfloat16: {1000 * other:.0f} ms a step, {1000 * step:.0f} in float32.")
        return other

    def _check_budget(self, step: float) -> None:
        least = self.budget.spent() + 2 * TIMED * step + FINISH_SECONDS
        if least > self.budget.seconds:
            raise ValueError(
                f"A budget of {self.budget.seconds / 60:.2g} minutes is too short for anything: with these data, a "
                f"network that has seen {2 * TIMED} batches takes {math.ceil(least / 6) / 10:g} minutes on this "
                "machine, its start and its report included."
            )

    def _run_rung(self) -> bool:
        """Train and compare those that stand, at first those that wait too; False where there is no time for more."""
        share = self.share or race_share(self.budget.seconds)
        index, allowance = len(self.progress["rungs"]), share * (self.budget.seconds - FINISH_SECONDS)
        allowance *= self.executor.workers
        steps = self.progress["steps"] * 2**index
        if index == 0:
            if self.executor.here and self.small is not None:
                heats(self, steps, allowance)
            self._train(self._first_rung(steps, allowance), index, steps)
            for name in self.progress["waiting"]:
                del self.entries[name]
            self.progress["waiting"] = []
        elif self.spent_on_others() + self._rung_seconds(steps) > allowance or steps > self._most_steps():
            standing = self.progress["standing"]
            self._keep(standing, ranked(self, standing, index - 1, 1), index)
            return False
        self._train(self.progress["standing"], index, steps)
        standing = self._trained(self.progress["standing"])
        self.progress["rungs"].append([len(standing), steps])
        # The second is trained beside the first as long as there is time, or until it is hopeless.
        number = max(2, math.ceil(len(standing) / 2))
        self._keep(standing, ranked(self, standing, index, number), index + 1)
        return True

    def _most_steps(self) -> float:
        """Return the number of steps in `most_epochs`."""
        samples = len(self.data[0])
        return self.most_epochs * max(1, samples // self.batch_size_for(samples))

    def _trained(self, names: list[str]) -> list[str]:
        """Those of `names` that did not fail."""
        trained = [name for name in names if not self.entries[name]["outcome"]]
        if not trained:
            raise ArithmeticError("No candidate could be trained: " + self.contestants.outcomes())
        return trained

    def _keep(self, compared: list[str], names: list[str], rungs: int) -> None:
        """Let those that were compared after so many rungs drop out, but for `names`, which stand."""
        out = set(compared) - set(names)
        for name in out:
            self.entries[name]["outcome"] = f"out after rung {rungs}"
        self.progress["standing"] = names
        self.contestants.write(self.budget.spent())
        for name in out:  # last: a race that is killed before would compare them again, and may keep another one
            self.contestants.forget(name)

    def _first_rung(self, steps: int, allowance: float) -> Iterator[str]:
        """Those that stand, and those that wait, as many as there is time for; one that is too slow does not start."""
        yield from tuple(self.progress["standing"])
        while self.progress["waiting"]:
            costs = [entry["cost"] for entry in self.entries.values() if entry["rungs"]]
            share = FIRST_SHARE if len(costs) > 1 else 1.0
            left = share * allowance - self.spent_on_others()
            name = self.progress["waiting"][0]
            # The user's own start, unless they take most of the budget, and the best of the heats.
            given = self.entries[name]["kind"] == "given" or "heat" in self.entries[name]
            if min(costs, default=0.0) > left and not given:
                break
            self.progress["waiting"].pop(0)
            # A control may take the room of two: without it, nobody knows what the initialization gave.
            fewest = 1 if any(control_of(self.entries, other) == name for other in self.entries) else _FEWEST
            self.most_seconds = self.budget.left() / 2 if given else min(left, FIRST_SHARE * allowance / fewest)
            if (
                self.executor.here and self._first_rung_seconds(name, steps) > self.most_seconds
            ):  # elsewhere, a worker says so
                self.leave_out(name)
                continue
            self.progress["standing"].append(name)
            yield name

    def _first_rung_seconds(self, name: str, steps: int) -> float:
        """Seconds that the first rung of a candidate will take, by its multiply-adds beside those of the others."""
        try:
            self.begun(name)
        except FAILURES:
            return 0.0  # to fail where failures are dealt with
        return steps * self.pace() * self.entries[name]["macs"]

    def _train(self, names: Iterable[str], index: int, steps: int) -> None:
        """Train contestants up to `steps` steps and compare them, but for those of which that is done.

        The next name is taken when there is room for it.
        """
        if self.executor.here:
            for name in names:
                self._train_here(name, index, steps)
            return
        train_remotely(self, names, index, steps)

    def _train_here(self, name: str, index: int, steps: int) -> None:
        """Train a contestant in this process, unless that is done."""
        entry = self.entries[name]
        if entry["outcome"] or len(entry["rungs"]) > index:
            return
        before = self.budget.spent()
        try:
            contestant = self.begun(name)
            if not contestant.steps:
                contestant.advance(self.budget.clock, steps=TRACED)
            until = self.budget.spent() + 0.9 * (self.budget.left() - FINISH_SECONDS)
            for end in (steps,) if entry["rungs"] else (steps // 2, steps):
                start, done = self.budget.spent(), contestant.steps
                contestant.advance(self.budget.clock, max(0.0, until - start), max(0, end - done))
                if contestant.steps > done:
                    entry["step_seconds"] = (self.budget.spent() - start) / (contestant.steps - done)
                scores = self.trace(name, contestant)
        except FAILURES as error:
            self.contestants.drop(name, error)
            return
        if "step_seconds" not in entry:  # there was no time for a step that could be timed
            entry["step_seconds"] = (self.budget.spent() - before) / contestant.steps
        entry["cost"] = entry.get("cost", 0.0) + self.budget.spent() - before
        self.note(name, scores, contestant.steps, contestant.seconds)
        self.contestants.save(name, self.budget.spent())

    def _rung_seconds(self, steps: int) -> float:
        """Seconds that those that stand, other than the first, need to get to `steps` steps."""
        standing = [self.entries[name] for name in self.progress["standing"] if name != self.progress["first"]]
        return sum(entry["step_seconds"] * (steps - entry["rungs"][-1]["steps"]) for entry in standing)


def _without_samples(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose rungs say how good it was, and not on which samples."""
    rungs = [{key: value for key, value in rung.items() if key not in ("hits", "scores")} for rung in entry["rungs"]]
    return {**entry, "rungs": rungs}
