"""The data of a search, and the training of the networks that it derives: resumable, and judged on data of its own."""

from __future__ import annotations

import contextlib
import copy
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras_tuner.errors import FatalTypeError

from kerasnas import checks
from kerasnas.callbacks import NonFiniteGuard, TrainingCheckpoint
from kerasnas.datasets import ArrayBatches, check_images
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.storage import atomic_path
from tuners.hypermodels.checked_hypermodel import require_compiled

MODEL = "model.keras"
Callbacks = Sequence[keras.callbacks.Callback] | Callable[[], Sequence[keras.callbacks.Callback]] | None


class SearchData(NamedTuple):
    """What is searched and trained on, and what judges the network that comes out."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    def fingerprint(self) -> str:
        """A checksum of all of it."""
        sums = [zlib.crc32(np.ascontiguousarray(part).data.cast("B")) for part in self]
        return "-".join(f"{one:08x}" for one in sums)


def make_data(
    x: Any, y: Any, validation_data: Any, folds: int | None, input_shape: tuple[int, ...], num_classes: int, seed: int
) -> list[SearchData]:
    """Checked data: one part with `validation_data`, or as many as there are folds.

    Raises:
        ValueError: for data that cannot be searched on, and unless there is one of `validation_data` and `folds`.
    """
    checks: dict[str, Any] = {"input_shape": input_shape, "num_classes": num_classes}
    check_images(x, y, **checks, what="training")
    x, y = np.asarray(x), np.asarray(y)
    if folds is None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise ValueError(
                "Invalid value received for argument `validation_data`. Expected `(x, y)`, two arrays, which judge the "
                f"networks that are found; or a tuner with `folds`. Received: {type(validation_data).__name__}"
            )
        x_val, y_val = validation_data
        check_images(x_val, y_val, **checks, what="validation")
        return [SearchData(x, y, np.asarray(x_val), np.asarray(y_val))]
    if validation_data is not None:
        raise ValueError("With `folds` each part of the data judges in its turn: leave out `validation_data`.")
    part = fold_numbers(y, folds, seed)
    return [SearchData(x[part != one], y[part != one], x[part == one], y[part == one]) for one in range(folds)]


def fold_numbers(y: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold that each sample belongs to: each class is dealt out evenly.

    Raises:
        ValueError: if there are fewer samples than folds.

    Example:

    >>> fold_numbers(np.array([0, 0, 0, 1, 1, 1]), folds=3, seed=0).reshape(2, 3).sum(axis=1).tolist()
    [3, 3]
    """
    if len(y) < folds:
        raise ValueError(
            f"Invalid value received for argument `folds`. Expected at most the number of samples, {len(y)}. "
            f"Received: {folds}"
        )
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)])
    numbers = np.empty(len(y), int)
    numbers[order] = np.arange(len(y)) % folds
    return numbers


def fresh_callbacks(callbacks: Callbacks) -> list[keras.callbacks.Callback]:
    """Callbacks for one `fit`: copies, or what the function makes.

    Raises:
        FatalTypeError: for callbacks that cannot be copied; it says what to pass instead.
    """
    if callable(callbacks):
        made = list(callbacks())
    else:
        made = []
        for one in callbacks or ():
            try:
                made.append(copy.deepcopy(one))
            except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
                raise FatalTypeError(
                    f"{type(one).__name__} cannot be copied ({error}), and each trial needs callbacks of its own. Pass "
                    "a function that makes them: `callbacks=lambda: [...]`."
                ) from error
    for one in made:
        if not isinstance(one, keras.callbacks.Callback):
            raise FatalTypeError(
                f"Invalid value received for argument `callbacks`. Expected Keras callbacks, or a function that "
                f"returns a list of them. Received: {one!r}"
            )
    return made


class DerivedTraining:
    """How derived networks are trained from scratch.

    Args:
        space: the search space.
        input_shape, num_classes: of the data.
        epochs: Defaults to 10.
        batch_size: Defaults to 64; fewer where there are fewer samples.
        compile: function that compiles the network it is given. Defaults to None: SGD with Nesterov momentum 0.9,
            from 0.1 to 0 by a cosine, sparse categorical cross-entropy from logits, accuracy.
        options: further arguments of the space's `build_network`, such as `filters`. Defaults to None.
    """

    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        epochs: int = 10,
        batch_size: int = 64,
        compile: Callable[[keras.Model], None] | None = None,
        options: dict[str, Any] | None = None,
    ):
        self.space, self.input_shape, self.num_classes = space, tuple(input_shape), num_classes
        self.epochs = checks.integer("retrain_epochs", epochs, 1)
        self.batch_size = checks.integer("retrain_batch_size", batch_size, 1)
        self.compile, self.options = compile, dict(options or {})

    def settings(self) -> dict[str, Any]:
        """What its results depend on, as far as JSON knows it."""
        return {"epochs": self.epochs, "batch_size": self.batch_size, "options": json.loads(json.dumps(self.options))}

    def build(self, genotype: Genotype, steps: int, seed: int) -> keras.Model:
        """The compiled network of `genotype`, for a training of so many steps."""
        options: dict[str, Any] = {"seed": seed, **self.options}
        model = self.space.build_network(genotype, self.input_shape, self.num_classes, **options)
        if self.compile is not None:
            self.compile(model)
            return require_compiled(model, "The function given as `retrain_compile`")
        model.compile(
            keras.optimizers.SGD(
                keras.optimizers.schedules.CosineDecay(0.1, steps), momentum=0.9, nesterov=True, global_clipnorm=5.0
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,  # XLA's depthwise convolutions are far slower on a CPU
        )
        return model

    def reported(self, data: SearchData) -> list[str]:
        """The names of what a trained network reports; found out with a few samples and without a graph."""
        model = self.build(self.space.sample(np.random.default_rng(0)), 1, 0)
        model.run_eagerly = True
        values = model.evaluate(data.x_val[:2], data.y_val[:2], verbose=0, return_dict=True)
        return [f"val_{name}" for name in values]

    def run(
        self,
        genotype: Genotype,
        data: SearchData,
        folder: Path,
        seed: int,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int = 0,
        scope: Any = None,
    ) -> dict[str, float]:
        """Train, from the last checkpoint in `folder` on; write the network there; return what `data` say of it.

        Raises:
            NonFiniteError: if the loss stops being finite.
        """
        batches = ArrayBatches(data.x, data.y, min(self.batch_size, len(data.x)), seed=seed, augment=augment)
        checkpoint = TrainingCheckpoint(folder / "retrain", keep=1)
        with scope if scope is not None else contextlib.nullcontext():
            model = self.build(genotype, len(batches) * self.epochs, seed)
            epoch = checkpoint.restore(model)
        follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
        if epoch < self.epochs:
            model.fit(
                batches,
                epochs=self.epochs,
                initial_epoch=epoch,
                shuffle=False,
                verbose=verbose,
                validation_data=(data.x_val, data.y_val),
                callbacks=[follow, NonFiniteGuard(), *fresh_callbacks(callbacks), checkpoint],
            )
        values = model.evaluate(data.x_val, data.y_val, batch_size=256, verbose=0, return_dict=True)
        with atomic_path(folder / MODEL) as temporary:
            model.save(temporary)
        metrics = {f"val_{name}": float(value) for name, value in values.items()}
        return {**metrics, "parameters": float(model.count_params())}
