"""A run: search, derive, train, compare with random genotypes, report; each stage once, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import keras

from kerasnas import checks, datasets, reporting
from kerasnas.backend.memory import forget_gradients, release_kernels
from kerasnas.callbacks import NonFiniteError
from kerasnas.cost import network_latency
from kerasnas.cost.counting import macs
from kerasnas.drift.reference import save_reference
from kerasnas.executors import Executor
from kerasnas.export import MODEL, load_classifier, save_classifier
from kerasnas.files.stages import EXPERIENCE, Stages
from kerasnas.genotypes import Genotype
from kerasnas.methods.assembly import make_space
from kerasnas.methods.final_training import load_data, make_training
from kerasnas.methods.gradient.choosing import choose_genotype, random_others, shortlist_of
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.gradient.supernet import build_search, make_objective, schedules, search_batch_size
from kerasnas.methods.nodes import run_node_search
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.methods.plan import count, search_plan, training_plan
from kerasnas.methods.pretraining import PretrainingConfig, run_pretraining
from kerasnas.methods.race.running import load_raced, make_budget, run_race
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.rebuilding import GENOTYPE
from kerasnas.methods.remembering import remember, remember_search
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.runs.executors import open_executor
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.progress import EpochCount, Progress, progress_of
from kerasnas.runs.record import RESULT, SAMPLES, make_record, read_result, write_record, write_report
from kerasnas.runs.tracking import Tracking, tracked
from kerasnas.spaces import SearchSpace
from kerasnas.training.evidence import evaluation_record, paired, samples_record, scores_record
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.search_stage import run_search
from kerasnas.training.trainings import Trainings

_TRAINING = "training-"
Log = Callable[[str], Any]


def search(
    settings: RaceConfig | SearchConfig | GraphConfig,
    folder: str | os.PathLike,
    log: Log = print,
    spent: float = 0.0,
) -> dict[str, Any]:
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
        The content of `result.json`; `kerasnas.reporting` says what is in it.

    Raises:
        ValueError: if the data or the settings do not fit, or the folder holds a run of other settings.
        NonFiniteError: if a loss stops being finite.
        OSError: if something cannot be written.

    Example:

        settings = kerasnas.methods.RaceConfig(dataset="my_images/", minutes=10)
        result = kerasnas.methods.search(settings, "runs/mine")
        model = keras.models.load_model("runs/mine/model.keras")
    """
    checks.instance("settings", settings, (RaceConfig, SearchConfig, GraphConfig))
    run = RunFolder.begin(folder, settings, log)
    with run.working():
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
    run = RunFolder.begin(folder, settings, log)
    file = run.path / GENOTYPE
    if genotype is not None and file.exists() and Genotype.load(file) != genotype:
        raise ValueError(f"{run.path} holds the training of another genotype. Choose another folder.")
    with run.working():
        if genotype is not None:
            genotype.save(file)
        return _continue(run, log)


def pretrain(
    settings: PretrainingConfig, folder: str | os.PathLike, log: Log = print, spent: float = 0.0
) -> dict[str, Any]:
    """Learn an initialization from several data sets: `kerasnas pretrain` as a function.

    The folder then holds initializer.json, model.keras and card.md; `--initializer=FOLDER` begins a race from it.

    Args:
        settings: a `PretrainingConfig`.
        folder: where the run is, or will be. Called again with the same settings it continues.
        log, spent: as for `search`.

    Returns:
        The description of the initialization.

    Raises:
        ValueError, NonFiniteError, OSError: as for `search`.
    """
    checks.instance("settings", settings, PretrainingConfig)
    run = RunFolder.begin(folder, settings, log)
    with run.working():
        return _continue(run, log, spent)


def resume(
    folder: str | os.PathLike, log: Log = print, spent: float = 0.0, executor: str | None = None
) -> dict[str, Any]:
    """Continue the run that the folder holds; a finished one is reported again.

    Args:
        folder: of the run.
        log: called with each line of progress. Defaults to `print`.
        spent: as for `search`, by this process. Defaults to 0.
        executor: where independent trainings run from here, as `open_executor` takes it. Defaults to None: as the run
            was begun.

    Returns:
        The content of `result.json`.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError, NonFiniteError, OSError: as for `search`.
    """
    run = RunFolder.open(folder)
    run = run if executor is None else run.on(executor)
    with run.working():
        return _continue(run, log, spent)


def _continue(run: RunFolder, log: Log, spent: float = 0.0) -> dict[str, Any]:
    """Do what is left of a run; of a finished one, nothing. Its networks are in its folder, and leave no memory."""
    release_kernels()
    progress = progress_of(log)
    with forget_gradients(), tracked(run, progress) as tracking:
        return _do(run, spent, tracking, progress)


