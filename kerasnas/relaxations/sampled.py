"""Relaxations that draw: Gumbel (GDAS), BinaryGates (ProxylessNAS), Dirichlet (DrNAS).

All replicas draw the same, as the state of the seed is the same on each. A step thus samples one architecture (one
table of weights) for the whole global batch, as these methods do on one device, not one for each replica.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.relaxations.base import RELAXATIONS, Relaxation, Tempered


class _Drawn(Relaxation):
    """Base of the relaxations that draw from a `seed`, on average by the softmax."""

    def __init__(self, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = checks.optional(checks.integer, "seed", seed, least=0)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def noise(self, alphas: Tensor) -> Any:
        """Return standard Gumbel noise in the shape of `alphas`."""
        # Inside (0, 1): the logarithm of either end is infinite.
        uniform = keras.random.uniform(alphas.shape, 1e-7, 1 - 1e-7, dtype=alphas.dtype, seed=self.seed_generator)
        return -ops.log(-ops.log(uniform))

    def expected(self, alphas: Tensor) -> Any:
        return ops.softmax(alphas, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@RELAXATIONS.register("gumbel")
@keras.saving.register_keras_serializable(package="kerasnas")
class Gumbel(_Drawn, Tempered):
    """The hard Gumbel-softmax of GDAS: one primitive an edge is drawn, and only that one is computed.

    With `g` standard Gumbel noise, `soft = softmax((log softmax(alphas) + g) / temperature)`, and the drawn primitive
    is its largest entry, which is a sample of `softmax(alphas)`. Forward the weights are one-hot; backward their
    gradient is that of `soft` (straight-through).

    Args:
        temperature: of `soft`; a variable, so that a schedule needs no new graph. Defaults to GDAS' first, 10.
        seed: seed of the noise. Defaults to 0.

    Returns:
        `(weights, active)`: one-hot weights `(edges, primitives)`, and the index `(edges, 1)` of the drawn primitive;
        the most probable one outside of training.

    Example:

    >>> weights, active = Gumbel(seed=1)(ops.convert_to_tensor([[0.0, 9.0, 0.0]]), training=True)
    >>> [float(weight) for weight in weights[0]], int(active[0, 0])
    ([0.0, 1.0, 0.0], 1)

    Reference:
        Dong and Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", 2019 (arXiv 1910.04465),
        equations 3 to 5.

    Differences from the paper:
        - The temperature falls by the callback `TemperatureSchedule`, not by itself.
        - A primitive that was not drawn gets its gradient through the softmax of the one that was; the original code
          also adds the zero weights of all others to the features, which gives them a gradient of their own.
        - The reduction cell is searched too; one of the paper's two variants fixes it.
    """

    paths = 1

    def __init__(self, temperature: float = 10.0, seed: int | None = 0, **kwargs: Any):
        super().__init__(seed, temperature=temperature, **kwargs)

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, Any]:
        primitives = alphas.shape[-1]
        if not training:
            active = ops.argmax(alphas, axis=-1)
            return ops.one_hot(active, primitives, dtype=alphas.dtype), ops.expand_dims(active, -1)
        soft = ops.softmax(self.cooled(ops.log_softmax(alphas, axis=-1) + self.noise(alphas)), axis=-1)
        active = ops.argmax(soft, axis=-1)
        hard = ops.one_hot(active, primitives, dtype=alphas.dtype)
        return hard + (soft - ops.stop_gradient(soft)), ops.expand_dims(active, -1)


@RELAXATIONS.register("binary_gates")
@keras.saving.register_keras_serializable(package="kerasnas")
class BinaryGates(_Drawn):
    """The binary gates of ProxylessNAS: two primitives an edge are drawn and computed, and one of them passes.

    That is a step of the alphas. In a step of the network weights a single primitive is drawn with probabilities `p`
    and computed (`for_weights`). After a step of the alphas `BilevelTrainer` shifts those of the pair together, so that
    the probabilities of all other primitives stay as they are (`kerasnas.trainers.drawn_paths`).

    With `p = softmax(alphas)`, a pair is drawn without replacement with probabilities `p`, and one of the pair `(i, j)`
    passes with probabilities `q = (p_i, p_j) / (p_i + p_j)`. The gradient with respect to the gates reaches the alphas
    as `dL/dalpha_i = (dL/dg_i - dL/dg_j) q_i q_j / c_ij` (equation 4, over two paths). The paper's `c` is 1; here
    `c_ij` makes the gradient of a linear loss unbiased: it is `q_i q_j P(pair i, j) / (p_i p_j)`, so that the gate
    gradient, averaged over the pairs, is that of the softmax over all primitives. Memory does not grow with their
    number.

    Args:
        seed: seed of the draws. Defaults to 0.
        unbiased: whether to divide by `c_ij`. Defaults to True.

    Returns:
        `(weights, active)`: one-hot weights `(edges, primitives)`, and the two drawn primitives, `(edges, 2)`; the most
        probable one passes outside of training.

    Example:

    >>> weights, active = BinaryGates(seed=1)(ops.convert_to_tensor([[0.0, 9.0, 0.0]]), training=True)
    >>> [float(weight) for weight in weights[0]], active.shape
    ([0.0, 1.0, 0.0], TensorShape([1, 2]))

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019 (arXiv
        1812.00332), sections 3.1 and 3.2.

    Differences from the paper:
        - `c_ij`, with `unbiased=True`: the paper's gradient is that of another function than the expected loss.
        - Alphas of primitives that were not drawn stay as they are even where the optimizer has a momentum or the loss
          a term in them, such as an expected cost: of its gradient, what moves probability within the pair acts. The
          original code's Adam has no momentum, and its expected cost is that of the pair.
        - The optimizer of the alphas is `BilevelTrainer`'s, DARTS' Adam at 3e-4 with beta_1 0.5; the original code has
          1e-3 and 0.
        - Outside of training the most probable primitive passes; in the original code too, once the search is over.
    """

    paths = 2
    keeps_others = True

    def __init__(self, seed: int | None = 0, unbiased: bool = True, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self._single_path = False
        self.unbiased = checks.boolean("unbiased", unbiased)

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, Any]:
        primitives = alphas.shape[-1]
        if not training:
            active = _two_largest(alphas)
            return ops.one_hot(active[:, 0], primitives, dtype=alphas.dtype), active
        # The two largest of log p + Gumbel noise are a draw without replacement; the order does not matter.
        log_p = ops.log_softmax(alphas, axis=-1)
        scores = log_p + self.noise(alphas)
        if self._single_path:
            active = ops.argmax(scores, axis=-1)
            return ops.one_hot(active, primitives, dtype=alphas.dtype), ops.expand_dims(active, -1)
        active = _two_largest(scores)
        drawn = ops.take_along_axis(alphas, active, axis=-1)
        q = ops.softmax(drawn, axis=-1)
        coin = keras.random.uniform((alphas.shape[0],), dtype=alphas.dtype, seed=self.seed_generator)
        first = ops.cast(coin < q[:, 0], alphas.dtype)
        gates = ops.stack([first, 1 - first], axis=-1)
        soft = q if not self.unbiased else q * ops.stop_gradient(self._correction(log_p, active, q))
        gates = gates + (soft - ops.stop_gradient(soft))
        places = ops.one_hot(active, primitives, dtype=alphas.dtype)
        return ops.sum(ops.expand_dims(gates, -1) * places, axis=1), active

    @contextlib.contextmanager
    def for_weights(self) -> Iterator[None]:
        """Draw and compute a single primitive an edge within this context, without gradient for the alphas."""
        self._single_path = True
        try:
            yield
        finally:
            self._single_path = False

    @staticmethod
    def _correction(log_p: Any, active: Tensor, q: Any) -> Any:
        """Return 1 / c_ij, `(edges, 1)`, with P(pair) = p_i p_j (1 / (1 - p_i) + 1 / (1 - p_j))."""
        p = ops.exp(ops.take_along_axis(log_p, active, axis=-1))
        rest = ops.maximum(1 - p, 1e-6)  # a primitive with all the probability cannot learn
        pair = ops.sum(1 / rest, axis=-1, keepdims=True)
        return 1 / (ops.maximum(q[:, :1] * q[:, 1:], 1e-12) * pair)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unbiased": self.unbiased}


def _two_largest(scores: Any) -> Any:
    """Return the indices of the two largest of each row, the largest first.

    Not by `top_k`: XLA considers its width dynamic, and aborts in a `switch` (TensorFlow 2.21).
    """
    first = ops.argmax(scores, axis=-1)
    taken = ops.one_hot(first, scores.shape[-1], dtype="bool")
    second = ops.argmax(ops.where(taken, -float("inf"), scores), axis=-1)
    return ops.stack([first, second], axis=-1)


@RELAXATIONS.register("dirichlet")
@keras.saving.register_keras_serializable(package="kerasnas")
class Dirichlet(_Drawn):
    """The Dirichlet relaxation of DrNAS: the weights of an edge are drawn from Dirichlet(elu(alphas) + 1).

    Every primitive is computed; outside of training with its mean weight. Gradients reach the concentrations through
    the draw (implicit reparameterization of its gamma variables).

    Args:
        seed: seed of the draws. Defaults to 0.

    Example:

    >>> weights, active = Dirichlet()(ops.zeros((1, 4)), training=False)
    >>> [float(weight) for weight in weights[0]]
    [0.25, 0.25, 0.25, 0.25]

    Reference:
        Chen et al., "DrNAS: Dirichlet Neural Architecture Search", 2021 (arXiv 2006.10355), section 3.1.

    Differences from the paper:
        - No separate term for the distance of the concentrations from 1: the weight decay of the alphas acts as one, as
          a concentration is `elu(0) + 1 = 1` at 0.
        - Concentrations are at least 0.01, below which gamma draws underflow.
        - No progressive search, in which the fraction of mixed channels grows between two stages and the weaker
          primitives of each edge are dropped: `partial_channels` is constant.
    """

    def __init__(self, seed: int | None = 0, **kwargs: Any):
        super().__init__(seed, **kwargs)

    def call(self, alphas: Tensor, training: bool | None = None) -> tuple[Any, None]:
        if not training:
            return self.expected(alphas), None
        concentrations = ops.maximum(ops.elu(alphas) + 1, 1e-2)  # below, gamma draws underflow in float32
        draws = keras.random.gamma(alphas.shape, concentrations, dtype=alphas.dtype, seed=self.seed_generator)
        draws = ops.maximum(draws, 1e-20)
        return draws / ops.sum(draws, axis=-1, keepdims=True), None

    def expected(self, alphas: Tensor) -> Any:
        concentrations = ops.maximum(ops.elu(alphas) + 1, 1e-2)
        return concentrations / ops.sum(concentrations, axis=-1, keepdims=True)
