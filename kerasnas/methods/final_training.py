"""Final training: data that fill its batches, its recipe, its augmentations and linear models."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasnas import checks, datasets
from kerasnas.files.stages import STARTS, Stages
from kerasnas.methods.assembly import SIZES, check_kind, checked_data
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.modalities.augmentations import AUGMENTATIONS, Augmentation, compose
from kerasnas.spaces import SearchSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe


def load_data(config: TrainingConfig) -> datasets.Dataset:
    """Return the data of the settings, checked."""
    data = checked_data(config)
    check_kind(config, data)
    asked = "retrain_batch_size" in config.changed()  # the default one makes one batch of fewer samples
    if asked and config.retrain_batch_size > len(data.x_train):  # found out now, not after the search
        expected = f"at most the number of training samples, {len(data.x_train)}"
        raise ValueError(checks.invalid("retrain_batch_size", expected, config.retrain_batch_size, what="setting"))
    make_augmentation(config, data)
    if data.weights is not None:
        line = "The weights of the samples do not count here: races alone train by them."
        data = dataclasses.replace(data, weights=None, notes=(*data.notes, line))
    return data


def make_training(config: TrainingConfig, space: SearchSpace, data: datasets.Dataset) -> NetworkTraining:
    """Return the training of the space's discrete networks by the settings' recipe."""
    # A space of a user's own need not know drop-path.
    options = {**({"drop_path": config.drop_path} if config.drop_path else {}), **network_sizes(config, space)}
    more = {"augment": make_augmentation(config, data), "front": data.front, **companion_sizes(config, data)}
    return plain_training(config, space, data, options, **more)


def plain_training(
    config: TrainingConfig, space: SearchSpace, data: datasets.Dataset, options: dict[str, Any], **more: Any
) -> NetworkTraining:
    """Return the training of networks with these `options`, of samples as they are; `more` of the recipe."""
    recipe = TrainingRecipe(
        config.retrain_epochs,
        config.retrain_batch_size,
        config.retrain_learning_rate,
        options=options,
        task=data.task,
        algorithm=config.optimizer,
        **more,
    )
    return NetworkTraining(space, data.input_shape, data.num_classes, recipe)


def check_starts(stages: Stages, data: datasets.Dataset) -> None:
    """Record what is pretrained when a run starts; raise ValueError where it resumes with something else."""
    now, before = dict(data.front.source), stages.stage(STARTS) or {}
    if not stages.begun and now != before:
        stages.finish(STARTS, now)
    elif now != before:
        names = [source.get("vectors", "no vectors of words") for source in (before, now)]
        raise ValueError(f"This run started with {names[0]}, and would resume with {names[1]}. Install the same ones.")


def companion_sizes(config: TrainingConfig, data: datasets.Dataset) -> dict[str, int]:
    """Return the settings of the linear models next to the network, 0 where the data's modality has none.

    By default there is none where the cost of the network has a limit, which does not count it.
    """
    own, sizes = data.modality, {}
    for name in ("ngrams", "kernels"):
        asked, fits = getattr(config, name), name == own.companion_setting
        if asked > 0 and not fits:
            expected = f"0, or nothing, for the {own.plural} of {data.name}"
            raise ValueError(checks.invalid(name, expected, asked, what="setting"))
        limited = bool(config.cost_limit)
        usual = own.companion_size(data.front, len(data.x_train), limited) if fits else 0
        sizes[name] = usual if asked < 0 else asked
    return sizes


def make_augmentation(config: TrainingConfig, data: datasets.Dataset) -> Augmentation:
    """Return the augmentations of the settings in turn; of the default ones, those that exist for such data."""
    names, fit = config.augment, data.modality.augmentations
    if unfit := [name for name in names if name not in fit]:
        if "augment" in config.changed():
            some = f"{'' if len(fit) == 1 else 'some of '}{', '.join(fit)}, or " if fit else ""
            expected = f"{some}nothing, for the {data.modality.plural} of"
            raise ValueError(
                f"Invalid value received for setting `augment`. Expected {expected} {data.name}. "
                f"Received: {', '.join(names)}"
            )
        names = tuple(name for name in names if name not in unfit)
    return compose(*(AUGMENTATIONS[name] for name in names))


def network_sizes(config: TrainingConfig, space: SearchSpace) -> dict[str, int]:
    """Return the size of the final network, as arguments of the space's `build_network` and `parts`.

    None where choices shape the network itself: its space has that size.
    """
    if space.shapes_network:
        return {}
    return {size: getattr(config, name) for name, size in SIZES.items() if size in space.sizes}
