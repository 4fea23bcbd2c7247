"""NumPy parts of learned policies and predictors: a step of an LSTM, Adam, exact packing of arrays."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from kerasnas import checks

Arrays = dict[str, np.ndarray]


def lstm_step(
    weights: np.ndarray, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """Compute one step of an LSTM without biases: output, cell state, and the values for its gradients.

    `weights` are `(2 * units, 4 * units)`, for the gates i, f, o, g in this order; input, last output and last cell
    state `(n, units)` each.
    """
    n, units = c.shape
    read = np.concatenate([x, h], axis=1)
    gates = read @ weights
    i, f, o = _sigmoid(gates[:, : 3 * units]).reshape(n, 3, units).swapaxes(0, 1)
    g = np.tanh(gates[:, 3 * units :])
    after = f * c + i * g
    squashed = np.tanh(after)
    return o * squashed, after, {"read": read, "i": i, "f": f, "o": o, "g": g, "before": c, "squashed": squashed}


def lstm_gradients(
    weights: np.ndarray, cell: Arrays, dh: np.ndarray, dc: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return gradients of `lstm_step` with respect to the gates, x, h and c, given those of its output and cell state.

    `cell` holds the values that it returned last; the weights' gradient is `read.T @ gates`.
    """
    i, f, o, g, squashed = (cell[name] for name in ("i", "f", "o", "g", "squashed"))
    units = i.shape[1]
    dc = dc + dh * o * (1 - squashed**2)
    dgate = np.concatenate(
        [dc * g * i * (1 - i), dc * cell["before"] * f * (1 - f), dh * squashed * o * (1 - o), dc * i * (1 - g**2)],
        axis=1,
    )
    dread = dgate @ weights.T
    return dgate, dread[:, :units], dread[:, units:], dc * f


class Adam:
    """Adam for gradient ascent.

    Args:
        learning_rate: learning rate, above 0; otherwise raises ValueError.

    Reference:
        Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015 (arXiv 1412.6980).

    Differences from the paper:
        - None; in the order of computation that the paper calls more efficient.
    """

    def __init__(self, learning_rate: float):
        self.learning_rate = checks.number("learning_rate", learning_rate, above=0)
        self.iterations = 0
        self.means: Arrays = {}
        self.squares: Arrays = {}

    def ascend(self, parameters: Arrays, gradients: Arrays) -> None:
        """Take one step, in place."""
        self.iterations += 1
        correction = math.sqrt(1 - 0.999**self.iterations) / (1 - 0.9**self.iterations)
        for name, gradient in gradients.items():
            if name not in self.means:
                self.means[name], self.squares[name] = np.zeros_like(gradient), np.zeros_like(gradient)
            mean, square = self.means[name], self.squares[name]
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient * gradient - square)
            parameters[name] += self.learning_rate * correction * mean / (np.sqrt(square) + 1e-8)


def pack(arrays: Arrays) -> dict[str, Any]:
    """Return float64 arrays in an exact, compact, JSON-serializable form."""
    return {
        name: [list(array.shape), base64.b64encode(array.astype("<f8").tobytes()).decode("ascii")]
        for name, array in arrays.items()
    }


def unpack(packed: dict[str, Any]) -> Arrays:
    """Invert `pack`."""
    return {
        name: np.frombuffer(base64.b64decode(data), "<f8").astype("float64").reshape(shape)
        for name, (shape, data) in packed.items()
    }


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)
