"""Heats on small samples: who runs, who goes on, and every kill resumes to the same end."""

import math

import pytest

from kerasnas.files.stages import Stages
from kerasnas.racing.race import heats, stage
from kerasnas.racing.race.field import Small
from tests.kit import Traced
from tests.racing.test_stage import (
    MARK,
    build,
    candidates,
    marked,
    race,
    resumes_to_the_same_end,
    short,  # noqa: F401
    watch,
)


@pytest.fixture(autouse=True)
def narrow_budget(monkeypatch, short):  # noqa: F811
    monkeypatch.setattr(stage, "race_share", lambda seconds: 0.02)
    monkeypatch.setattr(heats, "_STEPS", 8)


SMALL = Traced(build)  # of small samples, beside those of the race itself


def field(folder, build=SMALL, area=4.0, **options):
    SMALL.begin()
    return race(folder, small=Small(build, area), **options)


def test_the_best_of_the_heats_runs_beside_the_first_and_the_others_are_out(tmp_path, monkeypatch):
    said, (learned, scored) = [], watch(monkeypatch)
    found = field(tmp_path, said=said, held_out=marked(), augment=()).run()  # symmetries are scored on all
    assert max(learned) < MARK == min(scored)
    entries = found["contestants"]
    ran = {name: entry["heat"]["accuracy"] for name, entry in entries.items() if "heat" in entry}
    assert set(ran) == {"separable", "narrow", "strided"} and all(entries[name]["cost"] > 0 for name in ran)
    (best,) = (name for name in ran if entries[name]["rungs"])
    assert ran[best] == max(ran.values()) and entries["conv"]["rungs"]
    assert found["rungs"][0] == [2, 12]
    out = [entries[name]["outcome"] for name in ran if name != best]
    assert all(words.startswith("out after its heat, with") for words in out)
    assert sum("on small images:" in line and "after 8 steps" in line for line in said) == 3


@pytest.mark.parametrize(
    ("minutes", "least", "share", "raced"),
    [
        (8.0, math.inf, 0.02, 1),  # the shipped one is two minutes
        (0.6, 0.0, 0.02, 1),  # little time is left
        pytest.param(8.0, 120, 0.4, 4, marks=pytest.mark.slow),  # there is room for full rungs
    ],
)
def test_there_are_no_heats_in_little_time_or_much(minutes, least, share, raced, tmp_path, monkeypatch):
    assert heats._LEAST == 120
    monkeypatch.setattr(heats, "_LEAST", least)
    monkeypatch.setattr(stage, "race_share", lambda seconds: share)
    found = field(tmp_path, minutes=minutes).run()
    assert not any("heat" in entry for entry in found["contestants"].values())
    assert found["rungs"][0][0] == len(found["contestants"]) == raced


def test_a_rung_without_time_for_a_step_ends_well(tmp_path, monkeypatch):
    def late(*given):
        heats.heats(*given)
        monkeypatch.setattr(stage, "FINISH_SECONDS", 480.0)

    monkeypatch.setattr(stage, "heats", late)
    entries = field(tmp_path).run()["contestants"]
    assert sum(bool(entry["rungs"]) for entry in entries.values()) == 2
    assert all(entry["step_seconds"] > 0 for entry in entries.values() if entry["rungs"])


def test_heats_end_when_their_share_is_spent(tmp_path, monkeypatch):
    monkeypatch.setattr(heats, "_SHARE", 0.02)
    entries = field(tmp_path).run()["contestants"]
    assert sum("heat" in entry for entry in entries.values()) == 1 and len(entries) == 2


def test_one_that_would_take_too_long_at_full_size_does_not_start(tmp_path):
    entries = field(tmp_path, area=1e6).run()["contestants"]
    assert [entry["outcome"] for name, entry in entries.items() if name != "conv"] == [
        "not started: too slow for this budget"
    ] * 3


def test_one_that_does_not_fit_small_images_is_passed_over_and_one_that_fails_is_out(tmp_path):
    def fails(genotype):
        if genotype == candidates(2)[1].genotype:
            raise ValueError("Expected at least 16 x 16 pixels")
        if genotype == candidates(3)[2].genotype:
            raise MemoryError("no room")
        return SMALL(genotype)

    entries = field(tmp_path, fails).run()["contestants"]
    assert "separable" not in entries and entries["narrow"]["outcome"] == "failed: no room"
    assert entries["strided"]["rungs"]


def test_the_users_own_network_needs_no_heat(tmp_path):
    def own(number):
        first, second, *others = candidates(number)
        second = type(second)("mine", second.genotype, "given")
        return [first, second, *others]

    entries = field(tmp_path, candidates=own).run()["contestants"]
    assert "heat" not in entries["mine"] and entries["mine"]["rungs"]


def accuracies(folder):
    entries = Stages(folder).stage("race")["contestants"]
    return {name: entry["heat"]["accuracy"] for name, entry in entries.items() if "heat" in entry}


@pytest.mark.slow
@pytest.mark.parametrize("at", [18, 26])  # within the first heat, the second
def test_killed_in_a_heat_it_resumes_to_the_same_end(at, tmp_path, monkeypatch):
    resumes_to_the_same_end(lambda name: field(tmp_path / name, most_epochs=20), at, monkeypatch)
    ran = accuracies(tmp_path / "whole")
    assert len(ran) == 3 and accuracies(tmp_path / "killed") == ran
