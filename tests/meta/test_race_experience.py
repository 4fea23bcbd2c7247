"""Experience of races: its record, and what it advises."""

import dataclasses
import json
import math

import pytest

from kerasnas.genotypes import DARTS_V2
from kerasnas.meta.race_experience import RaceExperience, advise
from kerasnas.meta.tasks import features
from kerasnas.spaces import MacroSpace
from tests.meta.test_tasks import TASK

SPACE = MacroSpace()
NETWORKS = dict(SPACE.references())


def race(*names, task=TASK, seconds=300.0, space=None, winner=None, **more):
    """A race that ended in the order of `names`, the winner first."""
    candidates = []
    for place, name in enumerate(names):
        record = json.loads(NETWORKS[name].to_json())
        curve = [[150, 0.9 - 0.1 * place]] * (3 if place == 0 else 1)
        candidates.append({"name": name, "kind": "reference", "genotype": record, "curve": curve})
    budget = {"seconds": seconds, "cpu": False}
    return RaceExperience(task, budget, candidates[::-1], winner or names[0], 0.9, date="2026-01-31", **more)


def names(advice):
    return [next(name for name, genotype in NETWORKS.items() if genotype == one.genotype) for one in advice]


A, B, C, D = list(NETWORKS)[:4]
FAR = {**TASK, "samples": 2_000_000, "classes": 2, "height": 512, "width": 512, "nearest_mean": 0.99}


def test_a_line_is_plain_json_and_gives_the_record_again():
    one = race(A, B, baseline=0.4, machine={"device": "x"})
    line = one.to_line()
    assert "\n" not in line and json.loads(line)["format"] == "kerasnas.experience" and json.loads(line)["version"] == 2
    assert RaceExperience.from_line(line) == one == RaceExperience.from_line(line.encode())
    record = json.loads(line)
    record["candidates"][0]["images"] = [[1, 2]]
    assert "images" not in RaceExperience.from_line(json.dumps(record)).to_line()


@pytest.mark.parametrize(
    "change",
    [
        *({"format": "other"}, {"winner": "nobody"}, {"test_score": 2}, {"test_score": math.nan}, {"inputs": "text"}),
        *({"inputs": "sound"}, {"predicts": "ranks"}, {"baseline": -0.5}, {"task": {}}, {"task": 3}, {"more": 1}),
        *({"budget": {"seconds": 0, "cpu": False}}, {"candidates": [{"name": "a"}]}, {"candidates": "abc"}),
        *({"version": 0}, {"version": "1"}),
    ],
)
def test_what_is_no_experience(change):
    with pytest.raises(ValueError, match="no experience of a race"):
        RaceExperience.from_line(json.dumps(json.loads(race(A, B).to_line()) | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff\xfe", "[" * 100_000], ids=lambda text: str(text[:4]))
def test_what_is_no_record(text):
    with pytest.raises(ValueError, match="no experience of a race"):
        RaceExperience.from_line(text)


def test_a_newer_version_is_told_apart():
    with pytest.raises(NotImplementedError, match="version 3"):
        RaceExperience.from_line(json.dumps({"format": "kerasnas.experience", "version": 3, "unknown": 1}))


def test_the_winner_of_the_most_alike_task_is_the_first():
    near, other = {**TASK, "samples": 2200}, {**TASK, "samples": 20_000}
    assert names(advise(TASK, 300, [race(A, B, task=other), race(C, D, task=near)], "macro")) == [C, A, D, B]
    assert names(advise(other, 300, [race(A, B, task=other), race(C, D, task=near)], "macro")) == [A, C, B, D]
    (first, *_) = advise(TASK, 300, [race(A, B)], "macro")
    assert (first.score, first.wins) == (1.0, 1) and [one.winner for one in first.experiences] == [A]


def test_what_did_well_twice_beats_what_won_once():
    found = advise(TASK, 300, [race(A, B), race(C, B), race(B, D)], "macro")
    assert names(found)[0] == B and found[0].score == pytest.approx(2.0) and found[0].wins == 1


def test_likeness_weighs():
    """What won on the same data is ahead of what won twice on data that are somewhat alike."""
    somewhat = {**TASK, "samples": 60_000, "classes": 100, "nearest_image": 0.9}
    found = advise(TASK, 300, [race(A, B, task=somewhat), race(A, B, task=somewhat), race(C, D)], "macro")
    assert names(found)[0] == C and found[0].score == 1.0 and 0 < found[1].score < 1.0


def test_only_the_nearest_count_and_what_is_far_does_not():
    assert names(advise(TASK, 300, [race(A, B), race(A, B), race(A, B), race(C, D, task=FAR)], "macro")) == [A, B]
    assert advise(TASK, 300, [race(A, B, task=FAR)], "macro") == []
    assert advise(TASK, 300, [], "macro") == []
    assert names(advise(TASK, 300, [race(A, B), race(C, D, seconds=600)], "macro", neighbors=1)) == [A, B]
    assert names(advise(TASK, 600, [race(A, B), race(C, D, seconds=600)], "macro", neighbors=1)) == [C, D]


def test_a_winner_of_no_race_and_other_spaces_advise_nothing():
    assert advise(TASK, 300, [race(A)], "macro") == []
    assert advise(TASK, 300, [race(A, B)], "darts") == []
    own = {"name": "mine", "kind": "given", "genotype": json.loads(DARTS_V2.to_json()), "curve": [[150, 0.99]] * 4}
    mixed = race(A, B)
    mixed = dataclasses.replace(mixed, candidates=(*mixed.candidates, own), winner="mine")
    assert names(advise(TASK, 300, [mixed], "macro")) == [A, B]
    assert [one.genotype for one in advise(TASK, 300, [mixed], "darts")] == [DARTS_V2]


def test_what_is_explained_of_the_variance_may_be_less_than_nothing():
    bad = {"curve": [[150, -2.5]]}
    one = race(A, B)
    candidates = [{**candidate, **bad} for candidate in one.candidates]
    numbers = dataclasses.replace(one, candidates=candidates, test_score=-0.5, baseline=-0.1, predicts="regression")
    assert RaceExperience.from_line(numbers.to_line()) == numbers
    with pytest.raises(ValueError, match="curve"):
        dataclasses.replace(one, candidates=candidates)


def test_races_of_other_samples_advise_nothing_and_of_other_tasks_by_their_order():
    text = dict.fromkeys(features("text"), 1)
    other = race(C, D, task=text, inputs="text")
    assert advise(TASK, 300, [other], "macro") == []
    assert names(advise(TASK, 300, [other, race(A, B)], "macro")) == [A, B]
    assert names(advise(text, None, [other, race(A, B)], "macro", inputs="text")) == [C, D]
    numbers = race(C, D, predicts="regression")
    (first, second) = advise(TASK, 300, [numbers], "macro")
    assert names([first, second]) == [C, D] and first.score == pytest.approx(math.exp(-(4 / 9) / 2))
    assert names(advise(TASK, 300, [numbers, race(A, B)], "macro")) == [A, C, B, D]  # the same task counts more
    assert advise(TASK, 300, [numbers], "macro", predicts="regression")[0].score == 1.0


def test_without_a_budget_times_do_not_count():
    races = [race(A, B, seconds=9000), race(C, D, seconds=1)]
    assert {one.score for one in advise(TASK, None, races, "macro")} == {1.0, 0.5}
