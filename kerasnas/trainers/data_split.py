"""Two halves of a bilevel search, from any data that `fit` accepts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.modalities import Modality
from kerasnas.modalities.images import unit_pixels
from kerasnas.modalities.lookup import check_images
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from kerasnas.tasks.splits import split_samples

BATCH_SIZE = 64  # DARTS'; the default if the data have that many samples
_PAIRS = "pairs of batches, `((x, y), (x_val, y_val))`"


def pair_halves(
    x: Tensor,
    y: Tensor,
    validation_data: Any,
    validation_split: float | None,
    batch_size: int | None = None,
    sample_weight: Tensor = None,
    initial_epoch: int = 0,
    augment: Callable | None = None,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    replicas: int = 1,
    task: Task = CLASSIFICATION,
    modality: Modality | None = None,
) -> Any:
    """Return one dataset of `((x, y), (x_val, y_val))`: the weights' half and the alphas' half.

    Arguments are those of `BilevelTrainer.fit`; `y` is None with datasets. Arrays are checked for `task` and against
    `input_shape` and `num_classes`, if known. The default batch size is a multiple of `replicas`. Steps of `tf.data`
    and generators are left to Keras. Raises ValueError for data that cannot be searched on.
    """
    steps = {"steps": steps_per_epoch, "validation_steps": validation_steps}
    if y is None:
        return _pair_datasets(x, validation_data, validation_split, steps)
    x, y = checks.as_array("x", x), checks.as_array("y", y)
    y = task.table(y) if y.ndim == 1 else y
    expected: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes, "task": task}
    check = check_images if modality is None else modality.check
    check(x, y, **expected, what="training")
    x = unit_pixels(x)
    weight = None
    if sample_weight is not None:
        weight = checks.weights("sample_weight", sample_weight, len(y))
    if validation_data is not None:
        if validation_split is not None:
            raise ValueError("Pass `validation_split` or `validation_data`, not both.")
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise ValueError(checks.invalid("validation_data", "`(x, y)`, two arrays", validation_data))
        x_val, y_val = (checks.as_array("validation_data", part) for part in validation_data)
        y_val = task.table(y_val) if y_val.ndim == 1 else y_val
        check(x_val, y_val, **expected, what="validation")
        x_val = unit_pixels(x_val)
    else:
        first, second = split_samples(task, y, 0.5 if validation_split is None else validation_split, seed)
        x, y, x_val, y_val = x[first], y[first], x[second], y[second]
        weight = None if weight is None else weight[first]
    if batch_size is None:
        batch_size = min(BATCH_SIZE, len(x), len(x_val))
        batch_size = max(batch_size - batch_size % replicas, 1)
    return PairedBatches(
        ArrayBatches(x, y, batch_size, seed=seed, initial_epoch=initial_epoch, augment=augment, sample_weight=weight),
        ArrayBatches(x_val, y_val, batch_size, seed=seed + 1, initial_epoch=initial_epoch),
        **steps,
    )


_MOST_CLASSES = 10**6  # highest weighted class if their number is unknown: larger labels are ids


def class_weight_table(class_weight: Mapping[int, float], num_classes: int | None) -> list[float]:
    """Return the weight of each class in the training loss, by its number; 1 for classes not named.

    Raises:
        ValueError: for an unknown class, or a weight that is negative or not finite.

    Example:

    >>> class_weight_table({1: 2.0}, num_classes=3)
    [1.0, 2.0, 1.0]
    """
    most = _MOST_CLASSES if num_classes is None else num_classes - 1
    weights = {
        checks.integer("class_weight", label, least=0, most=most): checks.number("class_weight", weight, least=0)
        for label, weight in class_weight.items()
    }
    return [weights.get(label, 1.0) for label in range(max(num_classes or 0, 1 + max(weights, default=0)))]


def batch_spec(data: Any) -> tuple[int | None, tuple[int, ...] | None]:
    """Return the size of the training batches and the shape of one label; None if unknown."""
    if hasattr(data, "element_spec"):
        training = data.element_spec[0]
        labels = training[1].shape if isinstance(training, tuple) and len(training) > 1 else None
        return (None, None) if labels is None or labels.rank is None else (labels[0], tuple(labels[1:]))
    if not isinstance(data, keras.utils.PyDataset):
        return None, None
    shape = np.shape(data[0][0][1])
    return shape[0], shape[1:]


def steps_of(data: Any, steps_per_epoch: int | None = None) -> int | None:
    """Return the number of steps per epoch on a dataset, None if unknown."""
    if steps_per_epoch is not None:
        return steps_per_epoch
    if hasattr(data, "cardinality"):
        cardinality = int(data.cardinality())
        return cardinality if cardinality > 0 else None  # negative: infinite or unknown
    return getattr(data, "num_batches", None)


def _pair_datasets(training: Any, validation: Any, split: float | None, steps: Mapping[str, int | None]) -> Any:
    if split is not None:
        raise ValueError("`validation_split` splits arrays. For datasets, pass `validation_data=`.")
    if isinstance(training, tuple | list):
        expected = "an array with its labels as `y`, or a dataset of batches"
        raise ValueError(checks.invalid("x", expected, f"a {type(training).__name__} of {len(training)}"))
    needed = steps["validation_steps"]
    if validation is None:  # the dataset yields pairs of batches itself
        if needed is not None:
            raise ValueError(f"`validation_steps` requires `validation_data`. Received: validation_steps={needed}")
        if inspect.isgenerator(training):
            return _checked(training)
        _require_pairs(training)
        if isinstance(training, PairedBatches) and steps["steps"] is not None:
            return PairedBatches(training.training, training.validation, steps["steps"], training.validation_steps)
        return training
    if isinstance(training, keras.utils.PyDataset) and isinstance(validation, keras.utils.PyDataset):
        return PairedBatches(training, validation, **steps)
    if hasattr(training, "element_spec") and hasattr(validation, "element_spec"):  # tf.data, without importing it
        validation = validation if needed is None else validation.take(needed)
        return type(training).zip((training, validation.repeat()))
    if inspect.isgenerator(training) and inspect.isgenerator(validation):
        if needed is not None:
            raise ValueError(
                "`validation_steps` needs data that can be read again, and a generator cannot. Received: "
                f"validation_steps={needed}"
            )
        return _zipped(training, validation)
    raise ValueError(
        "Expected `x` and `validation_data` both as `tf.data.Dataset` or both as `keras.utils.PyDataset`, or both as "
        f"generators. Received: {type(training).__name__} and {type(validation).__name__}"
    )


def _is_pair(item: Any) -> bool:
    """Return True for a pair of batches with labels, or for its specification."""
    return isinstance(item, tuple | list) and len(item) == 2 and all(isinstance(part, tuple | list) for part in item)


def _no_pair(kind: str) -> ValueError:
    how = {
        "generator": "pass another generator as `validation_data=`",
        "PyDataset": "pass another one as `validation_data=`",
    }.get(
        kind,
        "pass a part of it as `validation_data=`, taken before it is shuffled so that the two remain apart: "
        "`fit(batches.skip(n), validation_data=batches.take(n))`",
    )
    return ValueError(
        f"Expected `x` to be of {_PAIRS}, one for the weights and one for the alphas. Received: a {kind} of "
        f"single batches. Pair them, or {how}. `fit` splits arrays itself."
    )


def _require_pairs(data: Any) -> None:
    """Raise ValueError for a dataset known to hold single batches: the alphas would have none."""
    if hasattr(data, "element_spec"):
        if not _is_pair(data.element_spec):
            raise _no_pair("tf.data.Dataset")
    elif isinstance(data, keras.utils.PyDataset) and not _is_pair(data[0]):
        raise _no_pair("PyDataset")


def _checked(pairs: Iterator[Any]) -> Iterator[Any]:
    first = next(pairs, None)
    if not _is_pair(first):
        raise _no_pair("generator")

    def again() -> Iterator[Any]:
        yield first
        yield from pairs

    return again()


def _zipped(training: Iterator[Any], validation: Iterator[Any]) -> Iterator[Any]:
    for step, batch in enumerate(training):
        other = next(validation, None)
        if other is None:
            raise ValueError(
                f"The generator passed as `validation_data` ended after {step} batches, before that of `x`. Each step "
                "takes one of both: let it start again, with `while True:`."
            )
        yield batch, other
