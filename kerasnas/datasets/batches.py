"""Batches that a resumed run sees again, and pairs of training and validation batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.constraints import Instance
from kerasnas.modalities.augmentations import Augmentation
from kerasnas.modalities.lazy_images import LazyImages


class ArrayBatches(keras.utils.PyDataset):
    """Shuffled batches of arrays; every batch depends on `(seed, epoch, index)` alone.

    The order of epoch `e` is `np.random.default_rng([seed, e]).permutation(samples)`, so that a run resumed at epoch
    `e` sees the batches of an uninterrupted one. `on_epoch_end` advances to the next epoch.

    Pass `shuffle=False` to Keras' `fit`, which otherwise orders the batches by Python's global generator. `fit` also
    calls `on_epoch_end` once before its first epoch, so that epochs are counted from `initial_epoch + 1`, and repeated
    calls of `fit` drift. If the epoch must be Keras' own, set it in a callback:

    ```python
    follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
    model.fit(batches, epochs=20, initial_epoch=7, shuffle=False, callbacks=[follow])
    ```

    Args:
        x: images or other inputs, an array `(samples, ...)`.
        y: labels, an array `(samples, ...)`.
        batch_size: number of samples in a batch.
        seed: seed of the order and of the augmentation. Defaults to 0.
        initial_epoch: the first epoch. Defaults to 0.
        augment: `(batch, rng) -> batch`, applied to every batch of `x`, which it may change in place. The generator is
            `np.random.default_rng([seed, epoch, index, 1])`. Defaults to None.
        sample_weight: an array `(samples,)`; batches become `(x, y, sample_weight)`. Defaults to None.
        drop_remainder: whether to leave out the last, smaller batch, whose samples differ in every epoch. Defaults to
            True.
        **kwargs: for `keras.utils.PyDataset`: `workers`, `use_multiprocessing`, `max_queue_size`.

    Raises:
        TypeError: if `augment` is not callable.
        ValueError: if the arrays differ in length, are empty or not numbers, there are fewer samples than a batch
            needs, or another argument is out of range.

    Example:

    >>> batches = ArrayBatches(np.arange(6.0), np.arange(6), batch_size=2, seed=3)
    >>> len(batches)
    3
    >>> x, y = batches[0]
    >>> y.tolist() == np.random.default_rng([3, 0]).permutation(6)[:2].tolist()
    True
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        batch_size: int,
        seed: int = 0,
        initial_epoch: int = 0,
        augment: Augmentation | None = None,
        sample_weight: Any = None,
        drop_remainder: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.x, self.y = _numbers("x", x), _numbers("y", y)
        self.sample_weight = checks.optional(checks.array, "sample_weight", sample_weight, kinds="iufb")
        self.batch_size = checks.integer("batch_size", batch_size, 1)
        self.seed = checks.seed(seed)
        self.augment = checks.optional(checks.function, "augment", augment, "None or a callable (batch, rng) -> batch")
        self.drop_remainder = checks.boolean("drop_remainder", drop_remainder)
        arrays = {"x": self.x, "y": self.y, "sample_weight": self.sample_weight}
        lengths = {name: len(a) if a.ndim else None for name, a in arrays.items() if a is not None}
        if len(set(lengths.values())) > 1 or not lengths["x"]:
            names = ", ".join(f"`{name}`" for name in lengths)
            raise ValueError(
                f"Invalid value received for arguments {names}. Expected arrays of one length, not empty. Received "
                f"lengths: {lengths}"
            )
        if drop_remainder and len(self.x) < self.batch_size:
            expected = (
                f"at most the number of samples, {len(self.x)}, as `drop_remainder=True` leaves no batch otherwise"
            )
            raise ValueError(checks.invalid("batch_size", expected, batch_size))
        self.set_epoch(checks.integer("initial_epoch", initial_epoch, 0))
        self._other = self._epoch_and_order  # for `at`

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arrays, `(x, y)` or `(x, y, sample_weight)`."""
        return (self.x, self.y) if self.sample_weight is None else (self.x, self.y, self.sample_weight)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.x), self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}: expected an index from 0 to {len(self) - 1}.")
        # A single read, so that a prefetching thread sees one epoch or the next, never a mixture.
        return self._batch(*self._epoch_and_order, index)

    def at(self, step: int) -> tuple[np.ndarray, ...]:
        """Return batch `step` of all epochs in a row, counted from epoch 0, whatever the current epoch is."""
        epoch, index = divmod(step, len(self))
        other = self._other  # a single read, as above
        if other[0] != epoch:
            other = self._other = epoch, self._order(epoch)
        return self._batch(*other, index)

    def _batch(self, epoch: int, order: np.ndarray, index: int) -> tuple[np.ndarray, ...]:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        x = np.asarray(self.x[rows])  # a copy
        if self.augment is not None:
            # The 1 separates this stream from the permutation's: NumPy pads seeds with zeros.
            x = self.augment(x, np.random.default_rng([self.seed, epoch, index, 1]))
            if len(x) != len(rows):
                raise ValueError(f"`augment` must keep the number of images, {len(rows)}. Received back: {len(x)}")
        return x, *(array[rows] for array in self.arrays[1:])

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._epoch_and_order[0]

    def set_epoch(self, epoch: int) -> None:
        """Continue with the batches of `epoch`."""
        epoch = checks.integer("epoch", epoch, 0)
        self._epoch_and_order = epoch, self._order(epoch)

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.x))

    def on_epoch_end(self) -> None:
        """Advance to the next epoch."""
        self.set_epoch(self.epoch + 1)


class PairedBatches(keras.utils.PyDataset):
    """Pairs of a training and a validation batch: the input of each step of `BilevelTrainer.fit`.

    Item `i` is `(training[i], validation[i % len(validation)])`: the first updates the network's weights, the second
    the architecture parameters. An epoch is one pass over `training`; a shorter `validation` is repeated, and of a
    longer one each epoch uses another part.

    With `steps` an epoch has that many items, and the next one continues where it ended: both data sets are read
    cyclically, those with `at(step)` in the order of their epochs, others by item `step % length`.

    Keras calls `on_epoch_begin` and `on_epoch_end` only for the data set given to `fit`; these calls, and `set_epoch`,
    are forwarded to both data sets. Pass `shuffle=False` to `fit`, as for `ArrayBatches`.

    Args:
        training: a `keras.utils.PyDataset` of known length, such as `ArrayBatches`.
        validation: another one, or the same, for a search on one set.
        steps: number of items of an epoch. Defaults to None: one pass over `training`.
        validation_steps: number of batches of `validation` that an epoch repeats. Defaults to None: all.
        **kwargs: for `keras.utils.PyDataset`: `workers`, `use_multiprocessing`, `max_queue_size`. Those of the two data
            sets have no effect.

    Raises:
        ValueError: if one of the two is not a `PyDataset`, has no known length, or is empty.

    Example:

    >>> def numbers(count):
    ...     return ArrayBatches(np.arange(count), np.arange(count), batch_size=1)
    >>> pairs = PairedBatches(numbers(3), numbers(2))
    >>> (x, y), (x_val, y_val) = pairs[2]
    >>> len(pairs), len(x), len(x_val)
    (3, 1, 1)
    >>> pairs = PairedBatches(numbers(3), numbers(2), steps=5)
    >>> len(pairs), sorted(int(pairs[i][0][0][0]) for i in range(3))
    (5, [0, 1, 2])
    """

    def __init__(
        self,
        training: keras.utils.PyDataset,
        validation: keras.utils.PyDataset,
        steps: int | None = None,
        validation_steps: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, dataset in (("training", training), ("validation", validation)):
            if not Instance((keras.utils.PyDataset,)).accepts(dataset) or not dataset.num_batches:
                expected = "a keras.utils.PyDataset with at least one batch and a known length"
                raise ValueError(checks.invalid(name, expected, dataset))
        self.training, self.validation = training, validation
        self.steps = checks.optional(checks.integer, "steps", steps, 1)
        self.validation_steps = checks.optional(checks.integer, "validation_steps", validation_steps, 1)
        self._epoch = getattr(training, "epoch", 0)
        self._skipped = 0

    def __len__(self) -> int:
        return (self.training.num_batches if self.steps is None else self.steps) - self._skipped

    def __getitem__(self, index: int) -> tuple[tuple, tuple]:
        index += self._skipped
        if self.steps is None:
            training = self.training[index]
        elif 0 <= index < self.steps:
            training = _item(self.training, self._epoch * self.steps + index)
        else:
            raise IndexError(f"Item {index} of {self.steps}: expected an index from 0 to {self.steps - 1}.")
        length = self.validation.num_batches
        if self.validation_steps is not None or self.steps is None:
            return training, self.validation[index % min(length, self.validation_steps or length)]
        return training, _item(self.validation, self._epoch * self.steps + index)

    def _datasets(self) -> list[keras.utils.PyDataset]:
        return list(dict.fromkeys((self.training, self.validation)))  # one object counts once

    def set_epoch(self, epoch: int) -> None:
        """Forward `epoch` to those of the two data sets that have a `set_epoch`."""
        self._skipped, self._epoch = 0, epoch
        for dataset in self._datasets():
            if hasattr(dataset, "set_epoch"):
                dataset.set_epoch(epoch)

    def skip(self, steps: int) -> None:
        """Skip the first `steps` items until the next `set_epoch`, to resume an interrupted epoch."""
        self._skipped = checks.integer("steps", steps, 0)

    def on_epoch_begin(self) -> None:
        """Forward the call to both data sets."""
        for dataset in self._datasets():
            dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Forward the call to both data sets."""
        for dataset in self._datasets():
            dataset.on_epoch_end()
        self._epoch += 1


def _item(dataset: keras.utils.PyDataset, step: int) -> Any:
    """Return item `step` of a data set that is read cyclically."""
    return dataset.at(step) if hasattr(dataset, "at") else dataset[step % dataset.num_batches]


def _numbers(argument: str, value: Any) -> Any:
    """Return `value` as an array, or lazy images as they are.

    Raises:
        ValueError: if it holds text, dates, complex numbers or objects; low-precision floats are numbers too.
    """
    array = value if isinstance(value, LazyImages) else checks.as_array(argument, value, "an array of numbers")
    if array.dtype.kind in "OUSMmc" and array.size:
        raise ValueError(checks.invalid(argument, "an array of numbers", value))
    return array
