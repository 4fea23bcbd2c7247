"""The campaign of generated bad inputs: nearly all of them get a clear error, and none hangs."""

import pytest

from tests.bad_inputs.campaign import ALL, Outcome, answer, cases, run
from tests.bad_inputs.table import Call

SLOW = ("fit", "search", "rerank", "run", "export", "measure", "compare", "readapt", "run_search", "run_shortlist")
QUICK = [one for one in ALL if not one.name.split(" ")[0].lower().split(".")[-1].startswith(SLOW)]


def shares(count, seed, calls=None):
    found = run(count, seed, calls)
    return {outcome: found.get(outcome, []) for outcome in Outcome}


def test_a_few_hundred_cases():
    """As many in a hundred as the whole campaign may have, and some for chance."""
    found = shares(250, 0, QUICK)
    assert not found[Outcome.HUNG]
    assert len(found[Outcome.RAW]) <= MOST_OF_250, "\n".join(found[Outcome.RAW])
    assert len(found[Outcome.ACCEPTED]) <= MOST_OF_250, "\n".join(found[Outcome.ACCEPTED])


MOST_OF_250 = 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_five_thousand_cases(seed):
    found = shares(5000, seed)
    assert not found[Outcome.HUNG]
    assert len(found[Outcome.RAW]) <= 50, "\n".join(found[Outcome.RAW])
    assert len(found[Outcome.ACCEPTED]) <= 50, "\n".join(found[Outcome.ACCEPTED])


def raising(error):
    def function(size):
        raise error

    return function


def looping(size):
    while True:
        pass


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (raising(AttributeError("no attribute `size`")), Outcome.RAW),
        (raising(ValueError("something else")), Outcome.RAW),
        (lambda size: None, Outcome.ACCEPTED),
        (looping, Outcome.HUNG),
    ],
)
def test_outcomes_are_told_apart(function, outcome, monkeypatch):
    monkeypatch.setattr("tests.bad_inputs.campaign.SECONDS", 1)
    case = next(cases(1, 0, [Call(function, "function", {"size": 3})]))
    assert answer(case)[0] is outcome


def test_a_clear_error_is_one_of_ours_that_names_the_argument():
    from kerasnas import checks

    case = next(cases(1, 0, [Call(lambda size: checks.size("size", size), "function", {"size": 3})]))
    assert answer(case)[0] is Outcome.CLEAR
    case = next(cases(1, 0, [Call(lambda size: checks.size("other", size), "function", {"size": 3})]))
    assert answer(case)[0] is Outcome.RAW


def test_a_seed_means_the_same_cases():
    first, second = ([str(case) for case in cases(50, seed)] for seed in (3, 3))
    assert first == second and first != [str(case) for case in cases(50, 4)]
