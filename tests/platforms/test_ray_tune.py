"""Our strategies as searchers of Ray Tune: with the real package, on a cluster of this machine."""

import math

import pytest
from ray import tune
from ray.tune.search import Searcher

from kerasnas.platforms.ray_tune import StrategySearcher
from kerasnas.search import NSGA2, RandomSearch, RegularizedEvolution
from kerasnas.spaces import DARTSSpace, NASBench201Space

SPACE = NASBench201Space()


def evolution():
    return RegularizedEvolution(SPACE, seed=0, population_size=5, sample_size=3)


@pytest.mark.slow
def test_trials_on_a_cluster_are_those_of_the_bare_search_and_go_on_after_a_restart(cluster, tmp_path):
    def train(config):  # nothing of this file: workers cannot import it
        return {"score": sum(option == "nor_conv_3x3" for option in config.values())}

    searcher = StrategySearcher(evolution(), "score")
    config = tune.TuneConfig(search_alg=searcher, num_samples=6, max_concurrent_trials=1, reuse_actors=True)
    run = tune.RunConfig(name="one", storage_path=str(tmp_path), verbose=0)
    results = tune.Tuner(train, tune_config=config, run_config=run).fit()
    assert not results.errors
    bare, scores = evolution(), []
    for _ in range(6):
        genotype = bare.ask()
        scores.append(train(SPACE.assignment(genotype))["score"])
        bare.tell(genotype, scores[-1])
    assert [one.metrics["score"] for one in results] == scores
    again = StrategySearcher(evolution(), "score")
    again.restore_from_dir(str(tmp_path / "one"))
    assert again.strategy.get_state() == bare.get_state()


def test_running_trials_survive_a_save(tmp_path):
    searcher = StrategySearcher(evolution(), "score", "max")
    first, second = searcher.suggest("a"), searcher.suggest("b")
    searcher.on_trial_complete("a", {"score": 3.0})
    searcher.save(tmp_path / "state.json")
    again = StrategySearcher(evolution(), "score", "max")
    again.restore(tmp_path / "state.json")
    for one in (searcher, again):
        one.on_trial_complete("b", {"score": 1.0})
    assert again.strategy.observations == searcher.strategy.observations
    assert again.suggest("c") == searcher.suggest("c") != first != second


def test_results_are_negated_and_failures_told():
    searcher = StrategySearcher(RandomSearch(SPACE), "loss", "min")
    for trial in ("a", "b", "c"):
        searcher.suggest(trial)
    searcher.on_trial_complete("a", {"loss": 2.0})
    with pytest.warns(UserWarning, match="count as failed"):
        searcher.on_trial_complete("b", error=True)
    searcher.on_trial_complete("c", {"other": 1.0})
    searcher.on_trial_complete("unknown", {"loss": 1.0})
    first, *rest = [reward for _, reward in searcher.strategy.observations]
    assert first == -2.0 and len(rest) == 2 and all(map(math.isnan, rest))


def test_constants_are_passed_on_and_the_end_of_the_space_is_told():
    space = NASBench201Space(primitives=["skip_connect"])
    searcher = StrategySearcher(RandomSearch(space), "score")
    assert searcher.set_search_properties("score", "max", {"epochs": 3})
    config = searcher.suggest("a")
    assert config.pop("epochs") == 3 and space.genotype(config)
    assert searcher.suggest("b") == Searcher.FINISHED


def test_what_does_not_fit_is_named(tmp_path):
    searcher, choice = StrategySearcher(RandomSearch(SPACE), "score"), next(iter(SPACE.choices))
    searcher.save(tmp_path / "state.json")
    for arguments, message in [
        (("score", "max", {"rate": tune.uniform(0, 1)}), r"`param_space`\. Expected constants"),
        (("score", "max", {choice: "none"}), r"`param_space`\. Expected other names"),
        (("loss", None, {}), "`metric`"),
    ]:
        with pytest.raises(ValueError, match=message):
            searcher.set_search_properties(*arguments)
    with pytest.raises(ValueError, match=r"`strategy`\. Expected one with a single objective"):
        StrategySearcher(NSGA2(SPACE), "score")
    with pytest.raises(TypeError, match="`strategy`"):
        StrategySearcher(SPACE, "score")
    with pytest.raises(ValueError, match="state of space 'darts'"):
        StrategySearcher(RandomSearch(DARTSSpace()), "score").restore(tmp_path / "state.json")
