"""Task: what a network predicts of a sample, and all that follows from it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import keras
import numpy as np

from kerasnas import checks
from kerasnas.intervals import mean_interval
from kerasnas.registry import Registry
from kerasnas.tasks.labels import TaskLabels
from kerasnas.tasks.metrics import Metric
from kerasnas.tasks.readings import NumberReading, Reading
from kerasnas.tasks.words import TaskWords

SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest probability or rate whose logarithm is taken."""
PENALTY = 10.0  # of the baseline's support vector machines
MISTAKES, _RESIDUALS = 12, 500  # samples, and points of a chart, that a report shows
_RESAMPLED = 400  # draws of a bootstrap interval
_STRATA, _FEWEST = 10, 5  # parts of equal size, and samples in one

TASKS = Registry("task")
"""The tasks by name; a new one registers its class here."""
Loss = Callable[[Any, Any], Any]


def task_class(name: str) -> type[Task]:
    """Return the class that is registered for a name; an unknown name is an error with the nearest one."""
    return cast("type[Task]", TASKS[name])


def recognizing() -> list[type[Task]]:
    """Return all tasks in the order in which they are asked for labels: those that recognize any numbers last."""
    return sorted(map(task_class, TASKS), key=lambda task: task.asked_last)


@dataclasses.dataclass(frozen=True)
class Task(TaskLabels, TaskWords, abc.ABC):
    """A kind of prediction, and all that follows from it. What is not abstract suits numbers on their own scale.

    Networks have as many outputs as there are classes, labels or numbers, without an activation: `outputs` below.
    `answers` are what a deployed model makes of them. Labels `y` are `(samples, outputs)` in the form that networks
    learn; `raw` labels are those that users have. Subclasses are frozen dataclasses whose fields are their
    configuration, registered in `TASKS`; `kerasnas.testing.check_task` checks them.

    Args:
        metric: one of `known_metrics`, which states results and chooses between networks. Defaults to "": the task's
            own, as for "auto".

    Attributes:
        known_metrics: metrics by name, other than the task's own. Defaults to none.
        score_metric: the entry of `evaluation` that is nearest to the mean of `scores`. Defaults to `metric`.
        metric_is_mean: True if the metric is the mean of `scores`. Defaults to False.
        least_score: the lowest mean score. Defaults to None: there is none.
        deployed_as: `"classifier"` or `"regressor"`: the kind of estimator, and the name of the deployed model.
        deployed: the loss and the metrics that the deployed model is compiled with, known to Keras by name.
        logits: True if outputs are log odds, and labels 0 and 1 for each: linear models then learn -1 and 1, and ratios
            of counts (NB-SVM). Defaults to False.
        losses: how the names of losses for such labels begin, lowercase, without `_`.

    The attributes of `TaskWords` are its texts.
    """

    metric: str = dataclasses.field(default="", kw_only=True, repr=False)

    known_metrics: ClassVar[Mapping[str, Metric]] = {}
    score_metric: ClassVar[str] = ""
    metric_is_mean: ClassVar[bool] = False
    least_score: ClassVar[float | None] = None
    deployed_as: ClassVar[str] = "regressor"
    deployed: ClassVar[tuple[str, Sequence[str]]] = ("mean_squared_error", ("mae",))
    logits: ClassVar[bool] = False
    losses: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.score_metric = cls.score_metric or getattr(cls, "metric", "")
        cls.score_words = cls.score_words or getattr(cls, "words", "")

    def __post_init__(self) -> None:
        own = type(self).metric
        checks.instance("metric", self.metric, str, "the name of a metric")
        if self.metric in ("", "auto", own):
            object.__setattr__(self, "metric", own)
            return
        if self.metric not in self.known_metrics:
            hint = checks.nearest(self.metric, {own, *self.known_metrics})
            raise ValueError(checks.invalid("metric", f"a metric of {self.name}", self.metric, hint))
        chosen = self.known_metrics[self.metric]
        words = dict.fromkeys(("words", "score_words"), chosen.words) | {"scored_on": f"{chosen.words} on the"}
        further = {name: words for name, words in {own: self.words, **self.further}.items() if name != self.metric}
        values = {"percent": chosen.percent, "further": further, "score_metric": self.metric, "metric_is_mean": False}
        for name, value in {**values, **words}.items():
            object.__setattr__(self, name, value)

    @property
    def chosen(self) -> Metric | None:
        """The metric in place of the task's own; None if there is none."""
        return self.known_metrics.get(self.metric)

    def merit(self, value: Any) -> Any:
        """Return the mean score that a value of the metric stands for, the inverse of `value_of`: higher is better."""
        return 1 - value / self._unit if self._unit else value

    def value_of(self, score: float) -> float:
        return self._unit * (1 - score) if self._unit else score

    @property
    def _unit(self) -> float:
        """The value of a metric of which lower is better at a score of 0; 0 of others."""
        return float(np.mean(getattr(self, "scale", 1.0))) if self.chosen and self.chosen.lower else 0.0

    def measures(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """Return `evaluation`, and the metric that was chosen."""
        found = self.evaluation(answers, y)
        return {**found, self.metric: self.chosen.value(answers, self.raw(y), None)} if self.chosen else found

    def metric_scores(self, outputs: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return scores whose mean is the merit of the metric, of samples that count by their weights.

        They are `scores`, times the weights, unless another metric was chosen; see `Metric.spread`.
        """
        if self.chosen:
            return self.merit(self.chosen.spread(self.answers(outputs), self.raw(y), self.strata(y), weights))
        scores = self.scores(outputs, y)
        return scores if weights is None else scores * (weights / weights.mean())

    def metric_chance(self, y: np.ndarray, outputs: int, weights: np.ndarray | None = None) -> float:
        """Return the merit of a network that has learned nothing of the samples."""
        if not self.chosen:
            return self.chance(y, weights)
        usual = (self.targets(y, outputs) if self.logits else self.raw(y)).mean(axis=0)
        return float(self.merit(self.chosen.value(np.tile(usual, (len(y), 1)), self.raw(y), None)))

    def unmeasured(self, y: np.ndarray, names: Sequence[str], samples: str) -> str:
        """Return a line on classes that `samples` lack and the metric is a mean over; empty where there is none."""
        members = zip(names, self.members(y, len(names)), strict=False)
        missing = ", ".join(f"'{name}'" for name, of in members if not of.any())
        if not missing or not self.chosen or not self.chosen.by_class:
            return ""
        return f"The {self.words} of the {samples} is {self.chosen.by_class}, as they lack {missing}."

    @classmethod
    def trained_by(cls, loss_name: str, y: np.ndarray | None) -> bool:
        """Return True if a loss of this name, lowercase without `_`, is one for these labels, where they are known."""
        return loss_name.startswith(cls.losses)

    @classmethod
    def of_loss(cls, loss: Any) -> Self:
        """Return the task whose outputs are trained by `loss`, for which `trained_by` is True."""
        return cls()

    @classmethod
    def fitted(cls, y: np.ndarray) -> Self:
        """Return the task for raw training labels, where it depends on them. Here: it does not."""
        return cls()

    @classmethod
    def prepare(cls, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray, Self]:
        """Return raw labels of training and test data in the form that networks learn, and the task fitted to them."""
        train, test = (cls.table(np.asarray(y)) for y in (train, test))
        for y, what in ((train, "train"), (test, "test")):
            cls().check(y, train.shape[-1], what)
        task = cls.fitted(train)
        return task.prepared(train).astype(cls.dtype), task.prepared(test).astype(cls.dtype), task

    @abc.abstractmethod
    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Return the loss of outputs; `label_smoothing`, a share spread over the other labels, may be ignored."""

    @abc.abstractmethod
    def metrics(self) -> list[Any]:
        """Return new metrics of outputs, for `compile`."""

    @abc.abstractmethod
    def scores(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return how right a network is about each sample, `(samples,)`: at best, the mean is 1."""

    def chance(self, y: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the mean score of a network that has learned nothing but what is most frequent. Here: 0."""
        return 0.0

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Return a number for each sample, of which both sides of a split get equal shares.

        Here: the tenth, or a larger part of few samples, that the first number lies in.
        """
        parts = max(1, min(_STRATA, len(y) // _FEWEST))
        ranks = np.argsort(np.argsort(np.asarray(y)[:, 0], kind="stable"), kind="stable")
        return ranks * parts // len(y)

    def group_strata(self, y: np.ndarray) -> np.ndarray:
        """As `strata`, for a split that keeps groups of samples whole. Here: none, so that groups fall at random."""
        return np.zeros(len(y), int)

    def strata_number(self, strata: np.ndarray, outputs: int) -> int:
        """Return how many strata there could be."""
        return int(strata.max()) + 1

    @abc.abstractmethod
    def layer(self) -> keras.layers.Layer:
        """Return the layer, a standard one of Keras, that makes answers of outputs."""

    @abc.abstractmethod
    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """Return what `layer` makes of outputs, as an array."""

    @abc.abstractmethod
    def evaluation(self, answers: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """Return `metric`, `"loss"` and all other metrics of answers."""

    @abc.abstractmethod
    def answer_loss(self, answers: np.ndarray) -> Loss:
        """Return the loss `(labels, answers) -> (samples,)` by which a deployed model with such answers is adapted."""

    def answer_scores(self, answers: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return how right each answer is for raw labels, at best 1."""
        return 1 - (self.deviation(answers, y) ** 2).mean(axis=1)

    def deviation(self, answers: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return how far answers are from others, in the units that errors count in."""
        return np.abs(np.asarray(answers, np.float64) - true)

    def same(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return for each sample whether two models that should be the same agree."""
        return np.asarray((self.deviation(first, second) <= 0.01).all(axis=1))

    def agreement(self, answers: np.ndarray, y: np.ndarray) -> float:
        """Return how well labels predict others, from 0 to 1. Here: the share of the variance that they explain."""
        variance = float(y.var(axis=0).sum())
        return max(0.0, 1 - float(((answers - y) ** 2).mean(axis=0).sum()) / variance) if variance else 0.0

    def typical(self, y: np.ndarray) -> Any:
        """Return the label that stands for those of one stratum."""
        return y.mean(axis=0)

    def interval(self, answers: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of `metric`, by 400 bootstrap samples that are drawn from `seed`.

        Of a metric that was chosen, by `Metric.spread`.
        """
        if self.chosen:
            values = self.chosen.spread(answers, self.raw(y), self.strata(y))
            value, half = mean_interval(values)
            least, most = (0.0, np.inf) if self._unit else (-np.inf, 1.0)
            return float(max(value - half, least)), float(min(value + half, most))
        rng = np.random.default_rng(checks.seed(seed))
        draws = (rng.integers(len(y), size=len(y)) for _ in range(_RESAMPLED))
        low, high = np.quantile(
            [self.evaluation(answers[rows], y[rows])[self.metric] for rows in draws], (0.025, 0.975)
        )
        return float(low), float(high)

    def reading(self, names: Sequence[Any], watched: Sequence[int] = ()) -> Reading:
        """Return how a drift monitor reads answers; see `Reading`."""
        return NumberReading(names, watched)

    def targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Return the targets of a linear model's outputs."""
        y = np.asarray(y)
        return y.reshape(len(y), -1).astype(float)

    def linear_losses(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return terms whose sum over each row is the loss of a sample, and its gradient with respect to outputs."""
        return 0.5 * np.square(outputs - targets), outputs - targets

    def linear_loss(
        self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
    ) -> tuple[float, np.ndarray]:
        """Return the sum of the loss over all samples, times their weights, and its gradient."""
        losses, gradient = self.linear_losses(outputs, targets)
        if weights is None:
            return float(losses.sum()), gradient
        return float((losses.sum(axis=1) * weights).sum()), gradient * weights[:, None]

    def ridge_targets(self, targets: np.ndarray) -> np.ndarray:
        """Return `targets` as a regression with squared errors fits them."""
        return 2 * targets - 1 if self.logits else targets

    def machine(self) -> Any:
        """Return the scikit-learn model that races compare with."""
        from sklearn.multioutput import MultiOutputRegressor
        from sklearn.svm import SVR

        return MultiOutputRegressor(SVR(C=PENALTY))

    def boosting(self, **settings: Any) -> Any:
        """Return scikit-learn's gradient boosting of one column of targets."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        return (HistGradientBoostingClassifier if self.logits else HistGradientBoostingRegressor)(**settings)

    def machine_score(self, predicted: np.ndarray, y: np.ndarray) -> float:
        """Return the mean score of what `machine` predicts."""
        return float(self.scores(predicted, y).mean())

    def mistakes(self, answers: np.ndarray, y: np.ndarray, number: int = MISTAKES) -> list[dict[str, Any]]:
        """Return the worst mistakes: `"index"`, `"label"` and `"taken_for"` of each, and its `"probability"` if any."""
        true = self.raw(y)
        order = np.argsort(-self.deviation(answers, true).max(axis=1), kind="stable")[:number]
        return [
            {"index": int(index), "label": true[index].tolist(), "taken_for": answers[index].tolist()}
            for index in order
        ]

    def true_in_words(self, y: np.ndarray, names: Sequence[str]) -> list[str]:
        """Return the label of each sample in words."""
        return [self.in_words(dict(zip(names, row, strict=True))) for row in self.raw(y).tolist()]

    def evidence(self, answers: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """Return further entries of the record of an evaluation. Here: `"residuals"`, true and found numbers."""
        shown = np.linspace(0, len(y) - 1, min(_RESIDUALS, len(y))).astype(int)
        return {"residuals": {"true": self.raw(y)[shown].tolist(), "found": answers[shown].tolist()}}

    def summary(self, answers: np.ndarray, y: np.ndarray, names: Sequence[str], dataset: str) -> dict[str, Any]:
        """Return the record of `kerasnas evaluate`."""
        found = {"dataset": dataset, "task": self.name, "samples": len(y), **self.measures(answers, y)}
        return {**found, "interval": list(self.interval(answers, y))}

    def members(self, y: np.ndarray, outputs: int) -> list[np.ndarray]:
        """Return the samples of each class or label, as masks. Here: none."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Return the configuration, from which `task_of` makes the task again."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if not self.chosen:
            del values["metric"]
        return {"name": self.name, **{key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}}

    def entry(self) -> dict[str, Any]:
        """Return `{"task": configuration}` for a record, in which a classification has none."""
        return {"task": self.get_config()}
