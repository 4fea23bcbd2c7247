"""The search in three lines: classifiers of images and of texts with `fit` and `predict`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.deployment.estimator import Estimator
from kerasnas.deployment.predictions import evaluate
from kerasnas.deployment.samples import Samples
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.modalities import modality
from kerasnas.spaces import SPACES
from kerasnas.tasks import CLASSIFICATION, MULTILABEL, task_of_labels


class LabelEstimator(Estimator):
    """An estimator of classes, or of any number of labels: see `ImageClassifier` and `TextClassifier`."""

    settings: RaceConfig | SearchConfig
    classes_: np.ndarray = np.array([])

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each sample, as `fit` was given it: an array `(samples,)`.

        Of several labels a table of 0 and 1, `(samples, labels)`: those that are more probable than not.

        Args:
            x: raw images, an array like that of `fit`; or the path of an image file, of a folder of them, or a list of
                paths. Of a classifier of texts a text, or several.

        Raises:
            ValueError: before `fit`; if a file cannot be read as an image.
        """
        probabilities = self.predict_proba(x)
        if self._several:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, x: Any) -> np.ndarray:
        """The probability of each of `classes_` for each sample, `(samples, classes)`; `x` as for `predict`."""
        return self.answers(x)

    def evaluate(self, x: Any, y: Any = None) -> dict[str, Any]:
        """Accuracy and loss on labeled data; of several labels, `"f1"` and `"exact"` too.

        Args:
            x: raw images, or texts; or the name or the path of a dataset, of which the test part counts.
            y: labels, as for `fit`.

        Returns:
            `"accuracy"` and `"loss"`; of a dataset, all that `kerasnas.deployment.evaluate` returns.
        """
        self._fitted()
        if isinstance(x, str | os.PathLike):
            return evaluate(self.run, os.fspath(x))
        x, y = self._kind.arrays(x, y, self._fitted())
        task = self._fitted().task
        return task.evaluation(self.predict_proba(x), task.given(y, self.classes_))

    def score(self, x: Any, y: Any = None) -> float:
        """The accuracy on labeled data, or the micro-averaged F1 of several labels; as `evaluate`."""
        return self.evaluate(x, y)[self._fitted().task.metric]

    @property
    def _several(self) -> bool:
        return self._fitted().task.name == "multilabel"

    def _check_task(self) -> None:
        if self.settings.task == "regression":
            raise ValueError("A classifier has no task 'regression'. Use `kerasnas.ImageRegressor`.")

    def _parts(self, x: Any, y: Any, test_data: Any) -> dict[str, np.ndarray]:
        """The arrays of a dataset, the classes by number, and `labels`, what each of these stands for."""
        x, y = self._kind.arrays(x, y)
        test = self._test_arrays(test_data, x)
        whole = y.dtype.kind == "f" and y.ndim == 1  # classes all the same, as scikit-learn has them
        task = self.settings.task
        task = ("classification" if whole else task_of_labels(y)) if task == "auto" else task
        if task == "regression":
            raise ValueError(
                checks.invalid("y", "classes, or a table of 0 and 1 (`ImageRegressor` has numbers)", y[:2])
            )
        if task == "multilabel":
            labels = np.arange(y.shape[-1])
            named = {"classes": labels.astype(str), "labels": labels, "task": np.array(task)}
            for part in (y, *(() if test is None else test[1:])):
                MULTILABEL.check(part, len(labels))
            return {**self._split(MULTILABEL, x, y.astype("int64"), test), **named}
        numbers, test_y, labels = CLASSIFICATION.encoded(y, None if test is None else test[1])
        named = {"classes": labels.astype(str), "labels": labels}
        test = None if test is None or test_y is None else (test[0], test_y)
        return {**self._split(CLASSIFICATION, x, numbers, test), **named}

    def _named(self, names: np.ndarray) -> None:
        self.classes_ = names


class ImageClassifier(LabelEstimator):
    """The best image classifier for your data in the time you give: `kerasnas search` as an estimator.

    The labels of `fit` are numbers or names, an array `(samples,)`; or, for any number of labels an image, a table of 0
    and 1, `(samples, labels)`.

    Args:
        minutes: the budget of `fit`, for everything. Defaults to 5.
        folder: where the run is kept, in `run`, and arrays that were given, in `data.npz`. Defaults to None: a
            temporary folder, which lives as long as this object; `save` copies it.
        test_split: share of the samples of `fit` that is kept for the one evaluation at the end, where no test data are
            given. Defaults to 0.1.
        log: called with each line of progress. Defaults to `print`.
        **settings: further fields of `kerasnas.methods.RaceConfig`: `cpu_minutes`, `max_parameters`, `ensemble`,
            `task`, `seed` and others.

    Attributes:
        classes_: the classes, as `fit` was given them; of a table, the numbers of its columns.

    Raises:
        TypeError: for a setting that does not exist.
        ValueError: for one that is out of range.

    Example:

        classifier = kerasnas.ImageClassifier(minutes=10).fit("my_images/")
        classifier.predict("photos/")                # names of classes
        classifier.model.save("model.keras")         # plain Keras: raw images in, probabilities out
    """

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


class TextClassifier(LabelEstimator):
    """A searched network for your texts: `kerasnas search --space=text` as an estimator.

    The labels of `fit` are numbers or names, `(samples,)`; or, for any number of labels a text, a table of 0 and 1,
    `(samples, labels)`. The vocabulary is that of the training texts, and lies inside the network. So does a linear
    model of words and pairs of words, or of runs of up to 4 characters: a tenth of the texts decides how much it counts
    beside the searched network.

    Args:
        folder: where the run is kept, in `run`, and texts that were given, in `data.npz`. Defaults to None: a temporary
            folder, which lives as long as this object; `save` copies it.
        test_split: share of the texts of `fit` that is kept for the one evaluation at the end, where no test data are
            given. Defaults to 0.1.
        log: called with each line of progress. Defaults to `print`.
        **settings: further fields of `kerasnas.methods.SearchConfig`: `text_words`, `text_length`, `tokens`, `ngrams`,
            `epochs`, `retrain_epochs`, `task`, `seed` and others. Their defaults are those of the space:
            `TextSpace.defaults`.

    Attributes:
        classes_: the classes, as `fit` was given them; of a table, the numbers of its columns.

    Raises:
        TypeError: for a setting that does not exist.
        ValueError: for one that is out of range, and for a space of other samples.

    Example:

        classifier = kerasnas.TextClassifier().fit(texts, labels)
        classifier.predict(["a fine film", "dull"])  # names of classes
        classifier.model.save("model.keras")         # plain Keras: raw strings in, probabilities out
    """

    def __init__(
        self,
        folder: str | os.PathLike | None = None,
        test_split: float = 0.1,
        log: Callable[[str], Any] = print,
        **settings: Any,
    ):
        config = SearchConfig.suited(**{"space": "text", **settings})
        if not modality("texts").fits(SPACES[config.space]):
            raise ValueError(checks.invalid("space", "a space of texts", config.space))
        super().__init__(config, Samples(modality("texts"), config), folder, test_split, log)
