"""Candidates of a race: whom it compares, and what each begins from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from kerasnas import datasets
from kerasnas.methods import remembering
from kerasnas.methods.race.limits import Build, Within
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.race.starts import find_part_starts, find_start
from kerasnas.methods.rebuilding import Rebuilt
from kerasnas.racing.portfolio import Candidate, portfolio
from kerasnas.runs.method import Context

_FEW, _FEW_RATE = 100, 0.02  # images, below which pretrained weights are trained at a rate of their own
_DRAWING = 0.03  # share of the budget in which random networks are drawn: some limits are known of built ones alone


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Number -> at most so many candidates: the user's own, those of earlier runs, and those of the portfolio.

    Args:
        context: of the run.
        allowed: the networks of a space within the limits of the settings.
        build: what builds the networks.
        given: name -> a network of the user's own.
    """

    context: Context[RaceConfig, datasets.Dataset]
    allowed: Within
    build: Build
    given: Mapping[str, Rebuilt]

    def __call__(self, number: int) -> list[Candidate]:
        allowed, data, log = self.allowed, self.context.data, self.context.progress
        config, space = allowed.config, allowed.space
        if not self.given and (problem := allowed.impossible()):
            raise ValueError(problem)
        genotypes = {name: network.genotype for name, network in self.given.items()}
        budget = self.context.budget
        assert budget is not None  # every race has one
        earlier = remembering.consult(self.context.stages, config, space, data, budget, allowed, log)
        initialized = find_start(config, space, data, self.build, log, allowed)
        begun = find_part_starts(config, space, data, self.build)
        end = budget.spent() + _DRAWING * budget.seconds
        found = portfolio(
            space,
            number,
            config.seed,
            genotypes,
            allowed,
            earlier.genotypes,
            earlier.leads,
            initialized,
            begun,
            patient=lambda: budget.spent() < end,
        )
        if not found:
            raise ValueError(allowed.no_network())
        if len(data.x_train) < _FEW:
            found = [dataclasses.replace(one, learning_rate=_FEW_RATE) if one.initializer else one for one in found]
        for one in found:
            if one.initializer:
                start = f"starts from the pretrained weights {one.initializer}"
                log(f"{one.name} {start} (disable with --initializer=none).")
        earlier.tell(found, log)
        return found
