"""Beta-decay, a regularization of the alphas that keeps the mixing weights together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasnas import checks


@keras.saving.register_keras_serializable(package="kerasnas")
class BetaDecay:
    """Beta-decay as the objective of a search: the validation loss plus the mean log-sum-exp of the alphas' rows.

    Its gradient with respect to an alpha is `weight` times the softmax over the number of edges: large alphas are
    pulled down more than small ones, so that no primitive wins by an early lead.

    Pass it as `objective` of `BilevelTrainer`; with its `schedule()` as a callback of `fit` it grows linearly from 0 to
    `weight`.

    Args:
        weight: factor of the regularization at the end of the search. The paper's 50 is for 50 epochs of DARTS' space
            with a rate of 3e-4; what matters is its size relative to the gradient of the loss, some 1e-3 per alpha
            here: at 50 short searches collapse to pools. Defaults to 0.1.
        objective: the rest of what the alphas minimize, `(loss, supernet) -> loss`, such as a `CostObjective`. Defaults
            to None: the loss itself.

    Raises:
        ValueError: for a negative weight.

    Example:

    >>> from kerasnas import BilevelTrainer
    >>> from kerasnas.spaces import NASBench201Space
    >>> decay = BetaDecay(0.1)
    >>> search = BilevelTrainer(NASBench201Space(filters=2, num_cells=1).build_supernet((8, 8, 3), 2), objective=decay)
    >>> callbacks = [decay.schedule()]  # of `search.fit(x, y, callbacks=callbacks)`

    Reference:
        Ye et al., "Beta-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", 2022
        (arXiv 2203.01665), equations 9 and 13.

    Differences from the paper:
        - The weight's default is fitted to searches of minutes.
    """

    def __init__(self, weight: float = 0.1, objective: Callable | None = None):
        self.weight = checks.number("weight", weight, least=0)
        self.objective = checks.optional(checks.function, "objective", objective)
        self.factor = keras.Variable(self.weight, trainable=False, dtype="float32", name="beta_decay")

    def __call__(self, loss: Any, supernet: Any) -> Any:
        if self.objective is not None:
            loss = self.objective(loss, supernet)
        rows = [ops.logsumexp(ops.convert_to_tensor(table), axis=-1) for table in supernet.alphas.values()]
        decay = ops.mean(ops.concatenate(rows))
        return loss + ops.cast(ops.convert_to_tensor(self.factor), loss.dtype) * ops.cast(decay, loss.dtype)

    def schedule(self) -> keras.callbacks.Callback:
        """Return the callback that grows the factor from 0 in the first epoch to `weight` in the last."""

        def grow(epoch: int, logs: Any = None) -> None:
            self.factor.assign(self.weight * epoch / max(callback.params["epochs"] - 1, 1))

        callback = keras.callbacks.LambdaCallback(on_epoch_begin=grow)
        return callback

    def get_config(self) -> dict[str, Any]:
        return {"weight": self.weight, "objective": keras.saving.serialize_keras_object(self.objective)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BetaDecay:
        return cls(**{**config, "objective": keras.saving.deserialize_keras_object(config["objective"])})
