"""A run: search, derive, train, compare with random genotypes, report; each stage once, resumable."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from kerasnas import checks, datasets, reporting
from kerasnas.cost import CostModel
from kerasnas.export import save_classifier
from kerasnas.genotypes import Genotype
from kerasnas.networks.reachable import ReachableSet
from kerasnas.pipeline.assembly import (
    build_search,
    load_data,
    make_objective,
    make_shortlist_training,
    make_space,
    make_training,
    max_skips_of,
    schedules,
    search_batch_size,
)
from kerasnas.pipeline.race_run import GENOTYPE, load_images, run_race
from kerasnas.pipeline.record import RESULT, make_record, read_result, write_record, write_report
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.search_stage import genotype_of, run_search
from kerasnas.pipeline.settings import RaceConfig, SearchConfig, TrainingConfig
from kerasnas.pipeline.shortlist import Shortlist, found_by, halves, run_shortlist
from kerasnas.pipeline.stages import Stages
from kerasnas.pipeline.training_stage import NetworkTraining
from kerasnas.spaces import SearchSpace

Log = Callable[[str], Any]


def search(
    settings: RaceConfig | SearchConfig, folder: str | os.PathLike, log: Log = print, spent: float = 0.0
) -> dict[str, Any]:
    """Search, train what is found, compare it with others, report: `kerasnas search` as a function.

    A `RaceConfig` asks for a race of whole networks within a budget of time; a `SearchConfig` for a gradient search,
    whose network is then trained from scratch beside random ones.

    The folder then holds genotype.json, model.keras, history.csv, result.json, report.html, card.md and plots. Called
    again with the same settings it continues: finished stages are not repeated, an interrupted one resumes from its
    last epoch.

    Args:
        settings: a `RaceConfig` or a `SearchConfig`.
        folder: where the run is, or will be.
        log: called with each line of progress. Defaults to `print`.
        spent: seconds of a race's budget that are spent already. Defaults to 0.

    Returns:
        The content of `result.json`; `kerasnas.reporting` says what is in it.

    Raises:
        ValueError: if the data or the settings do not fit, or the folder holds a run of other settings.
        NonFiniteError: if a loss stops being finite.
        OSError: if something cannot be written.

    Example:

        settings = kerasnas.pipeline.RaceConfig(dataset="my_images/", minutes=10)
        result = kerasnas.pipeline.search(settings, "runs/mine")
        model = keras.models.load_model("runs/mine/model.keras")
    """
    checks.instance("settings", settings, (RaceConfig, SearchConfig))
    run = RunFolder.begin(folder, "race" if isinstance(settings, RaceConfig) else "search", settings)
    with run.held():
        return _continue(run, log, spent)


def retrain(
    settings: TrainingConfig, folder: str | os.PathLike, genotype: Genotype | None = None, log: Log = print
) -> dict[str, Any]:
    """Train the network of a genotype from scratch: `kerasnas retrain` as a function.

    Args:
        settings: a `TrainingConfig`.
        folder: where the run is, or will be.
        genotype: the architecture. Defaults to None: that of the run which `folder` holds.
        log: called with each line of progress. Defaults to `print`.

    Returns:
        The content of `result.json`.

    Raises:
        ValueError, NonFiniteError, OSError: as for `search`; and if the run in `folder` is of another genotype.
    """
    checks.instance("settings", settings, TrainingConfig)
    run = RunFolder.begin(folder, "retrain", settings)
    file = run.path / GENOTYPE
    if genotype is not None:
        if file.exists() and Genotype.load(file) != genotype:
            raise ValueError(f"{run.path} holds the training of another genotype. Choose another folder.")
        genotype.save(file)
    with run.held():
        return _continue(run, log)


def resume(folder: str | os.PathLike, log: Log = print, spent: float = 0.0) -> dict[str, Any]:
    """Continue the run that the folder holds; a finished one is reported again.

    Args:
        folder: of the run.
        log: called with each line of progress. Defaults to `print`.
        spent: as for `search`, by this process. Defaults to 0.

    Returns:
        The content of `result.json`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError, NonFiniteError, OSError: as for `search`.
    """
    run = RunFolder.open(folder)
    with run.held():
        return _continue(run, log, spent)


def _continue(run: RunFolder, log: Log, spent: float = 0.0) -> dict[str, Any]:
    """Do what is left of a run; of a finished one, nothing."""
    if (run.path / RESULT).exists():
        record = read_result(run.path)
        _conclude(run, record, log)
        return record
    if isinstance(run.config, RaceConfig):
        return _race(run, run.config, spent, log)
    if isinstance(run.config, SearchConfig):
        return _search(run, run.config, log)
    assert isinstance(run.config, TrainingConfig)  # the one kind that is left
    return _retrain(run, run.config, log)


def plot(folder: str | os.PathLike, log: Log = print) -> None:
    """Draw the plots of a finished run, and write its report and its card, again.

    Raises:
        FileNotFoundError: if the run is not finished.
    """
    run = RunFolder.open(folder)
    record = read_result(run.path)
    write_report(run.path, record, run.stages.stage("search"))
    _conclude(run, record, log)


# The stages -----------------------------------------------------------------------------------------------
def _race(run: RunFolder, config: RaceConfig, spent: float, log: Log) -> dict[str, Any]:
    data = _noted(load_images(config), log)
    searched, race = run_race(run, config, data, spent, log)
    return _finish(run, data, searched, None, [], log, {"race": race})


def _search(run: RunFolder, config: SearchConfig, log: Log) -> dict[str, Any]:
    space, data = make_space(config), _noted(load_data(config), log)
    found = _find(run.stages, config, space, data, log)
    genotype, chosen = _choose(run.stages, config, space, data, found, log)
    genotype.save(run.path / GENOTYPE)
    log(str(genotype))
    training = make_training(config, space, data)
    searched = _train(run.stages, "searched", genotype, training, data, config.seed, log)
    random = [
        _train(run.stages, f"random-{index}", other, training, data, config.seed, log)
        for index, other in enumerate(_others(run.stages, config, space, genotype), start=1)
    ]
    return _finish(run, data, searched, found, random, log, {} if chosen is None else {"shortlist": chosen})


def _retrain(run: RunFolder, config: TrainingConfig, log: Log) -> dict[str, Any]:
    data = _noted(load_data(config), log)
    space = make_space(config, data)
    genotype, training = Genotype.load(run.path / GENOTYPE), make_training(config, space, data)
    searched = _train(run.stages, "searched", genotype, training, data, config.seed, log)
    return _finish(run, data, searched, None, [], log)


def _noted(data: datasets.ImageDataset, log: Log) -> datasets.ImageDataset:
    """The data, of whose reading the log is told."""
    for note in data.notes:
        log(note)
    return data


def _find(
    stages: Stages, config: SearchConfig, space: SearchSpace, data: datasets.ImageDataset, log: Log
) -> dict[str, Any]:
    """The search stage of the settings."""
    found = stages.stage("search")
    if found is not None:
        return found
    log(f"Searching the {config.space} space ({space.size:.1e} architectures) on {data.name}.")
    objective = make_objective(stages, config, space, data)
    fit = {
        "batch_size": search_batch_size(config, data),
        "epochs": config.epochs,
        "validation_split": config.validation_split,
        "verbose": _verbosity(),
        "seed": config.seed,
    }
    build = partial(build_search, config, space, data, objective, log)
    return run_search(stages, build, (data.x_train, data.y_train), fit, partial(schedules, config), log=log)


def _choose(
    stages: Stages,
    config: SearchConfig,
    space: SearchSpace,
    data: datasets.ImageDataset,
    found: dict[str, Any],
    log: Log,
) -> tuple[Genotype, dict[str, Any] | None]:
    """The genotype of the search, and the record of the shortlist that it is of, if there is one."""
    derived, within = genotype_of(found), _reachable(stages, config, space)
    if not config.shortlist:
        return derived, None
    weights = {kind: np.array(tables[-1]) for kind, tables in found["mixing_weights"].items()}
    near = found_by(space, derived, weights, within)
    log(f"Choosing among {config.shortlist} networks: the derived one and others near it, trained for a short time.")
    record = run_shortlist(
        stages,
        Shortlist(config.shortlist, tuple(map(int, config.shortlist_steps))),
        near,
        make_shortlist_training(config, space, data),
        *halves(data.x_train, data.y_train, config.validation_split, config.seed),
        within,
        config.seed,
        log,
    )
    return genotype_of(record), record


def _train(
    stages: Stages,
    name: str,
    genotype: Genotype,
    training: NetworkTraining,
    data: datasets.ImageDataset,
    seed: int,
    log: Log,
) -> dict[str, Any]:
    """A training stage on the training data, evaluated on the test data."""
    finished = stages.stage(name)
    if finished is not None:
        return finished
    keep = partial(save_classifier, stages.path, classes=data.classes, scale=data.scale)
    log(f"Training the {'found' if name == 'searched' else name.replace('-', ' ')} network.")
    record = training.run(
        stages,
        name,
        genotype,
        (data.x_train, data.y_train),
        (data.x_test, data.y_test),
        seed,
        keep_model=keep if name == "searched" else None,
        verbose=_verbosity(),
        log=log,
    )
    log(
        f"  {record['parameters']:,} parameters, test accuracy {record['test_accuracy']:.4f}, "
        f"{reporting.duration(record['seconds'])}"
    )
    return record


def _others(stages: Stages, config: SearchConfig, space: SearchSpace, genotype: Genotype) -> list[Genotype]:
    """Random genotypes to compare with, of those that this search could have returned: fewer where few are."""
    rng = np.random.default_rng([config.seed, 2])
    return _reachable(stages, config, space).sample_distinct(rng, config.random_genotypes, {genotype})


def _reachable(stages: Stages, config: SearchConfig, space: SearchSpace) -> ReachableSet:
    """The genotypes that a search of the settings can return."""
    target, record = config.latency_target_ms or config.cost_target, stages.stage("cost")
    limits: dict[str, Any] = {"cost": CostModel.from_config(record), "limit": target} if record and target else {}
    return space.reachable(max_skips_of(config), **limits)


def _finish(
    run: RunFolder,
    data: datasets.ImageDataset,
    searched: dict[str, Any],
    found: dict[str, Any] | None,
    random: list[dict[str, Any]],
    log: Log,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    dataset = {
        "name": data.name,
        "train_examples": len(data.x_train),
        "test_examples": len(data.x_test),
        "classes": list(data.classes),
        "input_shape": list(data.input_shape),
        "scale": data.scale,
    }
    record = make_record(run.stages, searched, found, random, dataset, run.config.to_dict(), run.command)
    record |= dict(more or {})
    write_record(run.stages, record, found)
    _conclude(run, record, log)
    return record


def _conclude(run: RunFolder, record: dict[str, Any], log: Log) -> None:
    log(reporting.verdict(record))
    log(f"Report: {run.path / 'report.html'}")


def _verbosity() -> int:
    return 1 if sys.stdout.isatty() else 2
