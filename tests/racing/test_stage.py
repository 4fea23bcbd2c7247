"""The race as a stage: on a clock that ticks with every look at it, so that equal seeds give equal results."""

import dataclasses
import itertools
import json
import re
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasnas.datasets.batches import ArrayBatches
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.modalities.lazy_images import LazyImages
from kerasnas.racing import winner
from kerasnas.racing.baseline import pixel_baseline
from kerasnas.racing.budget import Budget, spent_before
from kerasnas.racing.entrants import contestants
from kerasnas.racing.entrants.contestant import Contestant
from kerasnas.racing.portfolio import Candidate
from kerasnas.racing.race import field, stage
from kerasnas.racing.race.stage import Race
from kerasnas.racing.rungs import first_steps, race_share
from kerasnas.racing.winner import train_winner
from kerasnas.spaces import MacroSpace
from kerasnas.training.evidence import evaluation_record
from kerasnas.training.recipe import TrainingRecipe
from tests.kit import Clock, Traced

CLASSES = 3
SPACE = MacroSpace(filters=4, widths=(0.5, 1.0), stages=(2,), depths=(1,), primitives=("conv_3x3", "separable_3x3"))
PLANS = {
    "conv": ("conv_3x3", 1.0, "conv_3x3", "pool", (0, 1)),
    "separable": ("conv_3x3", 1.0, "separable_3x3", "pool", (0, 1)),
    "narrow": ("conv_3x3", 0.5, "conv_3x3", "strides", (0, 1)),
    "strided": ("conv_3x3_s2", 1.0, "conv_3x3", "pool", (0, 1)),
}
MARK = 100.0  # a value that images for training never have


def images(number, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(number) % CLASSES
    x = rng.random((number, 8, 8, 1)) * 0.4
    for label in range(CLASSES):  # a bright row at the height of the class, at the left half: a flip moves it
        x[y == label, 1 + 2 * label, :4] += 0.6
    return x.astype("float32"), y


def candidates(number):
    found = [Candidate(name, SPACE.network(*plan), "reference") for name, plan in PLANS.items()]
    return found[:number]


def name_of(genotype):
    return next(name for name, plan in PLANS.items() if SPACE.network(*plan) == genotype)


def compiled(model):
    return TrainingRecipe(learning_rate=0.05, label_smoothing=0.1).compile_network(model, None)


def convolutional(genotype):
    return compiled(SPACE.build_network(genotype, (8, 8, 1), CLASSES, seed=0))


def build(genotype):
    """A network of one hidden layer, traced in half the time of the space's own; none is hopeless at first."""
    width = {"conv": 16, "separable": 8, "narrow": 8, "strided": 7}[name_of(genotype)]
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8, 8, 1))
    for layer in (keras.layers.Flatten(), keras.layers.Dense(width, "relu"), keras.layers.BatchNormalization()):
        x = layer(x)
    return compiled(keras.Model(inputs, keras.layers.Dense(CLASSES)(x)))


TRACED = Traced(build)


def shorten(patch):
    patch.setattr(stage, "first_steps", lambda seconds: 12)
    patch.setattr(stage, "TIMED", 4)
    patch.setattr(stage, "race_share", lambda seconds: 0.4)
    patch.setattr(winner, "network_latency", lambda model: 1.0)  # converting takes longer than training


@pytest.fixture(autouse=True)
def short(monkeypatch):
    shorten(monkeypatch)


def race(folder, minutes=8.0, **options):
    stages = Stages(folder)
    said = options.pop("said", [])
    TRACED.begin()
    settings = {"candidates": candidates, "build": TRACED, "data": images(96, 0), "held_out": images(48, 1)} | options
    budget = Budget(minutes, spent=spent_before(stages, "racing"), clock=Clock())
    return Race(stages, budget, num_classes=CLASSES, log=said.append, **settings)


def finish(entrant, test=None):
    kept = []

    def keep(model):
        kept.append(model.get_weights())
        if test is not None:
            measured.update(evaluated(entrant.task, model, *test))

    measured = {}
    record = train_winner(entrant, keep)
    return {**record, **measured}, kept[0] if kept else None


