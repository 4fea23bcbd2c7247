"""Trainings of several networks that do not depend on each other, through an executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from kerasnas.backend.memory import forget_gradients
from kerasnas.callbacks.stopping import NonFiniteError
from kerasnas.executors import Executor
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype
from kerasnas.training.network_training import Arrays, NetworkTraining


@dataclasses.dataclass(frozen=True)
class Trainings:
    """Trainings that are alike but for the genotype, each a stage of one folder.

    A worker that sees the folder keeps its checkpoints there: a training that lost its worker resumes. The record is
    written here too where the worker's folder is another one.

    Args:
        training: of each network.
        stages: the store of the folder.
        data, held_out, seed, evaluated_on: as for `NetworkTraining.run`.
        describe: as there. Defaults to None: nothing.
    """

    training: NetworkTraining
    stages: Stages
    data: Arrays
    held_out: Arrays
    seed: int
    evaluated_on: str
    describe: Callable[[keras.Model], dict[str, Any]] | None = None

    def run(self, executor: Executor, genotypes: Mapping[str, Genotype]) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yield `(name, record)` as trainings end; None for the record where the loss was not finite."""
        finished = {name: record for name in genotypes if (record := self.stages.stage(name)) is not None}
        yield from finished.items()
        left = [name for name in genotypes if name not in finished]
        function = _train if executor.here else _train_there
        for number, record in executor.completed(function, [(name, genotypes[name]) for name in left], self):
            name = left[number]
            if not executor.here and record is not None and self.stages.stage(name) is None:
                self.stages.finish(name, record)
            yield name, record


def _train(shared: Trainings, item: tuple[str, Genotype]) -> dict[str, Any] | None:
    name, genotype = item
    where = shared.stages, name, genotype, shared.data, shared.held_out, shared.seed, shared.evaluated_on
    try:
        return shared.training.run(*where, describe=shared.describe, log=lambda line: None)
    except NonFiniteError:
        return None


def _train_there(shared: Trainings, item: tuple[str, Genotype]) -> dict[str, Any] | None:
    """`_train` in a worker, which has many more to do: its networks leave no memory."""
    with forget_gradients():
        return _train(shared, item)
