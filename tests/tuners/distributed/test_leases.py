"""Leases with a clock of their own: no oracle, no trial, no process, only names and the time."""

import json

import pytest

from tuners.distributed.leases import Leases, Loss


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    return Leases(lease=10, clock=clock)


# Heartbeats ----------------------------------------------------------------------------------------------
def test_a_worker_that_beats_keeps_its_trial(leases, clock):
    leases.lend("a", "0")
    for _ in range(100):
        leases.heartbeat("a", "0")
        clock.wait(9.9)
        assert leases.expire() == []
    assert leases.holders == {"a": "0"} and leases.worker_of("0") == "a" and leases.trial_of("a") == "0"


def test_a_worker_that_stops_beating_loses_its_trial_and_is_gone(leases, clock):
    leases.greet("a")
    leases.lend("a", "0")
    leases.heartbeat("a", "0")
    clock.wait(10)
    assert leases.expire() == [] and leases.workers == {"a"}
    clock.wait(0.5)
    assert leases.expire() == [Loss(trial="0", worker="a", silent=10.5, failed=False)]
    assert leases.expire() == [] and not leases.workers and not leases.holders
    assert leases.next_waiting() == "0" and leases.next_waiting() is None


def test_a_heartbeat_of_a_trial_that_was_taken_back_does_not_bring_it_back(leases, clock):
    leases.lend("a", "0")
    leases.heartbeat("a", "0")
    clock.wait(11)
    leases.expire()
    leases.heartbeat("a", "0")
    assert not leases.holders and not leases.workers


def test_a_report_is_a_sign_of_life_but_no_promise_of_heartbeats(leases, clock):
    leases.lend("a", "0")
    leases.heartbeat("a", "0")
    clock.wait(9)
    leases.hear("0")
    clock.wait(9)
    assert leases.expire() == []
    leases.lend("b", "1")
    leases.hear("1")
    clock.wait(1000)
    assert [loss.trial for loss in leases.expire()] == ["0"]  # b may be a stock tuner's


def test_workers_without_heartbeats_have_three_times_the_longest_trial(leases, clock):
    leases.lend("a", "0")
    leases.lend("b", "1")
    clock.wait(100)
    assert leases.expire() == []  # nobody knows how long a trial takes
    assert leases.accept("0", succeeded=True)
    clock.wait(200)
    assert leases.expire() == []
    clock.wait(1)
    assert leases.expire() == [Loss("1", "b", 301.0, failed=False)]


def test_short_trials_do_not_shorten_the_lease(leases, clock):
    leases.lend("a", "0")
    clock.wait(0.1)
    leases.accept("0", succeeded=True)
    leases.lend("a", "1")
    clock.wait(9.9)
    assert leases.expire() == []
    clock.wait(0.2)
    assert len(leases.expire()) == 1


def test_a_worker_that_asks_again_gets_a_whole_lease_and_holds_one_trial(leases, clock):
    """A worker that was restarted under its old name may be one without heartbeats."""
    leases.lend("a", "0")
    leases.heartbeat("a", "0")
    clock.wait(9)
    leases.lend("a", "0")
    clock.wait(9)
    assert leases.expire() == [] and leases.holders == {"a": "0"}
    leases.lend("a", "1")
    assert leases.holders == {"a": "1"} and leases.worker_of("0") is None


# Workers that are there ----------------------------------------------------------------------------------
def test_workers_are_there_for_a_lease_or_while_they_hold_a_trial(leases, clock):
    for name in "abc":
        leases.greet(name)
    leases.lend("a", "0")
    leases.leave("c")
    assert leases.workers == {"a", "b"}
    clock.wait(10)
    assert leases.workers == {"a"}
    leases.accept("0", succeeded=True)  # who ends a trial is there for another lease
    clock.wait(9)
    assert leases.workers == {"a"}


# Late reports --------------------------------------------------------------------------------------------
def test_an_end_counts_once(leases):
    leases.lend("a", "0")
    assert leases.accept("0", succeeded=True)
    leases.end("0")
    assert not leases.accept("0", succeeded=True)
    assert leases.ended == ["0"] and leases.runs == {"0": 1} and not leases.has_unfinished()


@pytest.mark.parametrize("succeeded", [True, False])
def test_of_a_trial_that_was_taken_back_only_a_success_counts(succeeded, leases, clock):
    """It was only slow: what it has found is not thrown away, but its error may be that it was thought dead."""
    leases.lend("slow", "0")
    leases.heartbeat("slow", "0")
    clock.wait(11)
    leases.expire()
    assert leases.accept("0", succeeded) == succeeded
    assert leases.waiting == ([] if succeeded else ["0"])


def test_a_trial_that_failed_waits_behind_those_that_wait(leases):
    leases.lend("a", "0")
    leases.wait("1")
    assert leases.accept("0", succeeded=False)
    leases.wait("0")
    assert leases.has_unfinished() and [leases.next_waiting(), leases.next_waiting()] == ["1", "0"]


def test_a_trial_that_has_lost_three_workers_has_failed(leases, clock):
    for number in range(3):
        leases.lend(f"w{number}", "0")
        leases.heartbeat(f"w{number}", "0")
        clock.wait(11)
        (loss,) = leases.expire()
        assert loss.failed == (number == 2)
        assert leases.next_waiting() == ("0" if number < 2 else None)
    assert leases.ended == ["0"]


# Restarts ------------------------------------------------------------------------------------------------
def test_the_state_is_json_and_counts_on(leases, clock):
    leases.lend("a", "0")
    leases.heartbeat("a", "0")
    clock.wait(11)
    leases.expire()
    leases.lend("b", "1")
    clock.wait(20)
    leases.accept("1", succeeded=True)
    leases.end("1")
    leases.lend("c", "2")
    state = json.loads(json.dumps(leases.get_state()))
    assert state == {
        "ongoing_trials": {"c": "2"},
        "retry_queue": ["0"],
        "end_order": ["1"],
        "run_times": {"1": 1},
        "losses": {"0": 1},
        "longest": 20.0,
    }
    clock.now = 5.0  # another process, whose clock began elsewhere
    again = Leases(lease=10, clock=clock)
    again.set_state(state)
    assert again.get_state() == state
    clock.wait(60)
    assert again.expire() == []  # c may be one without heartbeats
    clock.wait(1)
    assert again.expire() == [Loss("2", "c", 61.0, failed=False)]


def test_after_a_restart_workers_keep_their_trials_for_a_lease(leases, clock):
    leases.lend("a", "0")
    leases.lend("b", "1")
    leases.wait("2")
    leases.resume(["0", "1", "2", "3"], held=True)
    # Nobody knows who has 3: it began after the last thing that was written.
    assert leases.holders == {"a": "0", "b": "1", "trial 3": "3"} and leases.waiting == ["2"]
    leases.heartbeat("a", "0")
    clock.wait(9)
    leases.heartbeat("a", "0")
    clock.wait(2)
    assert [loss.worker for loss in leases.expire()] == ["b", "trial 3"]


def test_alone_after_a_restart_all_trials_wait(leases):
    leases.lend("a", "1")
    leases.wait("0")
    leases.resume(["0", "1"], held=False)
    assert leases.waiting == ["0", "1"] and not leases.holders


@pytest.mark.parametrize("lease", [0, -1, float("inf"), float("nan"), "60", True])
def test_a_lease_is_a_positive_number(lease):
    with pytest.raises(ValueError, match=r"argument `lease`. Expected a number above 0"):
        Leases(lease)
