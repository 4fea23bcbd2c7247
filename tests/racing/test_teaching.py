"""A pretrained network that may not take part teaches those that do, if it is ahead of them."""

import numpy as np
import pytest

from kerasnas.racing.entrants.contestants import Contestants
from kerasnas.racing.race.teaching import lesson
from kerasnas.starts import probes as probes_module
from kerasnas.starts.heads import Head
from kerasnas.starts.probes import features_of
from kerasnas.tasks.known import CLASSIFICATION, MULTILABEL
from kerasnas.tasks.splits import spread_rows
from tests.racing.test_challenge import Blind, colors, entrant, prober_of, unregistered  # noqa: F401
from tests.racing.test_stage import CLASSES, candidates, finish, resumes_to_the_same_end, short  # noqa: F401
from tests.starts.kit import TinyStart


def taught(folder, start=TinyStart, **options):
    one = entrant(folder, start, labels=False, **options)
    one.prober.teaches = True
    return one


@pytest.mark.slow
def test_all_networks_learn_what_the_teacher_says_and_it_does_not_take_part(tmp_path, monkeypatch):
    learned, get = {}, Contestants.get

    def seen(self, name, batches, stage=None):
        learned.setdefault(name, []).append((stage, batches.y))
        return get(self, name, batches, stage)

    monkeypatch.setattr(Contestants, "get", seen)
    said = []
    one = taught(tmp_path, said=said)
    record, _ = finish(one, colors(60, 2))
    found = one.stages.stage("race")
    assert not any(name.startswith("tiny_") for name in found["contestants"])
    assert found["teacher"]["licence"] == "MIT" and found["teacher"]["score"] > 0.8 and "starts" not in found
    assert any("teaches" in line for line in said)
    for name, looks in learned.items():
        shapes = [y.shape for stage, y in looks if stage is None]
        assert shapes[-1] == (96, CLASSES) and (name == found["winner"] or (96,) not in shapes or name == "conv")
    final = next(y for stage, y in learned[found["winner"]] if stage == "searched")
    assert final.shape == (144, CLASSES)  # of those held out, too
    np.testing.assert_allclose(final.sum(axis=1), 1, atol=1e-5)
    labels = np.concatenate([colors(96, 0)[1], colors(48, 1)[1]])
    assert (final[np.arange(144), labels] >= 0.5).all() and not np.allclose(final, np.eye(CLASSES)[labels])
    assert record["test_accuracy"] > 0.6 and not (tmp_path / "checkpoints" / "lessons").exists()


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_it_teaches_a_single_network_too(most, tmp_path):
    one = taught(tmp_path, most=most, candidates=lambda number: candidates(most))
    finish(one, colors(60, 2))  # the first, which began with labels, goes on with what the teacher says
    found = one.stages.stage("race")
    assert "teacher" in found and len(found["contestants"]) == most


@pytest.mark.usefixtures("eagerly")
def test_one_that_is_behind_does_not_teach(tmp_path):
    said = []
    one = taught(tmp_path, Blind, said=said, minutes=1.5, most=1, candidates=lambda number: candidates(1))
    found = one.run()
    assert "teacher" not in found and any("does not teach" in line for line in said)
    assert one.lessons[0][1].shape == (96,)


@pytest.mark.slow
@pytest.mark.parametrize("at", [20, 45])
def test_killed_it_resumes_to_the_same_end(at, tmp_path, monkeypatch):
    def make(name):
        return taught(tmp_path / name, minutes=4.0, candidates=lambda number: candidates(2))

    resumes_to_the_same_end(make, at, monkeypatch, colors(30, 2))


@pytest.mark.usefixtures("eagerly")
def test_its_answers_are_those_of_regressions_without_the_sample(monkeypatch):
    monkeypatch.setattr(probes_module.spread, "__defaults__", (30,))
    monkeypatch.setattr(probes_module, "MOST", 30)
    prober = prober_of(teaches=True)
    data, held_out = colors(40, 0), colors(12, 1)
    best = prober.probe("tiny", 32, data, held_out, lambda: 0.0)["head"]
    prober._answers.clear()  # as in another process
    said, held = prober.answers("tiny", 32, best, data, held_out)
    read = spread_rows(40, 30)
    assert np.isnan(said).all(axis=1).sum() == 10 and not np.isnan(said[read]).any()
    model = prober.network("tiny", 32)
    features = features_of(model, data[0][read])[:, : probes_module.widths(model)[best]]
    head = Head.fitted(features, data[1][read], CLASSIFICATION, CLASSES)
    np.testing.assert_allclose(said[read], head.left_out, atol=1e-5)
    assert not np.allclose(said[read], head.outputs(features), atol=1e-2)  # what it was fitted to
    assert held.shape == (12, CLASSES)


def test_a_lesson_is_half_the_label_and_half_what_the_teacher_says():
    outputs = np.array([[2.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
    first = 1 / (1 + np.exp(-2.0))
    expected = [[0.5 + 0.5 * first, 0.5 - 0.5 * first], [0.5 + 0.5 / (1 + np.e), 0.5 * np.e / (1 + np.e)], [0.0, 1.0]]
    np.testing.assert_allclose(lesson(CLASSIFICATION, outputs, np.array([0, 0, 1])), expected, rtol=1e-6)
    several = lesson(MULTILABEL, outputs, np.array([[1, 1], [0, 1], [1, 1]]))
    np.testing.assert_allclose(several[:, 0], [0.5 + 0.5 * first, 0.25, 1.0], rtol=1e-6)
