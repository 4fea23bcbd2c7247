"""Regression in three lines: numbers of images, with `fit` and `predict`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.deployment.estimator import Estimator
from kerasnas.deployment.predictions import evaluate
from kerasnas.deployment.samples import Samples
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.modalities import modality
from kerasnas.tasks import Regression


class ImageRegressor(Estimator):
    """The best network that estimates numbers from images in the time you give: `kerasnas search` as an estimator.

    The labels of `fit` are numbers, an array `(samples,)` or `(samples, numbers)`. They are standardized for the
    training; the network answers them as they were given.

    Args:
        minutes, folder, test_split, log, settings: as for `ImageClassifier`.

    Raises:
        TypeError: for a setting that does not exist.
        ValueError: for one that is out of range.

    Example:

        regressor = kerasnas.ImageRegressor(minutes=10).fit(frames, angles)
        regressor.predict("new_frames/")             # numbers
        regressor.score(other_frames, other_angles)  # the share of the variance that is explained
    """

    settings: RaceConfig
    _single = False

    def __init__(
        self,
        minutes: float = 0.0,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Callable[[str], Any] = print,
        **settings: Any,
    ):
        config = RaceConfig(minutes=minutes, **settings)
        super().__init__(config, Samples(modality("images"), config), folder, test_split, log)

    def predict(self, x: Any) -> np.ndarray:
        """The numbers of each image: an array `(samples, numbers)`, or `(samples,)` where `fit` was given such.

        Args:
            x: raw images, an array like that of `fit`; or the path of an image file, of a folder of them, or a list of
                paths.

        Raises:
            ValueError: before `fit`; if a file cannot be read as an image.
        """
        found = self.answers(x)
        return found[:, 0] if self._single else found

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """The explained share of the variance `"r2"`, `"mae"`, `"rmse"`, and the loss on standardized numbers.

        Args:
            x: raw images; or the name or the path of a dataset, of which the test part counts.
            y: numbers, as for `fit`.
        """
        task = self._fitted().task
        assert isinstance(task, Regression)  # nothing else is read
        if isinstance(x, str | os.PathLike):
            return evaluate(self.run, os.fspath(x))
        x, y = self._kind.arrays(x, y, self._fitted())
        y = y[:, None] if y.ndim == 1 else y
        task.check(y, len(task.scale), "test")
        return task.evaluation(self.answers(x), task.prepared(y))

    def score(self, x: Any, y: Any = None) -> float:
        """The share of the variance that is explained; as `evaluate`."""
        return self.evaluate(x, y)["r2"]

    def _check_task(self) -> None:
        if self.settings.task not in ("auto", "regression"):
            raise ValueError(checks.invalid("task", "'regression', as this is a regressor", self.settings.task))
        self.settings = dataclasses.replace(self.settings, task="regression")

    def _parts(self, x: Any, y: Any, test_data: Any) -> dict[str, np.ndarray]:
        """The arrays of a dataset; `labels` is 0 where `y` has no axis of numbers, and else their numbers."""
        x, y = self._kind.arrays(x, y)
        test = self._test_arrays(test_data, x)
        single = y.ndim == 1
        y = y[:, None] if single else y
        if test is not None:
            test = test[0], test[1][:, None] if test[1].ndim == 1 else test[1]
        for part in (y, *(() if test is None else test[1:])):
            Regression().check(part, y.shape[1])
        labels = np.array(0) if single else np.arange(y.shape[1])
        named = {"classes": np.arange(y.shape[1]).astype(str), "labels": labels, "task": np.array("regression")}
        return {**self._split(Regression(), x, y, test), **named}

    def _named(self, names: np.ndarray) -> None:
        self._single = names.ndim == 0 or (len(names) == 1 and names.dtype.kind not in "iu")
