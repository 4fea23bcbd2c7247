"""Probes: what the frozen features of a start are worth on the data at hand, in closed form, within seconds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.companions.base import Weights
from kerasnas.genotypes import Genotype
from kerasnas.modalities.lazy_images import LazyImages, even_batch, predicted
from kerasnas.starts.adapted import BODY, FROZEN
from kerasnas.starts.base import STAGES
from kerasnas.starts.heads import (
    COMPARED,
    FEATURES,
    HEAD,
    HEADS,
    LAST,
    QUARTERS,
    Comparison,
    FittedHead,
    Head,
    kind_of_head,
)
from kerasnas.starts.space import AdaptationSpace
from kerasnas.tasks import Task
from kerasnas.tasks.splits import spread_rows

_BATCH = 100
_GROWTH = 1.5  # exponent by which the time of a fit grows with the number of features, at most
MOST = 4000  # samples that a head is fitted to: the time of the fit grows with the cube of their number


def features_of(model: keras.Model, x: Any) -> np.ndarray:
    """Return what the head of a network reads of images, `(samples, features)`."""
    return predicted(_reader(model), x, _BATCH)


def _reader(model: keras.Model) -> keras.Model:
    """Return the part of a network that makes what its head reads."""
    reader = keras.Model(model.input, model.get_layer(FEATURES).input)
    reader.compile(jit_compile=False)
    return reader


def _read(
    model: keras.Model, x: Any, held_out: Any, clock: Callable[[], float]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what the head of a network reads of `x` and of `held_out`, and the seconds that a sample takes."""
    reader = _reader(model)
    held, features = (predicted(reader, samples, _BATCH) for samples in (held_out, x))
    size, again = even_batch(len(x), _BATCH), clock()
    predicted(reader, x[:size], _BATCH)  # traced by now, which takes longer than the way of a few samples
    return features, held, (clock() - again) / size


def _side(model: keras.Model) -> int:
    """Return the side of what enters the start of a network, in pixels."""
    return int(model.get_layer(BODY).input_shape[1])


def widths(model: keras.Model) -> dict[str, int]:
    """Return, for each head, how many of the features it reads that `"grid"` reads, the model's own head: the first."""
    width = model.get_layer(FEATURES).input.shape[-1]
    quarters = model.get_layer(QUARTERS).output.shape[-1]
    return {"last": model.get_layer(LAST).output.shape[-1], "stages": width - quarters, "grid": width}


@checks.arguments(model=keras.Model, y=checks.array, task=Task)
def begin(model: keras.Model, x: Any, y: np.ndarray, task: Task, weights: Weights = None) -> FittedHead:
    """Give a network the head that is best on its features, as they are: by ridge regression, if it is linear.

    A tuned network that begins so keeps what its start knows: a drawn head would first destroy some of it.

    Args:
        model: as `AdaptationSpace` builds it.
        x: images to learn from, from 0 to 1; beyond 4000, that many evenly spread.
        y: their labels.
        task: what they are.
        weights: of the images. Defaults to None: they count alike.

    Returns:
        The head.

    Example:

        model = space.build_network(genotype, input_shape=(32, 32, 3), num_classes=10)
        head = kerasnas.starts.begin(model, x, y, data.task)  # data: of `kerasnas.datasets.load`

    Reference:
        Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022 (arXiv
        2202.10054); the linear model is logistic there.
    """
    data = (
        x if isinstance(x, LazyImages) else checks.array("x", x),
        y,
        *(() if weights is None else (checks.weights("weights", weights, len(x)),)),
    )
    x, y, *rest = spread(data)
    head = kind_of_head(model).fitted(features_of(model, x), y, task, model.get_layer(HEAD).units, *rest)
    head.give(model)
    return head


def spread(data: tuple[Any, ...], most: int = MOST) -> tuple[Any, ...]:
    """Return so many samples at most of `(x, y)`, or `(x, y, weights)`, evenly spread.

    By default as many as a head is fitted to.
    """
    if len(data[0]) <= most:  # no copy
        return data
    rows = spread_rows(len(data[0]), most)
    return data[0][rows], *(np.asarray(part)[rows] for part in data[1:])


