"""A shortlist outside of a run: after a search in Python, or of what any other search found."""

from __future__ import annotations

import tempfile
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, of_entry
from kerasnas.racing.shortlist.stage import Shortlist, found_by, halves, run_shortlist
from kerasnas.search import BilevelTrainer
from kerasnas.spaces import SearchSpace
from kerasnas.training.network_training import NetworkTraining
from kerasnas.training.recipe import TrainingRecipe


@checks.arguments(
    search=BilevelTrainer, settings=Shortlist, recipe=TrainingRecipe, seed=checks.seed, log=checks.function
)
def rerank(
    search: BilevelTrainer,
    x: Any,
    y: Any,
    settings: Shortlist | None = None,
    recipe: TrainingRecipe | None = None,
    validation_split: float = 0.5,
    seed: int = 0,
    log: Log = print,
) -> Genotype:
    """The genotype of a finished gradient search, chosen on held-out data among the derived one and others near it.

    In place of `search.derive()`, for some minutes more: alphas tell good primitives from bad ones, and hardly the best
    cells from good ones. The guards of the search hold for all candidates.

    Args:
        search: a `BilevelTrainer` after `fit`, of a supernet that a space built.
        x, y, settings, recipe, validation_split, seed, log: as for `rerank_genotypes`.

    Raises:
        TypeError: if the search is of a model of your own.

    Example:

        search.fit(x, y, epochs=24)
        genotype = kerasnas.racing.rerank(search, x, y)
        model = space.build_network(genotype, input_shape=(32, 32, 3), num_classes=10)
    """
    supernet = search.supernet
    if not hasattr(supernet, "space"):
        raise TypeError(checks.invalid("search", "one of a supernet that a space built", supernet.name))
    within = supernet.space.reachable(search.skip_limit, **search.cost_limits)
    found = found_by(supernet.space, search.derive(), search.mixing_weights(), within)
    return rerank_genotypes(
        supernet.space, found, x, y, supernet.num_classes, settings, recipe, within, validation_split, seed, log
    )


@checks.arguments(
    x=checks.array,
    y=checks.tensor,
    space=SearchSpace,
    found=checks.each(Genotype, 1),
    num_classes=checks.size,
    settings=Shortlist,
    recipe=TrainingRecipe,
    within=checks.container,
    seed=checks.seed,
    log=checks.function,
)
def rerank_genotypes(
    space: SearchSpace,
    found: Sequence[Genotype],
    x: Any,
    y: Any,
    num_classes: int,
    settings: Shortlist | None = None,
    recipe: TrainingRecipe | None = None,
    within: Container[Genotype] | None = None,
    validation_split: float = 0.5,
    seed: int = 0,
    log: Log = print,
) -> Genotype:
    """Return the best of the genotypes that any search found, and of others near them, by short trainings from scratch.

    Args:
        space: the space that was searched.
        found: what was found, the best first: an ENAS search's `derive()`, a tuner's `get_best_genotypes(3)`, a
            strategy's best.
        x, y: the training data, arrays.
        num_classes: number of classes.
        settings: Defaults to None: `Shortlist()`.
        recipe: of the short trainings; its `options` are the size of their networks, best deep and thin. Defaults to
            None: `TrainingRecipe()`, at the space's size.
        within: the set that candidates are of, such as `space.reachable(...)`. Defaults to None: the whole space.
        validation_split: share of the data that networks are compared on, of which 5,000 at most are taken. Defaults to
            0.5, as in a gradient search.
        seed: of the split, the initial weights and the orders. Defaults to 0.
        log: called with a line for each network. Defaults to `print`.

    Raises:
        ValueError: if nothing was found.
    """
    x, y = np.asarray(x), np.asarray(y)
    training = NetworkTraining(space, x.shape[1:], num_classes, recipe)
    task = training.recipe.task
    y = task.table(y)
    data, held_out = halves(x, y, validation_split, seed, task)
    with tempfile.TemporaryDirectory() as folder:
        record = run_shortlist(
            Stages(folder), settings or Shortlist(), found, training, data, held_out, within, seed, log
        )
    return of_entry(record["genotype"])