def _do(run: RunFolder, spent: float, tracking: Tracking, progress: Progress) -> dict[str, Any]:
    if (run.path / RESULT).exists():
        record = read_result(run.path)
        tracking.result(record)
        _conclude(run, record, progress)
        return record
    if isinstance(run.config, RaceConfig):
        return _race(run, run.config, spent, tracking, progress)
    if isinstance(run.config, SearchConfig):
        return _search(run, run.config, tracking, progress)
    if isinstance(run.config, GraphConfig):
        record = run_node_search(run, run.config, spent, tracking, progress)
        _conclude(run, record, progress)
        return record
    if isinstance(run.config, PretrainingConfig):
        return run_pretraining(run, run.config, spent, progress)
    assert isinstance(run.config, TrainingConfig)  # the one kind that is left
    return _retrain(run, run.config, tracking, progress)


def plot(folder: str | os.PathLike, log: Log = print) -> None:
    """Draw the plots of a finished run, and write its report and its card, again.

    Raises:
        FileNotFoundError: if the run is not finished.
    """
    checks.function("log", log)
    run = RunFolder.open(checks.path("folder", folder))
    record = read_result(run.path)
    write_report(run.path, record, run.stages.stage("search"))
    _conclude(run, record, progress_of(log))


# The stages -----------------------------------------------------------------------------------------------
def _race(run: RunFolder, config: RaceConfig, spent: float, tracking: Tracking, progress: Progress) -> dict[str, Any]:
    data = _noted(load_raced(config), progress)
    searched, race = run_race(run, config, data, spent, tracking, progress)
    experience = run.stages.stage(EXPERIENCE)
    more = {"race": race} if experience is None else {"race": race, "experience": experience}
    record = _finish(run, data, searched, None, [], tracking, progress, more)
    remember(config, data, race, searched, make_budget(config, 0.0), progress)
    return record


def _search(run: RunFolder, config: SearchConfig, tracking: Tracking, progress: Progress) -> dict[str, Any]:
    data = _noted(load_data(config), progress)
    space = make_space(config, data)
    progress(search_plan(config, space.size, data))
    trainings = [_counted("searched"), *(_counted(f"random-{i + 1}") for i in range(config.random_genotypes))]
    shortlist = shortlist_of(config)
    short = {} if shortlist is None else {"shortlist": sum(number for number, _ in shortlist.rungs())}
    every = {"search": config.epochs, **short, **dict.fromkeys(trainings, config.retrain_epochs)}
    epochs = EpochCount(every, progress, watch=partial(_watch, tracking))
    # Opened first: a cluster that does not answer is known before the search.
    with open_executor(config.executor, config.imports) as executor, progress.following(epochs.state):
        found = _find(run.stages, config, space, data, epochs, tracking, progress)
        genotype, chosen = choose_genotype(run.stages, config, space, data, found, progress, executor)
        if short:
            epochs.finish("shortlist")
        genotype.save(run.path / GENOTYPE)
        progress(str(genotype))
        training = make_training(config, space, data)
        searched = _train(run.stages, "searched", genotype, training, data, config.seed, epochs, progress)
        others = random_others(run.stages, config, space, genotype)
        names = {f"random-{index}": other for index, other in enumerate(others, start=1)}
        if not executor.here:  # after which they are finished
            for name in _trained_elsewhere(run.stages, names, training, data, config.seed, executor):
                epochs.finish(_counted(name))
        random = [
            _train(run.stages, name, other, training, data, config.seed, epochs, progress)
            for name, other in names.items()
        ]
    more: dict[str, Any] = {} if chosen is None else {"shortlist": chosen}
    experience = run.stages.stage(EXPERIENCE)
    if experience is not None:
        more["experience"] = experience
    record = _finish(run, data, searched, found, random, tracking, progress, more)
    if chosen is not None:
        remember_search(config, data, found, chosen, searched, experience, progress)
    return record


def _retrain(run: RunFolder, config: TrainingConfig, tracking: Tracking, progress: Progress) -> dict[str, Any]:
    data = _noted(load_data(config), progress)
    space = make_space(config, data)
    progress(training_plan(config, data))
    genotype, training = Genotype.load(run.path / GENOTYPE), make_training(config, space, data)
    epochs = EpochCount({_counted("searched"): config.retrain_epochs}, progress, watch=partial(_watch, tracking))
    with progress.following(epochs.state):
        searched = _train(run.stages, "searched", genotype, training, data, config.seed, epochs, progress)
    return _finish(run, data, searched, None, [], tracking, progress)


def _noted(data: datasets.Dataset, log: Log) -> datasets.Dataset:
    """The data, of whose reading the log is told."""
    for note in data.notes:
        log(note)
    return data


def _find(
    stages: Stages,
    config: SearchConfig,
    space: SearchSpace,
    data: datasets.Dataset,
    epochs: EpochCount,
    tracking: Tracking,
    progress: Progress,
) -> dict[str, Any]:
    """The search stage of the settings."""
    found = stages.stage("search")
    if found is not None:
        epochs.finish("search")
        return found
    progress.phase("search")
    progress(f"Searching the {config.space} space ({count(space.size)} architectures) on {data.name}.")
    objective = make_objective(stages, config, space, data)
    fit = {
        "batch_size": search_batch_size(config, data),
        "epochs": config.epochs,
        "validation_split": config.validation_split,
        "verbose": progress.verbosity,
        "seed": config.seed,
    }
    build = partial(build_search, config, space, data, objective, progress)

    def callbacks() -> list[keras.callbacks.Callback]:
        return [*schedules(config), epochs.callback("search"), *tracking.callbacks()]

    found = run_search(stages, build, (data.x_train, data.y_train), fit, callbacks, log=progress)
    epochs.finish("search")  # before its last epoch, where a guard stops it
    return found


