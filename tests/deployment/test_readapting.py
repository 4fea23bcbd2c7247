"""Re-adaptation from the current state: what is adopted, what is not, and what is left alone."""

import keras
import numpy as np
import pytest

from kerasnas import DriftMonitor, readapt
from kerasnas.deployment import readapting

RATE = {"learning_rate": 0.2, "batch_size": 32, "most_steps": 40}
FEW = {**RATE, "most_steps": 10}


def model(normalized=False, logits=False, direction=(1.0, 0.0)):
    """Tells on which side of a line through 0 a point lies."""
    inputs = keras.Input((2,))
    x = keras.layers.BatchNormalization()(inputs) if normalized else inputs
    layer = keras.layers.Dense(2, activation=None if logits else "softmax")
    found = keras.Model(inputs, layer(x))
    layer.set_weights([3 * np.column_stack([-np.array(direction), direction]), np.zeros(2)])
    found.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return found


def points(number, seed, direction=(1.0, 0.0), shift=0.0):
    x = np.random.default_rng(seed).normal(size=(number, 2)) + shift
    return x, (x @ direction > 0).astype("int64")


TURNED = (0.0, 1.0)


@pytest.mark.parametrize("logits", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_changed_concept_is_learned_and_the_given_model_left_alone(logits):
    given = model(logits=logits)
    before = given.get_weights()
    found = readapt(given, *points(300, 1, TURNED), **RATE)
    assert found.adopted and found.model is not given and found.before < 0.7 and found.after > 0.9
    assert "gains" in found.reason and 0 < found.steps <= 40 and len(found.held_out) == 75
    for now, then in zip(given.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    x, y = points(500, 2, TURNED)
    assert (found.model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.9
    if not logits:
        assert found.model.evaluate(x, y, verbose=0)[1] > 0.9  # compiled as the given one


@pytest.fixture
def steps(monkeypatch):
    """Batches of the trainings, each with its learning rate."""
    seen, stepper = [], readapting.stepper

    def spying(adapted):
        take = stepper(adapted)
        return lambda batch: (seen.append((batch[0], float(adapted.optimizer.learning_rate))), take(batch))[1]

    monkeypatch.setattr(readapting, "stepper", spying)
    return seen


@pytest.mark.usefixtures("eagerly")
def test_held_out_samples_are_not_trained_on(steps):
    x, y = points(100, 1, TURNED)
    old = points(60, 3, shift=9.0)
    found = readapt(model(), x, y, replay=old, **FEW)
    rows = {tuple(row) for batch, _ in steps for row in batch}
    assert rows and not rows & {tuple(row) for row in x[found.held_out]}
    assert len(rows & {tuple(row) for row in old[0]}) <= 48  # a fifth of these is held out, too
    of_old = [sum(tuple(row) in set(map(tuple, old[0])) for row in batch) for batch, _ in steps]
    assert set(of_old) == {16} and all(len(batch) == 32 for batch, _ in steps)  # half of each batch


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("random", [True, False])
def test_labels_without_sense_and_models_that_are_good_change_nothing(random):
    given, (x, y) = model(), points(200, 1)
    found = readapt(given, x, np.random.default_rng(0).integers(0, 2, 200) if random else y, **FEW)
    assert found.model is given and not found.adopted and (random or found.before == 1)
    assert "may be chance" in found.reason or "no better" in found.reason


def test_with_replay_nothing_earlier_is_given_up():
    """Labels that contradict the earlier ones in the same place are followed only where nothing is replayed."""
    given, (x, y) = model(), points(300, 1)
    kept = readapt(given, x, 1 - y, replay=points(300, 2), **RATE)
    assert (kept.model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.9
    assert readapt(given, x, 1 - y, **RATE).after > 0.9


@pytest.mark.parametrize(
    ("gained", "lost", "adopted"),
    [
        ((0.1, 0.02), None, True),
        ((0.03, 0.02), None, False),  # 1.5 standard errors
        ((0.0, 0.0), None, False),
        ((0.1, 0.02), (0.01, 0.001), True),  # a small loss does not outweigh it
        ((0.1, 0.02), (0.09, 0.001), False),
        ((0.1, 0.02), (0.0, 0.08), False),  # what is lost is not known well enough
        ((0.1, 0.02), (-0.2, 0.02), True),  # gained there too
        ((-0.1, 0.02), (-0.5, 0.02), False),
    ],
)
def test_a_gain_is_weighed_against_what_is_forgotten(gained, lost, adopted):
    assert readapting._verdict(gained, lost, 500)[0] is adopted


def test_a_gain_on_few_samples_has_to_be_larger():
    """Student's t: 2.13 standard errors of five samples, 1.65 of many; an error of 0 is not believed."""
    for gained in ((0.39, 0.2), (0.39, 0.0)):
        assert [readapting._verdict(gained, None, samples)[0] for samples in (5, 500)] == [False, True]


@pytest.mark.usefixtures("eagerly")
def test_samples_that_choose_a_state_do_not_judge_it(monkeypatch):
    seen = {"stops": set(), "decides": set()}

    def spying(use, ask, of):
        def spy(*args):
            seen[use] |= {tuple(row) for row in args[of]}
            return ask(*args)

        return spy

    monkeypatch.setattr(readapting, "answers", spying("stops", readapting.answers, 1))
    monkeypatch.setattr(readapting.ModelView, "outputs", spying("decides", readapting.ModelView.outputs, 1))
    x, y = points(200, 1, TURNED)
    found = readapt(model(), x, y, **FEW)
    assert not seen["stops"] & seen["decides"] and len(seen["stops"]) == len(seen["decides"]) == 25
    assert seen["stops"] | seen["decides"] == {tuple(row) for row in x[found.held_out]}


@pytest.mark.usefixtures("eagerly")
def test_budget_is_kept():
    now = iter(np.arange(0, 1000, 0.5))
    found = readapt(model(), *points(200, 1, TURNED), seconds=10, clock=lambda: float(next(now)))
    assert found.steps < 20 and found.seconds < 12  # each look at the clock takes half a second


@pytest.mark.usefixtures("eagerly")
def test_the_rate_falls_to_nothing_with_the_budget(steps):
    readapt(model(direction=(-1.0, 0.0)), *points(200, 1), **{**RATE, "most_steps": 10, "learning_rate": 0.01})
    expected = 0.005 * (1 + np.cos(np.pi * np.arange(10) / 10))
    np.testing.assert_allclose([rate for _, rate in steps], expected[: len(steps)], rtol=1e-2)


@pytest.mark.usefixtures("eagerly")
def test_a_training_that_diverges_is_not_adopted():
    given, (x, _) = model(), points(200, 1)
    labels = (x[:, 1] > 0.5).astype(int)  # mostly 0, which is what the largest of NaNs is
    found = readapt(given, x, labels, learning_rate=1e38, most_steps=20)
    assert found.model is given and all(np.isfinite(value).all() for value in found.model.get_weights())


@pytest.mark.usefixtures("eagerly")
def test_without_labels_the_statistics_follow_the_inputs():
    x = points(400, 1)[0]
    given = model(normalized=True)
    monitor = DriftMonitor(given, x)
    moved, labels = 3 * points(300, 2)[0] + 4, points(300, 2)[1]
    found = readapt(given, moved, monitor=monitor)
    assert found.adopted and found.after < found.before and found.steps == 0 and len(found.held_out) == 0
    answers = [one.predict(moved, verbose=0).argmax(axis=1) for one in (given, found.model)]
    before, after = ((one == labels).mean() for one in answers)
    assert before < 0.7 and after > 0.95
    same = readapt(given, x[:100], monitor=DriftMonitor(given, x))
    assert same.model is given or same.after < same.before


def test_without_labels_and_normalization_there_is_nothing_to_do():
    x, _ = points(100, 1)
    given = model()
    found = readapt(given, x, monitor=DriftMonitor(given, x))
    assert found.model is given and not found.adopted and "no batch normalization" in found.reason


def test_bad_input():
    given, (x, y) = model(), points(60, 1)
    for options, message in (
        ({"seconds": 0}, "`seconds`.*above 0"),
        ({"seconds": float("nan")}, "`seconds`"),
        ({"validation_split": 1}, "`validation_split`"),
        ({"most_steps": 0}, "`most_steps`"),
        ({"replay": x}, "`replay`.*a pair"),
        ({"replay": (x[:5], y[:5])}, "`replay`.*at least 20"),
        ({"replay": (x, y + 5)}, "`replay`.*from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            readapt(given, x, y, **options)
    with pytest.raises(ValueError, match=r"`x`.*at least 20 samples"):
        readapt(given, x[:19], y[:19])
    with pytest.raises(ValueError, match=r"`y`.*from 0 to 1.*Received: 2"):
        readapt(given, x, y + 1)
    with pytest.raises(ValueError, match=r"`monitor`.*no labels"):
        readapt(given, x)
    with pytest.raises(TypeError, match=r"`monitor`"):
        readapt(given, x, y, monitor=given)


@pytest.mark.parametrize(
    "task", ["multilabel", *(pytest.param(one, marks=pytest.mark.slow) for one in ("regression", "counts"))]
)
def test_other_tasks_are_adapted_to(task):
    """Labels turned round: the network learns them, by the loss of its task."""
    rng = np.random.default_rng(0)
    activation = {"multilabel": "sigmoid", "counts": "exponential"}.get(task)
    layer = keras.layers.Dense(2, activation=activation)
    model = keras.Sequential([keras.Input((2,)), layer])
    layer.set_weights([np.eye(2) if task == "counts" else 4 * np.eye(2), np.zeros(2)])
    x = rng.normal(size=(400, 2))
    y = {"multilabel": (x < 0).astype(int), "counts": np.round(np.exp(2 - x))}.get(task, -x)
    found = readapt(model, x, y, most_steps=150, task=task)
    assert found.adopted and found.before < 0.1 and found.after > 0.9
    if task == "counts":
        return  # no network answers whole numbers
    right = 1 - y if task == "multilabel" else -4 * y
    kept = readapt(model, x, right, most_steps=30, task=task, replay=(x, right))
    assert not kept.adopted and kept.model is model and kept.before == pytest.approx(1)
