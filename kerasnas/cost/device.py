"""Operators of a network as the converter makes them: flash and memory that they need in 8-bit integers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.backend.keras_internals import nodes_of
from kerasnas.networks.standardization import Standardization

# Layers that the converter folds into the operator before them: their output is that operator's.
_FOLDED = ("BatchNormalization", "ReLU", "Relu", "Dropout", "SpatialDropout2D", "Rescaling", "Identity")
_EACH = ("Add", "Multiply", "Activation")
CONVOLUTION, POINTWISE, DEPTHWISE, DENSE, OTHER = KINDS = ("convolution", "pointwise", "depthwise", "dense", "other")
_ALIGNED = 16  # bytes, of which the interpreter's buffers are multiples
# Bytes of a file beside its weights, and of an arena beside the activations, fitted to networks of `MacroSpace`
# (tests/cost/test_device.py has some): of each, of each operator, of each convolution and dense layer, and of each of
# their channels, whose scales and zero points are stored with them.
_FILE, _FILE_OPERATOR, _FILE_SCALED, _FILE_CHANNEL = 923, 135, 190, 24
_FILE_CONSTANTS, _FILE_SHAPE = 104, 59  # of the numbers of each channel, where these are scaled apart; of a reshape
_ARENA, _ARENA_OPERATOR, _ARENA_SCALED, _ARENA_CHANNEL = 848, 149, 94, 8
# While it starts, the interpreter plans the activations in the place that they will take.
_PLAN, _PLAN_OPERATOR = 100, 139


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator as the converter makes it of a layer and those folded into it.

    Args:
        inputs, output: numbers of the tensors that it reads, and of the one that it writes.
        weights: bytes of its weights, integers of 8 bits, and of its biases, of 32.
        kind: one of `KINDS`: a convolution, one of 1x1, one of each channel by itself, a dense layer, or another.
        filters: channels of its output.
        work: multiply-adds for one of them; of other kinds, all numbers that are read and written.
    """

    inputs: tuple[int, ...]
    output: int
    weights: int = 0
    kind: str = OTHER
    filters: int = 0
    work: int = 0

    def computed(self, lanes: int) -> int:
        """Return the multiply-adds by a processor that computes so many channels at once; of other kinds, numbers."""
        return self.work if self.kind == OTHER else self.work * lanes * math.ceil(self.filters / lanes)


@dataclasses.dataclass(frozen=True)
class OperatorGraph:
    """Operators of a model in their order.

    Args:
        operators: each writes a tensor of its own.
        sizes: bytes of each tensor; the first ones are the inputs.
        output: number of the tensor that results.
        images: whether the first input, and what results, are images; signals are, of one row, between convolutions.
    """

    operators: tuple[Operator, ...]
    sizes: tuple[int, ...]
    output: int
    images: tuple[bool, bool] = (True, True)

    @classmethod
    def of(cls, model: keras.Model, inside: bool = False) -> OperatorGraph:
        """Return the operators of a functional model, or of one `inside` of others, whose signals are images."""
        file = _File()
        given = [file.added(x, _wide(x) or (inside and len(x.shape) == 3)) for x in model.inputs]
        output, *_ = file.write(model, given)
        output = output if inside else file.seen(output, _wide(model.outputs[0]))
        images = file.images[given[0]], file.images[output]
        return cls(tuple(file.operators), tuple(file.sizes), output, images)

    def then(self, other: OperatorGraph) -> OperatorGraph:
        """Return these operators, followed by those of a model whose one input is what results of them."""
        if self.images[1] != other.images[0]:
            size, number = self.sizes[self.output], len(self.sizes)
            reshaped = (*self.operators, _reshape(self.output, number, size))
            same = (self.images[0], other.images[0])
            return OperatorGraph(reshaped, (*self.sizes, size), number, same).then(other)
        offset = len(self.sizes) - 1
        numbers = [self.output, *range(offset + 1, offset + len(other.sizes))]
        moved = (
            dataclasses.replace(one, inputs=tuple(numbers[x] for x in one.inputs), output=numbers[one.output])
            for one in other.operators
        )
        sizes, images = (*self.sizes, *other.sizes[1:]), (self.images[0], other.images[1])
        return OperatorGraph((*self.operators, *moved), sizes, numbers[other.output], images)

    def cost(self) -> DeviceCost:
        """Return the flash and the memory of these operators."""
        operators = self.operators
        scaled = [one for one in operators if one.kind != OTHER]
        channels = sum(one.filters for one in scaled)
        flash = _FILE + _FILE_OPERATOR * len(operators) + sum(one.weights for one in operators)
        flash += _FILE_SCALED * len(scaled) + _FILE_CHANNEL * channels
        structures = _ARENA + _ARENA_OPERATOR * len(operators) + _ARENA_SCALED * len(scaled) + _ARENA_CHANNEL * channels
        first, last = [0] * len(self.sizes), [0] * len(self.sizes)
        for step, one in enumerate(operators):
            first[one.output] = last[one.output] = step
            for number in one.inputs:
                last[number] = step
        activations = planned(self.sizes, list(zip(first, last, strict=True)))
        return DeviceCost(flash, activations, structures, len(operators))


@dataclasses.dataclass(frozen=True)
class DeviceCost:
    """The needs of a network in 8-bit integers on a microcontroller, besides the code of the interpreter.

    Attributes:
        flash: bytes of its file, which is the array of `kerasnas export --format=c`.
        activations: bytes that its activations need at most at once.
        structures: bytes of the interpreter's own structures, which stay.
        operators: their number.
    """

    flash: int
    activations: int
    structures: int
    operators: int

    @property
    def memory(self) -> int:
        """Bytes of the interpreter's arena."""
        return self.structures + max(self.activations, _PLAN + _PLAN_OPERATOR * self.operators)


