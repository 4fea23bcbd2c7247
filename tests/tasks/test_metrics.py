"""Metrics in place of a task's own: values of scikit-learn, scores whose mean they are, their words."""

import numpy as np
import pytest
from sklearn import metrics

from kerasnas.tasks import TASKS
from kerasnas.tasks.base import task_class
from kerasnas.tasks.classification import Classification
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.known import CLASSIFICATION, task_of
from kerasnas.tasks.multilabel import Multilabel
from kerasnas.tasks.regression import Regression

RNG = np.random.default_rng(0)
Y = np.repeat([0, 1, 2], [200, 80, 20])
OUTPUTS = RNG.normal(size=(300, 3)) + 1.5 * np.eye(3)[Y]
WEIGHTS = RNG.integers(0, 4, 300)
NUMBERS = RNG.normal(7, 3, (300, 2))
TABLE = (RNG.random((300, 3)) < 0.3).astype(int)


def probabilities(outputs):
    return CLASSIFICATION.answers(outputs)


EXPECTED = {  # metric -> its value for outputs and labels by scikit-learn
    "balanced_accuracy": lambda o, y: metrics.balanced_accuracy_score(y, o.argmax(1)),
    "f1": lambda o, y: metrics.f1_score(y, o.argmax(1), average="macro"),
    "roc_auc": lambda o, y: metrics.roc_auc_score(y, probabilities(o), multi_class="ovr"),
    "log_loss": lambda o, y: metrics.log_loss(y, probabilities(o)),
}


@pytest.mark.parametrize("metric", EXPECTED)
def test_the_mean_score_is_the_metric_of_scikit_learn_with_the_deviation_of_its_estimate(metric):
    y, expected, task = Y, EXPECTED[metric], Classification(metric=metric)
    value = task.measures(task.answers(OUTPUTS), y)[metric]
    assert value == pytest.approx(expected(OUTPUTS, y)) and task.value_of(task.merit(value)) == pytest.approx(value)
    scores = task.metric_scores(OUTPUTS, y)
    assert scores.shape == (300,) and scores.mean() == pytest.approx(task.merit(value))
    again = np.repeat(np.arange(300), WEIGHTS)
    weighted = task.metric_scores(OUTPUTS, y, WEIGHTS.astype("float32"))
    assert weighted.mean() == pytest.approx(task.merit(expected(OUTPUTS[again], y[again])))
    drawn = [expected(OUTPUTS[rows], y[rows]) for rows in RNG.integers(300, size=(30, 300))]
    assert 0.5 < scores.std() / np.sqrt(300) / np.std(drawn) < 1.6
    low, high = task.interval(task.answers(OUTPUTS), y)
    assert low < value < high
    better = OUTPUTS + np.eye(3)[Y]
    assert task.metric_scores(better, y).mean() > scores.mean() > task.metric_chance(y, 3)


def test_errors_are_scored_in_units_of_the_labels():
    fitted, answers = Regression.fitted(NUMBERS), NUMBERS + RNG.normal(0, 1, NUMBERS.shape)
    outputs, y = fitted.prepared(answers), fitted.prepared(NUMBERS)
    for metric, power in (("mae", 1), ("rmse", 2)):
        task = Regression(fitted.offset, fitted.scale, metric=metric)
        error = (np.abs(answers - NUMBERS) ** power).mean() ** (1 / power)
        assert task.measures(answers, y)[metric] == pytest.approx(error)
        assert task.metric_scores(outputs, y).mean() == pytest.approx(1 - error / np.mean(fitted.scale))
        assert task.show_score(task.merit(error)) == f"{error:.3f}" and task.metric_chance(y, 2) < 0.3
        assert task.show_lead(-0.5, 0.1) == (
            f"{0.5 * np.mean(fitted.scale):.3f}",
            f"{0.196 * np.mean(fitted.scale):.3f}",
        )
    counts = Counts((4.0,), (1.0,), metric="rmse")
    assert counts.merit(counts.measures(np.full((2, 1), 4.0), np.array([[2.0], [6.0]]))["rmse"]) == 0


