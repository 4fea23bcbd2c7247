"""Genotypes of a gradient search: the one that is taken, and the random ones it is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnas.cost import CostModel
from kerasnas.executors import Executor
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, of_entry
from kerasnas.methods import remembering
from kerasnas.methods.gradient.settings import SearchConfig
from kerasnas.methods.gradient.supernet import make_shortlist_training, max_skips_of
from kerasnas.networks.reachable import ReachableSet
from kerasnas.racing.shortlist.stage import Shortlist, found_by, halves, run_shortlist
from kerasnas.runs.method import Context
from kerasnas.spaces import SearchSpace

_COMPARED = 4  # networks of a shortlist that is there for experience alone


def reachable_by(stages: Stages, config: SearchConfig, space: SearchSpace) -> ReachableSet:
    """Return the genotypes that a search of the settings can return; after the stage `cost`, if there is one."""
    limit, record = config.cost_limit, stages.stage("cost")
    limits: dict[str, Any] = {"cost": CostModel.from_config(record), "limit": limit} if record and limit else {}
    return space.reachable(max_skips_of(config), **limits)


def random_others(stages: Stages, config: SearchConfig, space: SearchSpace, genotype: Genotype) -> list[Genotype]:
    """Random genotypes to compare with, of those that this search could have returned: fewer where few are."""
    rng = np.random.default_rng([config.seed, 2])
    return reachable_by(stages, config, space).sample_distinct(rng, config.random_genotypes, {genotype})


def shortlist_of(config: SearchConfig) -> Shortlist | None:
    """Return the shortlist of the settings, or None; with `remember`, a small one where they ask for none.

    Example:

    >>> shortlist_of(SearchConfig(shortlist=0)), shortlist_of(SearchConfig(shortlist=0, remember=True)).rungs()
    (None, [(4, 400)])
    """
    steps = tuple(map(int, config.shortlist_steps))
    if config.shortlist:
        return Shortlist(config.shortlist, steps)
    return Shortlist(_COMPARED, steps[:1]) if config.remember else None


def last_weights(found: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the mixing weights that a search ended with, by its record."""
    return {kind: np.array(tables[-1]) for kind, tables in found["mixing_weights"].items()}


def choose_genotype(
    context: Context, space: SearchSpace, found: dict[str, Any], executor: Executor
) -> tuple[Genotype, dict[str, Any] | None]:
    """Return the genotype of a search, and the record of the shortlist that it is of, if there is one.

    What did best in earlier searches on alike data takes part in the shortlist, with the user's consent.
    """
    stages, config, data, log = context.stages, context.settings, context.data, context.progress
    derived, within, shortlist = of_entry(found["genotype"]), reachable_by(stages, config, space), shortlist_of(config)
    if shortlist is None:
        return derived, None
    weights = last_weights(found)
    earlier = remembering.consult(stages, config, space, data, None, within.__contains__, log)
    others = "others near it, and what did well on similar data before" if earlier.genotypes else "others near it"
    context.progress.phase("shortlist")
    log(f"Choosing among {shortlist.size} networks: the derived one and {others}, trained for a short time.")
    record = run_shortlist(
        stages,
        shortlist,
        found_by(space, derived, weights, within),
        make_shortlist_training(config, space, data),
        *halves(data.x_train, data.y_train, config.validation_split, config.seed, data.task),
        within,
        config.seed,
        log,
        executor=executor,
        remembered=earlier.genotypes,
    )
    return of_entry(record["genotype"]), record
