"""Tasks as a few numbers, and how alike two are."""

import numpy as np
import pytest

from kerasnas.meta.tasks import check_task, describe_task, distances, features
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL
from kerasnas.tasks.regression import Regression

TASK = {"samples": 2000, "classes": 10, "height": 32, "width": 32, "channels": 3}
TASK |= {"balance": 1.0, "nearest_mean": 0.3, "nearest_image": 0.4}


def images(number, noise, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(number) % 4
    x = noise * rng.random((number, 13, 9, 3))
    x[np.arange(number), 3 * y] += 1.0
    return x.astype("float32"), y


def test_a_task_is_counts_balance_and_landmarks():
    task = describe_task(*images(200, 0.1), 4)
    counts = {"samples": 200, "classes": 4, "height": 13, "width": 9, "channels": 3, "balance": 1.0}
    assert tuple(task) == features("image") and task == pytest.approx(
        {**counts, "nearest_mean": 1.0, "nearest_image": 1.0}
    )
    assert describe_task(*images(200, 0.1), 4) == task and check_task(task) == task
    hard = describe_task(*images(200, 20.0), 4)
    assert max(hard["nearest_mean"], hard["nearest_image"]) < 0.6


def test_balance_is_the_effective_share_of_the_classes():
    x, _ = images(80, 0.1)
    assert describe_task(x, np.zeros(80, int), 4)["balance"] == pytest.approx(1 / 4)
    assert describe_task(x, np.arange(80) % 2, 4)["balance"] == pytest.approx(2 / 4)
    assert 0.5 < describe_task(x, np.arange(80) % 10 // 7, 2)["balance"] < 1


@pytest.mark.parametrize("shape", [(1, 8, 8, 1), (0, 8, 8, 1), (10, 8), ()])
def test_what_is_no_task_of_images(shape):
    with pytest.raises(ValueError, match="at least two images"):
        describe_task(np.zeros(shape), np.zeros(shape[:1], int), 2)
    with pytest.raises(ValueError, match="one class for each of the 10 images"):
        describe_task(np.zeros((10, 8, 8, 1)), np.zeros(9, int), 2)


def test_the_same_is_at_0_and_ratios_count_rather_than_differences():
    near, far = {**TASK, "samples": 4000}, {**TASK, "samples": 64_000}
    found = distances(TASK, [far, TASK, near])
    assert found[1] == 0 and 0 < found[2] < found[0]
    small, large = distances({**TASK, "samples": 500}, [{**TASK, "samples": 1000}, TASK])
    assert large == pytest.approx(2 * small)
    assert distances(TASK, []).shape == (0,)


def test_features_are_standardized_over_all_tasks_but_few_tasks_do_not_say_what_is_usual():
    """Where sizes vary a lot and classes do not, a few more classes are farther than many more images."""
    others = [{**TASK, "samples": 100 * 4**index} for index in range(8)] * 4
    more_samples, more_classes = {**TASK, "samples": 6000}, {**TASK, "classes": 30}
    found = distances(TASK, [*others, more_samples, more_classes])
    assert found[-1] > 1.5 * found[-2]
    first, second = distances(TASK, [{**TASK, "samples": 2100}])[0], distances(TASK, [{**TASK, "samples": 20_000}])[0]
    assert second > 10 * first  # the two of a pair are not one standard deviation apart whatever they are


@pytest.mark.parametrize(
    ("wrong", "named"), [({"samples": 0}, "samples"), ({"balance": 0}, "balance"), ({"nearest_image": 1.5}, "image")]
)
def test_a_task_out_of_range_is_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        check_task({**TASK, **wrong})
    with pytest.raises(ValueError, match=named):
        check_task({name: value for name, value in TASK.items() if name not in wrong})


def test_a_task_of_texts_counts_their_words_whatever_their_order_and_padding():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.integers(10, 30, (120, 8))
    x[:, 0], x[:, 5:] = 1 + y, 0  # the first word says it all
    task = describe_task(x, y, 2, inputs="text")
    assert tuple(task) == features("text") and check_task(task, "text") == task
    assert (task["samples"], task["classes"], task["length"], task["vocabulary"]) == (120, 2, 5.0, 22)
    assert task["nearest_mean"] == 1.0 and task["nearest_text"] > 0.9
    padded = np.concatenate([rng.permuted(x[:, :5], axis=1), np.zeros((120, 7), int)], axis=1)
    for labels in (y, rng.integers(0, 2, 120)):  # of labels that words do not say, landmarks tell any difference
        assert describe_task(padded, labels, 2, inputs="text") == describe_task(x, labels, 2, inputs="text")
    assert check_task({**task, "length": 0.0, "vocabulary": 0}, "text")  # texts without a word are read too


def test_a_task_of_signals_is_length_channels_and_how_hard_they_look():
    y = np.arange(100) % 2
    x = np.random.default_rng(0).normal(size=(100, 50, 3)) + 3 * y[:, None, None]
    task = describe_task(x, y, 2, inputs="signal")
    assert tuple(task) == features("signal") and check_task(task, "signal") == task
    assert (task["length"], task["channels"], task["nearest_mean"], task["nearest_signal"]) == (50, 3, 1.0, 1.0)


def test_landmarks_of_labels_and_numbers_are_how_right_the_nearest_are():
    x, y = images(200, 0.1)
    table = np.eye(4, dtype=int)[y]
    several = describe_task(x, table, 4, MULTILABEL)
    assert several["nearest_mean"] == several["nearest_image"] == 1.0 and several["classes"] == 4
    assert several["balance"] == pytest.approx(4 / 5)  # no image is without a label
    noise = np.random.default_rng(0).integers(0, 2, (200, 4))
    assert 0.3 < describe_task(x, noise, 4, MULTILABEL)["nearest_image"] < 0.7
    numbers = describe_task(x, np.array([[0.0], [1.0], [2.0], [7.0]])[y], 1, Regression())
    assert numbers["nearest_image"] == pytest.approx(1.0) and 0.9 < numbers["nearest_mean"] <= 1
    random = describe_task(x, np.random.default_rng(0).normal(size=(200, 2)), 2, Regression())
    assert random["nearest_image"] == 0.0 and random["classes"] == 2 and check_task(random) == random


@pytest.mark.parametrize(
    ("y", "task", "named"),
    [
        (np.zeros(20, int), MULTILABEL, "2 labels for each of the 20 images"),
        (np.full((20, 2), 3), MULTILABEL, "0 or 1 for each label"),
        (np.zeros((20, 3)), Regression(), "2 numbers"),
        (np.zeros((20, 2), int), CLASSIFICATION, "one class for each"),
        (np.full(20, 2), CLASSIFICATION, "labels from 0 to 1"),
    ],
)
def test_labels_of_another_task_are_named(y, task, named):
    with pytest.raises(ValueError, match=named):
        describe_task(np.zeros((20, 8, 8, 1)), y, 2, task)


def test_samples_of_another_kind_are_named():
    for inputs, expected in (("text", "two token ids"), ("signal", "two signals"), ("txt", "Did you mean")):
        with pytest.raises(ValueError, match=expected):
            describe_task(np.zeros((20, 8, 8, 1)), np.zeros(20, int), 2, inputs=inputs)


def test_where_something_else_is_predicted_labels_are_a_standard_deviation_apart():
    hard = {**TASK, "classes": 1000, "nearest_mean": 0.0, "nearest_image": 0.0, "balance": 0.01}
    of_labels = 4 / len(TASK)
    assert distances(TASK, [hard, TASK], [False, False]) == pytest.approx([of_labels**0.5] * 2)
    assert distances(TASK, [hard], [True])[0] > 1
    sizes = distances(TASK, [{**TASK, "samples": 4000}])[0] ** 2
    assert distances(TASK, [{**TASK, "samples": 4000}], [False])[0] ** 2 == pytest.approx(sizes + of_labels)
