"""A budget counts what is spent, by either clock."""

import time

import pytest

from kerasnas.racing.budget import Budget


def test_what_was_spent_before_counts():
    now = [100.0]
    budget = Budget(minutes=1, spent=20.0, clock=lambda: now[0])
    assert (budget.spent(), budget.left(), budget.seconds) == (20.0, 40.0, 60.0)
    now[0] += 30
    assert (budget.spent(), budget.left()) == (50.0, 10.0)
    now[0] += 30
    assert (budget.spent(), budget.left()) == (80.0, 0.0)


def test_the_clock_of_the_processor_does_not_run_while_nothing_is_done():
    walls, cpu = Budget(minutes=1), Budget(minutes=1, cpu=True)
    time.sleep(0.3)
    assert walls.spent() >= 0.3 and cpu.spent() < 0.2


@pytest.mark.parametrize("wrong", [{"minutes": 0}, {"minutes": "ten"}, {"spent": -1.0}, {"cpu": 1}])
def test_bad_input(wrong):
    with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
        Budget(**{"minutes": 1, **wrong})
