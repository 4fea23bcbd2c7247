"""The default learning rate of the alphas: one function of the steps in which they learn."""

import keras
import numpy as np
import pytest

from kerasnas.datasets.batches import ArrayBatches, PairedBatches
from kerasnas.trainers.alpha_rate import architecture_learning_rate
from tests.trainers.kit import noting, still


def fitted_rates(search, *data, **options):
    """The rate of the alphas at the end of each epoch of a `fit`."""
    rates, note = noting(lambda: float(search.optimizer.inner[1].learning_rate))
    search.fit(*data, verbose=0, callbacks=[note], **options)
    return rates


def cosine(initial, done):
    return pytest.approx(initial * (1 + np.cos(np.pi * done)) / 2, rel=1e-5)


def test_anchors():
    rates = [architecture_learning_rate(steps) for steps in (1, 300, 600, 1_500, 19_500, 10**6)]
    assert rates == sorted(rates, reverse=True) and rates[0] == 0.15 and rates[-1] == 3e-4
    assert 0.05 <= rates[1] <= 0.15 and rates[2] == pytest.approx(0.05)
    assert 3e-4 <= rates[4] <= 2e-3  # of the order of the paper's
    totals = {steps: steps * architecture_learning_rate(steps) for steps in (300, 1_500, 19_500)}
    assert len({round(total, 6) for total in totals.values()}) == 1
    with pytest.raises(ValueError, match=r"`steps`\. Expected an integer of at least 1"):
        architecture_learning_rate(0)


@pytest.mark.slow
def test_fit_anneals_it_over_the_epochs_in_which_the_alphas_learn(make_search, data, monkeypatch):
    monkeypatch.setattr("kerasnas.trainers.alpha_rate.MOVEMENT", 0.2)
    search, again = (make_search(architecture_warmup_epochs=1) for _ in range(2))
    rates = fitted_rates(search, *data, batch_size=8, epochs=4)  # 3 epochs of 2 steps
    assert rates[1:] == [cosine(0.2 / 6, done / 3) for done in range(3)]
    assert fitted_rates(again, *data, batch_size=8, epochs=4, initial_epoch=2) == rates[2:]
    assert fitted_rates(again, *data, batch_size=8, epochs=2, steps_per_epoch=3)[-1] == cosine(0.2 / 3, 0)


def test_a_rate_that_is_given_wins(make_search, few):
    search = still(make_search(compile={"architecture_optimizer": keras.optimizers.SGD(0.02)}))
    assert fitted_rates(search, *few, batch_size=8, epochs=2) == pytest.approx([0.02, 0.02])


@pytest.mark.slow
def test_data_of_unknown_length_take_the_papers_rate_and_say_so(make_search, data):
    def forever():
        pairs = PairedBatches(ArrayBatches(*data, 8), ArrayBatches(*data, 8))
        while True:
            yield from (pairs[index] for index in range(4))

    assert fitted_rates(make_search(), forever(), steps_per_epoch=2, epochs=1) == pytest.approx([0.15])
    few = (pair for pair, _ in zip(forever(), range(3), strict=False))
    with pytest.warns(UserWarning, match="number of steps.*`steps_per_epoch`"):
        assert fitted_rates(make_search(), few, epochs=1) == pytest.approx([3e-4])
