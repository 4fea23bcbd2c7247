"""RaceExperience: the record of a finished race, from which later races learn which networks to start with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.genotypes import Genotype, as_entry, of_entry
from kerasnas.meta.tasks import check_task, distances
from kerasnas.tasks import TASKS, Task
from kerasnas.tasks.base import task_class

FORMAT, VERSION = "kerasnas.experience", 2
NEIGHBORS = 3
_CREDITS = (1.0, 0.5, 0.25)  # of a race's winner and of its runners-up
_FARTHEST = 1.5  # standard deviations: tasks farther away are not similar


@dataclass(frozen=True)
class RaceExperience:
    """A finished race, or the shortlist of a gradient search: its task, how each candidate did, and the winner.

    It contains no samples, paths, or names of classes or data. Scores are at most 1: the share of correct classes, the
    share of correct labels, or the explained share of the variance, depending on `predicts`; they compare candidates of
    one race, not of several.

    Args:
        task: as `describe_task` returns it.
        budget: `{"seconds": float, "cpu": bool}`; of a gradient search, the time that it took.
        candidates: for each trained network `{"name", "kind", "genotype": its JSON record, with its space,
            "parameters", "macs", "step_seconds", "curve": [[steps, score on held-out data] after each rung]}`.
        winner: name of one candidate.
        test_score: accuracy, micro-F1 or R2 of the winner after its full training.
        baseline: score of the race's baseline on the held-out data. Defaults to None: no baseline.
        machine: name -> text or number. Defaults to nothing.
        date: date of the race's end, as `"2026-01-31"`. Defaults to "".
        kerasnas_version: Defaults to "".
        inputs: the kind of the samples, `"image"`, `"signal"` or `"text"`. Defaults to `"image"`.
        predicts: `"classification"`, `"multilabel"` or `"regression"`. Defaults to `"classification"`.

    Raises:
        TypeError, ValueError: if an entry is missing or malformed; names it.

    Example:

    >>> from kerasnas.genotypes import DARTS_V2
    >>> from kerasnas.meta.tasks import features
    >>> one = {"name": "a", "kind": "given", "genotype": as_entry(DARTS_V2), "curve": [[150, 0.5]]}
    >>> experience = RaceExperience(dict.fromkeys(features("image"), 1), {"seconds": 9, "cpu": True}, (one,), "a", 0.9)
    >>> RaceExperience.from_line(experience.to_line()) == experience
    True
    """

    task: Mapping[str, float]
    budget: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]]
    winner: str
    test_score: float
    baseline: float | None = None
    machine: Mapping[str, Any] | None = None
    date: str = ""
    kerasnas_version: str = ""
    inputs: str = "image"
    predicts: str = "classification"

    def __post_init__(self) -> None:
        seconds = checks.number("budget", checks.instance("budget", self.budget, Mapping).get("seconds"), above=0)
        budget = {"seconds": seconds, "cpu": checks.boolean("budget", self.budget.get("cpu"))}
        candidates = tuple(map(_candidate, checks.instance("candidates", self.candidates, (list, tuple))))
        checks.one_of("winner", self.winner, [candidate["name"] for candidate in candidates])
        checks.one_of("predicts", self.predicts, TASKS)
        self._check_score("test_score", self.test_score)
        if self.baseline is not None:
            self._check_score("baseline", self.baseline)
        for candidate in candidates:
            for _, score in candidate["curve"]:
                self._check_score("curve", score)
        for name in ("date", "kerasnas_version"):
            checks.instance(name, getattr(self, name), str)
        machine = dict(checks.instance("machine", {} if self.machine is None else self.machine, Mapping))
        task = check_task(self.task, self.inputs)
        checked = {"task": task, "budget": budget, "candidates": candidates, "machine": machine}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _check_score(self, name: str, value: Any) -> float:
        """Check a score from 0 to 1; the explained share of the variance may be negative."""
        return checks.number(name, value, least=self.predicted_task.least_score, most=1)

    @property
    def predicted_task(self) -> type[Task]:
        """The task that the networks were compared on."""
        return task_class(self.predicts)

    @property
    def ranked(self) -> list[Genotype]:
        """The compared networks without repetitions: the winner, then those that lasted longest, the best first.

        Empty if there was nothing to compare with.
        """

        def standing(candidate: Mapping[str, Any]) -> tuple[bool, int, float]:
            return candidate["name"] == self.winner, len(candidate["curve"]), candidate["curve"][-1][1]

        compared = sorted(
            (candidate for candidate in self.candidates if candidate["curve"]), key=standing, reverse=True
        )
        genotypes = list(dict.fromkeys(of_entry(candidate["genotype"]) for candidate in compared))
        return genotypes if len(genotypes) > 1 else []

    def to_line(self) -> str:
        """Return the record as candidate line of JSON, without a newline."""
        record = {"format": FORMAT, "version": VERSION, **vars(self), "candidates": list(self.candidates)}
        return json.dumps(record, ensure_ascii=True, allow_nan=False)

    @classmethod
    @checks.arguments(line=(str, bytes))
    def from_line(cls, line: str | bytes) -> RaceExperience:
        """Return the experience of `to_line`.

        Raises:
            NotImplementedError: if a newer version wrote it.
            ValueError: if it is malformed.
        """
        try:
            record = untrusted.parse_json(line)
            if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
                raise ValueError(f'it lacks "format": "{FORMAT}"')
            version = checks.integer("version", record.pop("version", None), 1)
        except ValueError as error:
            raise ValueError(f"This is no experience of a race: {error}") from None
        if version > VERSION:
            raise NotImplementedError(f"version {version} of the format; this KerasNAS reads versions up to {VERSION}")
        try:
            return cls(**record)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"This is no experience of a race: {error}") from None


def _candidate(candidate: Any) -> dict[str, Any]:
    """Return a candidate's known entries, checked."""
    candidate = checks.instance("candidates", candidate, Mapping)
    names = {name: checks.instance(name, candidate.get(name), str) for name in ("name", "kind")}
    genotype = as_entry(of_entry(candidate.get("genotype")))
    measured = ("parameters", "macs", "step_seconds")
    sizes = {name: checks.optional(checks.number, name, candidate.get(name), least=0) for name in measured}
    curve = [
        [checks.size("curve", steps), checks.number("curve", score, most=1)]
        for steps, score in checks.instance("curve", candidate.get("curve"), (list, tuple))
    ]
    return {**names, "genotype": genotype, **sizes, "curve": curve}


