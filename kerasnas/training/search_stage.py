"""Search stage: a gradient search run from its last checkpoint, its genotype derived, all of it recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas.annotations import Log
from kerasnas.callbacks import SearchCheckpoint
from kerasnas.cost import pareto_front
from kerasnas.files.stages import Stages
from kerasnas.genotypes import as_entry
from kerasnas.search import BilevelTrainer, CostObjective
from kerasnas.training.network_training import Arrays, resume_epoch


def run_search(
    stages: Stages,
    build: Callable[[], BilevelTrainer],
    data: Arrays,
    fit: Mapping[str, Any],
    callbacks: Callable[[], Sequence[keras.callbacks.Callback]] = tuple,
    describe: Callable[[], Mapping[str, Any]] = dict,
    keep: int = 2,
    log: Log = print,
    name: str = "search",
) -> dict[str, Any]:
    """Search as the stage of this name, unless it is finished; return the stage's record.

    Args:
        stages: the store of the folder.
        build: makes the compiled search.
        data: `(x, y)` to search on.
        fit: further arguments of the search's `fit`; `epochs` among them.
        callbacks, describe, keep, log: as for `NetworkTraining.run`; `describe` takes nothing, and is called last.
        name: of the stage. Defaults to `"search"`.

    Returns:
        `{"seconds", "parameters", "history", "edges", "primitives", "alphas", "mixing_weights", "genotype"}`, and
        `"cost"` where the search has a `CostObjective`. `of_entry` reads its genotype. Seconds are those of all
        processes of the stage, without what one that was killed did after its last checkpoint.
    """
    finished = stages.stage(name)
    if finished is not None:
        return finished
    checkpoint = SearchCheckpoint(stages.checkpoints(name), keep, log)  # its clock starts now
    search = build()
    epoch = resume_epoch(checkpoint, search, log)
    if epoch < fit["epochs"]:
        search.fit(*data, initial_epoch=epoch, callbacks=[*callbacks(), checkpoint], **fit)
    choices = search.supernet.choices
    record = {
        "seconds": checkpoint.seconds,
        "parameters": sum(int(np.prod(weight.shape)) for weight in search.network_weights),
        "history": checkpoint.history,
        "edges": {kind: [list(edge) for edge in own.edges] for kind, own in choices.items()},
        "primitives": {kind: list(own.primitives) for kind, own in choices.items()},
        "alphas": {kind: ops.convert_to_numpy(own).tolist() for kind, own in search.supernet.alphas.items()},
        "mixing_weights": {kind: tables.tolist() for kind, tables in checkpoint.mixing_weights.items()},
        "genotype": as_entry(search.derive()),
    }
    if isinstance(search.objective, CostObjective):
        record["cost"] = cost_record(search, search.objective)
    return stages.finish(name, {**record, **describe()})


def cost_record(search: BilevelTrainer, objective: CostObjective) -> dict[str, Any]:
    """Return the objective, the cost of the derived network, and the costs of the others on the Pareto front."""
    cost = objective.cost
    front = pareto_front(search.supernet, cost, max_skips=search.skip_limit)
    return {
        "name": cost.name,
        "unit": cost.unit,
        "target": objective.target,
        "weight": objective.weight,
        "form": objective.form,
        "searched": cost.cost(search.derive()),
        "front": [{"cost": point.cost, "genotype": as_entry(point.genotype)} for point in front],
    }
