"""Estimators by what they take and what they make: anything, images, texts, graphs; classes, labels, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.datasets import GraphDataset
from kerasnas.datasets.graph_files import graph_arrays
from kerasnas.deployment.estimator import Estimator
from kerasnas.deployment.predictions import evaluate, labeled_data
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.runs.folder import RunFolder


class ProbabilityEstimator(Estimator):
    """An estimator that answers probabilities."""

    @property
    def classes_(self) -> np.ndarray:
        """The classes, as `fit` was given them; of a table of labels, the numbers of its columns."""
        self._fitted()
        return self._labels

    def predict_proba(self, x: Any = None) -> np.ndarray:
        """Return the probability of each of `classes_` for each sample, `(samples, classes)`; `x` as for `predict`."""
        return self.answers(x)


class AutoClassifier(ProbabilityEstimator):
    """The best classifier for your data in the time you give, whatever they are: `kerasnas search` as an estimator.

    What the samples are, `fit` finds out: paths and pictures are images, strings texts, frames tables, unless a column
    is named as those of texts (`text`, `review`) or of files (`path`, `image`). Of arrays, `(samples, columns)` are
    rows of a table, others images; for series there is `SignalClassifier`, for graphs `GraphClassifier`. Labels and
    `settings` are those of `ImageClassifier`.

    Example:

        classifier = kerasnas.AutoClassifier(minutes=5).fit("my_data/")
        classifier.result["dataset"]["modality"]     # what they were taken for
    """

    takes = ""


class AutoRegressor(Estimator):
    """The best network that estimates numbers from your data in the time you give, whatever they are.

    As `AutoClassifier`, with labels like those of `ImageRegressor`.

    Example:

        regressor = kerasnas.AutoRegressor(minutes=5).fit(frame, prices)
    """

    takes, makes = "", "regressor"


class ImageClassifier(ProbabilityEstimator):
    """The best image classifier for your data in the time you give: `kerasnas search` as an estimator.

    The labels of `fit` are numbers or names, an array `(samples,)`; or, for any number of labels an image, a table of 0
    and 1, `(samples, labels)`. `settings` are those of `kerasnas.methods.RaceConfig`: `cpu_minutes`, `max_parameters`,
    `ensemble`, `task`, `seed` and others.

    Example:

        classifier = kerasnas.ImageClassifier(minutes=10).fit("my_images/")
        classifier.predict("photos/")                # names of classes
        classifier.model.save("model.keras")         # plain Keras: raw images in, probabilities out
    """


class ImageRegressor(Estimator):
    """The best network that estimates numbers from images in the time you give: `kerasnas search` as an estimator.

    The labels of `fit` are numbers, an array `(samples,)` or `(samples, numbers)`. They are standardized for the
    training; the network answers them as they were given.

    Example:

        regressor = kerasnas.ImageRegressor(minutes=10).fit(frames, angles)
        regressor.predict("new_frames/")             # numbers
        regressor.score(other_frames, other_angles)  # the share of the variance that is explained
    """

    makes = "regressor"


class TableClassifier(ProbabilityEstimator):
    """The best classifier of rows of numbers and categories in the time you give: networks, a line, boosted trees.

    `fit` takes an array `(samples, columns)` or a frame, and labels like those of `ImageClassifier`; or a frame with a
    column of labels, named as the setting `target` says. A logistic regression and boosted trees are part of the model,
    as standard Keras layers; rows that the race holds out say how much they and the network count.
    `result["race"]["references"]` has the test scores of the two alone.

    Example:

        classifier = kerasnas.TableClassifier(minutes=1).fit(frame, labels)
        classifier.predict(other_frame)              # names of classes
    """

    takes = "tables"


class TableRegressor(Estimator):
    """The best model that estimates numbers from rows in the time you give: networks, a line, boosted trees.

    As `TableClassifier`, with labels like those of `ImageRegressor`.

    Example:

        regressor = kerasnas.TableRegressor(minutes=1).fit(frame, prices)
        regressor.score(other_frame, other_prices)   # the share of the variance that is explained
    """

    takes, makes = "tables", "regressor"


class TextClassifier(ProbabilityEstimator):
    """The best classifier of your texts in the time you give: `kerasnas search` as an estimator.

    The labels of `fit` are those of `ImageClassifier`. The vocabulary is that of the training texts and lies inside the
    network, as does a linear model of words and pairs of words, or of runs of up to 4 characters; the texts that the
    race holds out say how much it counts. Further `settings` are `text_words`, `text_length` and `tokens`.

    Example:

        classifier = kerasnas.TextClassifier(minutes=2).fit(texts, labels)
        classifier.predict(["a fine film", "dull"])  # names of classes
        classifier.model.save("model.keras")         # plain Keras: raw strings in, probabilities out
    """

    takes = "texts"


class TextRegressor(Estimator):
    """The best network that estimates numbers from your texts in the time you give: `kerasnas search` as an estimator.

    As `TextClassifier`, with labels like those of `ImageRegressor`.

    Example:

        regressor = kerasnas.TextRegressor(minutes=2).fit(reviews, stars)
    """

    takes, makes = "texts", "regressor"


class SignalClassifier(ProbabilityEstimator):
    """The best classifier of your series in the time you give: `kerasnas search` as an estimator.

    `fit` takes series of one length, an array `(samples, length)` or `(samples, length, channels)`; shorter ones end in
    NaN. A linear model of random convolutional kernels lies inside the network; the series that the race holds out say
    how much it counts. The labels are those of `ImageClassifier`.

    Example:

        classifier = kerasnas.SignalClassifier(minutes=2).fit(heartbeats, labels)
        classifier.predict(new_heartbeats)           # names of classes
    """

    takes = "signals"


class SignalRegressor(Estimator):
    """The best network that estimates numbers from your series in the time you give: `kerasnas search` as an estimator.

    As `SignalClassifier`, with labels like those of `ImageRegressor`.

    Example:

        regressor = kerasnas.SignalRegressor(minutes=2).fit(vibrations, hours_left)
    """

    takes, makes = "signals", "regressor"


class GraphClassifier(ProbabilityEstimator):
    """The classes of a graph's nodes, in the time you give: `kerasnas search graph.npz` as an estimator.

    Networks with initial weights get a classifier that is solved for on the training nodes (`ReadoutScore`), and
    `PredictorSearch` looks for those that are best on the validation nodes. The result is their mixture with a logistic
    regression on features that were propagated along the edges; validation nodes decide how much each counts, and
    whether predictions are smoothed along the edges. `settings` are those of `kerasnas.methods.GraphConfig`:
    `cpu_minutes`, `evaluations`, `members`, `seed` and others.

    `fit` takes a `kerasnas.datasets.GraphDataset`, or its path, and no further labels or test data: the graph has
    them. `predict` and `predict_proba` answer for all nodes, from features `(nodes, features)`, by default those of
    `fit`.

    Example:

        classifier = kerasnas.GraphClassifier(minutes=1).fit("cora.npz")
        classifier.predict()                         # the class of each node, by name
        classifier.evaluate()                        # accuracy of the test nodes
        classifier.model.save("model.keras")         # features of all nodes in, probabilities out
    """

    takes, config = "graphs", GraphConfig

    def answers(self, x: Any = None) -> np.ndarray:
        network = self._fitted()
        return super().answers(labeled_data(RunFolder.open(self.run), network, self._data).x if x is None else x)

    def evaluate(self, x: None = None, y: None = None) -> dict[str, Any]:
        """Return accuracy, its 95 % interval and loss on the test nodes, as `kerasnas.deployment.evaluate`."""
        self._fitted()
        return evaluate(self.run, self._data)

    def _arrays(self, x: Any, y: Any, test_data: Any, sample_weight: Any = None) -> dict[str, np.ndarray]:
        for name, value in (("y", y), ("test_data", test_data), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(checks.invalid(name, "None, as a graph has its labels and its test nodes", value))
        return graph_arrays(
            checks.instance("x", x, GraphDataset, "a `kerasnas.datasets.GraphDataset`, or the path of one")
        )
