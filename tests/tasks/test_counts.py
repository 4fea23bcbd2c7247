"""Counts: the deviance by hand and by scikit-learn, and what is none."""

import json

import keras
import numpy as np
import pytest
from sklearn.metrics import d2_tweedie_score

from kerasnas import ImageRegressor
from kerasnas.tasks.counts import Counts
from kerasnas.tasks.known import CLASSIFICATION, task_of, task_of_loss
from kerasnas.testing import check_task

RNG = np.random.default_rng(0)
Y = RNG.poisson([2.0, 40.0], (200, 2))
TASK = Counts.fitted(Y)


def test_metrics_are_those_of_scikit_learn():
    outputs = RNG.normal(size=(200, 2)) / 4
    rates = TASK.answers(outputs)
    found = TASK.evaluation(rates, Y)
    expected = [d2_tweedie_score(Y[:, column], rates[:, column], power=1) for column in range(2)]
    assert found["d2"] == pytest.approx(np.mean(expected))
    assert TASK.scores(outputs, Y).mean() == pytest.approx(found["d2"]) == pytest.approx(1 - found["loss"])
    assert float(TASK.loss()(Y, outputs)) == pytest.approx(found["loss"], rel=1e-5)
    assert TASK.scores(np.zeros((200, 2)), Y).mean() == pytest.approx(0)
    check_task(TASK, Y)
    # A regression with squared errors fits logarithms of rates, in multiples of the mean.
    np.testing.assert_allclose(TASK.ridge_targets(TASK.targets(Y, 2)), np.log((Y + 0.5) / np.array(TASK.rate)))


def test_the_loss_says_the_task_and_is_saved():
    loss = keras.losses.deserialize(keras.losses.serialize(TASK.loss()))
    assert task_of_loss(loss) == TASK and task_of_loss("poisson") == Counts()
    assert task_of(json.loads(json.dumps(TASK.get_config()))) == TASK


@pytest.mark.parametrize("y", [[[-1]], [[0.5]], [[np.inf]], [[np.nan]], [1, 2]])
def test_what_is_no_count_is_refused(y):
    with pytest.raises(ValueError, match=r"`y`.*whole numbers of at least 0"):
        TASK.check(np.array(y), None)


def test_a_classifier_has_no_counts():
    with pytest.raises(ValueError, match="no task 'counts'"):
        type("Classifier", (ImageRegressor,), {"makes": CLASSIFICATION.deployed_as})(task="counts")
