"""Winners beside linear models: weighed by what is held out, then trained again on all data where there is time."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasnas.companions.base import Companion
from kerasnas.cost.counting import macs, parameters
from kerasnas.files.stages import Stages
from kerasnas.racing import winner
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.winner import train_winner
from tests.racing import test_stage as kit

pytestmark = pytest.mark.usefixtures("short")
short = kit.short


class Nothing:
    """A linear model that answers 0."""

    bias = np.zeros(kit.CLASSES)

    def apply(self, x):
        # Networks of other tests are used again, and threads count layers from 0: names could be theirs.
        layer = keras.layers.Dense(kit.CLASSES, kernel_initializer="zeros", use_bias=False, name="nothing")
        return layer(keras.layers.Flatten(name="flat")(x))


class Beside(Companion):
    samples, prior = "images", (0.5, 0.5)

    def __init__(self, right=0.0, must_lead=False):
        self.right, self.must_lead, self.parts = right, must_lead, []

    def learn(self, x, y, parts, task, outputs, weights=None):
        self.parts = [x[rows] for rows in parts]
        return [self.right * np.eye(outputs)[y[parts[1]]]], lambda shares: Nothing()

    def __str__(self):
        return "nothing"

    def get_config(self):
        return {}


def trained(folder, beside=None, **options):
    said, kept, beside = [], [], beside or Beside()
    entrant = kit.race(folder, said=said, candidates=lambda number: kit.candidates(1), trainings=3, **options)
    record = train_winner(entrant, kept.append, beside)
    for part, (images, _) in zip(beside.parts, (entrant.data, entrant.held_out), strict=bool(beside.parts)):
        np.testing.assert_array_equal(part, images)
    return record, kept[0].get_weights(), [line for line in said if "Training" in line]


def test_a_winner_is_trained_again_on_all_data_and_resumes_there(tmp_path, monkeypatch):
    monkeypatch.setattr(winner, "_LEAST_PIECE", 3.0)
    record, weights, said = trained(tmp_path / "whole", most_epochs=10)
    assert record["linear"]["samples"] == 48 and record["linear"]["weights"][-1] > 0
    assert [line.split(" on ")[1] for line in said] == ["96 images.", "144 images."]
    with monkeypatch.context() as patch:
        kit.Interrupting(patch, record["steps"] + 20)  # steps of the first training are not counted there
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "killed", most_epochs=10)
    assert Stages(tmp_path / "killed").progress("racing")["linear"] == record["linear"]
    again, resumed, said = trained(tmp_path / "killed", most_epochs=10)
    assert said == [] and again["steps"] == record["steps"] and again["linear"] == record["linear"]
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "killed" / "checkpoints" / "searched").exists()


def test_linear_models_that_must_lead_join_a_network_only_where_they_are_ahead_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(winner, "_LEAST_PIECE", 3.0)
    record, _, said = trained(tmp_path / "ahead", Beside(5.0, must_lead=True))
    assert record["linear"]["weights"][0] > 0 and len(said) == 1 and "trainings" not in record
    behind, options = Beside(must_lead=True), {"most_epochs": 10}
    record, weights, said = trained(tmp_path / "behind", behind, **options)
    assert "linear" not in record and record["trainings"] == 3 and said[0].split(" on ")[1].startswith("144 images")
    with monkeypatch.context() as patch:
        kit.Interrupting(patch, 50)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "killed", Beside(must_lead=True), **options)
    again, resumed, _ = trained(tmp_path / "killed", later := Beside(5.0, must_lead=True), **options)
    assert later.parts == [] and again["steps"] == record["steps"]  # what was decided stays
    for one, other in zip(weights, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_without_time_for_a_second_training_the_first_one_counts(tmp_path):
    record, _, said = trained(tmp_path)  # which takes all of it
    assert [line.split(" on ")[1] for line in said] == ["96 images."] and record["linear"]["weights"][-1] > 0


@pytest.mark.parametrize(
    ("views", "augment", "test_samples", "number"),
    [
        (True, ("shift", "flip"), 48, 4),
        (True, ("cutout",), 48, 1),
        (False, ("shift", "flip"), 48, 1),
        (True, ("shift", "flip"), 10**4, 1),  # for which there is no time
    ],
)
def test_the_answers_are_means_over_views_where_there_are_some_and_time_for_them(
    views, augment, test_samples, number, tmp_path
):
    options = {"views": views, "augment": augment, "test_samples": test_samples}
    entrant, kept = kit.race(tmp_path, candidates=lambda number: kit.candidates(1), **options), []
    record = train_winner(entrant, kept.append)
    assert record.get("views", 1) == number and record["macs"] == number * macs(
        kit.build(kit.candidates(1)[0].genotype)
    )
    names = [layer.name for layer in kept[0].layers]
    assert names.count("view") == (number > 1) and "member_1" not in names


def test_time_is_left_to_test_the_winner_by_all_of_its_views(tmp_path):
    def steps(views):
        options = {"views": views, "augment": ("flip", "shift"), "test_samples": 240}
        entrant = kit.race(tmp_path / str(views), candidates=lambda number: kit.candidates(1), **options)
        return train_winner(entrant, lambda model: None)["steps"]

    assert 12 <= steps(False) - steps(True) <= 18  # a look at 48 samples takes a second


def test_a_network_that_learns_in_closed_form_is_trained_once_and_has_one_view(brief, tmp_path, monkeypatch):
    monkeypatch.setattr(Contestant, "learns", False)
    record = train_winner(several(tmp_path, views=True, augment=("flip",)), lambda model: None)
    assert "views" not in record and "trainings" not in record


def test_the_rate_falls_in_the_last_third_and_has_the_time_to():
    assert [winner.annealed(part) for part in (0, 0.65, 0.825, 1)] == pytest.approx([1, 1, 0.5, 0])
    race = SimpleNamespace(most_epochs=10, contestants=SimpleNamespace(entries={"net": {"step_seconds": 0.5}}))
    assert [winner._useful_seconds(race, "net", 5, steps) for steps in (0, 45, 60)] == [25, 5, 5]


def several(folder, **options):
    settings = {"trainings": 3, "candidates": lambda number: kit.candidates(1), "build": kit.build, "minutes": 6.0}
    return kit.race(folder, **settings | options)


@pytest.fixture
def brief(monkeypatch):
    """Trainings of 40 steps are long enough: a step takes a second of the clock, and the budget has 300 or so."""
    monkeypatch.setattr(winner, "_STEPS", 40)
    monkeypatch.setattr(winner, "_EPOCHS", 0)


def test_several_trainings_from_where_the_race_ended_become_one_network(brief, tmp_path):
    models, states, said = [], [], []
    entrant = several(tmp_path, said=said)

    def keep(model):
        models.append(model)
        stages = ("searched", "searched/.2", "searched/.3")
        states.extend(entrant.contestants.state_of("conv", stage)[0] for stage in stages)

    record = train_winner(entrant, keep)
    model, x = models[0], kit.images(30, 2)[0]
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    answers = np.array([part.predict(x, verbose=0) for part in parts])
    assert entrant.budget.left() > 3 * entrant.test_samples / 48  # a look at 48 samples takes a second
    assert record["trainings"] == len(parts) == 3 and record["parameters"] == 3 * parameters(parts[0])
    assert min(np.abs(one - other).max() for one, other in zip(answers, np.roll(answers, 1, 0), strict=True)) > 0.01
    np.testing.assert_allclose(model.predict(x, verbose=0), answers.mean(axis=0), atol=1e-5)
    for part, state in zip(parts, states, strict=True):
        averages = [state[key] for key in sorted(state) if key.startswith("average-")]
        for weights, average in zip(part.get_weights(), averages, strict=True):
            np.testing.assert_array_equal(weights, average)
    lines = [line.split(" on ")[1] for line in said if "Training" in line]
    assert lines == [f"144 images, {index} of 3." for index in (1, 2, 3)]
    raced = Stages(tmp_path).stage("race")["rungs"][-1][1]
    assert record["steps"] - raced == pytest.approx(3 * (record["history"]["steps"][-1] - raced), abs=6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


def test_killed_in_its_second_training_it_resumes_to_the_same_end(brief, tmp_path, monkeypatch):
    kit.resumes_to_the_same_end(lambda name: several(tmp_path / name), 150, monkeypatch)


# Time for one; as many as asked for; longer trainings; shorter ones; tests that would take a twentieth of the budget.
@pytest.mark.parametrize(
    ("options", "epochs", "trainings"),
    [
        ({"minutes": 1.5}, 0, 1),
        ({}, 0, 3),
        ({}, 40, 1),
        ({"minutes": 1.5, "most_epochs": 2}, 0, 3),
        ({"test_samples": 432}, 0, 2),
        ({"test_samples": 1000}, 0, 1),
    ],
)
def test_a_winner_is_trained_as_often_as_there_is_time_for(options, epochs, trainings, brief, tmp_path, monkeypatch):
    monkeypatch.setattr(winner, "_EPOCHS", epochs)
    monkeypatch.setattr(winner, "_train", lambda *training: 1 / 0)  # it is planned by then
    entrant = several(tmp_path, **options)
    with pytest.raises(ZeroDivisionError):
        train_winner(entrant, lambda model: None)
    ends = entrant.contestants.progress["ends"]
    assert len(ends) == trainings
    # A look at 48 samples takes a second.
    assert entrant.budget.seconds - max(ends.values()) > trainings * entrant.test_samples / 48