@checks.arguments(model=keras.Model)
def device_cost(model: keras.Model) -> DeviceCost:
    """Predict the flash and the memory of `model` in 8-bit integers, run by TensorFlow Lite Micro, for one sample.

    Operators run in the order of the file, which holds no standardization of channels that the model starts with. The
    memory is that of the interpreter on a computer with pointers of 64 bits, which checks an export; with 32 bits it
    needs less beside the activations.

    Args:
        model: a functional model.

    Example:

    >>> inputs = keras.Input((16, 16, 1))
    >>> device_cost(keras.Model(inputs, keras.layers.Conv2D(8, 3, padding="same")(inputs))).activations
    2304
    """
    start = Standardization.of(model)
    return OperatorGraph.of(model if start is None else start.network).cost()


def _reshape(number: int, reshaped: int, size: int) -> Operator:
    """Return the operator that reads a tensor of so many bytes, and writes it in another shape."""
    return Operator((number,), reshaped, _FILE_SHAPE, work=2 * size)


class _File:
    """The operators of a file as they are written, and the bytes of the tensors.

    Operators along one axis are those of images of one row: tensors are reshaped where they meet others.
    """

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.sizes: list[int] = []
        self.images: list[bool] = []
        self._reshaped: dict[int, int] = {}

    def added(self, tensor: Any, image: bool | None = None) -> int:
        """Add a tensor; return its number."""
        self.sizes.append(_ALIGNED * math.ceil(math.prod(tensor.shape[1:]) / _ALIGNED))
        self.images.append(_wide(tensor) if image is None else image)
        return len(self.sizes) - 1

    def seen(self, number: int, image: bool) -> int:
        """Return the number of a tensor as an image, or not as one, for which it may have to be reshaped."""
        if self.images[number] == image:
            return number
        if number not in self._reshaped:
            self.sizes.append(self.sizes[number])
            self.images.append(image)
            self._reshaped[number] = len(self.sizes) - 1
            self.operators.append(_reshape(number, self._reshaped[number], self.sizes[number]))
        return self._reshaped[number]

    def write(self, model: keras.Model, given: Sequence[int]) -> list[int]:
        """Add the operators of a model, whose inputs are the tensors `given`; return the numbers of its outputs."""
        numbers = {id(x): number for x, number in zip(model.inputs, given, strict=True)}
        for operation, read, outputs in nodes_of(model):
            inputs = [numbers[id(x)] for x in read]
            if isinstance(operation, keras.Model):
                written = self.write(operation, inputs)
            elif _folded(operation):
                written = [inputs[0]]
            else:
                layer = type(operation).__name__
                along = layer.endswith("1D") and not layer.startswith("Global")  # or each number by itself, of images
                along |= layer in _EACH and all(self.images[number] for number in inputs)
                inputs = [self.seen(number, along or _wide(x)) for number, x in zip(inputs, read, strict=True)]
                written = [self.added(output, along or None) for output in outputs]
                kernels = [one.shape for one in getattr(operation, "weights", ()) if len(one.shape) > 1]
                self.operators.append(_operator(tuple(inputs), written[0], layer, kernels, read, outputs[0]))
            numbers |= {id(output): number for output, number in zip(outputs, written, strict=True)}
        return [numbers[id(output)] for output in model.outputs]


def _wide(tensor: Any) -> bool:
    """Return True for images."""
    return len(tensor.shape) == 4


def _folded(operation: Any) -> bool:
    """Return True for what is folded into the operator before or after it, unless each channel has its own scale."""
    name = type(operation).__name__
    return name in _FOLDED and not (name == "Rescaling" and np.ndim(operation.scale) + np.ndim(operation.offset))


def _operator(
    inputs: tuple[int, ...], number: int, layer: str, kernels: Sequence[Any], read: Sequence[Any], output: Any
) -> Operator:
    """Return the operator of a layer: of its class, its kernels' shapes, and the tensors that it reads and writes."""
    *places, filters = output.shape[1:] or (1,)
    if not kernels:
        work, constants = sum(math.prod(x.shape[1:]) for x in (*read, output)), layer == "Rescaling"
        return Operator(inputs, number, constants * (_FILE_CONSTANTS + filters), work=work, filters=filters)
    sizes = [size for shape in kernels for size in shape[:-2]]  # of windows
    kind = DENSE if not sizes else DEPTHWISE if layer.startswith("Depthwise") else CONVOLUTION
    if kind == CONVOLUTION and set(sizes) == {1}:
        kind = POINTWISE
    weights = sum(math.prod(shape) + 4 * filters for shape in kernels)
    work = math.prod(places) * sum(map(math.prod, kernels)) // filters
    return Operator(inputs, number, weights, kind, filters, work)


def planned(sizes: Sequence[int], lifetimes: Sequence[tuple[int, int]]) -> int:
    """Return the bytes of a plan in which tensors needed at the same time do not overlap.

    The largest tensor comes first, of equal ones the last, each at the lowest place that is free while it is needed:
    the greedy planner of TensorFlow Lite Micro.

    Args:
        sizes: bytes of each tensor.
        lifetimes: the first and the last step of each.

    Example:

    >>> planned([100, 80, 60], [(0, 1), (1, 2), (2, 3)])  # the third takes the place of the first
    180
    """
    placed: list[tuple[int, int, int]] = []  # place, end, tensor
    for number in sorted(range(len(sizes)), key=lambda one: (-sizes[one], -one)):
        first, last = lifetimes[number]
        place = 0
        for start, end, other in sorted(placed):
            alive = lifetimes[other][0] <= last and first <= lifetimes[other][1]
            if alive and start - place < sizes[number]:
                place = max(place, end)
        placed.append((place, place + sizes[number], number))
    return max((end for _, end, _ in placed), default=0)
