"""Networks whose cells are graphs of operations: the discrete network of NAS-Bench-101, and its size as a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.networks.chosen import classify, discrete_model
from kerasnas.networks.skeleton import check_input_shape

MOMENTUM, EPSILON = 0.997, 1e-5  # of the published networks' batch norm
KERNEL_SIZES = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


def vertex_channels(matrix: np.ndarray, channels: int) -> list[int]:
    """Return the output channels of every vertex but the input, for a pruned cell of `channels` channels.

    The output concatenates the vertices that lead to it: they share its channels as evenly as possible, the first of
    them taking one more each until all are used. Every other vertex has as many channels as its widest successor. The
    input's number is 0, as the cell before decides it.
    """
    output = len(matrix) - 1
    widths = [0] * output + [channels]
    last = [vertex for vertex in range(1, output) if matrix[vertex][output]]
    for index, vertex in enumerate(last):
        widths[vertex] = channels // len(last) + (index < channels % len(last))
    for vertex in reversed(range(1, output)):
        if vertex not in last:
            widths[vertex] = max(widths[target] for target in range(vertex + 1, output) if matrix[vertex][target])
    return widths


def _cell_channels(filters: int, num_stacks: int, cells_per_stack: int) -> list[int]:
    return [filters * 2**stack for stack in range(num_stacks) for _ in range(cells_per_stack)]


def count_parameters(
    matrix: np.ndarray,
    operations: Sequence[str],
    image_channels: int = 3,
    num_classes: int = 10,
    filters: int = 128,
    num_stacks: int = 3,
    cells_per_stack: int = 3,
) -> int:
    """Return the number of trainable parameters of `graph_network`, without building it."""

    def convolution(kernel_size: int, inputs: int, outputs: int) -> int:
        return kernel_size**2 * inputs * outputs + 2 * outputs  # the 2: scale and offset of the batch norm

    total, inputs, output = convolution(3, image_channels, filters), filters, len(matrix) - 1
    for channels in _cell_channels(filters, num_stacks, cells_per_stack):
        widths = vertex_channels(matrix, channels)
        for vertex in range(1, output + 1):
            if matrix[0][vertex]:  # the input is projected to the width of each vertex that reads it
                total += convolution(1, inputs, widths[vertex])
            if operations[vertex] in KERNEL_SIZES:
                total += convolution(KERNEL_SIZES[operations[vertex]], widths[vertex], widths[vertex])
        inputs = channels
    return total + (inputs + 1) * num_classes


def graph_network(
    matrix: np.ndarray,
    operations: Sequence[str],
    input_shape: tuple[int, ...],
    num_classes: int,
    filters: int = 128,
    num_stacks: int = 3,
    cells_per_stack: int = 3,
    seed: int = 0,
) -> keras.Model:
    """Build the network of a cell of NAS-Bench-101, of standard Keras layers only.

    A 3x3 convolution, then stacks of equal cells; before every stack but the first, the image is halved, and its cells
    have twice the channels; then global average pooling, and a dense layer.

    Args:
        matrix: adjacency matrix of a pruned cell; vertex 0 is its input, the last one its output.
        operations: the operation of every vertex; the first is `"input"`, the last `"output"`.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes; the model returns logits.
        filters: channels of the first stack. Defaults to 128.
        num_stacks: number of stacks. Defaults to 3.
        cells_per_stack: cells of each stack. Defaults to 3.
        seed: seed of the initial weights. Defaults to 0.

    Reference:
        Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", 2019 (arXiv 1902.09635).
    """
    image_shape = check_input_shape(input_shape, checks.size("num_stacks", num_stacks) - 1)
    checks.size("num_classes", num_classes)
    inputs = keras.Input(image_shape)
    x = _conv_bn_relu(inputs, checks.size("filters", filters), 3)
    cells = _cell_channels(filters, num_stacks, checks.size("cells_per_stack", cells_per_stack))
    for index, channels in enumerate(cells):
        if index and channels != cells[index - 1]:
            x = keras.layers.MaxPooling2D(2, strides=2, padding="same", data_format="channels_last")(x)
        x = _cell(x, matrix, operations, vertex_channels(matrix, channels))
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    return discrete_model(inputs, classify(x, num_classes), seed)


def _cell(x: Tensor, matrix: np.ndarray, operations: Sequence[str], widths: Sequence[int]) -> Any:
    """Compute a cell: each vertex adds up earlier vertices cut to its width, and the input projected to it."""
    output, tensors = len(matrix) - 1, [x]
    for vertex in range(1, output):
        read = [_cut(tensors[source], widths[vertex]) for source in range(1, vertex) if matrix[source][vertex]]
        if matrix[0][vertex]:
            read.append(_conv_bn_relu(x, widths[vertex], 1))
        tensors.append(_operation(_merge(keras.layers.Add, read), operations[vertex]))
    last = [tensors[vertex] for vertex in range(1, output) if matrix[vertex][output]]
    joined = [_merge(keras.layers.Concatenate, last)] if last else []
    if matrix[0][output]:
        joined.append(_conv_bn_relu(x, widths[output], 1))
    return _merge(keras.layers.Add, joined)


def _operation(x: Tensor, name: str) -> Any:
    if name in KERNEL_SIZES:
        return _conv_bn_relu(x, x.shape[-1], KERNEL_SIZES[name])
    return keras.layers.MaxPooling2D(3, strides=1, padding="same", data_format="channels_last")(x)


def _conv_bn_relu(x: Tensor, filters: int, kernel_size: int) -> Any:
    x = keras.layers.Conv2D(filters, kernel_size, padding="same", use_bias=False, data_format="channels_last")(x)
    return keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)(x))


def _cut(x: Tensor, channels: int) -> Any:
    return x if x.shape[-1] == channels else x[..., :channels]


def _merge(layer: Callable[[], Any], tensors: list[Any]) -> Any:
    return layer()(tensors) if len(tensors) > 1 else tensors[0]
