"""Budgets by a clock that counts steps: the same happens however busy the machine is."""

from kerasnas.methods import RaceConfig, pretraining
from kerasnas.racing.budget import Budget
from kerasnas.racing.race import stage
from kerasnas.training import loop as training_loop

_STEPS = [0]


def counted_race():
    """Have races count a second for each step, and compare their networks after twelve."""
    _count()
    RaceConfig.budget = lambda config, spent=0.0: _budget(config.minutes, spent, 1.0)
    stage.first_steps, stage.TIMED, stage.race_share = (lambda seconds: 12), 4, (lambda seconds: 0.5)


def counted_pretraining():
    """Have a pre-training count two seconds for each step, on batches of 8."""
    _count()
    pretraining.Budget = lambda minutes, spent: _budget(minutes, spent, 2.0)
    batches = pretraining.JointBatches
    pretraining.JointBatches = lambda data, **kwargs: batches(data, batch_size=8, **kwargs)


def _budget(minutes, spent, seconds):
    return Budget(minutes, spent=spent, clock=lambda: seconds * _STEPS[0])


def _count():
    step = training_loop.stepper

    def stepper(model):
        inner = step(model)

        def one(batch):
            _STEPS[0] += 1
            return inner(batch)

        return one

    training_loop.stepper = stepper
