"""A network and linear models of the same samples as one Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas.annotations import Log
from kerasnas.companions.base import Companion, Parts, rows_of
from kerasnas.companions.mixing import shares_of
from kerasnas.intervals import paired_difference
from kerasnas.networks.initialization import number_layers
from kerasnas.tasks import Task

_BEYOND_DOUBT = 2.0  # standard errors


class Beside:
    """Linear models beside a network of the same samples, which learn at once; held-out ones say how much each counts.

    Args:
        kind: of the linear models.
        data: `(x, y)`, or `(x, y, weights)`, of which they learn from all in the end.
        parts: indices, as `held_out` returns them; the network learns from the first part.
        task: what is predicted.
        outputs: number of classes, labels or numbers.
    """

    def __init__(self, kind: Companion, data: tuple[np.ndarray, ...], parts: Parts, task: Task, outputs: int):
        self._kind, self._task, (_, second) = kind, task, parts
        self.must_lead = kind.must_lead
        x, (y, *rest) = data[0], map(np.asarray, data[1:])
        self._x, self._y = x[second], y[second]
        self._weights = rows_of(rest[0], second) if rest else None
        self._held, self._whole = kind.learn(x, y, parts, task, outputs, *rest)

    def leads(self, scores: np.ndarray) -> bool:
        """Return whether the linear models are ahead of these `metric_scores` of held-out samples beyond doubt."""
        own = self._task.metric_scores(np.mean(self._held, axis=0), self._y, self._weights)
        gain, error = paired_difference(own, scores)
        return gain > _BEYOND_DOUBT * error

    def weigh(self, network: keras.Model, batch_size: int, log: Log = lambda line: None) -> dict[str, Any]:
        """Return how much each of the models and a network, which has not seen what is held out, count.

        The network counts where the linear models are not as good alone, within a standard error.

        Args:
            network: its outputs are logits, or standardized numbers.
            batch_size: of its predictions.
            log: called with lines on what the held-out samples say. Defaults to nothing.

        Returns:
            `{"samples", "weights", "losses"}` beside the configuration of the kind: the number of held-out samples, how
            much each model counts, and the mean loss of the linear models, of the network, and of both together.
        """
        kind, task, y = self._kind, self._task, self._y
        found = [*self._held, network.predict(np.asarray(self._x), batch_size=batch_size, verbose=0)]
        shares, parted = shares_of(task, found, y, kind, self._weights)
        targets = task.targets(y, found[-1].shape[1])
        alone = shares[:-1] / max(shares[:-1].sum(), 1e-9)
        mixes = {"linear": np.append(alone, 0), "network": np.eye(len(shares))[-1], "both": shares}
        losses = {
            name: task.linear_loss(np.tensordot(one, np.stack(found), 1), targets, self._weights)[0] / len(y)
            for name, one in mixes.items()
        }
        log(
            f"  held-out loss ({len(y):,} {kind.samples}): network {losses['network']:.3f}, "
            f"{kind} {losses['linear']:.3f}, combined {losses['both']:.3f}"
            f"{'' if shares[-1] else '; the network is left out'}"
        )
        if taken := parted.get("pretrained"):
            log(
                f"  pretrained {taken['name']}: {'used' if taken['used'] else 'not used'}, cross-validated loss "
                f"{taken['with']:.3f} with them, {taken['without']:.3f} without"
            )
        entries = {"words": str(kind), "samples": len(y), "weights": shares.tolist(), "losses": losses}
        return {**kind.get_config(), **entries, **parted}

    def joined(self, network: keras.Model, shares: Sequence[float]) -> keras.Model:
        """Return the models, and the network if it counts, as one: the sum of their outputs times their shares."""
        linear = self._whole(np.array(shares[:-1]))
        summed, bias = linear.apply(network.inputs[0]), linear.bias.tolist()
        if shares[-1]:
            scaled = keras.layers.Rescaling(float(shares[-1]), bias, dtype="float32")(network.outputs[0])
            summed = keras.layers.Add(dtype="float32")([scaled, summed])
        else:
            summed = keras.layers.Rescaling(1.0, bias, dtype="float32")(summed)
        model = keras.Model(network.inputs[0], summed, name=network.name)
        number_layers(model)
        return model
