"""The two halves of a bilevel search, from whatever kind of data `fit` receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.datasets import ArrayBatches, PairedBatches, check_images, stratified_split


def pair_halves(
    x: Any,
    y: Any,
    validation_data: Any,
    validation_split: float | None,
    batch_size: int,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    augment: Callable | None = None,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
) -> Any:
    """One dataset of `((x, y), (x_val, y_val))`: the half that trains the weights, the half that moves the alphas.

    Args:
        x: images, or a `tf.data.Dataset` or `PyDataset` of batches (of pairs of batches without `validation_data`).
        y: labels, with arrays; None with datasets.
        validation_data: the second half: `(x, y)`, or a dataset of the kind of `x`; or None.
        validation_split: with arrays: share of every class that becomes the second half; None stands for 0.5.
        batch_size, sample_weight, initial_epoch, augment, seed: with arrays: as for `BilevelTrainer.fit`.
        input_shape, num_classes: what arrays are checked against, where known.

    Raises:
        ValueError: for data that cannot be searched on; the message says what was expected.
    """
    if y is None:
        return _pair_datasets(x, validation_data, validation_split)
    x, y = np.asarray(x), np.asarray(y)
    expected: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes}
    check_images(x, y, **expected, what="training")
    weight = None if sample_weight is None else np.asarray(sample_weight, "float32")
    if weight is not None and weight.shape != y.shape:
        raise ValueError(
            "Invalid value received for argument `sample_weight`. Expected one weight for each of the "
            f"{len(y)} samples. Received: shape {weight.shape}"
        )
    if weight is not None:
        wrong = weight[~(np.isfinite(weight) & (weight >= 0))]
        if wrong.size:
            raise ValueError(checks.invalid("sample_weight", "finite weights of at least 0", wrong[:3].tolist()))
    if validation_data is not None:
        if validation_split is not None:
            raise ValueError("Pass `validation_split` or `validation_data`, not both.")
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise ValueError("Invalid value received for argument `validation_data`. Expected `(x, y)`, two arrays.")
        x_val, y_val = (np.asarray(part) for part in validation_data)
        check_images(x_val, y_val, **expected, what="validation")
    else:
        first, second = stratified_split(y, 0.5 if validation_split is None else validation_split, seed)
        x, y, x_val, y_val = x[first], y[first], x[second], y[second]
        weight = None if weight is None else weight[first]
    return PairedBatches(
        ArrayBatches(x, y, batch_size, seed=seed, initial_epoch=initial_epoch, augment=augment, sample_weight=weight),
        ArrayBatches(x_val, y_val, batch_size, seed=seed + 1, initial_epoch=initial_epoch),
    )


def class_weight_table(class_weight: Mapping[int, float], num_classes: int | None) -> list[float]:
    """The weight of each class in the training loss, by its number; 1 for those that are not named.

    Args:
        class_weight: class index -> weight.
        num_classes: the number of classes, where known.

    Raises:
        ValueError: for a class that there is not, or a weight that is negative or not finite.

    Example:

    >>> class_weight_table({1: 2.0}, num_classes=3)
    [1.0, 2.0, 1.0]
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(checks.invalid("class_weight", "a mapping of class index to weight", class_weight))
    most = None if num_classes is None else num_classes - 1
    weights = {
        checks.integer("class_weight", label, least=0, most=most): checks.number("class_weight", weight, least=0)
        for label, weight in class_weight.items()
    }
    return [weights.get(label, 1.0) for label in range(max(num_classes or 0, 1 + max(weights, default=0)))]


def batch_spec(data: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """The size of the training batches of pairs of batches, and the shape of one label; None for what is not known."""
    if hasattr(data, "element_spec"):
        training = data.element_spec[0]
        labels = training[1].shape if isinstance(training, tuple) and len(training) > 1 else None
        return (None, None) if labels is None or labels.rank is None else (labels[0], tuple(labels[1:]))
    if not isinstance(data, keras.utils.PyDataset):
        return None, None
    shape = np.shape(data[0][0][1])
    return shape[0], shape[1:]


def _pair_datasets(training: Any, validation: Any, split: float | None) -> Any:
    if split is not None:
        raise ValueError("`validation_split` splits arrays. For datasets, pass `validation_data=`.")
    if validation is None:  # the dataset yields pairs of batches itself
        return training
    if isinstance(training, keras.utils.PyDataset) and isinstance(validation, keras.utils.PyDataset):
        return PairedBatches(training, validation)
    if hasattr(training, "element_spec") and hasattr(validation, "element_spec"):  # tf.data, without importing it
        return type(training).zip((training, validation.repeat()))
    raise ValueError(
        "Expected `x` and `validation_data` both as `tf.data.Dataset` or both as `keras.utils.PyDataset`. "
        f"Received: {type(training).__name__} and {type(validation).__name__}"
    )
