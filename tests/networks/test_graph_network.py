"""The networks of NAS-Bench-101: channels, parameters, and what they compute."""

import itertools

import keras
import numpy as np
import pytest

from kerasnas.networks.graph_network import EPSILON, count_parameters, graph_network, vertex_channels
from kerasnas.spaces import NASBench101Space
from kerasnas.spaces.nasbench101 import NASBENCH101_OPERATIONS

CONV3, CONV1, POOL = NASBENCH101_OPERATIONS
PARALLEL = np.array(
    [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
)  # three vertices share the output; the first also feeds the third, and the input skips to the output


def test_channels_are_split_from_the_front():
    assert vertex_channels(PARALLEL, 8) == [0, 3, 3, 2, 8]
    assert vertex_channels(PARALLEL, 9) == [0, 3, 3, 3, 9]
    assert vertex_channels(PARALLEL, 10) == [0, 4, 3, 3, 10]
    assert vertex_channels(np.array([[0, 1], [0, 0]]), 8) == [0, 8]


def test_other_vertices_take_the_most_of_their_successors():
    matrix = np.zeros((5, 5), int)
    for edge in [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)]:
        matrix[edge] = 1
    assert vertex_channels(matrix, 7) == [0, 4, 4, 3, 7]


def test_formula_by_hand():
    """Stem, one cell with a 1x1 convolution behind the projection of its input, a dense layer."""
    chain = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    stem, norm, head = 9 * 3 * 4, 2 * 4, 4 * 5 + 5
    once = {"filters": 4, "num_stacks": 1, "cells_per_stack": 1, "num_classes": 5}
    assert count_parameters(chain, ["input", CONV1, "output"], **once) == stem + norm + 2 * (16 + norm) + head
    assert count_parameters(chain, ["input", POOL, "output"], **once) == stem + norm + (16 + norm) + head
    assert count_parameters(np.eye(2, k=1), ["input", "output"], **once) == stem + norm + (16 + norm) + head
    assert count_parameters(chain, ["input", CONV3, "output"], **once) == stem + norm + (16 + norm) * 2 + 8 * 16 + head


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_formula_and_network_agree():
    space, rng = NASBench101Space(filters=8, num_stacks=2, cells_per_stack=2), np.random.default_rng(0)
    sizes = set()
    while len(sizes) < 3:
        genotype = space.sample(rng)
        vertices = len(space.matrix(genotype)[1])
        if vertices not in sizes:
            sizes.add(vertices)
            model = space.build_network(genotype, (8, 8, 3), 5)
            assert trainable(model) == space.parameters(genotype, num_classes=5)


def published_genotype():
    """8,555,530 parameters in the published table (hash 00005c142e6f48ac74fdcf73e3439874)."""
    matrix = np.zeros((7, 7), int)
    for edge in [(0, 1), (0, 4), (0, 5), (1, 2), (2, 3), (2, 6), (3, 5), (4, 5), (5, 6)]:
        matrix[edge] = 1
    return NASBench101Space().genotype(matrix, [CONV3, POOL, CONV3, CONV3, CONV1])


@pytest.mark.slow
def test_published_network_has_its_parameters():
    model = NASBench101Space().build_network(published_genotype(), (32, 32, 3), 10)
    assert trainable(model) == 8_555_530
    halved = [layer for layer in model.layers if getattr(layer, "strides", None) == (2, 2)]
    assert [layer.output.shape[1:3] for layer in halved] == [(16, 16), (8, 8)]
    (pool,) = [layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    assert pool.input.shape[1:] == (8, 8, 512)


def test_it_computes_what_the_paper_says():
    """On one pixel a convolution is a product with the middle of its kernel, and pooling does nothing."""
    operations = ["input", CONV3, POOL, CONV1, "output"]
    model = graph_network(PARALLEL, operations, (1, 1, 3), 2, filters=8, num_stacks=1, cells_per_stack=1)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])

    places = itertools.count()  # layers are numbered in the order of the vertices, a projection before its vertex

    def conv(x):
        number = f"_{index}" if (index := next(places)) else ""
        kernel = model.get_layer(f"conv2d{number}").get_weights()[0]
        gamma, beta, mean, variance = model.get_layer(f"batch_normalization{number}").get_weights()
        x = x @ kernel[kernel.shape[0] // 2, kernel.shape[1] // 2]
        return np.maximum(gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta, 0)

    image = rng.standard_normal((4, 3))
    x = conv(image)
    one = conv(conv(x))  # 3 channels
    two = conv(x)  # 3 channels
    three = conv(one[:, :2] + conv(x))  # cut to 2 channels
    y = np.concatenate([one, two, three], axis=1) + conv(x)
    kernel, bias = model.layers[-1].get_weights()
    logits = model(image[:, None, None, :].astype("float32"), training=False)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(logits), y @ kernel + bias, rtol=1e-4, atol=1e-4)
