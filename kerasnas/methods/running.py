"""A run as a function: its method does each stage once, and what is interrupted resumes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.backend.memory import forget_gradients
from kerasnas.genotypes import Genotype
from kerasnas.methods.pretraining import PretrainingConfig
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.runs.folder import GENOTYPE, RunFolder
from kerasnas.runs.method import Context, conclude
from kerasnas.runs.preset_folders import as_run
from kerasnas.runs.progress import progress_of
from kerasnas.runs.record import read_result, write_report
from kerasnas.runs.settings import METHODS, Settings
from kerasnas.runs.tracking import tracked


def search(settings: Settings, folder: str | os.PathLike, log: Log = print, spent: float = 0.0) -> Mapping[str, Any]:
    """Search, train what is found, compare it with others, report: `kerasnas search` as a function.

    A `RaceConfig` asks for a race of whole networks within a budget of time; a `SearchConfig` for a gradient search,
    whose network is then trained from scratch beside random ones; a `GraphConfig` for a search on a graph, whose nodes
    are classified.

    The folder then holds genotype.json, model.keras, history.csv, result.json, report.html, card.md and plots. Called
    again with the same settings it continues: finished stages are not repeated, an interrupted one resumes from its
    last epoch, or after its last network.

    Args:
        settings: a `RaceConfig`, a `SearchConfig` or a `GraphConfig`.
        folder: where the run is, or will be.
        log: called with each line of progress; a `Progress` shows a bar too. Defaults to `print`.
        spent: seconds of the budget of a race, or of a search on a graph, that are spent already. Defaults to 0.

    Returns:
        The record: a mapping of what `result.json` holds, whose parts have types (`kerasnas.records.Record`).

    Raises:
        ValueError: if the data or the settings do not fit, or the folder holds a run of other settings.
        NonFiniteError: if a loss stops being finite.
        OSError: if something cannot be written.

    Example:

        settings = kerasnas.methods.RaceConfig(dataset="my_images/", minutes=10)
        result = kerasnas.methods.search(settings, "runs/mine")
        model = keras.models.load_model("runs/mine/model.keras")
    """
    return _begin("search", settings, folder, log, spent)


def retrain(
    settings: TrainingConfig, folder: str | os.PathLike, genotype: Genotype | None = None, log: Log = print
) -> Mapping[str, Any]:
    """Train the network of a genotype from scratch: `kerasnas retrain` as a function.

    Args:
        settings: a `TrainingConfig`.
        folder, log: as for `search`.
        genotype: the architecture. Defaults to None: that of the run which `folder` holds.

    Returns:
        The record.

    Raises:
        ValueError, NonFiniteError, OSError: as for `search`; and if the run in `folder` is of another genotype.
    """
    return _begin("retrain", settings, folder, log, genotype=genotype)


def pretrain(
    settings: PretrainingConfig, folder: str | os.PathLike, log: Log = print, spent: float = 0.0
) -> Mapping[str, Any]:
    """Learn an initialization from several data sets: `kerasnas pretrain` as a function.

    The folder then holds initializer.json, model.keras and card.md; `--initializer=FOLDER` begins a race from it.

    Args:
        settings: a `PretrainingConfig`.
        folder, log, spent: as for `search`.

    Returns:
        The description of the initialization.

    Raises:
        ValueError, NonFiniteError, OSError: as for `search`.
    """
    return _begin("pretrain", settings, folder, log, spent)


def resume(
    folder: str | os.PathLike, log: Log = print, spent: float = 0.0, executor: str | None = None
) -> Mapping[str, Any]:
    """Continue the run that the folder holds; a finished one is reported again.

    Args:
        folder: of the run.
        log, spent: as for `search`.
        executor: where independent trainings run from here, as `open_executor` takes it. Defaults to None: as the run
            was begun.

    Returns:
        The record.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError, NonFiniteError, OSError: as for `search`.
    """
    run = RunFolder.open(folder, log)
    run = run if executor is None else run.on(executor)
    with run.working():
        return _continue(run, log, spent)


def _begin(
    command: str,
    settings: Settings,
    folder: str | os.PathLike,
    log: Log,
    spent: float = 0.0,
    genotype: Genotype | None = None,
) -> Mapping[str, Any]:
    """Begin the run of these settings, or continue it; raise TypeError unless they are of a method of the command."""
    classes = tuple(METHODS[name].settings for name in METHODS if METHODS[name].command == command)  # type: ignore[attr-defined]
    checks.instance("settings", settings, classes)
    run = RunFolder.begin(folder, settings, log)
    file = run.path / GENOTYPE
    if genotype is not None and file.exists() and Genotype.load(file) != genotype:
        raise ValueError(f"{run.path} holds the training of another genotype. Choose another folder.")
    with run.working():
        if genotype is not None:
            genotype.save(file)
        return _continue(run, log, spent)


def _continue(run: RunFolder, log: Log, spent: float) -> Mapping[str, Any]:
    """Do what is left of a run; of a finished one, nothing. Its networks are in its folder, and leave no memory."""
    progress, method = progress_of(log), run.method
    with forget_gradients(), tracked(run, progress) as tracking:
        context: Context[Any, Any] = Context(run, progress, tracking)
        record = method.finished(context)
        if record is None:
            context.budget = method.budget(run.config, run.stages, spent)  # reading the data is part of it
            progress.phase("reading the data")
            with progress.following(lambda: (0.0, None)):
                context.data = method.load(run.config)
            for note in getattr(context.data, "notes", ()):
                progress(note)
            progress(method.plan(context))
            record = method.run(context)
        method.conclude(context, record)
        return record


def report(folder: str | os.PathLike, log: Log = print) -> None:
    """Write the report of a finished run, its plots and its card again; a preset is copied here first.

    Raises:
        FileNotFoundError: if the run is not finished.
    """
    checks.function("log", log)
    run = RunFolder.open(as_run(folder, log))
    record = read_result(run.path)
    write_report(run.path, record, run.stages.stage("search"))
    conclude(progress_of(log), record, run.path)