def evaluated(task, model, x, y):
    return evaluation_record(task, task.answers(model.predict(x, verbose=0)), y)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        folder, said, models, rates, seen = tmp_path_factory.mktemp("race"), [], [], [], []
        entrant = race(folder, said=said, watch=lambda *told: seen.append(told))

        def keep(model):  # the traced one is of later races, too
            models.append(keras.models.clone_model(model))
            models[0].set_weights(model.get_weights())
            rates.append(float(model.optimizer.learning_rate))

        record = train_winner(entrant, keep)
    return SimpleNamespace(
        folder=folder,
        record={**record, **evaluated(entrant.task, models[0], *images(30, 2))},
        model=models[0],
        rate=rates[0],
        weights=models[0].get_weights(),
        found=Stages(folder).stage("race"),
        said=said,
        seen=seen,
        spent=entrant.budget.spent(),
    )


def test_half_goes_on_and_the_winner_gets_the_rest(uninterrupted):
    folder, record, found, said = (getattr(uninterrupted, name) for name in ("folder", "record", "found", "said"))
    sizes = [number for number, _ in found["rungs"]]
    assert sizes[0] == 4 and len(sizes) > 2 and set(sizes[1:]) == {2}  # the winner and one more
    assert [steps for _, steps in found["rungs"]] == [12 * 2**rung for rung in range(len(sizes))]
    trained = {name: len(entry["rungs"]) for name, entry in found["contestants"].items()}
    assert sorted(trained.values()) == [1, 1, len(sizes), len(sizes)] and trained[found["winner"]] == len(sizes)
    outcomes = [entry["outcome"] for entry in found["contestants"].values()]
    last = f"out after rung {len(sizes)}"
    assert sorted(outcomes) == ["out after rung 1", "out after rung 1", last, "winner"]
    assert record["seconds"] >= 0.5 * 480 and record["test_accuracy"] > 0.6
    assert {entry["name"] for entry in found["comparison"]} == set(found["contestants"]) - {found["winner"]}
    assert all(entry["macs"] > 0 and entry["parameters"] > 0 for entry in found["contestants"].values())
    for words in ("of the held-out images after 12 steps", f"Training {found['winner']} for"):
        assert any(words in line for line in said)
    assert not (folder / "checkpoints" / "racing").exists() and not (folder / "checkpoints" / "searched").exists()
    json.dumps(found)


def test_budget_is_kept_and_the_rate_has_fallen(uninterrupted):
    assert 0.9 * 480 <= uninterrupted.spent <= 480
    assert uninterrupted.rate < 0.1 * 0.05


def test_every_network_can_be_watched(uninterrupted):
    found, seen, history = uninterrupted.found, uninterrupted.seen, uninterrupted.record["history"]
    rungs = [
        (f"race/{name}", {"val_accuracy": rung["accuracy"]}, rung["steps"])
        for name, entry in found["contestants"].items()
        for rung in entry["rungs"]
    ]
    winning = f"searched/{found['winner']}"
    assert sorted(rungs, key=str) == sorted((one for one in seen if one[0] != winning), key=str)
    assert seen[-1] == (winning, {name: history[name][-1] for name in ("loss", "accuracy")}, history["steps"][-1])


@pytest.mark.slow
def test_looks_at_the_network_in_training_change_nothing(uninterrupted, tmp_path):
    """Another thread asks all the time, which the thread of a log does every half a minute."""
    entrant, looks, ended = race(tmp_path), set(), threading.Event()

    def look():
        while not ended.wait(0.004):
            looks.add(entrant.contestants.at_work())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        _, weights = finish(entrant)
    finally:
        ended.set()
        thread.join()
    for one, other in zip(weights, uninterrupted.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    words = re.compile(r"(\w+), [\d,]+ steps, loss \d\.\d{3}(, held-out accuracy \d+\.\d %)?")
    found = [words.fullmatch(one) for one in looks - {""}]
    assert all(found) and {one[1] for one in found} >= {uninterrupted.found["winner"]}
    assert any(one[2] for one in found) and entrant.contestants.at_work() == ""


def test_what_may_be_done_to_images_is_found_out(tmp_path, monkeypatch):
    """A row at the height of its class: mirrored it is the same, upside down it is another class."""

    def whole_rows(number, seed):
        x, y = images(number, seed)
        return np.maximum(x, x[:, :, ::-1]), y

    monkeypatch.setattr(stage, "first_steps", lambda seconds: 100)
    pair = {"candidates": lambda number: candidates(2)}
    found = race(tmp_path / "rows", data=whole_rows(96, 0), held_out=whole_rows(48, 1), **pair).run()
    assert found["augment"] == ["shift", "flip"] and found["kept"]["flip_vertical"] < 0.5
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 12)
    assert race(tmp_path / "given", 2.0, augment=("cutout",), **pair).run()["augment"] == ["cutout"]


