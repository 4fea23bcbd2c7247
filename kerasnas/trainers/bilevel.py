"""Differentiable architecture search as a Keras model with `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend import TrainStep
from kerasnas.distribution.scope import check_scope, replicas_of
from kerasnas.genotypes import Genotype
from kerasnas.primitives.normalization import synchronize_batch_norm
from kerasnas.relaxations import Relaxation
from kerasnas.trainers.bilevel_fit import BilevelFit
from kerasnas.trainers.cost_objective import CostObjective
from kerasnas.trainers.guarded_search import SearchGuards
from kerasnas.trainers.hypergradients import HYPERGRADIENTS
from kerasnas.trainers.protocol import PlainSupernet, is_supernet
from kerasnas.trainers.warmup import AlphaWarmup


@keras.saving.register_keras_serializable(package="kerasnas")
class BilevelTrainer(TrainStep, BilevelFit):
    """Searches an architecture by gradient: alphas on one half of the data, network weights on the other.

    Every training step first moves the architecture parameters down the validation loss, then the network weights down
    the training loss. It is a Keras model: `fit`, callbacks, metrics, `evaluate` and saving work as usual.

    Args:
        supernet: any Keras model with architecture parameters: from a space's `build_supernet`, or your own with
            `MixedOp` layers.
        hypergradient: how the gradient with respect to the alphas is computed: `"first_order"`; `"unrolled"`, the
            recommended second-order form (exact, for about three times the work); `"finite_difference"`, the published
            approximation of it; or a function as in `kerasnas.trainers.hypergradients`. Defaults to `"first_order"`.
        weight_decay: L2 coefficient of the network weights, added to their gradient. Defaults to 3e-4.
        architecture_weight_decay: the same for the alphas. Defaults to 1e-3.
        objective: what the alphas minimize on the validation half: a function `(loss, supernet) -> loss`, such as a
            `CostObjective`. `val_loss` still reports the loss. Defaults to None: the loss itself.
        architecture_warmup_epochs: guard: length of the warm-up, in which the alphas and their optimizer are frozen; 0
            for none. Defaults to None: a quarter of the epochs of `fit`.
        auxiliary_skip: guard: weight of a skip connection alongside every edge of stride 1, as in DARTS-, so that the
            choice need not provide what training needs; it decays linearly to 0 over the epochs of `fit`, so that the
            alphas learn the value of a skip as an operation, but stays with a relaxation that samples paths, whose
            alphas would end at skips and pools. 0 for none. Defaults to `"auto"`: 1 wherever there is such an edge. A
            number warns if there is none.
        max_skips: guard: maximum number of skip connections that `derive` leaves in each kind of cell; None for no
            limit. Defaults to `"auto"`, a quarter of the edges that a cell keeps: 2 of 8, as in P-DARTS.
        curvature_ratio: guard: the search ends, and the alphas are restored, once the curvature of the validation loss
            with respect to them exceeds `1 / curvature_ratio` times its earlier value; see
            `kerasnas.callbacks.CurvatureStop`. None for no such stop. It needs ten epochs after the warm-up and a
            relaxation that computes every primitive; otherwise nothing is measured, and a number warns. Defaults to
            `"auto"`: 0.25 if these hold.
        synchronized_batch_norm: on several replicas, use the statistics of the global batch, so that a search equals
            that of one device, instead of each replica's. It costs a sum over the replicas for each batch norm, forward
            and backward. Not with a relaxation that samples paths. Defaults to False.

    Raises:
        ValueError: if the supernet is not built or has no architecture parameters, for an unknown hypergradient, a
            negative decay or warm-up, or if the supernet was built under another `tf.distribute` strategy.
        TypeError: for a `CostObjective` with your own model, whose choices have no known cost.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> search = BilevelTrainer(space.build_supernet(input_shape=(8, 8, 1), num_classes=2))
    >>> search.compile(metrics=["accuracy"])
    >>> x, y = np.random.default_rng(0).random((32, 8, 8, 1), "float32"), np.arange(32) % 2
    >>> history = search.fit(x, y, batch_size=8, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'alpha_entropy', 'loss', 'skips', 'val_accuracy', 'val_loss']
    >>> search.derive()["reduce"]  # doctest: +ELLIPSIS
    (Edge(primitive=...

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), algorithm 1.

    Differences from the paper:
        - First order by default; the paper's best results are of second order.
        - The guards, each of which its argument turns off: the warm-up, an auxiliary skip, the cap of skips, the stop
          by curvature.
        - Moving statistics of batch norm follow only the training half; in the original code the step of the alphas
          moves them too.
        - Images are augmented only by `augment`; the original code crops and flips.
    """

    @checks.arguments(supernet=keras.Model, objective=checks.function, architecture_warmup_epochs=checks.count)
    def __init__(
        self,
        supernet: keras.Model,
        hypergradient: str | Callable = "first_order",
        weight_decay: float = 3e-4,
        architecture_weight_decay: float = 1e-3,
        objective: Callable | None = None,
        architecture_warmup_epochs: int | None = None,
        auxiliary_skip: float | str = "auto",
        max_skips: int | str | None = "auto",
        curvature_ratio: float | str | None = "auto",
        synchronized_batch_norm: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.weight_decay = checks.number("weight_decay", weight_decay, least=0)
        self.architecture_weight_decay = checks.number("architecture_weight_decay", architecture_weight_decay, least=0)
        if isinstance(hypergradient, str):
            self._hypergradient = HYPERGRADIENTS[hypergradient]
        elif callable(hypergradient):
            self._hypergradient = hypergradient
        else:
            known = f"a function, or one of {sorted(HYPERGRADIENTS)}"
            raise ValueError(checks.invalid("hypergradient", known, hypergradient))
        self.supernet, self.hypergradient, self.objective = supernet, hypergradient, objective
        # 1 while the alphas learn, 0 in the warm-up.
        self.architecture_active = self.add_weight(
            name="architecture_active", shape=(), initializer="ones", trainable=False, aggregation="only_first_replica"
        )
        self.architecture_warmup = AlphaWarmup(
            architecture_warmup_epochs, self.architecture_active, replicated=replicas_of(self) > 1
        )
        if not supernet.built:
            raise ValueError("Expected a built supernet. Call it on a batch, or `build` it, before the search.")
        if not self.architecture_parameters:
            raise ValueError(
                "Expected a supernet with architecture parameters: of a space's `build_supernet`, or with a "
                f"`kerasnas.MixedOp` layer in it. Received: {supernet.name} without any"
            )
        check_scope(self, supernet.variables, f"The supernet '{supernet.name}'")
        self._plain = None if is_supernet(supernet) else PlainSupernet(supernet)
        if self._plain is not None and isinstance(objective, CostObjective):
            raise TypeError(
                checks.invalid("objective", "a function, as the supernet was not built by a space", objective)
            )
        self.synchronized_batch_norm = checks.boolean("synchronized_batch_norm", synchronized_batch_norm)
        if synchronized_batch_norm:
            sampling = [type(relaxation).__name__ for relaxation in self.relaxations() if relaxation.paths is not None]
            if sampling and replicas_of(self) > 1:
                why = "which samples paths: replicas cannot add up statistics in a branch of a graph"
                expected = f"False with the relaxation {sampling[0]}, {why}"
                raise ValueError(checks.invalid("synchronized_batch_norm", expected, True))
            synchronize_batch_norm(supernet)
        self.auxiliary_skip, self.max_skips, self.curvature_ratio = auxiliary_skip, max_skips, curvature_ratio
        self._guards = SearchGuards(self._searched(), auxiliary_skip, max_skips, curvature_ratio)
        self.curvature_memory = self._guards.memory
        self.built = True

    # A method: Keras would also save the supernet under the name of a property that returns it.
    def _searched(self) -> Any:
        """Return the supernet, or the view of a plain model."""
        return self.supernet if self._plain is None else self._plain

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.supernet(inputs, training=training)

    @checks.arguments(learns=checks.boolean)
    def activate_architecture(self, learns: bool) -> None:
        """Let the alphas learn, or freeze them and their optimizer, from the next step on."""
        if self.architecture_warmup.freeze(not learns):
            self.make_train_function(force=True)

    @property
    def architecture_warmup_epochs(self) -> int | None:
        """Length of the warm-up; None for a quarter of the epochs of `fit`."""
        return self.architecture_warmup.epochs

    @architecture_warmup_epochs.setter
    def architecture_warmup_epochs(self, epochs: int | None) -> None:
        self.architecture_warmup.epochs = epochs

    def relaxations(self) -> list[Relaxation]:
        """Return the supernet's relaxation, or those of your own model's mixed operations."""
        return [self.supernet.relaxation] if self._plain is None else self._plain.relaxations()

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """Return the relaxed choices: name -> weights `(edges, primitives)`."""
        return self._searched().mixing_weights()

    @property
    def can_derive(self) -> bool:
        """True if the supernet has a rule to derive a genotype."""
        return self._plain is None or self._plain.rule is not None

    @checks.arguments(allow_none=checks.boolean)
    def derive(self, allow_none: bool = False) -> Genotype:
        """Return the genotype that the alphas point to, within `max_skips` and the target of a `CostObjective`.

        Args:
            allow_none: as for `kerasnas.networks.Supernet.derive`; ignored by a model's own rule. Defaults to False.

        Raises:
            TypeError: if the supernet was not built by a space and has no rule.
        """
        if self._plain is not None:
            return self._plain.derive()
        further: dict[str, Any] = {"allow_none": True} if allow_none else {}
        return self.supernet.derive(self.skip_limit, **self.cost_limits, **further)

    @property
    def skip_limit(self) -> int | None:
        """Maximum number of skip connections that `derive` leaves in each kind of cell; None for no limit."""
        return self._guards.skip_limit

    @property
    def cost_limits(self) -> dict[str, Any]:
        """`cost` and `limit` of derived networks, from the target of a `CostObjective`; empty without one."""
        objective = self.objective
        if not isinstance(objective, CostObjective) or objective.target is None:
            return {}
        return {"cost": objective.cost, "limit": objective.target}

    @checks.arguments(genotype=Genotype)
    def costs(self, genotype: Genotype) -> dict[str, float]:
        """Return the cost of the derived `genotype` and the expected cost; empty without a `CostObjective`."""
        return self.objective.costs(genotype, self.supernet) if isinstance(self.objective, CostObjective) else {}

    @checks.arguments(iterations=checks.size)
    def curvature(self, batch: Any, iterations: int = 6) -> float:
        """Return the largest eigenvalue of the Hessian of the loss on `batch` with respect to the alphas.

        Computed by a few iterations of the Lanczos method, from the eigenvector of the last call.

        Args:
            batch: `(x, y)`.
            iterations: number of iterations. Defaults to 6.

        Raises:
            ValueError: if this search measures no curvature; states why.
        """
        if not isinstance(batch, (tuple, list)) or not batch:
            raise ValueError(checks.invalid("batch", "a pair (x, y)", batch))
        for part in batch:
            if not isinstance(part, (tuple, list)):
                checks.tensor("batch", part)
        return self._guards.curvature(self, batch, iterations)

    def idle_curvature_stop(self, epochs: int, initial_epoch: int = 0) -> str | None:
        """Return why a `fit` is too short for `curvature_ratio` to act; None if it is not, or nothing is measured.

        Args:
            epochs: epoch at which the search ends.
            initial_epoch: epoch at which it starts. Defaults to 0.
        """
        return self._guards.idle_stop(initial_epoch, epochs, self.architecture_warmup.length(epochs))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "supernet": keras.saving.serialize_keras_object(self.supernet),
            "hypergradient": self.hypergradient,
            "weight_decay": self.weight_decay,
            "architecture_weight_decay": self.architecture_weight_decay,
            "objective": keras.saving.serialize_keras_object(self.objective),
            "architecture_warmup_epochs": self.architecture_warmup_epochs,
            "synchronized_batch_norm": self.synchronized_batch_norm,
            "auxiliary_skip": self.auxiliary_skip,
            "max_skips": self.max_skips,
            "curvature_ratio": self.curvature_ratio,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> BilevelTrainer:
        supernet = keras.saving.deserialize_keras_object(config["supernet"], custom_objects=custom_objects)
        objective = keras.saving.deserialize_keras_object(config.get("objective"), custom_objects=custom_objects)
        return cls(**{**config, "supernet": supernet, "objective": objective})
