"""RaceExperience: the record of a finished race, from which the next one learns which networks to begin with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.genotypes import Genotype
from kerasnas.meta.tasks import FEATURES, check_task, distances
from kerasnas.tasks import TASKS

FORMAT, VERSION = "kerasnas.experience", 2
NEIGHBORS = 3
_CREDITS = (1.0, 0.5, 0.25)  # of the winner of a race, and of its runners-up
_FARTHEST = 1.5  # standard deviations: data farther away are not alike


@dataclass(frozen=True)
class RaceExperience:
    """A finished race, or the shortlist of a gradient search: what its task was like, how each candidate did, what won.

    It holds no sample, no path and no name of a class or of the data. Scores are 1 at best: the share of samples whose
    class is right, of labels that are right, or of the variance that is explained, as `predicts` says; they compare the
    candidates of one race, not those of several.

    Args:
        task: as `describe_task` returns it.
        budget: `{"seconds": float, "cpu": bool}`; of a gradient search the time that it took.
        candidates: for each network that was trained `{"name", "kind", "genotype": its JSON record, with its space,
            "augment": a name or None, "parameters", "macs", "step_seconds", "curve": [[steps, score on held-out data]
            after each rung]}`.
        winner: the name of one of them.
        test_score: of the winner, trained to the end: accuracy, micro-F1 or R2.
        baseline: score of the race's baseline on the held-out data. Defaults to None: it had none.
        machine: name -> text or number. Defaults to nothing.
        date: of its end, as `"2026-01-31"`. Defaults to "".
        kerasnas_version: Defaults to "".
        inputs: the kind of the samples, `"image"`, `"signal"` or `"text"`. Defaults to `"image"`.
        predicts: `"classification"`, `"multilabel"` or `"regression"`. Defaults to `"classification"`.

    Raises:
        TypeError, ValueError: if an entry is missing or malformed; names it.

    Example:

    >>> from kerasnas.genotypes import DARTS_V2
    >>> from kerasnas.meta.tasks import FEATURES
    >>> one = {"name": "a", "kind": "given", "genotype": json.loads(DARTS_V2.to_json()), "curve": [[150, 0.5]]}
    >>> experience = RaceExperience(dict.fromkeys(FEATURES["image"], 1), {"seconds": 9, "cpu": True}, (one,), "a", 0.9)
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
        checks.one_of("winner", self.winner, [one["name"] for one in candidates])
        checks.one_of("predicts", self.predicts, TASKS)
        self._check_score("test_score", self.test_score)
        if self.baseline is not None:
            self._check_score("baseline", self.baseline)
        for one in candidates:
            for _, score in one["curve"]:
                self._check_score("curve", score)
        for name in ("date", "kerasnas_version"):
            checks.instance(name, getattr(self, name), str)
        machine = dict(checks.instance("machine", {} if self.machine is None else self.machine, Mapping))
        task = check_task(self.task, checks.one_of("inputs", self.inputs, FEATURES))
        found = {"task": task, "budget": budget, "candidates": candidates, "machine": machine}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _check_score(self, name: str, value: Any) -> float:
        """A score from 0 to 1; what is explained of the variance may be any number below 0."""
        return checks.number(name, value, least=None if self.predicts == "regression" else 0, most=1)

    @property
    def ranked(self) -> list[Genotype]:
        """The networks that were compared, each once: the winner, then those that lasted longest, the best first.

        Empty where there was nothing to compare with: the winner of no race.
        """

        def standing(one: Mapping[str, Any]) -> tuple[bool, int, float]:
            return one["name"] == self.winner, len(one["curve"]), one["curve"][-1][1]

        compared = sorted((one for one in self.candidates if one["curve"]), key=standing, reverse=True)
        genotypes = list(dict.fromkeys(Genotype.from_json(json.dumps(one["genotype"])) for one in compared))
        return genotypes if len(genotypes) > 1 else []

    def to_line(self) -> str:
        """The record as one line of JSON, without its end."""
        record = {"format": FORMAT, "version": VERSION, **vars(self), "candidates": list(self.candidates)}
        return json.dumps(record, ensure_ascii=True, allow_nan=False)

    @classmethod
    @checks.arguments(line=(str, bytes))
    def from_line(cls, line: str | bytes) -> RaceExperience:
        """The inverse of `to_line`.

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
        if version == 1 and "test_score" not in record:  # when all were classifications of images
            record["test_score"] = record.pop("test_accuracy", None)
        try:
            return cls(**record)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"This is no experience of a race: {error}") from None


def _candidate(one: Any) -> dict[str, Any]:
    """A candidate of a record, with the entries that are known alone."""
    one = checks.instance("candidates", one, Mapping)
    names = {name: checks.instance(name, one.get(name), str) for name in ("name", "kind")}
    genotype = json.loads(Genotype.from_json(json.dumps(one.get("genotype"))).to_json())
    augment = checks.instance("augment", one.get("augment"), (str, type(None)))
    sizes = {name: _positive(name, one.get(name)) for name in ("parameters", "macs", "step_seconds")}
    curve = [
        [checks.size("curve", steps), checks.number("curve", score, most=1)]
        for steps, score in checks.instance("curve", one.get("curve"), (list, tuple))
    ]
    return {**names, "genotype": genotype, "augment": augment, **sizes, "curve": curve}


def _positive(name: str, value: Any) -> float | None:
    return None if value is None else checks.number(name, value, least=0)


@checks.fields(genotype=Genotype, score=checks.number, wins=checks.count, experiences=checks.each(RaceExperience))
@dataclass(frozen=True)
class Advice:
    """A network that did well on tasks like this one.

    Args:
        genotype: the network.
        score: sum over those tasks of their similarity, from 0 to 1, times 1 where it won and less where it came close.
        wins: how many of those races it won.
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
    inputs=checks.known(*FEATURES),
    predicts=checks.known(*TASKS),
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
    r"""The networks that did best in the races on the most alike tasks, the best first.

    Of the `neighbors` nearest races, by `distances` of their tasks and budgets, the winner and two runners-up count
    $s$, $s / 2$ and $s / 4$, where $s = e^{-d^2 / 2}$ is the similarity at distance $d$. Races farther than 1.5
    standard deviations, and those in which nothing was compared, do not count; nor do those of other samples, such as
    texts beside images. Those that predicted something else do, by the order of their networks: scores of several tasks
    are never compared, and such a race is less alike.

    Args:
        task: as `describe_task` returns it.
        seconds: the budget of the race to come; None where it has none, and times are not compared.
        experiences: earlier races.
        space: the name of the space whose networks are asked for.
        neighbors: Defaults to 3.
        inputs, predicts: of the race to come, as for `RaceExperience`. Default to images and classification.

    Returns:
        The networks; none where no earlier task is alike.
    """
    raced = [
        one for one in experiences if one.inputs == inputs and any(genotype.space == space for genotype in one.ranked)
    ]
    here = {**task, **({} if seconds is None else {"seconds": seconds})}
    others = [{**one.task, "seconds": one.budget["seconds"]} for one in raced]  # of which those of `here` are compared
    far = distances(here, others, [one.predicts == predicts for one in raced])
    found: dict[Genotype, Advice] = {}
    for index in sorted(range(len(raced)), key=lambda index: far[index])[: checks.size("neighbors", neighbors)]:
        if far[index] > _FARTHEST:
            break
        for place, (credit, genotype) in enumerate(zip(_CREDITS, raced[index].ranked, strict=False)):
            if genotype.space != space:
                continue
            before = found.get(genotype, Advice(genotype, 0.0, 0, ()))
            score = before.score + credit * math.exp(-(far[index] ** 2) / 2)
            races = (*before.experiences, raced[index])
            found[genotype] = Advice(genotype, score, before.wins + (place == 0), races)
    return sorted(found.values(), key=lambda advice: -advice.score)