def test_weights_of_the_own_metric_and_of_losses_are_repetitions():
    again = np.repeat(np.arange(300), WEIGHTS)
    for task, y in ((CLASSIFICATION, Y), (Multilabel(), TABLE), (Regression(), NUMBERS), (Counts(), TABLE)):
        outputs = OUTPUTS[:, : NUMBERS.shape[1]] if y is NUMBERS else OUTPUTS
        expected = task.scores(outputs[again], y[again]).mean()
        assert task.metric_scores(outputs, y, WEIGHTS.astype(float)).mean() == pytest.approx(expected)
        assert task.metric_scores(outputs, y).dtype == task.scores(outputs, y).dtype  # hits stay bits
        targets = task.targets(y, outputs.shape[1])
        loss, gradient = task.linear_loss(outputs, targets, WEIGHTS.astype(float))
        plain, of_each = task.linear_loss(outputs[again], targets[again])
        assert loss == pytest.approx(plain)
        np.testing.assert_allclose(gradient[again] / WEIGHTS[again, None], of_each)


@pytest.mark.parametrize("name", TASKS)
def test_a_metric_is_part_of_the_configuration_and_its_words_are_those_of_results(name):
    kind = task_class(name)
    assert "metric" not in kind().get_config() and kind(metric="auto") == kind(metric=kind.metric) == kind()
    for metric, known in kind.known_metrics.items():
        task = kind(metric=metric)
        assert task_of(task.get_config()) == task != kind() and task.entry() == {"task": task.get_config()}
        assert (task.metric, task.words, task.percent) == (metric, known.words, known.percent)
        assert task.score_in_words(0.25, "held-out texts").endswith(f"{known.words} on the held-out texts")
        assert kind.metric in task.further and metric not in task.further
        assert "(95 % interval" in task.interval_in_words({"interval": [0.1, 0.2]}, 0.15, 30)


def test_a_metric_of_another_task_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"`metric`. Expected a metric of regression. Received: 'roc_auc' Known"):
        Regression(metric="roc_auc")
    with pytest.raises(ValueError, match="Did you mean 'balanced_accuracy'"):
        Classification(metric="balanced")


def test_a_class_that_samples_lack_is_named():
    task, names = Classification(metric="roc_auc"), ("ant", "bee", "cat")
    assert task.unmeasured(Y, names, "rows") == "" and CLASSIFICATION.unmeasured(Y[:9], names, "rows") == ""
    line = (
        "The ROC AUC of the held-out rows is the mean over the other classes, or 0.5 where only one is left, as they "
    )
    assert task.unmeasured(Y[:210], names, "held-out rows") == f"{line}lack 'cat'."
    of_two = metrics.roc_auc_score(Y[:280] == 0, probabilities(OUTPUTS)[:280, 0])
    of_two += metrics.roc_auc_score(Y[:280] == 1, probabilities(OUTPUTS)[:280, 1])
    assert task.measures(probabilities(OUTPUTS)[:280], Y[:280])["roc_auc"] == pytest.approx(of_two / 2)
    assert task.metric_scores(OUTPUTS[:9], Y[:9]).tolist() == [0.5] * 9
    assert "'cat'" in Classification(metric="f1").unmeasured(Y[:210], names, "rows")
    assert Classification(metric="log_loss").unmeasured(Y[:210], names, "rows") == ""


def test_an_evaluation_shows_the_chosen_metric():
    task = Classification(metric="balanced_accuracy")
    record = task.summary(probabilities(OUTPUTS), Y, ("a", "b", "c"), "data")
    assert f", balanced accuracy {record['balanced_accuracy']:.4g}, loss" in task.summary_in_words(record)
    assert task.result_in_words(0.5, 10, "test") == "50.00 % on 10 test samples"


def test_scores_of_a_mean_are_those_of_its_samples():
    task, y, weights = Classification(metric="log_loss"), Y[:20] + np.arange(20) % 2, np.arange(20.0)
    losses = -np.log(probabilities(OUTPUTS)[np.arange(20), y])
    np.testing.assert_allclose(task.metric_scores(OUTPUTS[:20], y), 1 - losses)
    mean, share = np.average(losses, weights=weights), weights / weights.mean()
    np.testing.assert_allclose(task.metric_scores(OUTPUTS[:20], y, weights), 1 - mean - share * (losses - mean))
    assert task.metric_scores(OUTPUTS, Y, WEIGHTS.astype(float)).mean() < 1


@pytest.mark.filterwarnings("error")
def test_a_class_that_samples_lack_counts_for_nothing():
    y, found = Y[:280], OUTPUTS[:280].argmax(axis=1)
    assert 2 in found
    recalls = [(found[y == label] == label).mean() for label in (0, 1)]
    task = Classification(metric="balanced_accuracy")
    assert task.measures(probabilities(OUTPUTS)[:280], y)["balanced_accuracy"] == pytest.approx(np.mean(recalls))
