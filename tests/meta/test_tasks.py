"""Tasks as a few numbers, and how alike two are."""

import numpy as np
import pytest

from kerasnas.meta.tasks import FEATURES, check_task, describe_task, distances

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
    assert tuple(task) == FEATURES and task == pytest.approx({**counts, "nearest_mean": 1.0, "nearest_image": 1.0})
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
