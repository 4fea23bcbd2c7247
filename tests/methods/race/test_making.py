"""From settings and data to a race: which candidates race, and for how long."""

import dataclasses
import math

import numpy as np
import pytest

from kerasnas.datasets import Dataset, load
from kerasnas.methods import RaceConfig
from kerasnas.methods.pretraining import pretrain_network
from kerasnas.methods.race import candidates, limits
from kerasnas.methods.race.making import companion_of, make_race
from kerasnas.methods.race.method import race_plan
from kerasnas.racing.budget import Budget
from kerasnas.runs.folder import RunFolder
from kerasnas.runs.method import Context
from kerasnas.runs.progress import progress_of
from kerasnas.runs.tracking import Tracking
from kerasnas.spaces import MacroSpace


def digits(unlike, number=120):
    """Images of three channels, whose brightest places are the same or not."""
    rng, rows = np.random.default_rng(0), np.arange(number) % 120
    x = rng.random((120, 4, 4, 3)).astype("float32").repeat(4, axis=1).repeat(4, axis=2)
    x = x if unlike else 0.2 * x + 0.8 * x[..., :1]
    return Dataset("made", x[rows], rows % 3, x[:9], np.arange(9) % 3, tuple("abc"))


def made(data, folder, log=str, **settings):
    config = RaceConfig(cpu_minutes=3.0, **{"starts": "none", **settings})
    run = RunFolder.create(folder, config)
    return make_race(Context(run, progress_of(log), Tracking(run, list), data, Budget(3.0, cpu=True)))


def parts(race):
    return [candidate.genotype["network"][0].primitive for candidate in race.candidates(race.most)]


@pytest.mark.parametrize(
    ("initializer", "first"),
    [
        ("none", "vgg_3x3"),
        pytest.param("auto", "vgg_3x3@images_vgg_3x3", marks=pytest.mark.slow),
    ],
)
def test_of_unlike_channels_one_network_that_they_share_races_the_first_for_longer(initializer, first, tmp_path):
    race = made(digits(unlike=True), tmp_path / "unlike", initializer=initializer)
    assert parts(race) == ["conv_3x3_w0.5", "channels"] and race.candidates(2)[0].name == first
    assert companion_of(RaceConfig(), digits(unlike=True)).must_lead
    assert companion_of(RaceConfig(), digits(unlike=False)) is None
    assert (race.share, race.small, race.duel) == (0.4, None, True) and race.test_samples == 9
    plan = race_plan(RaceConfig(cpu_minutes=3.0), digits(unlike=True), Budget(3.0, cpu=True))
    assert "up to 2 candidates" in plan and "up to 1 min 10 s" in plan


def test_of_unordered_lines_networks_that_read_whole_ones_race_the_first(tmp_path):
    letters = np.eye(16)[np.random.default_rng(0).integers(16, size=(120, 16))][..., None].astype("float32")
    data = Dataset("made", letters, np.arange(120) % 3, letters[:9], np.arange(9) % 3, tuple("abc"))
    race = made(data, tmp_path / "letters", initializer="none")
    assert parts(race) == ["conv_3x3_w0.5", "rows"] and race.augment == ("drop_rows",)
    assert (race.share, race.small, race.duel, race.tolerant) == (0.4, None, True, False)  # a shifted letter is another
    words = np.concatenate([letters[:, :8], letters[:, :8]], axis=1)
    data = dataclasses.replace(data, x_train=words.swapaxes(1, 2))
    race = made(data, tmp_path / "words", initializer="none")
    assert parts(race) == ["conv_3x3_w0.5", "columns_in_2", "columns"] and race.augment == ("drop_columns",)
    assert race.most_epochs == 100 and companion_of(RaceConfig(), data).division == "columns_in_2"
    assert companion_of(RaceConfig(max_parameters=9_000), data) is None  # it would not be counted
    assert parts(made(data, tmp_path / "two", initializer="none", candidates=2)) == ["conv_3x3_w0.5", "columns_in_2"]
    assert made(data, tmp_path / "own", augment=("shift",)).augment == ("shift",)
    assert made(data, tmp_path / "alone", candidates=1).most_epochs == 100
    either = dataclasses.replace(data, x_train=letters + 0.1 * np.random.default_rng(1).random(letters.shape))
    race = made(either, tmp_path / "either", initializer="none")
    assert parts(race) == ["conv_3x3_w0.5", "rows", "columns"] and race.augment is None and not race.tolerant
    assert race.most_epochs == math.inf and companion_of(RaceConfig(), either) is None


