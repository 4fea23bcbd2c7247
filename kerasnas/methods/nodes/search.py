"""A search on a graph: untrained networks with solved classifiers, beside the simple method, within a budget."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas.datasets import GraphDataset, graph_dataset
from kerasnas.datasets.dataset import DATASETS
from kerasnas.export.classifier import save_node_classifier
from kerasnas.files.stages import Stages
from kerasnas.genotypes import as_entry, of_entry
from kerasnas.methods.nodes import propagation
from kerasnas.methods.nodes.record import choose, mixture_record, tested, write_predictions
from kerasnas.methods.nodes.settings import GraphConfig
from kerasnas.modalities.graphs import is_graph_file
from kerasnas.networks.node_mixture import NodeMixture
from kerasnas.proxies import ReadoutScore
from kerasnas.racing.budget import Budget
from kerasnas.runs.method import Context
from kerasnas.runs.progress import Progress
from kerasnas.runs.tracking import Tracking
from kerasnas.search import PredictorSearch
from kerasnas.spaces import GraphSpace
from kerasnas.strategies.base import SpaceExhaustedError

_COMPONENTS = 64  # of the features, which networks read
_INITIAL, _BATCH = 16, 4  # networks drawn at random, and those chosen with each fit of the predictor
_REPORT_SECONDS = 8.0


def load_graph(config: GraphConfig) -> GraphDataset:
    """Return the graph of the settings."""
    file = Path(config.dataset)
    other = config.dataset in DATASETS or (file.is_file() and not is_graph_file(file))
    if not config.dataset or other:
        raise ValueError(
            f"--space=graphs takes the .npz file of a graph, with `edges`, `feat_indptr` and others (see "
            f"`kerasnas.datasets.graph_dataset`). Received: {config.dataset or 'nothing'}. For images, signals and "
            "texts leave out --space=graphs."
        )
    data = graph_dataset(file)
    for part in ("train", "validation"):
        if not len(data.parts[part]):
            raise ValueError(
                f"{config.dataset}: Expected nodes in `{'val' if part == 'validation' else part}`, the ones that "
                f"{'choices are made by' if part == 'validation' else 'networks learn from'}. Received: none"
            )
    return data


class NodeSearch:
    """Stages of a search on a graph."""

    def __init__(self, stages: Stages, config: GraphConfig, data: GraphDataset):
        self.stages, self.config = stages, config
        largest = np.abs(data.x).max(axis=0)
        self.scale = 1 / np.where(largest > 0, largest, 1)
        self.data = dataclasses.replace(data, x=data.x * self.scale)
        self.projection = self.data.projection(min(_COMPONENTS, *data.x.shape))
        self.space = GraphSpace(data.graph)
        few = dataclasses.replace(self.data, x=self.data.x @ self.projection)
        self.score = ReadoutScore(self.space, few, seed=1000 * config.seed)
        self._x = propagation.propagated(self.data)

    def regression(self) -> tuple[propagation.PropagatedRegression, float]:
        """Return the regression on propagated features, and its accuracy on the validation nodes."""
        model = propagation.fit(self.data, self._x)
        return model, self.data.accuracy(model.outputs(self._x), "validation")

    def search(self, budget: Budget, tracking: Tracking, progress: Progress) -> dict[str, Any]:
        """Return the search stage: scores of networks, kept one by one."""
        if (finished := self.stages.stage("search")) is not None:
            return finished
        strategy = PredictorSearch(self.space, seed=self.config.seed, initial=_INITIAL, batch_size=_BATCH)
        progress.phase("search", lambda: f"{len(strategy.observations)} networks scored")
        before = self.stages.progress("search")
        if before:
            strategy.set_state(before["strategy"])
            progress(f"Resuming after {len(strategy.observations)} networks.")
        seconds, begin = float(before.get("seconds", 0.0)), time.perf_counter()
        took: list[float] = []
        while len(strategy.observations) < self.config.evaluations:
            # The best ones are made once more in the end, for the model. The first takes longer, as all begins with it.
            again = min(self.config.members, len(strategy.observations)) + 1
            if took and budget.left() < _REPORT_SECONDS + again * float(np.median(took)):
                progress(f"  the time is up after {len(strategy.observations)} networks")
                break
            start = budget.spent()
            try:
                genotype = strategy.ask()
            except SpaceExhaustedError:
                break
            reward = self.score(genotype)
            strategy.tell(genotype, reward)
            took.append(budget.spent() - start)
            tracking.metrics("search", {"score": reward}, len(strategy.observations) - 1)
            self.stages.note(
                "search",
                {
                    "strategy": strategy.get_state(),
                    "spent": budget.spent(),
                    "seconds": seconds + time.perf_counter() - begin,
                },
            )
        ranked = sorted(strategy.succeeded, key=lambda pair: pair[1], reverse=True)
        members = [self.space.decode(indices) for indices, _ in ranked[: self.config.members]]
        scores = [reward for _, reward in strategy.observations]
        progress(f"  {len(scores)} networks, the best score {ranked[0][1]:.4f} (mean log probability)")
        return self.stages.finish(
            "search",
            {
                "genotype": as_entry(members[0]),
                "members": [as_entry(one) for one in members],
                "history": {"score": scores, "best": np.maximum.accumulate(scores).tolist()},
                "seconds": seconds + time.perf_counter() - begin,
            },
        )

    def finish(
        self, context: Context, regression: propagation.PropagatedRegression, found: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The last stage: the mixture, its model and its predictions, and what all parts reach on the test nodes."""
        if (finished := self.stages.stage("searched")) is not None:
            return finished
        begin, data = time.perf_counter(), self.data
        members = [of_entry(one) for one in found["members"]]
        networks = [network for genotype in members for network in self.score.networks(genotype)]
        likely = np.mean([self.score.probabilities(genotype) for genotype in members], axis=0)
        mixed = choose(data, regression.outputs(self._x), np.log(likely))
        scale = None if (self.scale == 1).all() else self.scale
        mixture = NodeMixture(data.graph, data.x.shape[1], scale)
        if mixed.weights["regression"]:
            unit, weight = regression.unit, mixed.weights["regression"]
            mixture.add_regression(regression.kernel, regression.bias, propagation.HOPS, unit, weight)
        if mixed.weights["networks"]:
            mixture.add_networks(networks, self.projection, mixed.weights["networks"])
        train = data.parts["train"]
        model = mixture.model((train, data.y[train]) if mixed.smoothed else None)
        context.keep(save_node_classifier, model, data.classes, len(data.y))
        raw = data.x / self.scale
        answers = keras.ops.convert_to_numpy(model(raw, training=False))
        context.keep(write_predictions, data, answers)
        return self.stages.finish(
            "searched",
            {
                "genotype": found["genotype"],
                "parameters": model.count_params(),
                "bytes": context.model_bytes,
                "history": {},
                "mixture": {**mixture_record(data, mixed, answers), "seconds": time.perf_counter() - begin},
                **tested(data, answers),
            },
        )
