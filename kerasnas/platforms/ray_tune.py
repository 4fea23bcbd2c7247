"""The adapter to Ray Tune, the extra `kerasnas[ray]`: any ask/tell search as a searcher."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.files import storage, untrusted
from kerasnas.genotypes import Genotype
from kerasnas.search import SearchStrategy
from kerasnas.strategies.base import SpaceExhaustedError
from kerasnas.wording import missing_extra

try:
    from ray.tune.search import Searcher
    from ray.tune.search.sample import Domain
except ImportError as error:  # Ray may be installed without the packages that Tune needs
    raise missing_extra("ray", error) from None


class StrategySearcher(Searcher):
    """Any ask/tell search as a searcher of Ray Tune, whose trials are what the search asks for, wherever they run.

    A trial's configuration has an option for each choice of the space, besides the constants of `param_space`;
    `space.genotype({name: config[name] for name in space.choices})` is the architecture. The search is told the last
    result of each trial (negated in mode `"min"`), or that it failed. Its state is saved in the experiment's folder,
    and `Tuner.restore` continues with it. `TuneConfig(max_concurrent_trials=...)` limits the trials that run at once.

    Args:
        strategy: a search with one objective, such as one of `kerasnas.search.STRATEGIES`.
        metric: name of the trials' result. (Ray passes that of `TuneConfig` to a searcher only if there is a
            `param_space`.)
        mode: `"max"` or `"min"`. Defaults to `"max"`.

    Raises:
        TypeError: if `strategy` is not a search.
        ValueError: if it has several objectives.

    Example:

        searcher = StrategySearcher(kerasnas.search.RegularizedEvolution(space), "accuracy")
        tune_config = ray.tune.TuneConfig(search_alg=searcher, num_samples=100)
        ray.tune.Tuner(train, tune_config=tune_config).fit()
    """

    def __init__(self, strategy: SearchStrategy, metric: str, mode: str = "max"):
        self.strategy = checks.instance("strategy", strategy, SearchStrategy, "a `kerasnas.search.SearchStrategy`")
        if strategy.objectives != 1:
            expected = "one with a single objective"
            raise ValueError(checks.invalid("strategy", expected, f"{type(strategy).__name__}, {strategy.objectives}"))
        super().__init__(metric=checks.name("metric", metric), mode=checks.one_of("mode", mode, ("max", "min")))
        self._constants: dict[str, Any] = {}
        self._running: dict[str, Genotype] = {}

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict, **spec: Any) -> bool:
        """Set the constants of a `Tuner`.

        Raises:
            ValueError: for another metric or mode; for a `param_space` with parameters to search, or with a choice of
                the space.
        """
        space = self.strategy.space
        for name, value in config.items():
            if isinstance(value, Domain) or (isinstance(value, Mapping) and "grid_search" in value):
                raise ValueError(checks.invalid("param_space", f"constants next to the space '{space.name}'", name))
            if name in space.choices:
                raise ValueError(checks.invalid("param_space", "other names than the space's choices", name))
        for argument, expected, received in (("metric", self._metric, metric), ("mode", self._mode, mode)):
            if received not in (None, expected):
                raise ValueError(checks.invalid(argument, f"{expected!r}, as the searcher has", received))
        self._constants = dict(config)
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]  # as Ray itself returns
        """Return the configuration of a trial; `Searcher.FINISHED` if the space is exhausted."""
        try:
            genotype = self.strategy.ask()
        except SpaceExhaustedError:
            return Searcher.FINISHED
        self._running[trial_id] = genotype
        return {**self._constants, **self.strategy.space.assignment(genotype)}

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Tell the search a trial's result."""
        genotype = self._running.pop(trial_id, None)
        if genotype is not None:
            value = (result or {}).get(self._metric)
            reward = math.nan if error or value is None else float(value)
            self.strategy.tell(genotype, -reward if self._mode == "min" else reward)

    def save(self, checkpoint_path: str | os.PathLike) -> None:
        """Write the state of the search, as JSON."""
        running = {trial_id: genotype.to_json() for trial_id, genotype in self._running.items()}
        storage.write_json(
            checks.path("checkpoint_path", checkpoint_path), {"strategy": self.strategy.get_state(), "running": running}
        )

    def restore(self, checkpoint_path: str | os.PathLike) -> None:
        """Continue from the state that `save` wrote; raises ValueError for another search or space."""
        state = untrusted.read_json(checks.path("checkpoint_path", checkpoint_path))
        self.strategy.set_state(state["strategy"])
        self._running = {trial_id: Genotype.from_json(text) for trial_id, text in state["running"].items()}