def test_of_alike_channels_and_in_a_space_without_parts_nothing_changes(tmp_path):
    race = made(digits(unlike=False), tmp_path / "alike", initializer="none")
    assert race.most == 12 and race.share == 0.0 and race.small is not None and not race.duel
    assert "channels" not in parts(race) and len(race.candidates(12)) == 12
    cells = made(digits(unlike=True), tmp_path / "cells", space="nasbench201")
    assert cells.most == 12 and cells.share == 0.0 and len(cells.candidates(3)) == 3
    alone = made(digits(unlike=True), tmp_path / "one", candidates=1)
    assert alone.most == 1 and not alone.duel  # nothing races


@pytest.mark.parametrize(
    ("images", "settings", "optimizer"),
    [(999, {}, "Muon"), (1000, {}, "SGD"), (999, {"optimizer": "sgd"}, "SGD"), (1000, {"optimizer": "muon"}, "Muon")],
)
def test_networks_learn_by_muon_below_a_thousand_samples_unless_the_user_says(images, settings, optimizer, tmp_path):
    race = made(digits(unlike=False, number=images), tmp_path, initializer="none", **settings)
    assert type(race.build(race.candidates(1)[0].genotype).optimizer).__name__ == optimizer


def test_samples_that_are_held_out_are_not_learned_from(tmp_path):
    data = digits(unlike=False)
    numbered = dataclasses.replace(
        data, x_train=np.full_like(data.x_train, 1) * np.arange(120)[:, None, None, None] / 120
    )
    race = made(numbered, tmp_path)
    learned, held = (np.rint(120 * part[0][:, 0, 0, 0]).astype(int) for part in (race.data, race.held_out))
    assert sorted([*learned, *held]) == list(range(120)) and len(held) == 40
    for rows, (_, y) in ((learned, race.data), (held, race.held_out)):
        np.testing.assert_array_equal(y, data.y_train[rows])


def test_limits_are_asked_once_for_each_network(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(limits.Limit, "cost", lambda *about: lambda genotype: asked.append(genotype) or 0)
    made(digits(unlike=False), tmp_path / "once", max_parameters=10**9).candidates(6)
    assert len(asked) == len(set(asked)) >= 6


@pytest.mark.parametrize(("images", "rate"), [(99, 0.02), (100, 0.0)])
def test_on_few_images_pretrained_weights_are_trained_gently(images, rate, tmp_path):
    first, *others = made(digits(unlike=False, number=images), tmp_path / "few").candidates(6)
    assert (first.kind, first.learning_rate) == ("initialized", rate)
    assert not any(one.learning_rate for one in others)


def test_the_users_own_networks_take_no_room_of_the_duel(tmp_path):
    space = MacroSpace.for_data((16, 16, 3), 3, 120)
    space.references()["cnn"].save(tmp_path / "mine.json")
    race = made(digits(unlike=True), tmp_path / "own", genotypes=(str(tmp_path / "mine.json"),), initializer="none")
    assert [one.kind for one in race.candidates(race.most)] == ["reference", "given", "default"]
    assert parts(race)[-1] == "channels"


@pytest.mark.parametrize(
    ("ends", "space", "primitives"),
    [
        (12, "macro", ["conv_3x3_w0.5", *["conv_3x3"] * 3, "max_pool_2x2", *["conv_3x3"] * 3]),
        (9, "padded_signals", ["masked_conv_3"] * 6),
    ],
)
def test_series_race_in_the_space_that_ignores_their_padding(ends, space, primitives, tmp_path):
    x = np.random.default_rng(0).random((20, 12)).astype("float32")
    x[::2, ends:] = np.nan
    np.savez(
        tmp_path / "x.npz", x_train=x, y_train=np.arange(20) % 2, x_test=x, y_test=np.arange(20) % 2, kind="signals"
    )
    data = load(tmp_path / "x.npz")
    race = made(data, tmp_path / "run")
    (first, *_) = race.candidates(3)
    (cell,) = first.genotype
    found = [edge.primitive for edge in first.genotype[cell]]
    assert first.genotype.space == space and found[: len(primitives)] == primitives
    assert race.augment == ("shift",) and race.baseline == "values" and not race.views
    companion = companion_of(RaceConfig(), data)
    assert companion.padded == (space == "padded_signals")


def test_random_networks_are_drawn_while_a_part_of_the_budget_lasts(tmp_path, monkeypatch):
    """Of padded series, a limit on flash is known of built networks alone."""
    x = np.random.default_rng(0).random((20, 12)).astype("float32")
    x[::2, 9:] = np.nan
    y, seconds = np.arange(20) % 2, iter(range(10_000))
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x, y_test=y, kind="signals")
    race = made(load(tmp_path / "x.npz"), tmp_path / "run", max_flash_kb=1, space="padded_signals")
    race.budget.clock = lambda: float(next(seconds))  # 5 of 180
    monkeypatch.setattr(limits, "_DRAWN", 2)
    with pytest.raises(ValueError, match="of space 'padded_signals' is within max_flash_kb=1: of 2"):
        race.candidates(12)
    assert next(seconds) < 20


