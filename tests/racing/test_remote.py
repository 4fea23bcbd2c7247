"""Races through executors: what workers train is what this process trains, and what becomes of failures and kills."""

import itertools
import json
import math
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.reduction import ForkingPickler

import pytest

from kerasnas.executors import Executor
from kerasnas.executors.base import Local, lost
from kerasnas.executors.processes import Processes
from kerasnas.files.stages import Stages
from kerasnas.methods.race.making import Networks
from kerasnas.racing.budget import Budget, spent_before
from kerasnas.racing.entrants import slices
from kerasnas.racing.portfolio import Candidate
from kerasnas.racing.race import remote, stage
from kerasnas.racing.race.stage import Race
from kerasnas.training.recipe import TrainingRecipe
from tests.racing.test_stage import CLASSES, MARK, SPACE, build, candidates, images, marked, watch

RECIPE = TrainingRecipe(learning_rate=0.05, label_smoothing=0.1)
BUILD = Networks({"macro": SPACE}, (8, 8, 1), CLASSES, 0, RECIPE, {}, None, (8, 8, 1))


class Two(Executor):
    """Two workers of another machine, in turn: what they get and return are copies, made when they have room."""

    workers = 2

    def __init__(self, lost_with=None):
        self.orders, self.lost_with = [], lost_with

    def completed(self, function, items, shared=None):
        items, under_way = enumerate(items), []
        while True:
            under_way += itertools.islice(items, 2 - len(under_way))
            if not under_way:
                return
            number, item = under_way.pop(0)
            self.orders.append(item)
            if item.name == self.lost_with:
                raise lost(number, item, 4, "by signal 9")
            there, own, order = ForkingPickler.loads(ForkingPickler.dumps((function, shared, item)))
            yield number, ForkingPickler.loads(ForkingPickler.dumps(there(own, order)))


@pytest.fixture
def two_rungs(monkeypatch):
    """A share of the budget that is spent after two rungs of each race."""
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 12)
    monkeypatch.setattr(stage, "TIMED", 4)

    def again():
        shares = itertools.chain([0.4, 0.4], itertools.repeat(0.0))
        monkeypatch.setattr(stage, "race_share", lambda seconds: next(shares))

    again()
    return again


def race(folder, executor, said=None, **options):
    stages = Stages(folder)
    settings = {"candidates": lambda number: candidates(3), "build": BUILD, "data": images(96, 0)}
    settings |= {"held_out": images(48, 1), **options}
    budget = Budget(20.0, spent=spent_before(stages, "racing"))
    log = (lambda line: None) if said is None else said.append
    return Race(stages, budget, num_classes=CLASSES, log=log, augment=("shift",), executor=executor, **settings)


def accuracies(found):
    return {
        name: [(rung["steps"], rung["accuracy"]) for rung in entry["rungs"]]
        for name, entry in found["contestants"].items()
    }


@pytest.mark.usefixtures("eagerly")
def test_workers_train_what_this_process_trains(tmp_path, two_rungs, monkeypatch):
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 4)
    settings, (learned, scored) = {"build": build, "held_out": marked()}, watch(monkeypatch)
    here = race(tmp_path / "here", Local(), **settings).run()
    two_rungs()
    there = Two()
    other = race(tmp_path / "there", there, **settings)
    found = other.run()
    assert max(learned) < MARK == min(scored)
    for name, rungs in accuracies(found).items():
        own = accuracies(here)[name]
        assert rungs[: len(own)] == own[: len(rungs)], name
    assert found["rungs"][0] == here["rungs"][0] == [3, 6] and len(found["rungs"]) == 2
    first, *rest = there.orders
    assert (first.name, first.timed, first.most_macs) == ("conv", remote.TIMED, math.inf)
    assert other.progress["slower"] > 0 and rest[1].most_macs < math.inf  # known once another is trained
    assert all(order.state is not None and order.most_macs == math.inf for order in rest[2:])  # the second rung
    winner = found["winner"]  # its training continues where workers left it
    assert other.begun(winner).steps == found["contestants"][winner]["rungs"][-1]["steps"] > 6
    for entry in found["contestants"].values():
        assert entry["macs"] > 0 and entry["parameters"] > 0 and entry["cost"] > 0


@pytest.mark.slow
def test_what_cannot_be_trained_drops_out_and_what_is_lost_does_not_end_the_race(tmp_path, two_rungs):
    narrow = SPACE.network("conv_3x3", 0.5, "separable_3x3", "pool", (0, 1))
    bad = Candidate("bad", narrow, "reference", learning_rate=1e30)
    said, workers, settings = [], Two(lost_with="narrow"), {"candidates": lambda number: [*candidates(3), bad]}
    found = race(tmp_path / "race", workers, said, precision="bfloat16", **settings).run()
    assert {order.precision for order in workers.orders} == {"bfloat16"}
    outcomes = {name: entry["outcome"] for name, entry in found["contestants"].items()}
    assert "finite" in outcomes["bad"] and "Item" in outcomes["narrow"]
    assert found["winner"] in ("conv", "separable") and len(accuracies(found)["separable"]) == 2
    assert any("narrow is out of the race" in line for line in said)


@pytest.mark.slow
def test_a_slice_that_begins_late_ends_in_time(tmp_path):
    """As one does that was lost with a worker: the budget of its race has been running meanwhile."""
    entrant, order = race(tmp_path / "race", Local()), slices.Slice("conv", {}, (), 60, None, 1000.0)
    order.entry = {"genotype": json.loads(candidates(1)[0].genotype.to_json())}
    work = slices.Work(entrant.build, entrant.data, entrant.held_out, 8, 0, entrant.task, "late")
    order.until = time.time() - 1
    assert slices.train_slice(work, order).state[1]["steps"] < 10
    order.until = time.time() + 1000
    assert slices.train_slice(work, order).state[1]["steps"] == 60


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_of_a_race(tmp_path, two_rungs, one_order, monkeypatch):
    for name, value in one_order.items():
        monkeypatch.setenv(name, value)
    found = []
    for kill in (False, True):
        two_rungs()
        with Processes(2) as executor:
            said = []
            entrant = race(tmp_path / f"race-{kill}", executor, said)
            thread = threading.Thread(target=lambda one=entrant: found.append(one.run()))
            thread.start()
            while kill and not any("after 12 steps" in line for line in said):
                time.sleep(0.01)
            if kill:
                for process in multiprocessing.active_children():
                    os.kill(process.pid, signal.SIGKILL)
            thread.join()
    alone, killed = map(accuracies, found)
    for name, rungs in killed.items():
        assert rungs[: len(alone[name])] == alone[name][: len(rungs)] and rungs


@pytest.mark.slow
def test_a_candidate_that_is_too_slow_does_not_start(tmp_path, two_rungs, monkeypatch):
    executor = Two()
    entrant = race(tmp_path / "race", executor)
    monkeypatch.setattr(entrant, "pace", lambda: math.inf)
    found = entrant.run()
    assert found["contestants"]["separable"]["outcome"] == "not started: too slow for this budget"
    assert found["winner"] == "conv" and found["rungs"][0] == [1, 12]