@dataclasses.dataclass
class Prober:
    """Judge of what starts are worth on the data of a race; holds the heads of its networks, each fitted once.

    Args:
        space: of the networks.
        input_shape: of the images.
        num_classes: number of outputs.
        task: what is predicted.
    """

    space: AdaptationSpace
    input_shape: tuple[int, ...]
    num_classes: int
    task: Task

    def __post_init__(self) -> None:
        self._heads: dict[tuple[Any, ...], FittedHead] = {}

    def network(self, start: str, size: int, head: str = HEADS[-1]) -> keras.Model:
        """Return the frozen network of a start for images of a size; by default, the head that reads all."""
        genotype = self.space.network(start, size, (FROZEN,) * STAGES, head)
        return self.space.build_network(genotype, self.input_shape, self.num_classes)

    def probe(
        self,
        start: str,
        size: int,
        data: tuple[Any, ...],
        held_out: tuple[Any, ...],
        clock: Callable[[], float],
        limit: float = math.inf,
    ) -> dict[str, Any]:
        """Return what the frozen features of a start are worth, for images of a size.

        Args:
            start: its name.
            size: of the images that enter it.
            data, held_out: `(x, y)` to learn from, and to score on, or `(x, y, weights)`.
            clock: returns seconds.
            limit: seconds for all linear heads, of which those that would take longer are left out, but not the
                narrowest; and for the fit of the one that compares. Defaults to infinity.

        Returns:
            `start`, `size`, the best `head` and its `score` on the samples held out, the `scores` of each of them, the
            `seconds` of it all, and the `pace`: seconds of a sample's way through the network. The best head is the one
            of the greatest `merit`.
        """
        before, (x, y, *weights) = clock(), spread(data)
        model = self.network(start, size)
        features, held, pace = _read(model, x, held_out[0], clock)
        scores: dict[str, np.ndarray] = {}
        merits: dict[str, float] = {}

        def judge(name: str, head: FittedHead, of: keras.Model, read: np.ndarray) -> None:
            self._heads[start, _side(of), read.shape[1], len(data[0])] = head
            labels = (np.asarray(part) for part in held_out[1:])
            scores[name] = self.task.metric_scores(head.outputs(read), *labels)
            merits[name] = head.merit(self.task, scores[name], np.asarray(y), *weights)

        narrower, taken, widths_of = 1, 0.0, widths(model)
        for name, width in widths_of.items():
            begun = clock()
            if begun - before + taken * (width / narrower) ** _GROWTH > limit:
                break
            head = Head.fitted(features[:, :width], y, self.task, self.num_classes, *weights)
            judge(name, head, model, held[:, :width])
            narrower, taken = width, clock() - begun
        if COMPARED in self.space.heads and Comparison.seconds(len(x), widths_of[HEADS[0]]) <= limit:
            parted = self.network(start, size, COMPARED)
            features, held, _ = _read(parted, x, held_out[0], clock)
            judge(COMPARED, Comparison.fitted(features, y, self.task, self.num_classes, *weights), parted, held)
        best = max(merits, key=lambda name: merits[name])
        found = {"start": start, "size": size, "head": best, "score": float(scores[best].mean())}
        found |= {"scores": scores[best], "merit": merits[best]}
        return {**found, "seconds": clock() - before, "pace": pace}

    def describe(self, genotype: Genotype) -> dict[str, Any]:
        """Return what a record says of the start of a network: its description, size of images, modes of stages."""
        adaptation = self.space.adaptation(genotype)
        stages = {"size": adaptation.size, "stages": list(adaptation.stages), "head": adaptation.head}
        return {**adaptation.start.description, **stages}

    def begin(self, model: keras.Model, start: str, x: Any, y: np.ndarray, weights: Weights = None) -> None:
        """Give a network of the space the head to begin with; see `begin`."""
        key = start, _side(model), model.get_layer(FEATURES).input.shape[-1], len(x)
        known = self._heads.get(key)
        if known is None:
            self._heads[key] = begin(model, x, y, self.task, weights)
        else:
            known.give(model)
