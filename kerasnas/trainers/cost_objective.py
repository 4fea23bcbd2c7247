"""Expected cost of the network as part of the loss that the alphas minimize."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas import checks
from kerasnas.cost import CostModel
from kerasnas.genotypes import Genotype
from kerasnas.networks import Supernet


@keras.saving.register_keras_serializable(package="kerasnas")
class CostObjective:
    """Validation loss combined with the expected cost of the network.

    `form="add"`: `loss + weight * E[cost]`, the regularization of ProxylessNAS; `weight` is loss per unit of cost.
    `form="multiply"`: `loss * (E[cost] / target) ** weight`, the trade-off of MnasNet written for a loss.

    Args:
        cost: the cost model of networks.
        weight: weight of the cost. Defaults to 0: only the target counts.
        target: maximum cost of networks that `BilevelTrainer.derive` returns, whatever the alphas. Defaults to None: no
            limit.
        form: `"add"` or `"multiply"`. Defaults to `"add"`.

    Raises:
        ValueError: if `weight` is negative, if the target is below the cost of every network (states the least), or if
            the form is `"multiply"` without a target.

    Example:

    >>> from kerasnas.cost import COSTS
    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=2, num_cells=1, num_nodes=2)
    >>> cost = COSTS["macs"](space, (8, 8, 3), 10)
    >>> objective = CostObjective(cost, weight=1e-6)
    >>> supernet = space.build_supernet((8, 8, 3), 10)
    >>> float(objective(0.0, supernet)) > 0
    True

    Reference:
        Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", 2019
        (arXiv 1812.00332), section 3.3; Tan et al., "MnasNet", 2019 (arXiv 1807.11626), equation 2.

    Differences from the paper:
        - Any cost that adds up over the choices, not only latency.
        - `none` does not count in the expected cost, because no network is derived with it.
        - MnasNet multiplies a reward by a ratio to a negative power; here a loss is multiplied by one to a positive
          power.
    """

    @checks.arguments(
        cost=CostModel, weight=checks.not_negative, target=checks.number, form=checks.known("add", "multiply")
    )
    def __init__(self, cost: CostModel, weight: float = 0.0, target: float | None = None, form: str = "add"):
        if form == "multiply" and target is None:
            raise ValueError(checks.invalid("target", "a number with form='multiply'", None))
        least = cost.least_cost()
        if target is not None and not target >= least:
            expected = f"at least {least:.6g}{cost.unit}, the cost of the {cost.least} network of the space"
            raise ValueError(checks.invalid("target", expected, target))
        self.cost, self.weight, self.target, self.form = cost, weight, target, form

    def __call__(self, loss: Any, supernet: Any) -> Any:
        if not self.weight:
            return loss
        expected = self.cost.expected(supernet.expected_weights())
        expected = ops.cast(expected, ops.convert_to_tensor(loss).dtype)
        if self.form == "add":
            return loss + self.weight * expected
        return loss * (expected / self.target) ** self.weight

    @checks.arguments(genotype=Genotype, supernet=Supernet)
    def costs(self, genotype: Genotype, supernet: Any) -> dict[str, float]:
        """Return the cost of a derived genotype, and the expected cost under the supernet's mixing weights."""
        expected = float(self.cost.expected(supernet.expected_weights()))
        return {f"expected_{self.cost.name}": expected, f"derived_{self.cost.name}": self.cost.cost(genotype)}

    def get_config(self) -> dict[str, Any]:
        return {
            "cost": keras.saving.serialize_keras_object(self.cost),
            "weight": self.weight,
            "target": self.target,
            "form": self.form,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CostObjective:
        return cls(**{**config, "cost": keras.saving.deserialize_keras_object(config["cost"])})