@dataclass(frozen=True)
class Advice:
    """A network that did well on tasks like this one.

    Args:
        genotype: the network.
        score: sum over those tasks of their similarity, from 0 to 1, times 1 for a win and less for a runner-up.
        wins: number of those races that it won.
        experiences: those races.
    """

    genotype: Genotype
    score: float
    wins: int
    experiences: tuple[RaceExperience, ...]


@checks.arguments(
    task=checks.mapping,
    seconds=checks.maybe(checks.positive),
    experiences=checks.each(RaceExperience),
    space=checks.name,
    inputs=checks.text,
    predicts=checks.name,
)
def advise(
    task: Mapping[str, float],
    seconds: float | None,
    experiences: Sequence[RaceExperience],
    space: str,
    neighbors: int = NEIGHBORS,
    inputs: str = "image",
    predicts: str = "classification",
) -> list[Advice]:
    r"""Return the networks that did best in the races on the most similar tasks, the best first.

    Of the `neighbors` nearest races, by `distances` of their tasks and budgets, the winner and two runners-up count
    $s$, $s / 2$ and $s / 4$, where $s = e^{-d^2 / 2}$ is the similarity at distance $d$. Races farther away than 1.5
    standard deviations, races without a comparison, and races of other samples (texts, for images) do not count. Races
    with another kind of prediction count by the ranks of their networks, but are less similar: scores of several tasks
    are never compared.

    Args:
        task: as `describe_task` returns it.
        seconds: the budget of the next race; None if it has none, and times are not compared.
        experiences: earlier races.
        space: name of the space that the networks must come from.
        neighbors: Defaults to 3.
        inputs, predicts: of the next race, as for `RaceExperience`. Default to images and classification.

    Returns:
        The networks; none if no earlier task is similar.
    """
    checks.one_of("predicts", predicts, TASKS)
    races = [
        race for race in experiences if race.inputs == inputs and any(network.space == space for network in race.ranked)
    ]
    here = {**task, **({} if seconds is None else {"seconds": seconds})}
    others = [{**race.task, "seconds": race.budget["seconds"]} for race in races]  # read by the keys of `here`
    far = distances(here, others, [race.predicts == predicts for race in races])
    advices: dict[Genotype, Advice] = {}
    for index in sorted(range(len(races)), key=lambda index: far[index])[: checks.size("neighbors", neighbors)]:
        if far[index] > _FARTHEST:
            break
        for place, (credit, genotype) in enumerate(zip(_CREDITS, races[index].ranked, strict=False)):
            if genotype.space != space:
                continue
            before = advices.get(genotype, Advice(genotype, 0.0, 0, ()))
            score = before.score + credit * math.exp(-(far[index] ** 2) / 2)
            experience = (*before.experiences, races[index])
            advices[genotype] = Advice(genotype, score, before.wins + (place == 0), experience)
    return sorted(advices.values(), key=lambda advice: -advice.score)
