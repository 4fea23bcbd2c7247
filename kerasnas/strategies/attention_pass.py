"""One pass of ENAS' controller over many architectures at once, in NumPy: its decisions and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from kerasnas.strategies.numpy_networks import Arrays, lstm_gradients, lstm_step
from kerasnas.strategies.policies import draw


class Settings(Protocol):
    """Attributes of an `LSTMPolicy` that a pass reads."""

    parameters: Arrays
    units: int
    temperature: float
    tanh_constant: float
    skip_target: float


class Value:
    """A value of the pass, `(n, ...)`, and the gradient with respect to it."""

    __slots__ = ("data", "gradient")

    def __init__(self, data: np.ndarray):
        self.data, self.gradient = data, np.zeros(data.shape)


class Pass:
    """One pass of an `LSTMPolicy` over `n` architectures, with what its gradients need.

    Decisions are `given`, or drawn with the numbers `uniform` in [0, 1), `(n, decisions)`.

    Attributes:
        made: the decisions so far, `(n,)` each.
        log_prob, entropy, penalty: their sums so far, `(n,)`.
        penalized: number of layers in `penalty`.
    """

    def __init__(self, policy: Settings, n: int, uniform: np.ndarray | None, given: np.ndarray | None):
        self.policy, self.parameters, self.n = policy, policy.parameters, n
        self._uniform, self._given = uniform, given
        self.made: list[np.ndarray] = []
        self.log_prob, self.entropy, self.penalty = np.zeros(n), np.zeros(n), np.zeros(n)
        self.penalized = 0
        self._h, self._c = self.zeros(), self.zeros()
        self._rows = np.arange(n)
        self._backward: list[Callable[[], None]] = []
        self._gradients: Arrays = {}

    def zeros(self) -> Value:
        """A vector of zeros."""
        return Value(np.zeros((self.n, self.policy.units)))

    def start(self) -> Value:
        """Return the learned vector that the LSTM reads in place of an input."""
        x = Value(np.broadcast_to(self.parameters["start"], (self.n, self.policy.units)))

        def back() -> None:
            self._gradients["start"] += x.gradient.sum(axis=0)

        self._backward.append(back)
        return x

    def step(self, x: Value) -> Value:
        """Return the LSTM's next output after reading `x`."""
        h, c, weights = self._h, self._c, self.parameters["lstm"]
        output, state, cell = lstm_step(weights, x.data, h.data, c.data)
        self._h, self._c = after, after_c = Value(output), Value(state)

        def back() -> None:
            dgate, dx, dh, dc = lstm_gradients(weights, cell, after.gradient, after_c.gradient)
            self._gradients["lstm"] += cell["read"].T @ dgate
            for value, gradient in ((x, dx), (h, dh), (c, dc)):
                value.gradient += gradient

        self._backward.append(back)
        return after

    def key(self, h: Value) -> Value:
        """Return `W1 h`, the key by which later nodes attend to `h`."""
        return self._product(h, "attention/keys")

    def choose(self, h: Value, name: str) -> np.ndarray:
        """Choose an option by the named logits."""
        return self._choose(self._product(h, name))

    def embed(self, index: np.ndarray, name: str) -> Value:
        """Return the named embedding of a decision."""
        x = Value(self.parameters[name][index])
        self._backward.append(lambda: np.add.at(self._gradients[name], index, x.gradient))
        return x

    def choose_primitive(self, h: Value) -> Value:
        """Choose an operation and return its embedding."""
        return self.embed(self.choose(h, "softmax"), "embedding")

    def choose_node(self, h: Value, nodes: Sequence[Value], keys: Sequence[Value]) -> Value:
        """Choose an earlier node by attention and return the LSTM's output after it."""
        nodes = list(nodes)
        index = self._choose(self._attention(h, keys))
        x = Value(np.stack([node.data for node in nodes])[index, self._rows])

        def back() -> None:
            for place, node in enumerate(nodes):
                node.gradient += np.where((index == place)[:, None], x.gradient, 0)

        self._backward.append(back)
        return x

    def choose_skips(self, h: Value, layers: Sequence[Value], keys: Sequence[Value]) -> Value:
        """Choose which earlier layers to read, each by a coin; return their sum over one more than their number."""
        layers, policy = list(layers), self.policy
        scores = self._attention(h, keys)
        tanh = np.tanh(scores.data / policy.temperature)
        logit = 2 * policy.tanh_constant * tanh  # of two options with the logits -l and l
        log_no, log_yes = -np.logaddexp(0, logit), -np.logaddexp(0, -logit)
        no, yes = np.exp(log_no), np.exp(log_yes)
        skips = np.stack([self._decision(np.stack([no[:, i], yes[:, i]], axis=1)) for i in range(len(keys))], axis=1)
        self.log_prob = self.log_prob + np.where(skips == 1, log_yes, log_no).sum(axis=1)
        self.entropy = self.entropy - (no * log_no + yes * log_yes).sum(axis=1)
        target = policy.skip_target
        divergence = yes * (log_yes - np.log(target)) + no * (log_no - np.log1p(-target))
        self.penalty, self.penalized = self.penalty + divergence.sum(axis=1), self.penalized + 1
        share = 1 / (1 + skips.sum(axis=1, keepdims=True))
        x = Value(np.einsum("nk,knu->nu", skips * share, np.stack([layer.data for layer in layers])))

        def back() -> None:
            for place, layer in enumerate(layers):
                layer.gradient += (skips[:, place : place + 1] * share) * x.gradient
            coefficients, entropy_weight, penalty_weight = self._seeds
            dlogit = coefficients[:, None] * (skips - yes) - entropy_weight * yes * no * logit
            dlogit -= penalty_weight * yes * no * (logit - np.log(target / (1 - target)))
            scores.gradient += dlogit * 2 * policy.tanh_constant * (1 - tanh**2) / policy.temperature

        self._backward.append(back)
        return x

    def gradients(self, coefficients: np.ndarray, entropy_weight: float, penalty_weight: float) -> Arrays:
        """Return the gradient of the weighted sum of `log_prob`, `entropy` and `-penalty`, by parameter."""
        self._seeds = coefficients, entropy_weight, penalty_weight
        self._gradients = {name: np.zeros(array.shape) for name, array in self.parameters.items()}
        for back in reversed(self._backward):
            back()
        return self._gradients

    def _decision(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the next decision: drawn, or the given one."""
        place = len(self.made)
        drawn = self._given is None
        self.made.append(draw(probabilities, self._uniform[:, place]) if drawn else self._given[:, place])  # type: ignore[index]
        return self.made[-1]

    def _choose(self, scores: Value) -> np.ndarray:
        """Choose one of the columns of `scores`."""
        policy, rows = self.policy, self._rows
        tanh = np.tanh(scores.data / policy.temperature)
        logits = policy.tanh_constant * tanh
        logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))  # bounded by tanh: no overflow
        probabilities = np.exp(logarithms)
        index = self._decision(probabilities)
        entropy = -(probabilities * logarithms).sum(axis=1)
        self.log_prob, self.entropy = self.log_prob + logarithms[rows, index], self.entropy + entropy

        def back() -> None:
            coefficients, entropy_weight, _ = self._seeds
            dlogits = -coefficients[:, None] * probabilities
            dlogits[rows, index] += coefficients
            dlogits -= entropy_weight * probabilities * (logarithms + entropy[:, None])
            scores.gradient += dlogits * policy.tanh_constant * (1 - tanh**2) / policy.temperature

        self._backward.append(back)
        return index

    def _attention(self, h: Value, keys: Sequence[Value]) -> Value:
        """Return `v^T tanh(key_i + W2 h)` for each key, `(n, keys)`."""
        keys, query, vector = list(keys), self._product(h, "attention/query"), self.parameters["attention/vector"]
        hidden = np.tanh(np.stack([key.data for key in keys], axis=1) + query.data[:, None])
        scores = Value(hidden @ vector)

        def back() -> None:
            self._gradients["attention/vector"] += np.einsum("nk,nku->u", scores.gradient, hidden)
            inner = scores.gradient[..., None] * vector * (1 - hidden**2)
            query.gradient += inner.sum(axis=1)
            for place, key in enumerate(keys):
                key.gradient += inner[:, place]

        self._backward.append(back)
        return scores

    def _product(self, x: Value, name: str) -> Value:
        """Return `x` times the named matrix."""
        matrix = self.parameters[name]
        y = Value(x.data @ matrix)

        def back() -> None:
            self._gradients[name] += x.data.T @ y.gradient
            x.gradient += y.gradient @ matrix.T

        self._backward.append(back)
        return y
