"""Shared weights of a one-shot search: trained once in a project, and then read from it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.reporting.tables import duration
from kerasnas.search import ENASTrainer, SearchStrategy
from kerasnas.trainers.one_shot_phases import ENASCheckpoint
from kerasnas.training.network_training import NetworkTraining
from tuners.persistence import json_files
from tuners.tuners.trial_inputs import Callbacks, SearchData, fresh_callbacks


@checks.fields(
    controller=SearchStrategy,
    learning_rate=checks.positive,
    supernet_options=checks.mapping,
    compile_options=checks.mapping,
)
@dataclasses.dataclass(frozen=True)
class SharedWeights:
    """Settings of the training of the weights that all children of a `OneShotTuner` share.

    Args:
        controller: strategy with `unique=False` that draws children in the training, such as `RandomSearch` for uniform
            draws. Defaults to None: ENAS' own.
        learning_rate: the initial one. Defaults to 0.05.
        supernet_options: further arguments of the space's `build_supernet`. Defaults to none.
        compile_options: further arguments of `ENASTrainer.compile`. Defaults to none.

    Raises:
        TypeError: if `controller` is not a strategy.
        ValueError: for a learning rate that is not positive.

    Example:

    >>> SharedWeights(learning_rate=0.02).learning_rate
    0.02
    """

    controller: SearchStrategy | None = None
    learning_rate: float = 0.05
    supernet_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    compile_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def train(
        self,
        network: NetworkTraining,
        data: SearchData,
        folder: Path,
        fit: dict[str, Any],
        seed: int,
        warm: Callable[[Any], str | None],
        say: Log,
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int = 0,
        scope: contextlib.AbstractContextManager | None = None,
        used: int = 0,
    ) -> ENASTrainer:
        """Train from the last checkpoint in `folder`, if any epoch is left; return the trained search.

        Args:
            network: has the space, and the shapes of the data.
            data: `x_val` and `y_val` evaluate children.
            folder: of the checkpoints.
            fit: further arguments of the search's `fit`.
            seed: of the supernet and of the search.
            warm: called with the search before it starts.
            say: called with a line when it is trained.
            augment, callbacks, verbose: of `fit`.
            scope: context in which the search is built, of a distribution strategy. Defaults to None.
            used: number of children already evaluated with the weights. Defaults to 0.

        Raises:
            ValueError: if the weights in `folder` were trained on other data or with other settings.
        """
        start = time.perf_counter()
        plan = {
            **fit,
            "learning_rate": self.learning_rate,
            "data": data.fingerprint(),
            "controller": type(self.controller).__name__,
        }
        _require_plan(folder, plan)
        shape, classes = network.input_shape, network.num_classes
        with scope if scope is not None else contextlib.nullcontext():
            supernet = network.space.build_supernet(shape, classes, **{"seed": seed, **self.supernet_options})
            search = ENASTrainer(supernet, network.space, self.controller, seed=seed)
        learned = {"loss": network.recipe.task.loss(), "metrics": network.recipe.task.metrics()}
        search.compile(**{"learning_rate": self.learning_rate, **learned, **self.compile_options})
        warm(search)
        checkpoint = ENASCheckpoint(folder, keep=1)
        epoch = checkpoint.restore(search)
        if epoch < fit["epochs"]:
            if used:
                warnings.warn(
                    f"The shared weights in {folder} are missing or damaged. They are trained again; the {used} "
                    "children that were evaluated keep their scores.",
                    stacklevel=3,
                )
            every_callback = [*fresh_callbacks(callbacks), checkpoint]
            options = {"augment": augment, "verbose": verbose, "callbacks": every_callback, "seed": seed, **fit}
            search.fit(data.x, data.y, initial_epoch=epoch, **options)
            took = duration(time.perf_counter() - start)
            say(f"Shared weights trained for {fit['epochs'] - epoch} epochs in {took}.")
        return search


def _require_plan(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "plan.json"
    previous = json_files.read(path) if path.exists() else None
    if previous is None:  # `read` has warned of a damaged one
        folder.mkdir(parents=True, exist_ok=True)
        json_files.write(path, plan)
    elif parts := checks.differences(previous, plan):
        raise ValueError(
            f"The shared weights in {folder} were trained with other settings: {'; '.join(parts)}. Their children "
            "cannot be compared. Choose another `project_name`, or pass `overwrite=True`."
        )