def _train(
    stages: Stages,
    name: str,
    genotype: Genotype,
    training: NetworkTraining,
    data: datasets.Dataset,
    seed: int,
    epochs: EpochCount,
    progress: Progress,
) -> dict[str, Any]:
    """A training stage on the training data, evaluated on the test data."""
    finished = stages.stage(name)
    if finished is not None:
        epochs.finish(_counted(name))
        return finished
    keep = partial(
        save_classifier,
        stages.path,
        classes=data.classes,
        scale=data.scale,
        image_fit=data.image_fit,
        task=data.task,
        front=data.front,
        modality=data.modality,
    )
    progress.phase("training")
    progress(f"Training the {'found' if name == 'searched' else name.replace('-', ' ')} network.")
    record = training.run(
        stages,
        name,
        genotype,
        (data.x_train, data.y_train),
        (data.x_test, data.y_test),
        seed,
        keep_model=keep if name == "searched" else None,
        describe=partial(scores_record, x=data.x_test, y=data.y_test, task=data.task),
        callbacks=lambda: [epochs.callback(_counted(name))],
        verbose=progress.verbosity,
        log=progress,
    )
    progress(
        f"  {record['parameters']:,} parameters, test {data.task.words} {record[f'test_{data.task.metric}']:.4f}, "
        f"{reporting.duration(record['seconds'])}"
    )
    return record


def _trained_elsewhere(
    stages: Stages,
    names: Mapping[str, Genotype],
    training: NetworkTraining,
    data: datasets.Dataset,
    seed: int,
    executor: Executor,
) -> Iterator[str]:
    """Do the training stages of these names in workers; yield the name of each that is done."""
    describe = partial(scores_record, x=data.x_test, y=data.y_test, task=data.task)
    train, test = (data.x_train, data.y_train), (data.x_test, data.y_test)
    for name, record in Trainings(training, stages, train, test, seed, "test", describe).run(executor, names):
        if record is None:
            raise NonFiniteError(f"The loss of the {name.replace('-', ' ')} network stopped being finite.")
        yield name


def _counted(name: str) -> str:
    """The name of a training stage in the count of epochs: all of them are of one kind."""
    return f"{_TRAINING}{name}"


def _watch(tracking: Tracking, name: str, logs: Mapping[str, Any], epoch: int) -> None:
    """Tell the trackers of an epoch, of the search or of a training by its own name."""
    tracking.metrics(name.removeprefix(_TRAINING), logs, epoch)


def _finish(
    run: RunFolder,
    data: datasets.Dataset,
    searched: dict[str, Any],
    found: dict[str, Any] | None,
    random: list[dict[str, Any]],
    tracking: Tracking,
    progress: Progress,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    dataset = {
        "name": data.name,
        "train_examples": len(data.x_train),
        "test_examples": len(data.x_test),
        "classes": list(data.classes),
        "input_shape": list(data.input_shape),
        "scale": data.scale,
        "image_fit": data.image_fit,
        "modality": data.modality.name,
    }
    dataset |= data.task.entry()
    if data.raw_test is not None and data.front is not None:
        dataset["front"] = data.front.get_config()
    searched = {**_examined(run, data, searched), "bytes": (run.path / MODEL).stat().st_size}
    _note_reference(run, data, progress)
    run.stages.finish(SAMPLES, samples_record(data, searched.pop("mistakes")))
    record = make_record(run.stages, searched, found, random, dataset, run.config.to_dict(), run.command)
    record |= {**paired(searched, random, len(data.x_test)), **(more or {})}
    for one in (record["searched"], *record["random"]):
        for name in ("hits", "scores"):
            one.pop(name, None)
    write_record(run.stages, record, found)
    tracking.result(record)
    _conclude(run, record, progress)
    return record


def _note_reference(run: RunFolder, data: datasets.Dataset, log: Log) -> None:
    """Note what `kerasnas monitor` compares with; a network that it cannot watch is a finished run too."""
    try:
        save_reference(run.path, load_classifier(run.path), data)
    except ValueError as error:
        log(f"Nothing was noted for `kerasnas monitor`: {error}")


def _examined(run: RunFolder, data: datasets.Dataset, searched: dict[str, Any]) -> dict[str, Any]:
    """The record of the final network with its mistakes, its multiply-adds and its latency, if it lacks them."""
    if "mistakes" in searched:
        return searched
    classifier = load_classifier(run.path)
    found = classifier.answers(data.raw("test"))
    examined = evaluation_record(data.task, found, data.y_test)
    return {
        "macs": macs(classifier.model),
        "latency_ms": network_latency(classifier.model),
        **searched,
        **{name: value for name, value in examined.items() if name not in searched},
    }


def _conclude(run: RunFolder, record: dict[str, Any], progress: Progress) -> None:
    progress.conclude(reporting.verdict(record))
    progress.conclude(reporting.closing_text(record, run.path))
