"""The final training: data that fill its batches, its recipe, its augmentations and linear models."""

from __future__ import annotations

from kerasnas import checks, datasets
from kerasnas.companions.kernels import usual_features
from kerasnas.datasets.augmentations import Augmentation
from kerasnas.methods.assembly import check_kind, checked_data
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.spaces import SearchSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import AUGMENTATIONS, FOR_KINDS, TrainingRecipe


def load_data(config: TrainingConfig) -> datasets.ImageDataset:
    """The data of the settings, checked.

    Raises:
        ValueError: for data that cannot be trained on, and for a batch that they do not fill.
    """
    data = checked_data(config)
    check_kind(config, data)
    asked = "retrain_batch_size" in config.changed()  # the default one makes one batch of fewer samples
    if asked and config.retrain_batch_size > len(data.x_train):  # found out now, not after the search
        raise ValueError(
            f"Invalid value received for setting `retrain_batch_size`. Expected at most the number of training "
            f"samples, {len(data.x_train)}. Received: {config.retrain_batch_size}"
        )
    make_augmentation(config, data)
    return data


def make_training(config: TrainingConfig, space: SearchSpace, data: datasets.ImageDataset) -> NetworkTraining:
    """The training of the space's discrete networks by the settings' recipe."""
    recipe = TrainingRecipe(
        config.retrain_epochs,
        config.retrain_batch_size,
        config.retrain_learning_rate,
        make_augmentation(config, data),
        # A space of a user's own need not know drop-path.
        options={**({"drop_path": config.drop_path} if config.drop_path else {}), **network_sizes(config, space)},
        task=data.task,
        algorithm=config.optimizer,
        ngrams=longest_runs(config, data),
        kernels=features_of_kernels(config, data),
    )
    return NetworkTraining(space, data.input_shape, data.num_classes, recipe)


def longest_runs(config: TrainingConfig, data: datasets.ImageDataset) -> int:
    """The tokens of the longest runs that a linear model beside the network knows; 0 of other data than texts.

    Raises:
        ValueError: if such a model is asked for, and the data are no texts.
    """
    if not isinstance(data.front, datasets.Vocabulary):
        if config.ngrams > 0:
            expected = f"0, or nothing, for the {data.kind} of {data.name}"
            raise ValueError(checks.invalid("ngrams", expected, config.ngrams, what="setting"))
        return 0
    return data.front.ngrams if config.ngrams < 0 else config.ngrams


def features_of_kernels(config: TrainingConfig, data: datasets.ImageDataset) -> int:
    """The number of features of the random kernels beside the network; 0 of other data than signals.

    By default there are none where the cost of the network has a limit, which does not count them.

    Raises:
        ValueError: if kernels are asked for, and the data are no signals.
    """
    if data.kind != "signals":
        if config.kernels > 0:
            expected = f"0, or nothing, for the {data.kind} of {data.name}"
            raise ValueError(checks.invalid("kernels", expected, config.kernels, what="setting"))
        return 0
    usual = 0 if config.cost_limit else usual_features(len(data.x_train))
    return usual if config.kernels < 0 else config.kernels


def make_augmentation(config: TrainingConfig, data: datasets.ImageDataset) -> Augmentation:
    """The augmentations of the settings in turn; of the default ones, those that exist for such data.

    Raises:
        ValueError: if one is asked for that does not.
    """
    names, fit = config.augment, FOR_KINDS.get(data.kind, tuple(name for name in AUGMENTATIONS if name != "drop_words"))
    if unfit := [name for name in names if name not in fit]:
        if "augment" in config.changed():
            expected = f"{'' if len(fit) == 1 else 'some of '}{', '.join(fit)}, or nothing, for the {data.kind} of"
            raise ValueError(
                f"Invalid value received for setting `augment`. Expected {expected} {data.name}. "
                f"Received: {', '.join(names)}"
            )
        names = tuple(name for name in names if name not in unfit)
    return datasets.compose(*(AUGMENTATIONS[name] for name in names))


def network_sizes(config: TrainingConfig, space: SearchSpace) -> dict[str, int]:
    """The size of the final network, as arguments of the space's `build_network` and `parts`.

    None where choices shape the network itself: its space has that size.
    """
    if space.shapes_network:
        return {}
    sizes = {"filters": config.retrain_filters, "num_cells": config.retrain_cells}
    return {name: value for name, value in sizes.items() if name in space.sizes}
