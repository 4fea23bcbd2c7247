"""Tasks keep their contract; metrics and scores by hand; which task labels and losses are of."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score, r2_score

from kerasnas import ImageClassifier
from kerasnas.reporting.predictions import evaluation_text
from kerasnas.tasks import TASKS
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL, task_of, task_of_labels, task_of_loss
from kerasnas.tasks.regression import Regression
from kerasnas.testing import check_task

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal([3.0, -1.0], [2.0, 0.1], (50, 2))
REGRESSION = Regression.fitted(NUMBERS)
STANDARDIZED = REGRESSION.prepared(NUMBERS)
LABELS = (RNG.random((50, 3)) < 0.4).astype("float32")


@pytest.mark.parametrize("name", TASKS)
def test_registered_tasks_keep_the_contract(name):
    check_task(name)


@dataclasses.dataclass(frozen=True)
class _Broken(Regression):
    """A regression with one method replaced."""


def broken(**methods):
    return type("Broken", (_Broken,), methods)()


@pytest.mark.parametrize(
    ("methods", "promise"),
    [
        ({"layer": lambda self: keras.layers.Identity()}, "does not compute `answers`"),
        ({"scores": lambda self, outputs, y: np.full(len(y), 2.0)}, "`scores` of at most 1"),
        ({"linear_loss": lambda self, outputs, targets: (0.0, outputs - targets)}, "gradient of `linear_loss`"),
        ({"raw": lambda self, y: y}, "`raw` is not the inverse"),
        ({"check": lambda self, *args, **kwargs: None}, "accepts labels that are wrong"),
        ({"evaluation": lambda self, answers, y: {"loss": 0.0}}, r"lacks \['mae', 'r2', 'rmse'\]"),
        ({"metric_is_mean": True, "metric": "mae"}, "`metric_is_mean`"),
        pytest.param({"words": ""}, "expected a text as `words`", marks=pytest.mark.slow),
        pytest.param({"deployed_as": "oracle"}, "deployed as 'oracle'", marks=pytest.mark.slow),
        pytest.param({"same": lambda self, first, second: first[:, 0] < 0}, "`same`", marks=pytest.mark.slow),
        ({"layer": lambda self: type("Layer", (keras.layers.Identity,), {})()}, "not one of Keras"),
    ],
)
def test_a_broken_task_is_named_with_its_promise(methods, promise):
    with pytest.raises(AssertionError, match=promise):
        check_task(broken(**methods))


def test_unknown_tasks_are_named_with_the_nearest():
    with pytest.raises(AssertionError, match="No task is registered as 'regresion'"):
        check_task("regresion")
    with pytest.raises(ValueError, match="Did you mean 'regression'"):
        task_of({"name": "regresion"})
    with pytest.raises(ValueError, match="Did you mean 'offset'"):
        task_of({"name": "regression", "ofset": [1.0]})


def test_metrics_are_those_of_scikit_learn():
    outputs, y = RNG.normal(size=(50, 3)), LABELS
    found = MULTILABEL.evaluation(MULTILABEL.answers(outputs), y)
    assert found["f1"] == pytest.approx(f1_score(y, outputs > 0, average="micro"))
    assert found["exact"] == np.mean(((outputs > 0) == (y > 0.5)).all(axis=1))
    outputs, y = RNG.normal(size=(50, 2)), STANDARDIZED
    found = REGRESSION.evaluation(REGRESSION.answers(outputs), y)
    assert found["r2"] == pytest.approx(r2_score(NUMBERS, REGRESSION.answers(outputs)))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((NUMBERS - REGRESSION.answers(outputs)) ** 2)))


def test_a_network_that_answers_the_mean_scores_nothing():
    assert REGRESSION.scores(np.zeros((50, 2)), STANDARDIZED).mean() == pytest.approx(0, abs=1e-9)
    assert REGRESSION.chance(STANDARDIZED) == 0


@pytest.mark.parametrize("weights", [None, np.array([1.0, 1, 1, 1, 4, 4])])
def test_a_network_that_answers_the_most_frequent_class_scores_by_chance(weights):
    """By weight, the two samples of the last class are the most frequent."""
    y, most = np.array([0, 0, 0, 1, 2, 2]), 0 if weights is None else 2
    scores = CLASSIFICATION.metric_scores(np.tile(np.eye(3)[most], (6, 1)), y, weights)
    assert CLASSIFICATION.metric_chance(y, 3, weights) == pytest.approx(scores.mean())
    labels = np.array([[1, 0]] * 4 + [[0, 1]] * 2)
    scores = MULTILABEL.metric_scores(np.tile([1.0, -1.0] if weights is None else [-1.0, 1.0], (6, 1)), labels, weights)
    assert MULTILABEL.metric_chance(labels, 2, weights) == pytest.approx(scores.mean())


def test_intervals_are_those_of_the_binomial_distribution():
    answers = np.tile([[0.9, 0.1], [0.1, 0.9]], (200, 1))
    low, high = CLASSIFICATION.interval(answers, np.zeros(400, int))
    assert (low, high) == pytest.approx((0.451, 0.549), abs=0.012)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([0, 4, 2]), "classification"),
        (np.array(["a", "b"]), "classification"),
        (np.array([[1], [0]]), "classification"),
        (np.array([[1, 0, 1], [0, 0, 0]]), "multilabel"),
        (np.array([0.5, 1.0]), "regression"),
        (np.array([[0.5, 2], [3, 4]]), "regression"),
        (np.array([[2, 2], [3, 4]]), "regression"),
    ],
)
def test_task_of_labels(y, expected):
    assert task_of_labels(y) == expected


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.array([[1, 0], [0, 1]]), 'argmax.*task="multilabel"'),
        (np.array([1.0, 2.0]), 'astype.*task="regression"'),
        (np.array([[None]]), "class numbers, a table of 0 and 1, or numbers"),
        (np.zeros((2, 2, 2)), "class numbers, a table"),
    ],
)
def test_labels_that_may_be_several_things_are_asked_about(y, words):
    with pytest.raises(ValueError, match=words):
        task_of_labels(y)


@pytest.mark.parametrize(
    ("loss", "y", "expected"),
    [
        ("binary_crossentropy", np.zeros((2, 3)), "multilabel"),
        (keras.losses.BinaryCrossentropy(), np.zeros((2, 3)), "multilabel"),
        (keras.losses.Huber(), None, "regression"),
        (keras.losses.mean_absolute_error, None, "regression"),
        (lambda y, found: 0.0, np.array([0.5]), "regression"),
        (lambda y, found: 0.0, np.array([1]), "classification"),
        (keras.losses.SparseCategoricalCrossentropy(), np.array([1]), "classification"),
        (None, np.array([1]), "classification"),
    ],
)
def test_task_of_loss(loss, y, expected):
    assert task_of_loss(loss, y).name == expected


@pytest.mark.parametrize(
    ("task", "outputs", "y"),
    [
        (CLASSIFICATION, 3, np.array([0, 3])),
        (CLASSIFICATION, 3, np.array([-1, 0])),
        (MULTILABEL, 3, np.array([[0, 2, 0]])),
        (MULTILABEL, 3, np.array([0, 1])),
        (Regression(), 2, np.array([[0.0]])),
    ],
)
def test_labels_of_another_kind_are_refused(task, outputs, y):
    with pytest.raises(ValueError, match="`labels`"):
        task.check(y, outputs, argument="labels")


def test_strata_share_rare_labels_and_the_range_of_numbers():
    y = np.zeros((40, 3))
    y[:, 0], y[:4, 1] = 1, 1
    strata = MULTILABEL.strata(y)
    assert (strata[:4] == 1).all() and (strata[4:] == 0).all()
    assert MULTILABEL.strata(np.zeros((2, 3))).tolist() == [3, 3]
    numbers = RNG.permutation(np.linspace(0, 1, 100))[:, None]
    tenths = Regression().strata(numbers)
    assert sorted(set(tenths.tolist())) == list(range(10))
    assert numbers[tenths == 9].min() > numbers[tenths == 8].max()
    assert set(Regression().strata(numbers[:4]).tolist()) == {0}
    # Groups are kept whole: of a classification with its classes in equal shares, of other tasks at random.
    assert CLASSIFICATION.group_strata(np.array([2, 0])).tolist() == [2, 0]
    assert set(Regression().group_strata(numbers).tolist()) == {0}


def test_evaluations_in_words_name_the_worst_label_first():
    y = np.array([[1, 0], [1, 1], [0, 1]])
    answers = np.array([[0.9, 0.9], [0.8, 0.1], [0.2, 0.3]])
    record = json.loads(json.dumps(MULTILABEL.summary(answers, y, ["red", "blue"], "colors")))
    lines = evaluation_text(record).splitlines()
    assert lines[0].startswith("colors: micro-F1 57.14 % on 3 samples (95 % interval")
    assert lines[1:] == ["  blue  precision 0, recall 0, f1 0 of 2", "  red   precision 1, recall 1, f1 1 of 2"]


def test_outputs_are_renamed_by_name():
    assert REGRESSION.renamed(np.array([[1, 2]]), ["a", "b"], ["b"], "data").tolist() == [[2]]
    assert CLASSIFICATION.renamed(np.array([0, 1]), ["a", "b"], ["c", "b", "a"], "data").tolist() == [2, 1]
    with pytest.raises(ValueError, match="data lacks 'c'"):
        REGRESSION.renamed(np.array([[1, 2]]), ["a", "b"], ["c"], "data")
    with pytest.raises(ValueError, match="does not know class 'b' of data"):
        CLASSIFICATION.renamed(np.array([0]), ["a", "b"], ["a"], "data")


def test_mistakes_are_the_worst_first():
    true = np.array([[1, 1], [0, 0], [1, 0]])
    found = MULTILABEL.mistakes(np.array([[0.4, 0.4], [0.4, 0.9], [0.9, 0.1]]), true)
    assert [(one["index"], one["label"], one["taken_for"]) for one in found] == [(0, [0, 1], []), (1, [], [1])]
    task = Regression((0.0, 0.0), (1.0, 100.0))
    found = task.mistakes(np.array([[1.0, 0.0], [0.0, 50.0]]), np.zeros((2, 2)), number=1)
    assert found == [{"index": 0, "label": [0.0, 0.0], "taken_for": [1.0, 0.0]}]  # 50 is half a deviation


def test_numbers_of_one_axis_are_predicted_as_such():
    y, _, labels = Regression.encoded(np.array([1.0, 2.0]), None)
    assert y.shape == (2, 1) and REGRESSION.predicted(y, labels).shape == (2,)
    assert REGRESSION.predicted(y, Regression.encoded(NUMBERS, None)[2]).shape == (2, 1)


def test_a_cloned_estimator_keeps_its_task():
    assert clone(ImageClassifier(task="multilabel")).get_params()["task"] == "multilabel"


def test_a_confusion_matrix_has_a_row_for_each_true_class():
    found = CLASSIFICATION.evidence(np.eye(3)[[0, 2, 1, 1]], np.array([0, 0, 1, 2]))
    assert found["confusion"] == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
