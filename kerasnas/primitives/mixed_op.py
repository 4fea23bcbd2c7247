"""MixedOp: the weighted sum of candidate primitives that relaxes a choice in a differentiable search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas import backend, checks
from kerasnas.annotations import Tensor
from kerasnas.genotypes import NONE, SKIP
from kerasnas.primitives.base import GRAPH_PRIMITIVES, PRIMITIVES, Primitive, halve, primitive, takes_training
from kerasnas.primitives.fading import FadingDropout
from kerasnas.primitives.graph import Graph, check_graph
from kerasnas.primitives.sampled_paths import SampledPaths
from kerasnas.relaxations.base import add_alphas, get_relaxation


def check_primitives(primitives: Sequence[str], on_graph: bool = False) -> tuple[str, ...]:
    """Return `primitives` as a tuple if they are distinct registered names, and not "none" alone."""
    names = checks.names("primitives", primitives, GRAPH_PRIMITIVES if on_graph else PRIMITIVES)
    if names == (NONE,):
        raise ValueError(checks.invalid("primitives", "a name other than 'none'", list(names)))
    return names


def check_kept(primitives: Sequence[str], kept: Sequence[Sequence[str]], edges: int) -> tuple[tuple[str, ...], ...]:
    """Return for each edge the primitives that it keeps: as many as the others, in their order, not "none" alone."""
    if not isinstance(kept, Sequence) or isinstance(kept, str) or len(kept) != edges:
        raise ValueError(checks.invalid("kept", f"the names of the primitives of each of {edges} edges", kept))
    rows = tuple(checks.names("kept", names, primitives) for names in kept)
    if len({len(names) for names in rows}) > 1 or (NONE,) in rows:
        raise ValueError(checks.invalid("kept", "as many for each edge, and not 'none' alone", kept))
    return tuple(tuple(name for name in primitives if name in names) for names in rows)


def _places(primitives: Sequence[str], kept: Sequence[Sequence[str]]) -> dict[str, list[tuple[int, int]]]:
    """Return for each candidate the copies that have it, with its column in their weights."""
    found = {name: [(i, own.index(name)) for i, own in enumerate(kept) if name in own] for name in primitives}
    return {name: places for name, places in found.items() if places and name != NONE}


@keras.saving.register_keras_serializable(package="kerasnas")
class MixedOp(keras.layers.Layer):
    """The mixed operation of DARTS: the sum of candidate primitives, each times its mixing weight.

    `mixed(x) = sum_p weights[p] * primitive_p(x)`, with `weights = softmax(alphas)`.

    Used on its own in any Keras model, it owns its architecture parameters. In a cell it receives the weights, and
    computes `copies` edges that read the same input side by side.

    Args:
        primitives: names of the candidates, built-in or registered with `register_primitive`.
        filters: number of output channels (of each copy).
        strides: 1, or 2 to halve height and width, or length. Defaults to 1.
        affine: whether batch norm learns scale and offset. Defaults to False, as DARTS searches:
            a learned scale would undo the mixing weight.
        copies: number of edges computed side by side. Defaults to 1.
        relaxation: maps the layer's own alphas to weights: a name or a callable. Defaults to `"softmax"`.
        seed: seed of the layer's own alphas and of the draws of a relaxation; None for random ones. Defaults to 0.
        sampled_paths: `SampledPaths` that several layers share to compute active primitives. Defaults to the layer's
            own.
        graph: the `Graph` of graph primitives, whose input is `(nodes, channels)`. Defaults to None: those of images
            and signals.
        options: further arguments of all primitives. Defaults to none.
        kept: for each copy the names of the primitives that it has left, in their order and equally many, where a
            search has dropped others. Defaults to None: all.
        skip_dropout: share of the values of a skip connection at strides 1 that are dropped in training (P-DARTS), from
            0 on and below 1, until `dropout.rate` is set. Defaults to 0.

    Call arguments:
        inputs: tensor `(batch, height, width, channels)`, or `(batch, length, channels)`.
        weights: optional tensor `(copies, len(primitives))`, or of as many columns as primitives are left; without it
            the layer's own alphas are used.
        active: optional integers `(copies, paths)`: indices of the primitives whose weight is not zero. Only these are
            computed, forward and backward. Not with `kept`.
        training: whether batch norm uses the batch's statistics.

    Returns:
        Tensor `(batch, height / strides, width / strides, copies * filters)`, or
        `(batch, length / strides, copies * filters)`.

    Raises:
        TypeError: if `sampled_paths` is no `SampledPaths`.
        ValueError: for unknown, repeated or no primitives, a wrong number or boolean, and as the primitives do.

    Example:

    >>> layer = MixedOp(
    ...     ["factorized_reduce", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"],
    ...     filters=16,
    ...     strides=2,
    ... )
    >>> layer(ops.ones((1, 8, 8, 3))).shape, tuple(layer.alphas.shape)
    (TensorShape([1, 4, 4, 16]), (1, 5))

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), equation 2.

    Differences from the paper:
        - None.
    """

    _known = staticmethod(check_primitives)

    def __init__(
        self,
        primitives: Sequence[str],
        filters: int,
        strides: int = 1,
        affine: bool = False,
        copies: int = 1,
        relaxation: Any = "softmax",
        seed: int | None = 0,
        sampled_paths: SampledPaths | None = None,
        graph: Graph | None = None,
        options: Mapping[str, Any] | None = None,
        kept: Sequence[Sequence[str]] | None = None,
        skip_dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)  # float32 weights must stay float32
        self.graph = None if graph is None else check_graph(graph)
        self.options = dict(checks.mapping("options", options or {}))
        self.primitives = self._known(primitives, graph is not None)
        self.filters = checks.size("filters", filters)
        self.strides = checks.size("strides", strides, (1, 2))
        self.copies = checks.size("copies", copies)
        self.affine = checks.boolean("affine", affine)
        self.seed = None if seed is None else checks.seed(seed)
        self.relaxation = get_relaxation(relaxation, seed)
        self.sampled_paths = checks.optional(checks.instance, "sampled_paths", sampled_paths, SampledPaths)
        self.sampled_paths = self.sampled_paths or SampledPaths()
        self.alphas: Any = None
        self.kept = None if kept is None else check_kept(self.primitives, kept, self.copies)
        kept = self.kept or (self.primitives,) * self.copies
        if self.kept and self.relaxation.paths is not None:
            raise ValueError(checks.invalid("kept", "None with a relaxation that draws paths", kept))
        self.columns = len(kept[0])
        self._places = _places(self.primitives, kept)
        self.candidates = {name: self._candidate(name, len(own)) for name, own in self._places.items()}
        self.skip_dropout = checks.number("skip_dropout", skip_dropout, least=0, below=1)
        self.dropout = None
        if skip_dropout and strides == 1 and SKIP in self.candidates:
            self.dropout = FadingDropout(skip_dropout, seed, dtype=self.dtype_policy)

    def _candidate(self, name: str, copies: int) -> keras.layers.Layer:
        arguments: tuple[Any, ...] = (name, self.filters, self.strides, self.affine, self.graph)
        layer = primitive(*arguments, **self.options)
        if isinstance(layer, Primitive):
            return primitive(*arguments, copies=copies, dtype=self.dtype_policy, **self.options)
        # A user's own layer has no argument `copies`.
        return _Copies([layer, *(primitive(*arguments, **self.options) for _ in range(copies - 1))])

    def build(self, inputs_shape: tuple, weights_shape: Any = None) -> None:
        if weights_shape is None:
            self.alphas = add_alphas(self, (self.copies, self.columns), seed=self.seed)
        for candidate in self.candidates.values():
            candidate.build(inputs_shape)

    def call(
        self, inputs: Tensor, weights: Tensor = None, active: Tensor = None, training: bool | None = None
    ) -> Tensor:
        if weights is None:
            if self.alphas is None:
                raise ValueError("This MixedOp was built to receive `weights`, and was called without them.")
            alphas = ops.convert_to_tensor(self.alphas)
            weights, active = self.relaxation(alphas, training=training)
            if training and (penalty := self.relaxation.penalty(alphas)) is not None:
                self.add_loss(penalty)
        inputs = ops.cast(inputs, self.compute_dtype)
        if active is not None:
            return self._mix_active(inputs, weights, active, training)
        shared: dict[tuple, Any] = {}
        scales = self._scales(weights) if self.kept is None else self._kept_scales(weights)
        outputs = {n: one.mix(inputs, scales[n], training, shared) for n, one in self.candidates.items()}
        if self.dropout is not None:
            outputs[SKIP] = self.dropout(outputs[SKIP], training=training)
        if self.kept is None:
            return keras.tree.map_structure(lambda *terms: sum(terms[1:], terms[0]), *outputs.values())
        terms: list[list[Any]] = [[] for _ in range(self.copies)]
        for name, output in outputs.items():
            places = self._places[name]
            for (copy, _), part in zip(places, ops.split(output, len(places), axis=-1), strict=True):
                terms[copy].append(part)
        return ops.concatenate([sum(own[1:], own[0]) for own in terms], axis=-1)

    def _scales(self, weights: Tensor) -> dict[str, Any]:
        """Return each candidate's mixing weight for each channel of its copies."""
        shape = self.copies, self.filters, self.columns
        channels = ops.reshape(ops.broadcast_to(ops.expand_dims(weights, 1), shape), (-1, self.columns))
        return dict(zip(self.primitives, ops.unstack(channels, axis=-1), strict=True))

    def _kept_scales(self, weights: Tensor) -> dict[str, Any]:
        """Return the same where copies have different candidates left."""
        rows = [ops.unstack(row) for row in ops.unstack(weights)]
        own = {name: ops.stack([rows[c][column] for c, column in self._places[name]]) for name in self.candidates}
        return {name: ops.repeat(scale, self.filters) for name, scale in own.items()}

    def _mix_active(self, inputs: Tensor, weights: Tensor, active: Tensor, training: bool | None) -> Any:
        """Compute, for each copy, the weighted sum of its active primitives only."""
        path = self.sampled_paths.like(self, inputs.shape)
        candidates = self.candidates.values()
        values = [c.part(backend.values(c.variables)) for c in candidates]
        outputs = []
        for copy, (scales, own) in enumerate(zip(ops.unstack(weights), ops.unstack(active), strict=True)):
            terms = []
            for index in ops.unstack(own):
                y, after = path(inputs, scales, index, [parts[copy] for parts in values], training)
                terms.append(y)
                for parts, new in zip(values, after, strict=True):
                    parts[copy] = new
            outputs.append(sum(terms[1:], terms[0]))
        if training:
            for candidate, parts in zip(candidates, values, strict=True):
                for variable, value in zip(candidate.variables, candidate.join(parts), strict=True):
                    if not variable.trainable:
                        variable.assign(value)
        return ops.concatenate(outputs, axis=-1)

    def single(self, inputs_shape: tuple) -> MixedOp:
        """Return a built layer of one copy, of whose computation others use the functions, and not the variables."""
        own = self.primitives, self.filters, self.strides, self.affine
        one = MixedOp(*own, graph=self.graph, options=self.options, dtype=self.dtype_policy)
        one.build(tuple(inputs_shape), (1, len(self.primitives)))
        return one

    def compute_output_shape(self, inputs_shape: tuple, weights_shape: Any = None) -> tuple:
        shape = inputs_shape if self.strides == 1 else halve(inputs_shape)
        return (*shape[:-1], self.copies * self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {
            "primitives": list(self.primitives),
            "filters": self.filters,
            "strides": self.strides,
            "affine": self.affine,
            "copies": self.copies,
            "relaxation": keras.saving.serialize_keras_object(self.relaxation),
            "seed": self.seed,
        }
        if self.graph is not None:
            own["graph"] = keras.saving.serialize_keras_object(self.graph)
        if self.options:
            own["options"] = self.options
        if self.kept is not None:
            own["kept"] = [list(names) for names in self.kept]
        if self.skip_dropout:
            own["skip_dropout"] = self.skip_dropout
        return {**super().get_config(), **own}


class _Copies(keras.layers.Layer):
    """An adapter that gives a user's own layers, one for each copy, the interface of a built-in primitive."""

    def __init__(self, layers: list[keras.layers.Layer]):
        super().__init__(autocast=False)
        self.layers = layers

    def build(self, inputs_shape: tuple, scale_shape: Any = None) -> None:
        for layer in self.layers:
            layer.build(inputs_shape)

    def part(self, values: list[Any]) -> list[list[Any]]:
        size = len(values) // len(self.layers)
        return [values[start : start + size] for start in range(0, len(values), size or 1)] or [[] for _ in self.layers]

    def join(self, parts: list[list[Any]]) -> list[Any]:
        return [value for part in parts for value in part]

    @property
    def variables(self) -> list[Any]:
        return [variable for layer in self.layers for variable in layer.variables]  # by copy

    def mix(self, inputs: Tensor, scale: Tensor, training: bool | None, shared: dict[tuple, Any]) -> Any:
        outputs = [
            layer(inputs, training=training) if takes_training(layer) else layer(inputs) for layer in self.layers
        ]
        dtype = inputs.dtype  # of the whole sum, whatever dtype the user's layer computes in
        return ops.concatenate([ops.cast(y, dtype) for y in outputs], axis=-1) * ops.cast(scale, dtype)
