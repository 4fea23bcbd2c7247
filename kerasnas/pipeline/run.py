"""A run: search, derive, train, compare with random genotypes, report; every stage can be resumed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import datasets, storage
from kerasnas.callbacks import NonFiniteGuard, SearchCheckpoint, TrainingCheckpoint
from kerasnas.cost import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.pipeline.closing import finish
from kerasnas.pipeline.from_settings import (
    cost_record,
    make_objective,
    make_supernet,
    make_trainer,
    network_sizes,
    schedules,
    strategy_scope,
)
from kerasnas.pipeline.run_folder import RunFolder
from kerasnas.pipeline.settings import SearchConfig, TrainingConfig, make_space
from kerasnas.spaces import SearchSpace

Log = Callable[[str], Any]

_AUGMENTATIONS: dict[str, Callable] = {
    "shift": datasets.shift,
    "flip": datasets.flip,
    "cutout": lambda batch, rng: datasets.cutout(batch, rng, size=max(1, batch.shape[1] // 4)),
}


def search(folder: RunFolder, log: Log = print) -> dict[str, Any]:
    """Run (or go on with) a search run to its end; return the content of `result.json`.

    The folder then holds genotype.json, model.keras, history.csv, result.json, report.html, card.md and
    the pictures. Finished stages are not done again; one that was interrupted goes on from its last epoch.

    Args:
        folder: made by `RunFolder.create` or `RunFolder.open`.
        log: called with each line that tells of progress. Defaults to `print`.

    Raises:
        ValueError: if the data or the settings do not fit.
        NonFiniteError: if a loss stops being finite.
        OSError: if something cannot be written.
    """
    config: SearchConfig = folder.config  # type: ignore[assignment]
    space, data = make_space(config), _load(config)
    found = folder.stage("search") or _search_stage(folder, space, data, log)
    genotype = Genotype.from_json(json.dumps(found["genotype"]))
    genotype.save(folder.path / "genotype.json")
    log(str(genotype))

    searched = _train_stage(folder, "searched", genotype, space, data, log, keep_model=True)
    others = _others(folder, space, genotype)
    random = [
        _train_stage(folder, f"random-{index}", other, space, data, log) for index, other in enumerate(others, start=1)
    ]
    return finish(folder, data, genotype, found, searched, random, log)


def _others(folder: RunFolder, space: SearchSpace, genotype: Genotype) -> list[Genotype]:
    """Random genotypes to compare with; where there is a target, within it: fewer where few are."""
    config: SearchConfig = folder.config  # type: ignore[assignment]
    rng = np.random.default_rng([config.seed, 2])
    target, record = config.latency_target_ms or config.cost_target, folder.stage("cost")
    cost = CostModel.from_config(record) if record and target else None
    others: list[Genotype] = []
    for _ in range(1000 * config.random_genotypes):
        if len(others) >= min(config.random_genotypes, space.size - 1):  # a tiny space has no more than that
            break
        candidate = space.sample(rng)
        if candidate not in (genotype, *others) and (cost is None or cost.cost(candidate) <= target):
            others.append(candidate)
    return others


def retrain(folder: RunFolder, log: Log = print) -> dict[str, Any]:
    """Train the network of the folder's `genotype.json` from scratch; return the content of `result.json`.

    Args, Raises: as for `search`.
    """
    space, data = make_space(folder.config), _load(folder.config)
    genotype = Genotype.load(folder.path / "genotype.json")
    searched = _train_stage(folder, "searched", genotype, space, data, log, keep_model=True)
    return finish(folder, data, genotype, None, searched, [], log)


def resume(folder: RunFolder, log: Log = print) -> dict[str, Any]:
    """Go on with whatever run the folder holds; a finished one is reported again."""
    return (search if folder.kind == "search" else retrain)(folder, log)


def _load(config: TrainingConfig) -> datasets.ImageDataset:
    data = datasets.load(config.dataset)
    checks: dict[str, Any] = {"num_classes": data.num_classes, "input_shape": data.input_shape}
    datasets.check_images(data.x_train, data.y_train, **checks, what="training")
    datasets.check_images(data.x_test, data.y_test, **checks, what="test")
    if config.retrain_batch_size > len(data.x_train):  # found out now, not after the search
        raise ValueError(
            f"Invalid value received for setting `retrain_batch_size`. Expected at most the number of training "
            f"samples, {len(data.x_train)}. Received: {config.retrain_batch_size}"
        )
    _augmentation(config, data)
    return data


def _augmentation(config: TrainingConfig, data: datasets.ImageDataset) -> Callable:
    """The augmentations of the settings in turn; of the default ones, those that there are for such data."""
    names = config.augment
    if len(data.input_shape) == 2:
        unfit = [name for name in names if name != "shift"]
        if unfit and "augment" in config.changed():
            raise ValueError(
                f"Invalid value received for setting `augment`. Expected shift, or nothing, for the signals of "
                f"{data.name}. Received: {', '.join(names)}"
            )
        names = tuple(name for name in names if name not in unfit)
    return datasets.compose(*(_AUGMENTATIONS[name] for name in names))


def _search_stage(folder: RunFolder, space: SearchSpace, data: datasets.ImageDataset, log: Log) -> dict[str, Any]:
    config: SearchConfig = folder.config  # type: ignore[assignment]
    log(f"Searching the {config.space} space ({space.size:.1e} architectures) on {data.name}.")
    start = time.perf_counter()
    objective = make_objective(folder, space, data)
    steps = int(len(data.x_train) * min(config.validation_split, 1 - config.validation_split)) // config.batch_size
    # In minutes instead of the paper's hours the alphas take large steps, whose noise the annealing averages out.
    schedule = keras.optimizers.schedules.CosineDecay(config.architecture_learning_rate, max(steps, 1) * config.epochs)
    with strategy_scope(config, log):
        supernet = make_supernet(config, space, data, config.seed)
        trainer = make_trainer(config, supernet, objective)
        trainer.compile(
            learning_rate=config.learning_rate,
            architecture_optimizer=keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.999),
            metrics=["accuracy"],
        )
    checkpoint = SearchCheckpoint(folder.checkpoints("search"), log=log)
    initial_epoch = _resume_stage(checkpoint, trainer, log)
    trainer.fit(
        data.x_train,
        data.y_train,
        batch_size=config.batch_size,
        epochs=config.epochs,
        validation_split=config.validation_split,
        initial_epoch=initial_epoch,
        callbacks=[*schedules(config), checkpoint],
        verbose=_verbosity(),
        seed=config.seed,
    )
    record = {
        "seconds": time.perf_counter() - start,
        "parameters": sum(int(np.prod(weight.shape)) for weight in trainer.network_weights),
        "history": checkpoint.history,
        "edges": {kind: [list(edge) for edge in own.edges] for kind, own in supernet.choices.items()},
        "primitives": {kind: list(own.primitives) for kind, own in supernet.choices.items()},
        "mixing_weights": {kind: tables.tolist() for kind, tables in checkpoint.mixing_weights.items()},
        "genotype": json.loads(trainer.derive().to_json()),
    }
    if objective is not None:
        record["cost"] = cost_record(trainer, objective)
    return folder.finish_stage("search", record)


def _train_stage(
    folder: RunFolder,
    name: str,
    genotype: Genotype,
    space: SearchSpace,
    data: datasets.ImageDataset,
    log: Log,
    keep_model: bool = False,
) -> dict[str, Any]:
    """Train the discrete network of `genotype` and test it once, at the end."""
    finished = folder.stage(name)
    if finished is not None:
        return finished
    config = folder.config
    log(f"Training the {'found' if name == 'searched' else name.replace('-', ' ')} network.")
    start = time.perf_counter()
    model = space.build_network(
        genotype,
        data.input_shape,
        data.num_classes,
        drop_path=config.drop_path,
        seed=config.seed,
        **network_sizes(config, space),
    )
    batches = datasets.ArrayBatches(
        data.x_train,
        data.y_train,
        config.retrain_batch_size,
        seed=config.seed,
        augment=_augmentation(config, data),
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        config.retrain_learning_rate, len(batches) * config.retrain_epochs
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, global_clipnorm=5.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # XLA's depthwise convolutions are far slower on a CPU
    )
    checkpoint = TrainingCheckpoint(folder.checkpoints(name), log=log)
    initial_epoch = _resume_stage(checkpoint, model, log)
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
    model.fit(
        batches,
        epochs=config.retrain_epochs,
        initial_epoch=initial_epoch,
        shuffle=False,
        verbose=_verbosity(),
        callbacks=[follow, NonFiniteGuard(), checkpoint],
    )
    loss, accuracy = model.evaluate(data.x_test, data.y_test, batch_size=250, verbose=0)
    if keep_model:
        with storage.atomic_path(folder.path / "model.keras") as temporary:
            model.save(temporary)
    record = {
        "test_accuracy": float(accuracy),
        "test_loss": float(loss),
        "parameters": sum(int(np.prod(weight.shape)) for weight in model.trainable_variables),
        "seconds": time.perf_counter() - start,
        "history": checkpoint.history,
        "genotype": json.loads(genotype.to_json()),
    }
    log(f"  {record['parameters']:,} parameters, test accuracy {accuracy:.4f}, {record['seconds']:.0f} s")
    return folder.finish_stage(name, record)


def _resume_stage(checkpoint: TrainingCheckpoint, model: keras.Model, log: Log) -> int:
    epoch = checkpoint.restore(model)
    if epoch:
        log(f"  resuming after epoch {epoch}")
    return epoch


def _verbosity() -> int:
    return 1 if sys.stdout.isatty() else 2
