"""The adapter to Optuna, the extra `kerasnas[optuna]`: strategies as samplers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.search import SearchStrategy
from kerasnas.wording import missing_extra

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.trial import FrozenTrial, TrialState
except ModuleNotFoundError as error:
    raise missing_extra("optuna", error) from None

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class StrategySampler(optuna.samplers.BaseSampler):
    """Any ask/tell search as a sampler of a study, whose trials are what the search asks for.

    Before each `ask`, the search is told all trials finished since, also those of other processes and earlier sessions:
    a study in a database continues where it was. If a study minimizes, values are negated; a trial that failed, or was
    pruned before its first report, counts as failed. Parameters outside the space are drawn at random.

    Args:
        strategy: a new search, such as one of `kerasnas.search.STRATEGIES`.

    Raises:
        TypeError: if `strategy` is not a search.

    Example:

    >>> from kerasnas.search import RegularizedEvolution
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space()
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=StrategySampler(RegularizedEvolution(space, seed=0)), direction="maximize")
    >>> study.optimize(lambda trial: space.suggest(trial).count("nor_conv_3x3"), n_trials=30)
    >>> study.best_value > 2
    True
    """

    def __init__(self, strategy: SearchStrategy):
        self.strategy = checks.instance("strategy", strategy, SearchStrategy, "a `kerasnas.search.SearchStrategy`")
        self.space = strategy.space
        self._told: set[int] = set()
        self._other = optuna.samplers.RandomSampler(seed=strategy.seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the choices of the space."""
        return {name: CategoricalDistribution(options) for name, options in self.space.choices.items()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the options of the architecture that the search asks for."""
        if len(study.directions) != self.strategy.objectives:
            expected = f"a study of {self.strategy.objectives} objectives, as {type(self.strategy).__name__} has"
            raise ValueError(checks.invalid("study", expected, f"{len(study.directions)} directions"))
        for finished in study.get_trials(deepcopy=False, states=_FINISHED):
            if finished.number not in self._told:
                self._told.add(finished.number)
                self._tell(study, finished)
        return self.space.assignment(self.strategy.ask())

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter outside the space at random."""
        return self._other.sample_independent(study, trial, param_name, param_distribution)

    def _tell(self, study: optuna.Study, trial: FrozenTrial) -> None:
        assignment = {name: trial.params[name] for name in self.space.choices if name in trial.params}
        if trial.state != TrialState.COMPLETE and len(assignment) < len(self.space.choices):
            return  # it failed before all choices were suggested
        try:
            genotype = self.space.genotype(assignment)
            self.space.validate(genotype)
        except (ValueError, KeyError) as error:
            expected = f"a study of space '{self.space.name}'"
            received = f"trial {trial.number} of parameters {', '.join(sorted(trial.params)) or 'none'}"
            raise ValueError(checks.invalid("study", expected, received, str(error))) from error
        if self.space.feasible(self.space.encode(genotype)):
            values = [_signed(value, way) for value, way in zip(_values(trial, study), study.directions, strict=True)]
            self.strategy.tell(genotype, values[0] if self.strategy.objectives == 1 else values)


def _values(trial: FrozenTrial, study: optuna.Study) -> list[float]:
    """Return the values that a trial reported, NaN if none."""
    if trial.state == TrialState.PRUNED and trial.intermediate_values and len(study.directions) == 1:
        return [trial.intermediate_values[max(trial.intermediate_values)]]
    return [math.nan] * len(study.directions) if trial.values is None else list(trial.values)


def _signed(value: float, direction: optuna.study.StudyDirection) -> float:
    return -value if direction == optuna.study.StudyDirection.MINIMIZE else value
