"""Weight sharing: every primitive of every edge once; a child network computes the ones it consists of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import backend
from kerasnas.annotations import Tensor
from kerasnas.networks.initialization import fan_in, initialize
from kerasnas.networks.layered import LayerBuilder, LayerRunner, SkeletonModel
from kerasnas.networks.skeleton import ChoiceTable, HasSkeleton, Shape, check_channels
from kerasnas.primitives.base import Primitive, primitive, takes_training
from kerasnas.primitives.parameter_free import Pooling


class SharedPrimitives(keras.layers.Layer):
    """The weights of some primitives for each of some edges; computes one primitive with the weights of one edge.

    The weights of an edge are a row of one table, all primitives concatenated: a step would otherwise spend its time on
    thousands of small variables. Batch norm uses the statistics of the batch, in training and outside: moving
    statistics of weights that many children share belong to none of them. The layer returns the output of the chosen
    primitive with these weights in training.

    Args:
        candidates: the primitives, as layers of the same strides and filters. Their own weights are not used.
        edges: number of rows. Defaults to 1.
        seed: of the initial weights. Defaults to 0.
    """

    def __init__(self, candidates: Sequence[keras.layers.Layer], edges: int = 1, seed: int = 0, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.edges, self.seed = edges, seed
        self._candidates = lambda: candidates  # in a function, Keras does not count their weights as this layer's

    def build(self, inputs_shape: tuple) -> None:
        candidates = self._candidates()
        for layer in candidates:
            layer.build(inputs_shape)
        self._outputs_shape = tuple(candidates[0].compute_output_spec(keras.KerasTensor(inputs_shape)).shape)
        self.shapes = [[tuple(variable.shape) for variable in layer.trainable_variables] for layer in candidates]
        values = _initial_values(candidates, self.edges, self.seed)
        self.table = self.add_weight(name="table", shape=values.shape, initializer="zeros")
        self.table.assign(values)
        self._compute = backend.traced_once(self._switch(candidates))

    def unpack(self, row: Any) -> list[list[Any]]:
        """Split a row of the table into a list of weights for each primitive."""
        sizes = [int(np.prod(shape)) for shapes in self.shapes for shape in shapes]
        # The last part of the split, past all sizes, is empty.
        parts = iter(ops.split(row, list(itertools.accumulate(sizes)), axis=0)[:-1]) if sizes else iter(())
        return [[ops.reshape(next(parts), shape) for shape in shapes] for shapes in self.shapes]

    def _switch(self, candidates: Sequence[keras.layers.Layer]) -> Callable:
        def run(inputs: Tensor, index: Any, row: Any) -> Any:
            def branch(layer: keras.layers.Layer, position: int) -> Callable:
                return lambda: _with_batch_statistics(layer, self.unpack(row)[position], inputs)

            branches = [branch(layer, position) for position, layer in enumerate(candidates)]
            return ops.switch(index, branches) if len(branches) > 1 else branches[0]()

        return run

    def call(self, inputs: Tensor, index: Any = 0, edge: Any = 0) -> Tensor:
        # A product with a one-hot row: the gradient of indexing would be sparse, which slows optimizers down.
        chosen = ops.expand_dims(ops.one_hot(edge, self.edges, dtype=self.table.dtype), 0)
        row = ops.reshape(ops.matmul(chosen, ops.convert_to_tensor(self.table)), (-1,))
        return self._compute(ops.cast(inputs, self.compute_dtype), ops.convert_to_tensor(index, "int32"), row)

    def compute_output_shape(self, inputs_shape: Any = None, **shapes: Any) -> tuple:
        return self._outputs_shape


def _initial_values(candidates: Sequence[keras.layers.Layer], edges: int, seed: int) -> np.ndarray:
    """Draw kernels as `initialize` does, separately for every edge; take other variables from the candidates."""
    rng = np.random.default_rng(seed)
    values = [np.zeros((edges, 0))]
    for variable in (variable for layer in candidates for variable in layer.trainable_variables):
        shape = tuple(variable.shape)
        if len(shape) > 1:
            values.append(np.sqrt(2 / fan_in(shape)) * rng.standard_normal((edges, int(np.prod(shape)))))
        else:
            values.append(np.tile(ops.convert_to_numpy(variable), (edges, 1)))
    return np.concatenate(values, axis=1)


def _with_batch_statistics(layer: keras.layers.Layer, weights: Sequence[Tensor], inputs: Tensor) -> Any:
    """Compute `layer(inputs)` in training, with `weights` in place of its own, and without side effects."""
    if isinstance(layer, Pooling):  # in a discrete network pools have no batch norm, and neither do they here
        return layer.chain[0].call(inputs)
    state = [(variable, ops.zeros(variable.shape, variable.dtype)) for variable in layer.non_trainable_variables]
    with keras.StatelessScope(state_mapping=[*zip(layer.trainable_variables, weights, strict=True), *state]):
        if isinstance(layer, Primitive):
            return layer.mix(inputs, None, True, {})
        return layer(inputs, training=True) if takes_training(layer) else layer(inputs)


class SharedGraph(keras.layers.Layer):
    """Cell whose children share the weights of each primitive on each edge; a node adds two primitives of two nodes."""

    def __init__(
        self,
        share: Callable[..., SharedPrimitives],
        table: ChoiceTable,
        inputs: int,
        filters: int,
        strides: int,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.inputs, self.num_nodes = inputs, len(table.rows_by_node)
        names, num_nodes = table.primitives, self.num_nodes
        self.from_inputs = share([primitive(name, filters, strides) for name in names], edges=inputs * num_nodes)
        if num_nodes > 1:
            edges = num_nodes * (num_nodes - 1) // 2
            self.between = share([primitive(name, filters) for name in names], edges=edges)

    def build(self, inputs_shape: Sequence[tuple]) -> None:
        self.from_inputs.build(inputs_shape[0])
        self.node_shape = self.from_inputs.compute_output_shape()
        if self.num_nodes > 1:
            self.between.build(self.node_shape)

    def call(self, inputs: Sequence[Tensor], sources: Sequence[Any], indices: Sequence[Any]) -> list[Any]:
        nodes: list[Any] = []
        for pair, chosen in zip(sources, indices, strict=True):
            first, second = (self._read(inputs, nodes, s, index) for s, index in zip(pair, chosen, strict=True))
            nodes.append(first + second)
        return nodes

    def _read(self, inputs: Sequence[Tensor], nodes: list[Any], source: Any, index: Any) -> Any:
        """Apply the primitive `index` on the edge from `source` to the next node to `source`."""
        earlier = len(nodes)

        def from_inputs() -> Any:
            return self.from_inputs(_pick(inputs, source), index, self.inputs * earlier + source)

        def between() -> Any:
            node = source - self.inputs
            return self.between(_pick(nodes, node), index, earlier * (earlier - 1) // 2 + node)

        return ops.cond(source < self.inputs, from_inputs, between) if nodes else from_inputs()

    def compute_output_shape(self, inputs_shape: Sequence[tuple], **shapes: Any) -> list[tuple]:
        return [self.node_shape] * self.num_nodes


def _pick(tensors: Sequence[Tensor], index: Any) -> Any:
    if len(tensors) == 1:
        return tensors[0]
    return ops.switch(index, [lambda tensor=tensor: ops.convert_to_tensor(tensor) for tensor in tensors])


@keras.saving.register_keras_serializable(package="kerasnas")
class WeightSharingSupernet(SkeletonModel):
    """The supernet of a space whose children share weights: it computes one child at a time.

    Args:
        space: a space with a skeleton, such as `kerasnas.spaces.ENASMicroSpace`, or its serialized form.
        input_shape, num_classes, seed: as for `Supernet`.

    Call arguments:
        inputs: images `(batch, height, width, channels)`.
        architecture: integer tensor `(choices,)`, as `SearchSpace.encode` returns it: one child for the whole batch.
            Defaults to the first option of every choice.
        training: has no effect: batch norm uses the statistics of the batch in any case.

    Reference:
        Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", 2018 (arXiv 1802.03268).
    """

    def __init__(
        self,
        space: HasSkeleton | dict[str, Any],
        input_shape: tuple[int, ...],
        num_classes: int,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(space, input_shape, num_classes, seed, **kwargs)
        self.num_choices = len(self.space.choices)
        seeds = np.random.default_rng(seed)
        self.read_skeleton(_SharedBuilder(self.space, num_classes, self.dtype_policy, seeds))
        initialize(self.classifier, int(seeds.integers(2**31)))

    def call(self, inputs: Tensor, architecture: Any = None, training: bool | None = None) -> Tensor:
        check_channels(inputs, self.image_shape, self.space.inputs)
        if architecture is None:
            architecture = np.zeros(self.num_choices)
        indices = ops.unstack(ops.reshape(ops.cast(architecture, "int32"), (self.num_choices,)))
        chosen = dict(zip(self.space.choices, indices, strict=True))
        return self.space.skeleton(_SharedRunner(self.space, self.parts, chosen), inputs)


class _SharedBuilder(LayerBuilder):
    """Reads a skeleton into layers of shared weights, with initial values from `seeds`."""

    def __init__(self, space: HasSkeleton, num_classes: int, policy: keras.DTypePolicy, seeds: np.random.Generator):
        super().__init__(space, num_classes, policy, affine=True)
        self._seeds = seeds

    def _share(self, candidates: Sequence[keras.layers.Layer], edges: int = 1) -> SharedPrimitives:
        """Return a `SharedPrimitives` with initial weights of its own."""
        return SharedPrimitives(candidates, edges, seed=int(self._seeds.integers(2**31)), dtype=self.policy)

    def block_layer(self, factory: Callable[..., Any], *arguments: Any, **options: Any) -> keras.layers.Layer:
        layer = factory(*arguments, **options)
        return self._share([layer]) if isinstance(layer, Primitive) else layer

    def choice(self, x: Shape, name: str, filters: int, strides: int = 1) -> Shape:
        layer = self._share([primitive(option, filters, strides) for option in self.space.choices[name]])
        layer.build((None, *x))
        self.layers.append(layer)
        return super().choice(x, name, filters, strides)

    def graph(self, kind: str, inputs: Sequence[Shape], filters: int, strides: int = 1) -> list[Shape]:
        table = self.space.tables[kind]
        layer = SharedGraph(self._share, table, len(inputs), filters, strides, dtype=self.policy)
        layer.build([(None, *shape) for shape in inputs])
        self.layers.append(layer)
        return super().graph(kind, inputs, filters, strides)


class _SharedRunner(LayerRunner):
    """Reads a skeleton with the layers of a `_SharedBuilder` as one child.

    Values that a child does not read are multiplied by zero: ReLU and a 1x1 convolution, or the classifier, follow, to
    which a zero channel is equivalent to a missing one. `chosen` maps the name of a choice to the index of its option,
    an integer tensor `()`.
    """

    def __init__(self, space: HasSkeleton, layers: Sequence[Any], chosen: Mapping[str, Any]):
        super().__init__(space, layers, training=True)
        self._chosen = chosen

    def choice(self, x: Tensor, name: str, filters: int, strides: int = 1) -> Any:
        return self.next_layer()(x, self._chosen[name])

    def graph(self, kind: str, inputs: Sequence[Tensor], filters: int, strides: int = 1) -> list[Any]:
        indices = [
            [self._chosen[f"{kind}/{node}/{which}"] for which in ("first", "second")]
            for node in self.space.tables[kind].rows_by_node
        ]
        return self.next_layer()(list(inputs), self._sources(kind), indices)

    def _sources(self, kind: str) -> list[list[Any]]:
        """Return, for each node of a graph, the two nodes that it reads."""
        table = self.space.tables[kind]
        chosen = ((np.array(table.sources(node), "int32"), f"{kind}/{node}/sources") for node in table.rows_by_node)
        return [ops.unstack(ops.take(pairs, self._chosen[name], axis=0)) for pairs, name in chosen]

    def _free(self, names: Sequence[str]) -> Any:
        """Return True if none of these binary choices is taken."""
        bits = [self._chosen[name] > 0 for name in names]
        return ops.logical_not(ops.any(ops.stack(bits))) if bits else True

    def read(self, values: Sequence[Tensor], names: Sequence[str]) -> Any:
        bits = [self._free(names), *(self._chosen[name] > 0 for name in names)]
        return self.concatenate([keep(value, bit) for value, bit in zip(values, bits, strict=True)])

    def unread(self, values: Sequence[Tensor], readers: Sequence[Sequence[str]]) -> Any:
        pairs = zip(values, readers, strict=True)
        return self.concatenate([keep(value, self._free(names)) for value, names in pairs])

    def loose_ends(self, kind: str, nodes: Sequence[Any], inputs: int = 2) -> Any:
        read = ops.stack([source for pair in self._sources(kind) for source in pair])
        loose = [ops.all(ops.not_equal(read, node)) for node in range(inputs, inputs + len(nodes))]
        return self.concatenate([keep(node, end) for node, end in zip(nodes, loose, strict=True)])


def keep(tensor: Tensor, condition: Any) -> Any:
    """Return `tensor` if the scalar `condition` is true, else zeros."""
    return tensor * ops.cast(condition, tensor.dtype)
