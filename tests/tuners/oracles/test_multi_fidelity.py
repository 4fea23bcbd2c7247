"""Oracles of several budgets: the bare searches, with the epochs as a value of each trial."""

import pytest

from kerasnas.search import ASHA, BOHB, STRATEGIES, Hyperband, SuccessiveHalving
from tests.tuners.small import GRID as SPACE
from tests.tuners.small import OBJECTIVE, reward
from tuners import ASHAOracle, BOHBOracle, HyperbandOracle, SuccessiveHalvingOracle


@pytest.mark.parametrize(
    ("oracle", "search"),
    [
        (HyperbandOracle, Hyperband),
        (SuccessiveHalvingOracle, SuccessiveHalving),
        (ASHAOracle, ASHA),
        (BOHBOracle, BOHB),
    ],
)
def test_multi_fidelity_is_the_bare_search(oracle, search, run, tmp_path):
    def value(genotype, epochs):
        return reward(genotype) * (1 - 0.5 / epochs)

    own = {} if search is BOHB else {"strategy": "evolution"}
    bare_search, expected = search(STRATEGIES["evolution"](SPACE, seed=0) if own else SPACE, (1, 3, 9)), []
    for _ in range(22):
        trial = bare_search.ask()
        expected.append((trial.genotype, trial.budget))
        bare_search.tell(trial.genotype, value(trial.genotype, trial.budget), budget=trial.budget)

    def make():
        return oracle(SPACE, OBJECTIVE, 22, budgets=(1, 3, 9), **own)

    def answer(genotype, trial):
        epochs = trial.hyperparameters.values["tuner/epochs"]
        asked.append((genotype, epochs))
        return {"val_accuracy": value(genotype, epochs)}

    asked = []
    run(make(), tmp_path, answer=answer, stop_after=11)
    tuner = run(make(), tmp_path, answer=answer)
    assert asked == expected
    best = tuner.oracle.get_best_trials(30)
    epochs = [trial.hyperparameters.values["tuner/epochs"] for trial in best]
    assert epochs == sorted(epochs, reverse=True)
    assert tuner.oracle.genotype(best[0]) == bare_search.best[0]


def test_a_round_of_hyperband_is_the_default():
    oracle = HyperbandOracle(SPACE, OBJECTIVE, budgets=(1, 3, 9))
    assert oracle.max_trials == 9 + 3 + 1 + 5 + 1 + 3
    assert SuccessiveHalvingOracle(SPACE, OBJECTIVE, budgets=(1, 3, 9)).max_trials == 13
    assert ASHAOracle(SPACE, OBJECTIVE, budgets=(1, 3, 9)).max_trials == 13
    assert BOHBOracle(SPACE, OBJECTIVE, budgets=(1, 3, 9)).max_trials == 22


def test_arguments_reach_bohb_and_its_oracle():
    oracle = BOHBOracle(SPACE, OBJECTIVE, random_share=0.5, max_retries_per_trial=2)
    assert oracle.strategy.random_share == 0.5 and oracle.max_retries_per_trial == 2
    with pytest.raises(TypeError, match="random_shar"):
        BOHBOracle(SPACE, OBJECTIVE, random_shar=0.5)