def test_recordings_race_as_pictures_that_are_shifted_and_zoomed(tmp_path):
    sound = np.random.default_rng(0).standard_normal((20, 8000)).astype("float32")
    y = np.arange(20) % 2
    np.savez(tmp_path / "x.npz", x_train=sound, y_train=y, x_test=sound, y_test=y, rate=16000)
    data = load(tmp_path / "x.npz")
    race = made(data, tmp_path / "run")
    first, drawn, *_ = race.candidates(3)
    assert (first.name, drawn.name) == ("vgg_3x3@sounds_vgg_3x3", "vgg_3x3")
    assert race.build(first.genotype).input_shape[1:] == data.input_shape == (32, 40, 1)
    assert race.augment == ("shift", "zoom") and race.views and companion_of(RaceConfig(), data) is None
    with pytest.raises(ValueError, match=r"x holds recordings\. Expected data sets of images"):
        pretrain_network("cnn", [data], race.budget, seed=0)


@pytest.mark.parametrize(
    ("settings", "views", "trainings"),
    [
        ({}, True, 5),
        ({"test_time_augmentation": False, "ensemble": 2}, False, 2),
        ({"max_parameters": 10**6}, False, 1),
    ],
)
def test_answers_are_means_over_views_and_trainings_unless_something_is_limited(settings, views, trainings, tmp_path):
    race = made(digits(unlike=False), tmp_path, **settings)
    assert (race.views, race.trainings) == (views, trainings)


@pytest.mark.slow
def test_an_impossible_limit_is_answered_before_candidates_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "portfolio", None)
    race = made(digits(unlike=False), tmp_path / "run", max_ram_kb=1.0, initializer="none")
    with pytest.raises(ValueError, match=r"is within max_ram_kb=1\. The least there is takes .* kB of memory"):
        race.candidates(3)


@pytest.mark.parametrize("limit", [{"max_parameters": 1000}, {"latency_target_ms": 1.0}, {"max_flash_kb": 30}])
def test_no_linear_model_joins_a_network_with_limits(limit, tmp_path):
    texts, y = np.array(["a fine film", "dull and slow"] * 10), np.arange(20) % 2
    np.savez(tmp_path / "x.npz", x_train=texts, y_train=y, x_test=texts, y_test=y)
    data = load(tmp_path / "x.npz")
    assert "runs of up to 2" in str(companion_of(RaceConfig(), data))
    assert companion_of(RaceConfig(**limit), data) is None
