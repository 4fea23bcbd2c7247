"""Experience in a run: what earlier races tell this one, and what it leaves to later ones, with the user's consent."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasnas import __version__, datasets
from kerasnas.annotations import Log
from kerasnas.cost.latency import device_name
from kerasnas.files.stages import EXPERIENCE, Stages
from kerasnas.genotypes import Genotype, as_entry, of_entry
from kerasnas.meta import ExperienceStore, advise
from kerasnas.meta.race_experience import Advice, RaceExperience
from kerasnas.meta.tasks import describe_task
from kerasnas.racing.budget import Budget
from kerasnas.racing.portfolio import Candidate
from kerasnas.runs.shared_settings import ExperienceSettings
from kerasnas.spaces import SearchSpace


def consent(config: ExperienceSettings) -> bool:
    """True if this run may be remembered: its settings say so, or the user once did and they do not say otherwise."""
    return config.remember or (not config.no_experience and ExperienceStore().consent)


@dataclasses.dataclass(frozen=True)
class Earlier:
    """Networks that earlier races recommend for this one.

    Args:
        genotypes: the best first. Defaults to none.
        wins: for each, how many of the races on the most alike data it won; it came close in others. Defaults to none.
        leads: whether one of them may be the race's first. Defaults to False.
    """

    genotypes: tuple[Genotype, ...] = ()
    wins: tuple[int, ...] = ()
    leads: bool = False

    def tell(self, candidates: Sequence[Candidate], log: Log) -> None:
        """Say which of the candidates are there for what they did before."""
        wins = dict(zip(self.genotypes, self.wins, strict=True))
        for words, right in (("won", True), ("came close", False)):
            names = [one.name for one in candidates if one.genotype in wins and bool(wins[one.genotype]) == right]
            if names:
                one_of = "1 of the candidates" if len(names) == 1 else f"{len(names)} of the candidates"
                log(f"{one_of} {words} on similar data before: {', '.join(names)}.")


def consult(
    stages: Stages,
    config: ExperienceSettings,
    space: SearchSpace,
    data: datasets.Dataset,
    budget: Budget | None,
    allowed: Callable[[Genotype], bool],
    log: Log,
) -> Earlier:
    """Ask earlier races which networks to start with, and record the answer: a resumed race keeps it."""
    record = stages.stage(EXPERIENCE)
    if config.no_experience or not (record or consent(config)):
        return Earlier()
    if record is None:
        task, inputs, predicts = _described(data), data.modality.inputs, data.task.name
        experiences = _experiences(log)
        if experiences and not any(_comparable(one, data, space) for one in experiences):
            compared = f"compared networks of space '{space.name}' on {data.modality.plural}"
            log(f"None of the {len(experiences)} searches remembered {compared}: this one begins without.")
        seconds = None if budget is None else budget.seconds
        advised = advise(task, seconds, experiences, space.name, inputs=inputs, predicts=predicts)
        advice = _fitting(advised, space, allowed, log)
        networks = [{"genotype": as_entry(one.genotype), "wins": one.wins} for one in advice]
        leads = bool(advice) and budget is not None and _affordable(advice[0], budget)
        record = {"task": task, "inputs": inputs, "predicts": predicts, "networks": networks, "leads": leads}
        stages.finish(EXPERIENCE, record)
    found = [of_entry(one["genotype"]) for one in record["networks"]]
    return Earlier(tuple(found), tuple(one["wins"] for one in record["networks"]), record["leads"])


def _described(data: datasets.Dataset) -> dict[str, float]:
    return describe_task(data.x_train, data.y_train, data.num_classes, data.task, data.modality.inputs)


def _comparable(one: RaceExperience, data: datasets.Dataset, space: SearchSpace) -> bool:
    """True of a race of such samples in which networks of the space were compared."""
    return one.inputs == data.modality.inputs and any(genotype.space == space.name for genotype in one.ranked)


def _experiences(log: Log) -> list[RaceExperience]:
    """Return the remembered races; nothing, and a line in the log, where it cannot be read."""
    try:
        found, notes = ExperienceStore().read()
    except (OSError, ValueError) as error:
        log(f"Earlier searches are not used. {error}")
        return []
    for note in notes:
        log(note)
    return found


def _fitting(
    advice: Sequence[Advice], space: SearchSpace, allowed: Callable[[Genotype], bool], log: Log
) -> list[Advice]:
    """Return the advice whose networks the space of these data has, within the limits; the log is told of others."""
    found = []
    for one in advice:
        try:
            space.validate(one.genotype)
            problem = "" if allowed(one.genotype) else "It exceeds the limits."
        except ValueError as error:
            problem = str(error)
        if problem:
            log(f"A network that did well on similar data before does not fit. {problem}")
        else:
            found.append(one)
    return found


def _affordable(advice: Advice, budget: Budget) -> bool:
    """True if a race on this machine compared the network within as little time as there is now."""
    here = device_name()
    return any(
        one.machine["device"] == here and one.budget["cpu"] == budget.cpu and one.budget["seconds"] <= budget.seconds
        for one in advice.experiences
        if one.machine and "device" in one.machine
    )


def remember(
    config: ExperienceSettings,
    data: datasets.Dataset,
    race: Mapping[str, Any],
    searched: Mapping[str, Any],
    budget: Budget,
    log: Log,
) -> None:
    """Leave a finished race to later ones, if the user consents; a failure is only logged, as the run is done."""
    if not consent(config):
        return
    if data.task.chosen or data.weights is not None:
        log("This search is not remembered: its scores are by another metric, or weighted.")
        return
    store = ExperienceStore()
    try:
        store.append(experience_of(data, race, searched, budget))
    except (OSError, ValueError) as error:
        log(f"This search is not remembered; all of it is in its folder. {error}")
        return
    log(f"Remembered for later searches in {store.path}. To look at it: kerasnas experience list")


def remember_search(
    config: ExperienceSettings,
    data: datasets.Dataset,
    found: Mapping[str, Any],
    shortlist: Mapping[str, Any],
    searched: Mapping[str, Any],
    earlier: Mapping[str, Any] | None,
    log: Log,
) -> None:
    """Leave the shortlist of a gradient search to later ones, as `remember` leaves a race."""
    seconds = sum(stage["seconds"] for stage in (found, shortlist, searched))
    known = [one["genotype"] for one in earlier["networks"]] if earlier else []
    race = _compared(shortlist, found["genotype"], known)
    remember(config, data, race, searched, Budget(max(seconds, 1e-3) / 60), log)


def _compared(shortlist: Mapping[str, Any], derived: Any, remembered: Sequence[Any]) -> dict[str, Any]:
    """A shortlist as the record of a race, in which genotypes are JSON records."""
    contestants: dict[str, dict[str, Any]] = {}
    for rung in shortlist["rungs"]:
        for network in rung["networks"]:
            genotype = network["genotype"]
            name = next((name for name, one in contestants.items() if one["genotype"] == genotype), "")
            if not name:
                kind = "derived" if genotype == derived else "remembered" if genotype in remembered else "other"
                number = 1 + sum(one["kind"] == kind for one in contestants.values())
                name = kind if kind == "derived" else f"{kind}-{number}"
                contestants[name] = {"kind": kind, "genotype": genotype, "rungs": []}
            if network["val_accuracy"] is not None:  # of a loss that was finite
                contestants[name]["rungs"].append({"steps": rung["steps"], "accuracy": network["val_accuracy"]})
    winner = next(name for name, one in contestants.items() if one["genotype"] == shortlist["genotype"])
    return {"winner": winner, "contestants": contestants}


def experience_of(
    data: datasets.Dataset, race: Mapping[str, Any], searched: Mapping[str, Any], budget: Budget
) -> RaceExperience:
    """Return the experience of a finished race: numbers and networks. The user's own have no name of theirs in it."""
    own = [name for name, entry in race["contestants"].items() if entry["kind"] == "given"]
    names = {name: name for name in race["contestants"]}
    names |= {name: f"given-{number}" for number, name in enumerate(own, start=1)}
    return RaceExperience(
        task=_described(data),
        budget={"seconds": budget.seconds, "cpu": budget.cpu},
        candidates=[
            {
                "name": names[name],
                "kind": entry["kind"],
                "genotype": entry["genotype"],
                **{key: entry.get(key) for key in ("parameters", "macs", "step_seconds")},
                "curve": [[rung["steps"], rung["accuracy"]] for rung in entry["rungs"]],
            }
            for name, entry in race["contestants"].items()
        ],
        winner=names[race["winner"]],
        test_score=searched[f"test_{data.task.metric}"],
        baseline=race["baseline"]["accuracy"] if race.get("baseline") else None,
        machine={"device": device_name()},
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        kerasnas_version=__version__,
        inputs=data.modality.inputs,
        predicts=data.task.name,
    )