def test_symmetries_are_judged_by_known_images_and_by_others(tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr(field, "kept_accuracies", lambda scores, chance, *parts: judged.append(parts) or {})
    one = race(tmp_path, 2.0, most=1, candidates=lambda number: candidates(1))
    one.run()
    ((known, held_out, names),) = judged
    assert known is one.data and held_out is one.held_out and "zoom" not in names  # of 8x8 pixels
    monkeypatch.setattr(field, "_JUDGES", 20)
    one.kept(one.begun("conv"), 0.01)
    assert [len(x) for x, _ in judged[-1][:2]] == [20, 20]
    monkeypatch.setattr(field, "_ZOOMED", 8)
    for tolerant, duel in itertools.product((True, False), repeat=2):
        one.tolerant, one.duel = tolerant, duel
        one.kept(one.begun("conv"), 0.01)
        assert ("zoom" in judged[-1][2]) == (tolerant and not duel)
    one.tolerant, one.duel = True, False
    for epochs in (61, 59):  # that there is time for
        one.kept(one.begun("conv"), one.budget.left() / len(one.begun("conv").batches) / epochs)
        assert ("zoom" in judged[-1][2]) == (epochs > 60)


def test_of_grids_nothing_is_shifted_or_cut_out(tmp_path, monkeypatch):
    """Of a shifted maze the goal may be gone; only symmetries that are found out are used."""
    augmented, prepare = [], field.batches_of
    monkeypatch.setattr(field, "batches_of", lambda *given: augmented.append(given[-1]) or prepare(*given))
    found = race(tmp_path, 3.0, tolerant=False, most=2).run()
    assert set(augmented) == {tuple(found["augment"])} and "shift" not in found["augment"]
    assert {name for name in found["contestants"] if "+" in name} == set()


class Interrupting:
    """Raises in the given step of all contestants together."""

    def __init__(self, monkeypatch, at):
        self.left, take = at, Contestant._batch

        def batch(contestant):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return take(contestant)

        monkeypatch.setattr(Contestant, "_batch", batch)


def resumes_to_the_same_end(make, at, monkeypatch, test=None, whole=None, kill=Interrupting):
    """Asserts that the race of `make(name)`, killed in its step `at`, ends as the one that nobody interrupted.

    By default, that is in its last training.
    """
    expected, weights = whole or finish(make("whole"), test)
    with monkeypatch.context() as patch:
        kill(patch, at or expected["steps"])
        with pytest.raises(KeyboardInterrupt):
            finish(make("killed"), test)
    record, again = finish(make("killed"), test)
    assert record["genotype"] == expected["genotype"] and record["steps"] == expected["steps"]
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)
    return record


def kill_at_write(monkeypatch, number):
    """Raise before this write of the progress."""
    left, write = [number], contestants.Contestants.write

    def killing(entrants, spent):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        write(entrants, spent)

    monkeypatch.setattr(contestants.Contestants, "write", killing)


# Writes: of the first rung, where a network had no seconds of a step yet; of a later one; of the last training.
@pytest.mark.parametrize(
    ("kill", "at"),
    [
        (Interrupting, 40),
        *(pytest.param(Interrupting, at, marks=pytest.mark.slow) for at in (5, 15, 70, 100, 160)),
        *(pytest.param(kill_at_write, number, marks=pytest.mark.slow) for number in (1, 3, 6, 12)),
    ],
)
def test_killed_anywhere_it_resumes_to_the_same_end(kill, at, uninterrupted, tmp_path, monkeypatch):
    whole = uninterrupted.record, uninterrupted.weights
    record = resumes_to_the_same_end(lambda name: race(tmp_path), at, monkeypatch, whole=whole, kill=kill)
    assert Stages(tmp_path).stage("race")["winner"] == uninterrupted.found["winner"]
    assert finish(race(tmp_path))[0] == record and record["latency_ms"] == 1  # finished: nothing is done again


