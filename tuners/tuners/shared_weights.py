"""The shared weights of a one-shot search: trained once in a project, and then taken from it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasnas.spaces import SearchSpace
from kerasnas.strategies import SearchStrategy
from kerasnas.trainers import ENASTrainer
from kerasnas.trainers.one_shot_phases import ENASCheckpoint
from tuners.persistence import json_files
from tuners.persistence.trial_files import difference, keep_plan
from tuners.tuners.derived_training import Callbacks, SearchData, fresh_callbacks
from tuners.tuners.progress import duration


class SharedWeights:
    """How the shared weights are trained.

    Args:
        space: a space whose supernet shares weights.
        controller: strategy that draws the children in the training. Defaults to None: ENAS' own.
        learning_rate: first one. Defaults to 0.05.
        seed: Defaults to 0.
        options: further arguments of the space's `build_supernet`. Defaults to None.
        compile_options: further arguments of `ENASTrainer.compile`. Defaults to None.
    """

    def __init__(
        self,
        space: SearchSpace,
        controller: SearchStrategy | None = None,
        learning_rate: float = 0.05,
        seed: int = 0,
        options: dict[str, Any] | None = None,
        compile_options: dict[str, Any] | None = None,
    ):
        self.space, self.controller = space, controller
        self.learning_rate, self.seed, self.options = learning_rate, seed, dict(options or {})
        self.compile_options = dict(compile_options or {})

    def run(
        self,
        data: SearchData,
        input_shape: tuple[int, ...],
        num_classes: int,
        folder: Path,
        fit: dict[str, Any],
        warm: Callable[[Any], str | None],
        say: Callable[[str], None],
        augment: Callable | None = None,
        callbacks: Callbacks = None,
        verbose: int = 0,
        scope: Any = None,
    ) -> ENASTrainer:
        """Train from the last checkpoint in `folder` on, if any is left to train; built in `scope`, of a strategy.

        Raises:
            ValueError: if the weights in `folder` were trained on other data or in another way.
        """
        start = time.perf_counter()
        plan = {
            **fit,
            "learning_rate": self.learning_rate,
            "data": data.fingerprint(),
            "controller": type(self.controller).__name__,
        }
        _require_plan(folder, plan)
        with scope if scope is not None else contextlib.nullcontext():
            supernet = self.space.build_supernet(input_shape, num_classes, **{"seed": self.seed, **self.options})
            search = ENASTrainer(supernet, self.space, self.controller, seed=self.seed)
        search.compile(**{"learning_rate": self.learning_rate, **self.compile_options})
        warm(search)
        checkpoint = ENASCheckpoint(folder, keep=1)
        epoch = checkpoint.restore(search)
        if epoch < fit["epochs"]:
            search.fit(
                data.x,
                data.y,
                initial_epoch=epoch,
                augment=augment,
                verbose=verbose,
                callbacks=[*fresh_callbacks(callbacks), checkpoint],
                seed=self.seed,
                **fit,
            )
            took = duration(time.perf_counter() - start)
            say(f"Shared weights trained for {fit['epochs'] - epoch} epochs in {took}.")
        return search


def _require_plan(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "plan.json"
    if not path.exists():
        keep_plan(folder, plan)
        return
    saved = json_files.read(path) or {}
    parts = [difference(name, saved.get(name), plan[name]) for name in plan if saved.get(name) != plan[name]]
    if parts:
        raise ValueError(
            f"The shared weights in {folder} were trained otherwise: {'; '.join(parts)}. Their children cannot be "
            "compared. Choose another `project_name`, or pass `overwrite=True`."
        )
