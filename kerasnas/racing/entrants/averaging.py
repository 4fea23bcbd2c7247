"""Average of a network's weights over the last part of its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np


class WeightAverage:
    r"""Polynomial-decay average of every weight of a model, statistics of batch norm included.

    After $n$ steps the average is $\bar w_n = (1 - \gamma_n) \bar w_{n-1} + \gamma_n w_n$ with
    $\gamma_n = (1 + \eta) / (n + \eta)$: a weighted mean of the last $n / (1 + \eta)$ steps or so, of which the window
    grows with the training, so that it needs no horizon. At a constant learning rate it is about as accurate as the
    network would be after its learning rate were annealed.

    Args:
        model: a built Keras model.
        eta: Defaults to 8: about the last tenth.
        every: steps between two updates, which costs less. Defaults to 4.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    >>> average = WeightAverage(model, eta=0, every=1)
    >>> for step, value in enumerate((1.0, 2.0, 6.0), start=1):
    ...     _ = model.layers[0].kernel.assign([[value]])
    ...     average.update(step)
    >>> with average.applied():
    ...     float(model.layers[0].kernel[0, 0])
    3.0
    >>> float(model.layers[0].kernel[0, 0])
    6.0

    Reference:
        Shamir and Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", 2013 (arXiv 1212.1824), section 4.
        There, every step is averaged; here every fourth.
    """

    def __init__(self, model: keras.Model, eta: float = 8.0, every: int = 4):
        self.eta, self.every = eta, every
        # Other variables (the states of random generators) are no weights: they are left as they are.
        self._variables = [v for v in model.variables if keras.backend.standardize_dtype(v.dtype).startswith("float")]
        self.values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables]

    def update(self, step: int) -> None:
        """Take the weights after `step` steps, counted from 1, into the average; of `every` steps, one counts."""
        if step % self.every:
            return
        updates = step // self.every
        gamma = (1 + self.eta) / (updates + self.eta)
        for value, variable in zip(self.values, self._variables, strict=True):
            value += gamma * (keras.ops.convert_to_numpy(variable) - value)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the model has the averaged weights."""
        raw = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables]
        self._assign(self.values)
        try:
            yield
        finally:
            self._assign(raw)

    def apply(self) -> None:
        """Give the model the averaged weights for good."""
        self._assign(self.values)

    def _assign(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
