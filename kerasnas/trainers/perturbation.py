"""Perturbation-based selection: a primitive's value is what the supernet loses without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.callbacks.schedules import ArchitectureWarmup
from kerasnas.genotypes import NONE, Edge, Genotype
from kerasnas.trainers.bilevel import BilevelTrainer
from kerasnas.trainers.supernet_score import SupernetScore

_DECIDED = 30.0  # alpha of a chosen primitive: its softmax is 1 up to rounding


@checks.arguments(held_out=checks.pair, tuning_steps=checks.count, batch_size=checks.size, log=checks.function)
def select_by_perturbation(
    search: BilevelTrainer,
    x: Tensor,
    y: Tensor,
    held_out: tuple[Any, Any],
    tuning_steps: int = 20,
    batch_size: int = 64,
    seed: int = 0,
    log: Callable[[str], object] = lambda line: None,
) -> Genotype:
    """Derive the genotype of a finished search by what its supernet loses, instead of `search.derive()`.

    Edge by edge, in random order: each primitive is left out in turn, and the one whose absence costs the most held-out
    accuracy is kept; the weights are then tuned for some steps. If nodes keep only some of their edges, those are kept
    whose absence costs most. The alphas of decided edges end at one primitive.

    Args:
        search: a compiled `BilevelTrainer` after `fit`, whose supernet was built by a space, with a relaxation that
            computes every primitive.
        x, y: arrays that the weights are tuned on.
        held_out: `(x, y)` for the accuracies: the alphas' half.
        tuning_steps: after each edge; 0 for none. Defaults to 20.
        batch_size: of the tuning, and the least of the measurements. Defaults to 64.
        seed: of the order of edges and images. Defaults to 0.
        log: called with a line for each edge. Defaults to nothing.

    Returns:
        The genotype. No cap of skip connections applies: the method makes it unnecessary.

    Raises:
        TypeError: if the supernet was not built by a space.
        ValueError: with a relaxation that samples paths.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1, num_nodes=1)
    >>> search = BilevelTrainer(space.build_supernet((8, 8, 1), 2))
    >>> search.compile(run_eagerly=True)
    >>> x, y = np.random.default_rng(0).random((16, 8, 8, 1), "float32"), np.arange(16) % 2
    >>> space.validate(select_by_perturbation(search, x, y, (x, y), tuning_steps=0, batch_size=16))

    Reference:
        Wang et al., "Rethinking Architecture Selection in Differentiable NAS", 2021 (arXiv 2108.04392), algorithm 1.

    Differences from the paper:
        - Batch norm uses the statistics of the held-out batch while accuracies are measured.
        - `none` is never kept, as everywhere in this package.
        - Edges of a node that keeps some are chosen after the primitives of all edges, as there, by accuracy alone.
    """
    checks.instance("search", search, BilevelTrainer)
    supernet, size = search.supernet, min(len(held_out[0]), max(batch_size, 250))
    score = SupernetScore(supernet, *held_out, batch_size=size)
    if supernet.relaxation.paths is not None:
        expected = "one of a relaxation that computes every primitive"
        raise ValueError(checks.invalid("search", expected, type(supernet.relaxation).__name__))
    rng = np.random.default_rng(checks.seed(seed))
    order = [(kind, row) for kind, choice in supernet.choices.items() for row in range(len(choice.edges))]
    kept: dict[tuple[str, int], int] = {}
    for turn, position in enumerate(rng.permutation(len(order))):
        kind, row = order[position]
        weights = supernet.mixing_weights()
        options = [column for column, name in enumerate(supernet.choices[kind].primitives) if name != NONE]
        left = {column: score.accuracy(_without(weights, kind, row, column)) for column in options}
        kept[kind, row] = min(options, key=lambda column: left[column])  # the first on ties
        log(f"{kind} {supernet.choices[kind].edges[row]}: {supernet.choices[kind].primitives[kept[kind, row]]}")
        alphas = keras.ops.convert_to_numpy(supernet.alphas[kind]).copy()
        alphas[row] = 0.0
        alphas[row, kept[kind, row]] = _DECIDED
        supernet.alphas[kind].assign(alphas)
        if tuning_steps:
            search.fit(
                x,
                y,
                batch_size=batch_size,
                validation_data=held_out,
                epochs=1,
                steps_per_epoch=min(tuning_steps, len(x) // batch_size),
                seed=seed + turn,
                verbose=0,
                callbacks=[ArchitectureWarmup(1)],
            )
    cells: dict[str, list[Edge]] = {}
    for kind, choice in supernet.choices.items():
        weights = supernet.mixing_weights()
        for rows in choice.rows_by_node.values():
            chosen = list(rows)
            if choice.keep is not None and choice.keep < len(chosen):
                left = {row: score.accuracy(_without(weights, kind, row)) for row in chosen}
                chosen = sorted(sorted(chosen, key=lambda row: left[row])[: choice.keep])
            edges = [Edge(choice.primitives[kept[kind, row]], *choice.edges[row]) for row in chosen]
            cells.setdefault(choice.cell or kind, []).extend(edges)
    return Genotype(supernet.space.name, cells)


def _without(weights: dict[str, np.ndarray], kind: str, row: int, column: int | None = None) -> dict[str, np.ndarray]:
    """Return the mixing weights without one primitive of an edge, or without the whole edge."""
    table = weights[kind].copy()
    table[row, slice(None) if column is None else column] = 0
    return {**weights, kind: table}
