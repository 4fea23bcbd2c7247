"""The supernet: all choices of a space at once, mixed by tables of architecture parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend.keras_internals import flatten_layers
from kerasnas.genotypes import Genotype
from kerasnas.networks.decisions import decisions_of, genotype_of, skip_cap
from kerasnas.networks.derivation import Decision, check_cost, choose, kept_above
from kerasnas.networks.initialization import initialize
from kerasnas.networks.input_choice import InputChoice
from kerasnas.networks.kept import KeptPrimitives
from kerasnas.networks.layered import SkeletonModel
from kerasnas.networks.mixed import MixedBuilder, MixedGraph, MixedRunner
from kerasnas.networks.skeleton import HasSkeleton, check_channels
from kerasnas.primitives.fading import FadingDropout
from kerasnas.relaxations.base import add_alphas, get_relaxation, normalize_edges


@keras.saving.register_keras_serializable(package="kerasnas")
class Supernet(SkeletonModel):
    """The supernet of a space: its skeleton with a mixed operation at every choice.

    The places of one kind share one table of architecture parameters. It is built at once, with weights that depend on
    `seed` alone (and not on the backend).

    Args:
        space: a space with a skeleton, such as `kerasnas.DARTSSpace`, or its serialized form.
        input_shape: shape of one image `(height, width, channels)`, or of one signal `(length, channels)`.
        num_classes: number of classes; the model returns logits.
        relaxation: how alphas become mixing weights: a name or a callable. Defaults to `"softmax"`.
        partial_channels: 1, or the reciprocal of the fraction of the channels that is mixed (PC-DARTS: 4). Defaults to
            1.
        edge_normalization: whether each edge has a weight of its own, by a softmax over the edges into its node
            (PC-DARTS). Defaults to False.
        input_alphas: whether each node chooses the edges that it keeps by alphas of their own, a softmax over the sets
            of edges at the temperature of the relaxation (MetaNAS). Defaults to False.
        kept: kind of cell -> for each edge the primitives that it has left, equally many, where a search has dropped
            others; alphas and mixing weights keep a column for each. With relaxations that compute every primitive.
            Defaults to none: all are left.
        skip_dropout: share of the values of skip connections that are dropped in training, next to no change of shape
            (P-DARTS). Defaults to 0.
        seed: seed of all initial weights, and of what the relaxation draws. Defaults to 0.

    Call arguments:
        inputs: images `(batch, height, width, channels)`, or signals `(batch, length, channels)`.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Logits `(batch, num_classes)`.

    Raises:
        ValueError: for an `input_shape` that the space does not take, and for arguments out of their range.

    Attributes:
        choices: table name -> `ChoiceTable`.
        alphas: table name -> architecture parameters `(edges, primitives)`.
        inputs: the `InputChoice` of `input_alphas`, or None.
        image_shape: shape of one input.

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055).

    Differences from the paper:
        - None in the mixture; see `BilevelTrainer` for the search, and the relaxation for its own.
    """

    def __init__(
        self,
        space: HasSkeleton | dict[str, Any],
        input_shape: tuple[int, ...],
        num_classes: int,
        relaxation: Any = "softmax",
        partial_channels: int = 1,
        edge_normalization: bool = False,
        input_alphas: bool = False,
        kept: Mapping[str, Sequence[Sequence[str]]] | None = None,
        skip_dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(space, input_shape, num_classes, seed, **kwargs)
        self.partial_channels = checks.size("partial_channels", partial_channels)
        self.edge_normalization = checks.boolean("edge_normalization", edge_normalization)
        self.input_alphas = checks.boolean("input_alphas", input_alphas)
        if edge_normalization and input_alphas:
            expected = "False with `edge_normalization`, which weighs the edges of a node too"
            raise ValueError(checks.invalid("input_alphas", expected, True))
        self.skip_dropout = checks.number("skip_dropout", skip_dropout, least=0, below=1)
        self.relaxation = get_relaxation(relaxation, seed)
        self.kept = KeptPrimitives(self.space.tables, kept or {})
        if kept and self.relaxation.paths is not None:
            raise ValueError(checks.invalid("kept", "None with a relaxation that draws paths", kept))
        self.has_auxiliary_skip = False
        self._at_expected_weights = False
        self._given: Mapping[str, Any] | None = None  # mixing weights in place of the relaxation's

        built = self.partial_channels, self.kept.names, self.skip_dropout
        self.read_skeleton(MixedBuilder(self.space, num_classes, self.dtype_policy, *built))
        self.choices = choices = dict(self.space.tables)
        self.alphas = {kind: add_alphas(self, table.shape, f"alphas_{kind}") for kind, table in choices.items()}
        self.auxiliary_skip = self.add_weight(
            name="auxiliary_skip",
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self.betas = {}
        if self.edge_normalization:
            self.betas = {kind: add_alphas(self, table.shape[:1], f"betas_{kind}") for kind, table in choices.items()}
        self.inputs = InputChoice(self, choices) if self.input_alphas else None
        initialize(self, seed)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        check_channels(inputs, self.image_shape, self.space.inputs)
        tables = self.tables(training)
        fill = MixedRunner(self.space, self.parts, tables, self._reads(tables), training)
        return self.space.skeleton(fill, inputs)

    @property
    def graphs(self) -> list[MixedGraph]:
        """Layers that mix."""
        return [part for part in self.parts if isinstance(part, MixedGraph)]

    @checks.arguments(weight=checks.not_negative)
    def add_auxiliary_skip(self, weight: float) -> int:
        """Add a skip connection of this weight next to every edge that keeps the shape; `derive` ignores it.

        It contributes to the training of the others in any case, so that the alphas measure its value as an operation.
        Spaces whose layers have a residual connection anyway get none.

        Returns:
            The number of edges that now have one.

        Reference:
            Chu et al., "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", 2021 (arXiv
            2009.01027), section 3.2; the weight decays by `kerasnas.callbacks.AuxiliarySkipSchedule`.

        Differences from the paper:
            - None, with that schedule.
        """
        edges = sum(graph.auxiliary_edges for graph in self.graphs) if self.space.skips_collapse else 0
        if edges:
            self.has_auxiliary_skip = True
            self.auxiliary_skip.assign(weight)
        return edges

    def set_skip_dropout(self, rate: float) -> None:
        """Set the share of the values of skip connections that is dropped in training, if it was not 0 at first."""
        rate = checks.number("rate", rate, least=0, below=1)
        for layer in flatten_layers(self):
            if isinstance(layer, FadingDropout):
                layer.rate.assign(rate)

    def tables(self, training: bool | None) -> dict[str, dict[str, Any]]:
        """Return, for each kind of cell, the arguments of its mixed operations."""
        tables = {}
        for kind, variable in self.alphas.items():
            alphas = self.kept.narrow(kind, ops.convert_to_tensor(variable))
            if self._given is not None:
                weights, active = self.kept.narrow(kind, self._given[kind]), None
            elif self._at_expected_weights:
                weights, active = self.relaxation.expected(alphas), None
            else:
                weights, active = self.relaxation(alphas, training=training)
            if training and (penalty := self.relaxation.penalty(alphas)) is not None:
                self.add_loss(penalty)
            tables[kind] = {"weights": weights, "active": active, "edge_weights": self._edge_weights(kind)}
            if self.has_auxiliary_skip:
                tables[kind]["auxiliary"] = ops.convert_to_tensor(self.auxiliary_skip)
        return tables

    def drawn_paths(self) -> list[tuple[Any, Any]]:
        """Return each table of alphas, with the primitives `(edges, paths)` that its next pass in training computes."""
        alphas = self.alphas.values()
        return [(table, self.relaxation(ops.convert_to_tensor(table), training=True)[1]) for table in alphas]

    @contextlib.contextmanager
    def at_expected_weights(self) -> Iterator[None]:
        """Compute every primitive within this context, with the weights that the relaxation gives on average."""
        self._at_expected_weights = True
        try:
            yield
        finally:
            self._at_expected_weights = False

    @contextlib.contextmanager
    def mixing_by(self, weights: Mapping[str, Any]) -> Iterator[None]:
        """Mix by `weights`, `(edges, primitives)` for each kind of cell, within this context."""
        self._given = weights
        try:
            yield
        finally:
            self._given = None

    @checks.arguments(genotype=Genotype)
    def one_hot_weights(self, genotype: Genotype) -> dict[str, np.ndarray]:
        """Return the mixing weights, 0 or 1, at which the supernet computes the network of `genotype`.

        Raises:
            ValueError: if `genotype` is not of the space, or has a primitive that was dropped.
        """
        self.space.validate(genotype)
        weights = {kind: np.zeros(table.shape, "float32") for kind, table in self.choices.items()}
        for kind, table in self.choices.items():
            rows = {edge: row for row, edge in enumerate(table.edges)}
            for edge in genotype[table.cell or kind]:
                row = rows.get((edge.source, edge.target))
                if row is not None and edge.primitive in table.primitives:
                    weights[kind][row, table.primitives.index(edge.primitive)] = 1
            self.kept.check(kind, weights[kind], genotype)
        return weights

    def _reads(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return how much of each edge is read, from 0 to 1, by kind of cell; None if all are, equally."""
        if self._given is not None:
            sums = {kind: ops.sum(ops.convert_to_tensor(weights), axis=-1) for kind, weights in self._given.items()}
            return {kind: ops.clip(total, 0, 1) for kind, total in sums.items()}
        return {kind: table["edge_weights"] for kind, table in tables.items()}

    def _edge_weights(self, kind: str) -> Any:
        if self._given is not None:  # given mixing weights include those of the edges
            return None
        if self.inputs is not None:
            return self.inputs.edge_weights(kind)
        if not self.edge_normalization:
            return None
        targets = [target for _, target in self.choices[kind].edges]
        return normalize_edges(ops.convert_to_tensor(self.betas[kind]), targets)

    def expected_weights(self) -> dict[str, Any]:
        """Return the relaxed choice, averaged over the draws of the relaxation.

        Differentiable: for each kind of cell a tensor `(edges, primitives)`. With edge normalization or alphas of the
        inputs, each row is multiplied by its edge's weight.
        """
        tables = self._primitive_weights()
        for kind, table in tables.items():
            if (weights := self._edge_weights(kind)) is not None:
                tables[kind] = table * ops.expand_dims(weights, -1)
        return tables

    def _primitive_weights(self) -> dict[str, Any]:
        """Return `expected_weights` without the weights of the edges."""
        alphas = {kind: self.kept.narrow(kind, ops.convert_to_tensor(own)) for kind, own in self.alphas.items()}
        return {kind: self.kept.widen(kind, self.relaxation.expected(own)) for kind, own in alphas.items()}

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """Return `expected_weights` as arrays."""
        return {kind: ops.convert_to_numpy(table) for kind, table in self.expected_weights().items()}

    @property
    def skip_cap(self) -> int | None:
        """Number of skip connections that a derived cell may have: a quarter of its edges. None for any."""
        return skip_cap(self.choices) if self.space.skips_collapse else None

    def decisions(self, weights: Mapping[str, np.ndarray], allow_none: bool = False) -> list[Decision]:
        """Return the independent decisions that make a genotype, each with all its options, given mixing weights."""
        decisions = decisions_of(self.choices, weights, allow_none)
        return list(decisions if self.inputs is None else self.inputs.weigh(decisions))

    @checks.arguments(max_skips=checks.count, limit=checks.number, allow_none=checks.boolean)
    def derive(
        self,
        max_skips: int | None = None,
        cost: Any = None,
        limit: float | None = None,
        allow_none: bool = False,
    ) -> Genotype:
        """Return the genotype of the strongest choices; the space's `reachable` set has all possible results.

        Args:
            max_skips: maximum number of skip connections in each kind of cell. Defaults to None: any number.
            cost: a `kerasnas.cost.CostModel` of this space; with `limit`.
            limit: maximum cost of the network. Defaults to None: any cost.
            allow_none: whether an edge may be `none`, if that is a choice of the space, to compare with results
                published so. Defaults to False: the strongest of the other primitives, as in DARTS.

        Returns:
            The strongest genotype; if it breaks a limit, the most probable that does not. In a space whose edges may be
            left out, without edges below the relaxation's threshold.

        Raises:
            ValueError: if every network costs more than `limit`.
        """
        check_cost(cost)
        weights = self.mixing_weights()
        if self.inputs is not None:  # each option has the probability of its inputs
            weights = {kind: ops.convert_to_numpy(table) for kind, table in self._primitive_weights().items()}
        decisions = [self._strong_enough(options) for options in self.decisions(weights, allow_none)]
        return genotype_of(self.space.name, self.choices, choose(decisions, max_skips, cost, limit))

    def _strong_enough(self, options: Decision) -> Decision:
        """Apply the threshold of the relaxation to the options of one decision, if edges may be left out."""
        table, threshold = self.choices[options[0].kind], self.relaxation.threshold
        return kept_above(options, threshold, table.primitives) if table.sparse and threshold else options

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "partial_channels": self.partial_channels,
            "edge_normalization": self.edge_normalization,
            "input_alphas": self.input_alphas,
            "kept": self.kept.names,
            "skip_dropout": self.skip_dropout,
        }
