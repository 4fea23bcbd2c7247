"""Front as a method of a run: the best network there is time for, and smaller ones, each the winner of a race."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks, datasets
from kerasnas.cost import device_cost
from kerasnas.export.classifier import load_classifier
from kerasnas.export.formats import export_classifier
from kerasnas.files import storage
from kerasnas.intervals import paired_difference
from kerasnas.methods.race.limits import least_parameters
from kerasnas.methods.race.making import with_space
from kerasnas.methods.race.method import RaceMethod
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.running import search
from kerasnas.records import Record
from kerasnas.reporting.front import front_page, front_text
from kerasnas.runs.method import Context
from kerasnas.runs.record import read_result
from kerasnas.runs.settings import setting
from kerasnas.runs.shared_settings import DEFAULT_MINUTES

FRONT, PAGE = "front", "front.html"  # the stage, which is also the folder of the smaller networks in that of the run
_LARGEST = 100_000  # parameters of the second network, where the best is a large pretrained one
_ROOM = 1.5  # times the parameters of the smallest network that would race: the limit of the last


@dataclasses.dataclass(frozen=True)
class FrontConfig(RaceConfig):
    """Settings of a front; those of a race hold for each of its networks."""

    test_time_augmentation: bool = setting(
        False, "Whether the largest network answers the mean over views of each image."
    )
    ensemble: int = setting(
        1, "Maximum number of trainings of the largest network, whose networks become one.", least=1
    )
    networks: int = setting(5, "Number of networks, the best one among them, which share the budget equally.", least=2)

    def race(self, **limits: float) -> RaceConfig:
        """Return the settings of the race for one network, within these limits and the front's own."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(RaceConfig)}
        clock = "cpu_minutes" if self.cpu_minutes else "minutes"
        given[clock] = (getattr(self, clock) or DEFAULT_MINUTES) / self.networks
        tighter = {name: min(most, given[name] or most) for name, most in limits.items()}
        return RaceConfig(**{**given, **tighter})

    def budget(self, spent: float = 0.0) -> Any:
        """Return the budget of one network."""
        return self.race().budget(spent)


class FrontMethod(RaceMethod):
    """Networks from the best to the smallest useful one, each a run of its own, exported and measured.

    The first is the run itself: every command takes its folder. The others are in `front/PARAMETERS`: races of networks
    of at most so many parameters, in equal ratios from half of the first one's down to the smallest that would race,
    and of no more flash and memory than the network before them.
    """

    name, words, settings, option = "front", "a front", FrontConfig, "front"
    way = "Add --method=front."

    def flags(self, settings: RaceConfig) -> list[str]:
        return ["--method=front", *settings.flags()]

    def suits(self, space: str | None, dataset: str) -> bool:
        """False: a front is asked for."""
        return False

    def plan(self, context: Context[RaceConfig, datasets.Dataset]) -> str:
        smaller = _settings(context).networks - 1
        networks = "a smaller network" if smaller == 1 else f"{smaller} smaller networks, each"
        return f"{super().plan(context)}\n  front     {networks} with as much time, in {FRONT}/"

    def finished(self, context: Context[RaceConfig, datasets.Dataset]) -> Record | None:
        return context.finished() if context.stages.stage(FRONT) else None

    def run(self, context: Context[RaceConfig, datasets.Dataset]) -> Record:
        config, data = _settings(context), context.data
        record = context.finished() or super().run(context)
        space = with_space(config, data)
        context.stages.note(FRONT, {})  # the first network's result alone does not finish the run
        found = [context.keep(_measured, ".", data, context.progress)]
        for most in sizes(record.searched.parameters, least_parameters(space, data), config.networks - 1):
            context.progress(f"Front: the best network of at most {most:,} parameters.")
            place = f"{FRONT}/{most}"
            try:
                context.keep(_raced, place, config.race(max_parameters=most, **_device(found[-1])), context.progress)
            except ValueError as error:  # such as no network within all of the limits
                context.progress(f"  None: {error}")
                continue
            found.append(context.keep(_measured, place, data, context.progress))
        front = {"networks": found, "recommended": recommended(found)}
        context.keep(_write, front_page(front, record))
        context.stages.finish(FRONT, front)
        return record

    def conclude(self, context: Context[RaceConfig, datasets.Dataset], record: Mapping[str, Any]) -> None:
        super().conclude(context, record)
        context.progress.conclude(front_text(context.stages.stage(FRONT) or {}, Record.of(record)))


def _settings(context: Context[RaceConfig, datasets.Dataset]) -> FrontConfig:
    return checks.instance("settings", context.settings, FrontConfig)  # type: ignore[return-value]


def sizes(best: float | None, least: float, number: int) -> list[int]:
    """Return the limits of the smaller networks, the largest first; fewer than `number` where there is no room.

    Example:

    >>> sizes(130_000, 1_000, 4), sizes(3_400_000, 1_000, 2), sizes(2_500, 1_000, 4)
    ([65000, 18506, 5269, 1500], [100000, 1500], [])
    """
    most, last = min((best or 0) / 2, _LARGEST), _ROOM * least
    found = np.geomspace(most, last, number).round().astype(int).tolist() if most > last else []
    return list(dict.fromkeys(found))


def recommended(networks: list[dict[str, Any]]) -> int:
    """Return the position of the network to take: the smallest within one standard error of the best.

    Args:
        networks: as `_measured` describes them.

    Reference:
        Breiman et al., "Classification and Regression Trees", 1984: the one-standard-error rule.
    """
    best = max(networks, key=lambda one: np.mean(one["scores"]))

    def near(one: dict[str, Any]) -> bool:
        difference, error = paired_difference(best["scores"], one["scores"])
        return difference <= error

    return networks.index(min(filter(near, networks), key=lambda one: one["parameters"]))


def _device(network: Mapping[str, Any]) -> dict[str, float]:
    """Return as limits what a network takes of a device; none where that is not known."""
    costs = {"max_flash_kb": "flash", "max_ram_kb": "memory"}
    return {limit: network[cost] / 1000 for limit, cost in costs.items() if cost in network}


def _raced(folder: Path, place: str, config: RaceConfig, log: Any) -> None:
    """Find the network of a smaller size; one that is found already is left as it is."""
    search(config, folder / place, log)


def _measured(folder: Path, place: str, data: datasets.Dataset, log: Any) -> dict[str, Any]:
    """Describe the network in a folder: its size and its scores on the test samples, in Keras and in 8-bit integers.

    The latter where its modality has the format; then its flash is that of the file, and its memory a prediction.
    """
    path, task = folder / place, data.task
    record, classifier = read_result(path), load_classifier(path)
    x = data.raw("test")
    answers = classifier.answers(x)
    found = {
        "folder": place,
        "winner": record.race.winner if record.race else "",
        "parameters": record.searched.parameters,
        "macs": record.searched.macs,
        "latency_ms": record.searched.latency_ms,
        "score": task.measures(answers, data.y_test)[task.metric],
        "scores": task.answer_scores(answers, data.y_test).astype(float).tolist(),
    }
    try:
        export = export_classifier(classifier, "litert-int8", path, x, data.raw("train"))
    except ValueError as error:
        log(f"  No file in 8-bit integers: {error}")
        return found
    assert export.answers is not None  # of a file
    found |= {"flash": export.size, "memory": device_cost(classifier.model).memory, "file_ms": export.latency_ms}
    return {**found, "int8": task.measures(export.answers, data.y_test)[task.metric]}


def _write(folder: Path, page: str) -> None:
    storage.write_text(folder / PAGE, page)
