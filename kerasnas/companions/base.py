"""Companion: what stands beside a network of the same samples."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from kerasnas.tasks import Task
from kerasnas.tasks.splits import stratified_split

PRIOR = (0.35, 0.35, 0.3)  # of a mix: two linear models of texts, the network
_HELD, _FEW = 0.1, 300  # share, and least number, of the samples that decide how much each model counts
_STEPS = 60

Weights = np.ndarray | None
"""Weights of the samples; None where they count alike."""
Parts = tuple[np.ndarray, np.ndarray]
"""Indices of the samples that the network learns from, and of those that are held out."""
Learned = tuple[list[np.ndarray], Callable[[np.ndarray], "Linear"]]
"""Linear models that have learned, as `Companion.learn` returns them."""


def held_out(task: Task, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The samples that the models learn from, and those that decide how much each of them counts.

    Returns:
        Two sorted arrays of indices into `y`: a tenth of them in the second, or 300, but a quarter at most.
    """
    share, strata = min(max(_HELD, _FEW / len(y)), 0.25), task.strata(y)
    if len(np.unique(strata)) == len(strata):  # one sample of each
        strata = np.zeros(len(y), int)
    return stratified_split(strata, share, seed)


def rows_of(weights: Weights, rows: np.ndarray) -> Weights:
    """Return the weights of some samples."""
    return None if weights is None else weights[rows]


class Linear(Protocol):
    """A linear model, given a share: `apply` makes its outputs but for the bias, in standard Keras layers."""

    @property
    def bias(self) -> np.ndarray:
        """Of each output, `(outputs,)`."""

    def apply(self, x: Any) -> Any:
        """The outputs, but for the bias, for inputs of a network, a KerasTensor."""


class Companion(abc.ABC):
    """A kind of linear models that stand beside a network of the same samples.

    Attributes:
        samples: the samples, in words.
        prior: of the mix: of each linear model, and of the network.
        pretrained: what the last linear model reads beside what the others do, in words: held-out samples decide
            whether it takes part. Defaults to "": nothing.
        must_lead: whether they stand beside the winner of a race only where they are ahead of it beyond doubt when the
            race ends. Defaults to False.
    """

    samples: str
    pretrained = ""
    must_lead = False
    prior: tuple[float, ...]

    @abc.abstractmethod
    def learn(
        self, x: np.ndarray, y: np.ndarray, parts: Parts, task: Task, outputs: int, weights: Weights = None
    ) -> Learned:
        """Fit the models, to samples that count by their weights.

        Returns:
            The outputs of each for the held-out samples, of which it has not learned; and a function which, of a share
            for each, makes the sum of those that have learned from all samples.
        """

    @abc.abstractmethod
    def __str__(self) -> str:
        """The models, in words."""

    def get_config(self) -> dict[str, Any]:
        """The entries on them in the record of a run, by name: none, but for those of a subclass."""
        return {}


def minimum(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, **options: Any) -> np.ndarray:
    """The minimum of a convex function, which returns its gradient too, by L-BFGS."""
    from scipy.optimize import minimize

    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}, **options).x
