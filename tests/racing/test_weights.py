"""Weights of samples in a race, and another metric: what is learned, what is compared, and a kill in between."""

import numpy as np
import pytest

from kerasnas.racing.entrants.slices import batches_of
from kerasnas.starts.heads import Head
from kerasnas.tasks.classification import Classification
from tests.racing.test_stage import CLASSES, candidates, finish, images, race, resumes_to_the_same_end, short  # noqa: F401


def weighted(number, seed):
    """Images of which every second has a wrong label, and no weight."""
    x, y = images(number, seed)
    wrong = np.arange(number) // CLASSES % 2 == 1
    return x, np.where(wrong, (y + 1) % CLASSES, y), np.where(wrong, 0.0, 2.0).astype("float32")


def entrant(folder, **options):
    settings = {"candidates": lambda number: candidates(2), "data": weighted(96, 0), "held_out": weighted(48, 1)}
    return race(folder, 3.0, augment=(), **{**settings, **options})


def test_samples_without_a_weight_are_neither_learned_nor_counted(tmp_path):
    record, _ = finish(one := entrant(tmp_path), images(30, 2))
    assert record["test_accuracy"] > 0.7
    found = one.stages.stage("race")
    assert found["contestants"][found["winner"]]["rungs"][-1]["accuracy"] > 0.7 and found["baseline"] is None
    x, y, weights = batches_of(weighted(96, 0), 8, 0, ())[0]
    np.testing.assert_array_equal(weights == 0, (x[:, 1::2, 0, 0].argmax(axis=1)) != y)


@pytest.mark.slow
def test_killed_with_weights_and_another_metric_it_resumes_to_the_same_end(tmp_path, monkeypatch):
    options = {"task": Classification(metric="log_loss"), "said": []}
    test = images(30, 2)
    record = resumes_to_the_same_end(lambda name: entrant(tmp_path / name, **options), 30, monkeypatch, test)
    assert record["test_log_loss"] == pytest.approx(record["test_loss"], rel=1e-4) and "interval" in record


def test_the_winner_is_that_of_the_metric(tmp_path, monkeypatch):
    """Of two, one is right more often, and the other about each class alike."""
    y = np.repeat([0, 1, 2], [60, 10, 10])
    outputs = {"conv": 3 * np.eye(3)[np.zeros(80, int)], "separable": 3 * np.eye(3)[np.where(np.arange(80) % 2, y, 0)]}
    outputs["separable"][:30] = 3 * np.eye(3)[1]
    for metric, best in (("accuracy", "conv"), ("balanced_accuracy", "separable")):
        task = Classification(metric=metric)
        merits = {name: task.metric_scores(one, y).mean() for name, one in outputs.items()}
        assert max(merits, key=merits.get) == best
        field = entrant(tmp_path / metric, task=task, held_out=(images(80, 1)[0], y))
        for name, one in outputs.items():
            field.contestants.enter(next(other for other in candidates(2) if other.name == name))
            field.entries[name] |= {"step_seconds": 0.001}
            field.note(name, task.metric_scores(one, y), 9, 1.0)
        last = {name: field.scores(name, 0).mean() for name in outputs}
        assert last == pytest.approx(merits, abs=1e-5)


def test_heads_learn_by_weights():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 4)), np.arange(90) % 2
    x[:, 0] += 4 * y
    wrong = np.arange(90) < 50
    labels, weights = np.where(wrong, 1 - y, y), np.where(wrong, 0.0, 2.0)
    task = Classification()
    assert task.scores(Head.fitted(x, labels, task, 2, weights).outputs(x), y).mean() > 0.9
    assert task.scores(Head.fitted(x, labels, task, 2).outputs(x), y).mean() < 0.6
