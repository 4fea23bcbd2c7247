"""Tasks: losses, scores and answers by hand, and that each is what the deployed model computes."""

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score

from kerasnas.export import with_preprocessing
from kerasnas.tasks import CLASSIFICATION, MULTILABEL, Regression, task_of, task_of_labels, task_of_loss

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal([3.0, -1.0], [2.0, 0.1], (50, 2))
REGRESSION = Regression.fitted(NUMBERS)
LABELS = {
    "classification": RNG.integers(3, size=50),
    "multilabel": (RNG.random((50, 3)) < 0.4).astype("float32"),
    "regression": REGRESSION.prepared(NUMBERS),
}
TASKS = {"classification": CLASSIFICATION, "multilabel": MULTILABEL, "regression": REGRESSION}
every_task = pytest.mark.parametrize("name", TASKS)


def outputs_of(name):
    return RNG.normal(size=(50, 2 if name == "regression" else 3)).astype("float32")


@every_task
def test_answers_are_those_of_the_deployed_model(name):
    outputs = outputs_of(name)
    inputs = keras.Input(outputs.shape[1:])
    model = with_preprocessing(keras.Model(inputs, keras.layers.Identity()(inputs)), task=TASKS[name])
    np.testing.assert_allclose(model.predict(outputs, verbose=0), TASKS[name].answers(outputs), rtol=1e-5, atol=1e-6)


@every_task
def test_loss_of_the_answers_is_that_of_the_training(name):
    task, outputs, y = TASKS[name], outputs_of(name), LABELS[name]
    trained = float(task.loss()(y, outputs))
    assert task.evaluation(task.answers(outputs), y)["loss"] == pytest.approx(trained, rel=1e-4)


@every_task
def test_scores_have_the_mean_of_the_metric_that_is_trained_with(name):
    task, outputs, y = TASKS[name], outputs_of(name), LABELS[name]
    model = keras.Sequential([keras.Input(outputs.shape[1:]), keras.layers.Identity()])
    model.compile("sgd", task.loss(), metrics=task.metrics())
    found = model.evaluate(outputs, y, verbose=0, return_dict=True)
    expected = task.evaluation(task.answers(outputs), y)
    if name == "regression":  # whose metric is in standardized units
        assert found["mae"] == pytest.approx(np.abs(outputs - y).mean(), rel=1e-5)
        assert task.scores(outputs, y).mean() == pytest.approx(1 - found["loss"], rel=1e-5)
    else:
        assert found["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-6)
        assert task.scores(outputs, y).mean() == pytest.approx(expected["accuracy"], abs=1e-9)


def test_metrics_are_those_of_scikit_learn():
    outputs, y = outputs_of("multilabel"), LABELS["multilabel"]
    found = MULTILABEL.evaluation(MULTILABEL.answers(outputs), y)
    assert found["f1"] == pytest.approx(f1_score(y, outputs > 0, average="micro"))
    assert found["exact"] == np.mean(((outputs > 0) == (y > 0.5)).all(axis=1))
    outputs, y = outputs_of("regression"), LABELS["regression"]
    found = REGRESSION.evaluation(REGRESSION.answers(outputs), y)
    assert found["r2"] == pytest.approx(r2_score(NUMBERS, REGRESSION.answers(outputs)))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((NUMBERS - REGRESSION.answers(outputs)) ** 2)))


def test_a_network_that_answers_the_mean_scores_nothing():
    assert REGRESSION.scores(np.zeros((50, 2)), LABELS["regression"]).mean() == pytest.approx(0, abs=1e-9)
    assert REGRESSION.chance(LABELS["regression"], 2) == 0
    most = np.where(LABELS["multilabel"].mean(axis=0) > 0.5, 1.0, -1.0)[None]
    expected = MULTILABEL.scores(np.repeat(most, 50, axis=0), LABELS["multilabel"]).mean()
    assert MULTILABEL.chance(LABELS["multilabel"], 3) == pytest.approx(expected)


@every_task
def test_intervals_hold_the_value_and_shrink_with_the_samples(name):
    task, outputs, y = TASKS[name], outputs_of(name), LABELS[name]
    answers = task.answers(outputs)
    low, high = task.interval(answers, y)
    assert low <= task.evaluation(answers, y)[task.metric] <= high
    few = task.interval(answers[:10], y[:10])
    assert high - low < few[1] - few[0]


@every_task
def test_config_round_trip(name):
    assert task_of(TASKS[name].get_config()).get_config() == TASKS[name].get_config()


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
        ("mse", None, "regression"),
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
    ("name", "y"),
    [
        ("classification", np.array([0.0, 1.0])),
        ("classification", np.array([0, 3])),
        ("classification", np.array([-1, 0])),
        ("multilabel", np.array([[0, 2, 0]])),
        ("multilabel", np.array([[0, 1]])),
        ("multilabel", np.array([0, 1])),
        ("regression", np.array([[0.0, np.nan]])),
        ("regression", np.array([[0.0]])),
        ("regression", np.array(["a"])),
    ],
)
def test_labels_of_another_kind_are_refused(name, y):
    with pytest.raises(ValueError, match="`y`"):
        TASKS[name].check(y, 2 if name == "regression" else 3)


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