@pytest.mark.slow
def test_killed_between_its_record_and_the_removal_of_its_progress_it_is_finished(uninterrupted, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    for name, owner in (("finish", Stages), ("remove", contestants.Contestants)):
        with monkeypatch.context() as patch:
            if name == "finish":
                patch.setattr(owner, name, lambda *a, write=owner.finish: stop() if a[1] == "searched" else write(*a))
            else:
                patch.setattr(owner, name, stop)
            with pytest.raises(KeyboardInterrupt):
                finish(race(tmp_path))
    assert (tmp_path / "checkpoints" / "racing").exists()
    assert finish(race(tmp_path))[0]["steps"] == uninterrupted.record["steps"]
    assert not (tmp_path / "checkpoints" / "racing").exists()


def test_networks_that_drop_out_are_removed_when_that_is_written(uninterrupted, tmp_path, monkeypatch):
    """The other way round, a race that is killed between compares again, and may keep one that is gone."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(contestants.Contestants, "forget", stop)
        with pytest.raises(KeyboardInterrupt):
            finish(race(tmp_path))
    progress = Stages(tmp_path).progress("racing")
    assert len(progress["standing"]) == 2 and progress["rungs"] == [[4, 12]]


def marked():
    x, y = images(48, 1)
    x[:, 0, 0, 0] = MARK
    return x, y


def watch(monkeypatch):
    """Return two lists that get the greatest values of what contestants learn from, and of what they are scored on."""
    learned, scored, take, score = [], [], Contestant._batch, Contestant.scores

    def batch(contestant):
        found = take(contestant)
        learned.append(float(found[0].max()))
        return found

    monkeypatch.setattr(Contestant, "_batch", batch)
    monkeypatch.setattr(Contestant, "scores", lambda one, x, *y: [scored.append(x.max()), score(one, x, *y)][1])
    return learned, scored


def test_the_winner_alone_is_trained_on_what_is_held_out(tmp_path, monkeypatch):
    learned, scored = watch(monkeypatch)
    entrant = race(tmp_path, 4.0, held_out=marked(), augment=(), candidates=lambda number: candidates(2))
    found = entrant.run()
    assert max(learned) < MARK == min(scored) and all(entry["rungs"] for entry in found["contestants"].values())
    finish(entrant)
    assert max(learned) == MARK


def stop(*given):
    raise StopIteration


def test_the_shipped_lengths_of_rungs_are_those_of_the_budget(tmp_path, monkeypatch):
    """In five minutes, of steps of a tenth of a second: 150 in the first rung, with room for one beside the first."""
    monkeypatch.setattr(stage, "first_steps", first_steps)
    monkeypatch.setattr(stage, "race_share", race_share)
    entrant, ticks = race(tmp_path, 5.0, augment=()), Clock()
    entrant.budget.clock = lambda: 0.1 * ticks()
    monkeypatch.setattr(stage, "ranked", stop)  # behind the first rung
    with pytest.raises(StopIteration):
        entrant.run()
    assert entrant.progress["rungs"] == [[2, 150]]


def failing(names, error):
    def build_or_fail(genotype):
        if genotype in [SPACE.network(*PLANS[name]) for name in names]:
            raise error
        return TRACED(genotype)

    return build_or_fail


def test_a_candidate_that_does_not_fit_in_memory_is_out(tmp_path):
    said = []
    build_few = failing(["conv", "narrow"], MemoryError("no room"))
    found = race(tmp_path, build=build_few, candidates=lambda number: candidates(3), said=said).run()
    assert found["contestants"]["conv"]["outcome"] == found["contestants"]["narrow"]["outcome"] == "failed: no room"
    assert found["winner"] == "separable"
    assert any("conv is out of the race: no room" in line for line in said)


def test_a_candidate_that_diverges_is_out(tmp_path):
    def build_one_diverging(genotype):
        model = TRACED(genotype)
        if genotype == SPACE.network(*PLANS["separable"]):
            model.optimizer.learning_rate.assign(1e30)
        return model

    found = race(tmp_path, build=build_one_diverging, candidates=lambda number: candidates(2)).run()
    assert "stopped being finite" in found["contestants"]["separable"]["outcome"]
    assert found["winner"] == "conv"


# More than a third of the first rung; more than all of it.
@pytest.mark.parametrize("factor", [5, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_candidate_that_is_too_slow_for_the_budget_does_not_start(factor, tmp_path, monkeypatch):
    count, others = contestants.macs, build(SPACE.network(*PLANS["conv"]))

    def macs_of(model):
        slow = model.count_params() == build(SPACE.network(*PLANS["strided"])).count_params()
        return (factor if slow else 1) * count(others)

    monkeypatch.setattr(contestants, "macs", macs_of)
    conv, separable, _, strided = candidates(4)
    found = race(tmp_path, 3.0, candidates=lambda number: [conv, strided, separable]).run()
    assert found["contestants"]["strided"]["outcome"] == "not started: too slow for this budget"
    assert found["contestants"]["strided"]["rungs"] == [] and found["rungs"][0] == [2, 12]


def test_where_every_candidate_fails_that_is_said(tmp_path):
    with pytest.raises(ArithmeticError, match="No candidate could be trained: conv: failed: no room; separable"):
        race(tmp_path, build=failing(PLANS, MemoryError("no room"))).run()


def test_a_short_budget_is_no_race_and_a_shorter_one_an_error(tmp_path, monkeypatch):
    said = []
    found = race(tmp_path / "short", 0.6, said=said).run()
    assert found["rungs"] == [[1, 12]] and list(found["contestants"]) == ["conv"] == [found["winner"]]
    assert not any("out after" in entry["outcome"] for entry in found["contestants"].values())
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 1000)
    entrant = race(tmp_path / "cut", 2.0)
    assert finish(entrant)[0]["steps"] > 1.3 * entrant.run()["rungs"][0][1]  # time is left to anneal
    with pytest.raises(ValueError, match=r"A budget of 0.2 minutes is too short for anything: .* takes 0.\d minutes"):
        race(tmp_path / "none", 0.2).run()


def test_two_samples_of_a_class_are_enough(tmp_path):
    few = {"data": images(6, 0), "held_out": images(3, 1), "candidates": lambda number: candidates(2)}
    found = race(tmp_path, 2.0, **few).run()
    assert found["augment"] == ["shift"]  # of three images nothing can be told


def test_a_support_vector_machine_is_fitted_to_the_same_data(uninterrupted, tmp_path):
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    (x, y), (x_other, y_other) = images(96, 0), images(48, 1)
    reduce = PCA(60, whiten=True, random_state=0).fit(x.reshape(96, -1))
    machine = SVC(C=10.0).fit(reduce.transform(x.reshape(96, -1)), y)
    accuracy = machine.score(reduce.transform(x_other.reshape(48, -1)), y_other)
    assert uninterrupted.found["baseline"]["accuracy"] == pytest.approx(accuracy)
    assert pixel_baseline((np.zeros((3001, 2, 2, 1)), np.arange(3001) % 2), (x, y)) is None
    assert pixel_baseline((x, np.zeros(96, int)), (x, y)) is None


def test_photographs_are_read_in_parts_for_the_support_vector_machine(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    colors = 60 * y[:, None, None, None] + rng.integers(0, 120, (600, 1, 1, 3))
    photographs = LazyImages(np.broadcast_to(colors, (600, 64, 48, 3)).astype(np.uint8)) / np.float32(255)
    read, whole = [], LazyImages._values
    monkeypatch.setattr(LazyImages, "_values", lambda self, rows: read.append(len(rows)) or whole(self, rows))
    found = pixel_baseline((photographs[np.arange(400)], y[:400]), (photographs[np.arange(400, 600)], y[400:]))
    assert found["accuracy"] > 0.9 and max(read) <= 64  # rounding errors beside three colors know nothing


@pytest.mark.parametrize(("seconds", "starts"), [pytest.param(60.0, True, marks=pytest.mark.slow), (1000.0, False)])
def test_the_users_own_start_unless_they_take_most_of_the_budget(tmp_path, monkeypatch, seconds, starts):
    """A network that a race does not start, as its first rung would take so many seconds, starts where it is given."""
    monkeypatch.setattr(Race, "_first_rung_seconds", lambda self, name, steps: seconds)

    def some(number):
        first, second, third, _ = candidates(4)
        return [first, dataclasses.replace(second, kind="given"), third]

    found = race(tmp_path, candidates=some).run()["contestants"]
    assert bool(found["separable"]["rungs"]) is starts
    assert found["narrow"]["outcome"] == "not started: too slow for this budget"
    assert (found["separable"]["outcome"] == found["narrow"]["outcome"]) is not starts


def test_an_initialization_is_read_once_and_a_checkpoint_goes_on_without_it(tmp_path):
    read, batches = [], ArrayBatches(*images(24, 0), batch_size=8)

    def entered():
        return contestants.Contestants(Stages(tmp_path), build, print, lambda name, model, x, y: read.append(name))

    first = entered()
    first.enter(
        Candidate("begun", SPACE.network(*PLANS["conv"]), "initialized", initializer="start", learning_rate=0.02)
    )
    assert first.get("begun", batches).learning_rate == pytest.approx(0.02) and read == ["start"]
    first.save("begun", 1.0)
    assert entered().get("begun", batches).learning_rate == pytest.approx(0.02) and read == ["start"]


def test_a_contestant_may_have_smaller_batches_than_the_others_and_be_the_favorite(tmp_path):
    one = race(tmp_path)
    for candidate in candidates(2):
        one.contestants.enter(candidate)
    few = dataclasses.replace(candidates(3)[2], batch_size=5, favorite=True)
    one.contestants.enter(few)
    assert [name for name, entry in one.entries.items() if entry.get("favorite")] == [few.name]
    one.progress["augment"] = []
    sizes = [one.batches(images(40, 0), name).batch_size for name in one.entries]
    assert sizes == [8, 8, 5] and one.begun(few.name).batches.batch_size == 5
    assert one.batches(images(12, 0), few.name).batch_size == 3


def test_each_training_of_each_seed_sees_the_samples_in_an_order_of_its_own(tmp_path):
    seeds = []
    for seed in (0, 1):
        one = race(tmp_path / str(seed), seed=seed)
        one.contestants.enter(candidates(1)[0])
        one.progress["augment"] = []
        seeds += [one.batches(images(40, 0), "conv", order).seed for order in range(3)]
    assert len(set(seeds)) == 6 and seeds[::3] == [0, 1]


@pytest.mark.slow
def test_a_precision_in_which_a_step_takes_less_time_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(Contestant, "seconds_in", lambda *given: 0.5)
    said, models, options = [], [], {"precision": "auto", "build": convolutional}
    entrant = race(tmp_path, 2.0, said=said, candidates=lambda number: candidates(1), **options)
    record = train_winner(entrant, models.append)
    assert Stages(tmp_path).stage("race")["precision"] == "bfloat16"
    assert any("bfloat16: 500 ms a step" in line for line in said)
    x, _ = images(30, 2)
    fresh = convolutional(Genotype.from_json(json.dumps(record["genotype"])))
    fresh.set_weights(models[0].get_weights())
    exact = fresh.predict(x, verbose=0)
    np.testing.assert_array_equal(models[0].predict(x, verbose=0), exact)


@pytest.mark.parametrize(("computes", "seconds"), [(False, 0.0), (True, 5.0)])
def test_without_the_instructions_or_a_gain_float32_remains(computes, seconds, tmp_path, monkeypatch):
    """On this clock, a step takes more than a second, and less than two."""
    monkeypatch.setattr(stage, "computes_bfloat16", lambda: computes)
    monkeypatch.setattr(Contestant, "seconds_in", lambda *given: seconds)
    said, options = [], {"precision": "auto", "build": convolutional}
    found = race(tmp_path, 2.0, said=said, candidates=lambda number: candidates(1), **options).run()
    assert "precision" not in found and not any("bfloat16" in line for line in said)


@pytest.mark.slow
def test_killed_it_resumes_in_the_same_precision(tmp_path, monkeypatch):
    traced = Traced(convolutional)

    def two(name):
        traced.begin()
        return race(tmp_path / name, precision="bfloat16", build=traced, candidates=lambda number: candidates(2))

    resumes_to_the_same_end(two, 40, monkeypatch)
