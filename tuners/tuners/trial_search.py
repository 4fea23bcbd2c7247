"""Search of a trial and training of the network that it finds, on one part of the data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.errors import FatalTypeError

from kerasnas.files.stages import Stages
from kerasnas.meta import ReptileInitializer
from kerasnas.search import BilevelTrainer
from kerasnas.training.search_stage import genotype_of, run_search
from tuners.hypermodels.checked_hypermodel import require_compiled
from tuners.hypermodels.supernet_hypermodel import SupernetHyperModel
from tuners.persistence.seals import seal, whole
from tuners.tuners.network_tuner import warmed
from tuners.tuners.tensorboard import logged
from tuners.tuners.trial_inputs import Callbacks, SearchData
from tuners.tuners.trial_networks import FOUND, TrialNetworks, silent, stage_name

SEARCH_METRICS = ("search_val_loss", "search_val_accuracy")


class TrialSearch:
    """Search of a trial: build, warm-start, search, derive, train; here, or in a worker that it is sent to.

    `fit` has the arguments of the search's `fit`, and `taken_over` is called with what the warm start used. The name of
    the trial's `folder` appears in its logs.
    """

    def __init__(
        self,
        hypermodel: SupernetHyperModel,
        hyperparameters: keras_tuner.HyperParameters,
        initializer: ReptileInitializer | None,
        networks: TrialNetworks,
        folder: Path,
        trial_id: str,
        seed: int,
        fit: dict[str, Any],
        callbacks: Callbacks,
        taken_over: Callable[[str | None], Any],
    ):
        self.hypermodel, self.hyperparameters, self.initializer = hypermodel, hyperparameters, initializer
        self.networks, self.folder, self.trial_id = networks, folder, trial_id
        self.seed, self.fit, self.callbacks, self.taken_over = seed, fit, callbacks, taken_over

    def __getstate__(self) -> dict[str, Any]:
        """For a worker, which is silent."""
        return {**vars(self), "taken_over": silent}

    def __call__(self, data: SearchData, stages: Stages) -> dict[str, float]:
        """Return the metrics of the network that is found on `data`; finished stages are not repeated."""
        taken: list[str | None] = []
        # With folds, each has a folder in the trial's.
        part = stages.path.relative_to(self.folder)
        hp = self.hyperparameters
        boards = [logged(self.callbacks, self.trial_id, str(part / one), hp) for one in ("search", "network")]

        def build() -> BilevelTrainer:
            search = self._build()
            taken.append(warmed(search, self.initializer))
            self.taken_over(taken[0])
            return search

        whole(stages.path, stage_name(FOUND))
        verbose, augment = self.fit["verbose"], self.fit["augment"]
        fit, say = {**self.fit, "seed": self.seed}, self.networks.say
        record = run_search(stages, build, data.training, fit, boards[0], lambda: {"warm_start": taken[0]}, 1, say)
        seal(stages.path, [stage_name(FOUND)])
        metrics = self.networks.train(stages, genotype_of(record), data, self.seed, augment, boards[1], verbose)
        last = {f"search_{name}": values[-1] for name, values in record["history"].items()}
        return {**metrics, **{name: last[name] for name in SEARCH_METRICS if name in last}}

    def _build(self) -> BilevelTrainer:
        """Build the compiled search of the hyperparameters, in the scope of the distribution strategy."""
        hypermodel = copy.copy(self.hypermodel)
        hypermodel.supernet_options = {"seed": self.seed, **hypermodel.supernet_options}
        name = f"{type(hypermodel).__name__}.build"
        with self.networks.scope():
            search = require_compiled(hypermodel.build(self.hyperparameters), name)
        if not isinstance(search, BilevelTrainer):
            raise FatalTypeError(f"{name} returned {type(search).__name__}. Expected a `kerasnas.BilevelTrainer`.")
        return search
