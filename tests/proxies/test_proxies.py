"""Zero-cost proxies against closed forms."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from kerasnas.proxies import ProxyScore
from kerasnas.proxies.ascent import ascend
from kerasnas.proxies.naswot import naswot
from kerasnas.proxies.score import PROXIES
from kerasnas.proxies.synflow import synflow
from kerasnas.proxies.zico import zico
from kerasnas.spaces import DARTSSpace, NASBench201Space, ProxylessSpace


def dense(units, values, **arguments):
    return layers.Dense(units, kernel_initializer=keras.initializers.Constant(values), **arguments)


def test_synflow_adds_up_what_flows_through_every_weight():
    inputs = keras.Input((2,))
    x = layers.ReLU()(dense(3, -0.5)(inputs))
    outputs = dense(1, 2.0, bias_initializer="ones")(x)
    # R = sum over 6 paths of 0.5 x 2; each layer's sum of w dR/dw is R. Biases are no part of it.
    assert synflow(keras.Model(inputs, outputs)) == pytest.approx(math.log(2 * 6.0))


def test_synflow_leaves_batch_norms_out_whatever_they_have_learned():
    inputs = keras.Input((4, 4, 1))
    norm = layers.BatchNormalization()
    outputs = layers.Conv2D(2, 1, use_bias=False, kernel_initializer="ones")(norm(inputs))
    model = keras.Model(inputs, outputs)
    plain = synflow(model)
    assert plain == pytest.approx(math.log(32), abs=1e-5)
    for variable, value in zip(norm.weights, (3.0, 5.0, 7.0, 11.0), strict=True):
        variable.assign([value])
    before = model.get_weights()
    assert synflow(model) == pytest.approx(plain, abs=1e-5)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_synflow_of_a_deep_network_does_not_overflow():
    x = inputs = keras.Input((1,))
    for _ in range(60):  # R = 10^60, far beyond float32
        x = dense(1, 10.0)(x)
    assert synflow(keras.Model(inputs, x)) == pytest.approx(60 * math.log(10) + math.log(60), rel=1e-5)


def test_synflow_is_minus_infinity_where_nothing_flows():
    inputs = keras.Input((2,))
    assert synflow(keras.Model(inputs, dense(2, 0.0)(inputs))) == -math.inf


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.LayerNormalization(), "LayerNormalization"),
        (layers.Activation("sigmoid"), "Activation"),
        (layers.ReLU(max_value=6.0), "ReLU"),
        (layers.Dense(2, activation="tanh"), "Dense"),
    ],
)
def test_synflow_names_layers_that_it_is_not_defined_for(layer, name):
    inputs = keras.Input((2,))
    with pytest.raises(ValueError, match=rf"needs layers through which positive values flow.*\({name}\)"):
        synflow(keras.Model(inputs, layer(inputs)))


def test_naswot_counts_the_relus_on_which_images_agree():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.ReLU()(inputs))
    x = np.array([[1, 1, 1], [1, -1, 1], [-1, -1, -1]], "float32")
    kernel = np.array([[3, 2, 0], [2, 3, 1], [0, 1, 3]])
    assert naswot(model, x) == pytest.approx(math.log(np.linalg.det(kernel)))
    assert naswot(model, x[[0, 0]]) == -math.inf


def test_naswot_sums_over_relus_and_normalizes_by_the_batch():
    inputs = keras.Input((1,))
    x = layers.BatchNormalization()(inputs)  # of 5 and 7: -1 and 1
    outputs = layers.ReLU()(layers.ReLU()(x))
    # Without the batch's statistics both would be positive, and their codes the same.
    assert naswot(keras.Model(inputs, outputs), np.array([[5.0], [7.0]])) == pytest.approx(math.log(4))


def test_naswot_needs_a_relu():
    inputs = keras.Input((2,))
    with pytest.raises(ValueError, match=r"needs ReLU layers.*has: Dense"):
        naswot(keras.Model(inputs, layers.Dense(2)(inputs)), np.zeros((2, 2)))


def test_zico_adds_up_layers_and_weights():
    inputs = keras.Input((1,))
    hidden = dense(1, 1.0, use_bias=False)(inputs)
    model = keras.Model(inputs, layers.Dense(2, kernel_initializer="zeros", use_bias=False)(hidden))
    x, y = np.array([[1.0]]), np.array([0])
    # The first layer gets no gradient. In the second |g| = x/2, so that mean / std = 3 with x = 1, 2.
    assert zico(model, [(x, y), (2 * x, y)]) == pytest.approx(math.log(2 * 3))
    assert zico(model, [(x, y), (x, y)]) == -math.inf
    with pytest.raises(ValueError, match=r"two or more. Received: 1"):
        zico(model, [(x, y)])


def test_zico_takes_gradients_with_the_statistics_of_the_batch():
    inputs = keras.Input((2,))
    x = layers.BatchNormalization(scale=False, center=False, epsilon=0)(inputs)
    model = keras.Model(inputs, layers.Dense(2, kernel_initializer="zeros", use_bias=False)(x))
    data, y = np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([0, 1])
    batches = [(data, y), (5 + 2 * data, y)]  # the same once normalized
    magnitudes = zico(model, [*batches, (data[::-1], np.array([0, 0]))])
    assert math.isfinite(magnitudes)
    assert zico(model, batches) == -math.inf


COUNTS = {"macs", "parameters"}  # tests/cost has them


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in COUNTS)) for n in sorted(PROXIES)])
def test_scores_are_of_the_space_and_computed_once(name):
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1)
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 8, 8, 3), "float32"), np.arange(8) % 2
    score = ProxyScore(space, name, x, y, num_classes=2, filters=4)
    strong, weak = space.from_string("|nor_conv_3x3~0|"), space.from_string("|skip_connect~0|")
    assert score(strong) > score(weak)
    assert score(strong) == score(strong) == ProxyScore(space, name, x, y, 2, filters=4)(strong)
    with pytest.raises(ValueError, match="belongs to space"):
        score(DARTSSpace().sample(rng))


def test_a_proxy_says_for_which_networks_of_a_space_it_is_not_defined():
    space = ProxylessSpace(filters=4)
    score = ProxyScore(space, "synflow", np.zeros((2, 8, 8, 3)), np.zeros(2), 2)
    with pytest.raises(ValueError, match="ReLU"):
        score(space.sample(np.random.default_rng(0)))


def test_a_label_for_each_image():
    space = NASBench201Space(filters=2, num_cells=1)
    with pytest.raises(ValueError, match=r"2 labels, one for each image. Received: 3"):
        ProxyScore(space, "synflow", np.zeros((2, 8, 8, 3)), np.zeros(3), 2)


def test_an_ascent_stays_within_a_set_and_finds_its_best():
    space = NASBench201Space()
    start = space.decode([2] * 6)

    def score(genotype):
        return genotype.count("skip_connect") + 0.1 * genotype.count("nor_conv_3x3")

    scores = ascend(space, score, start, within=space.reachable(max_skips=1))
    assert next(iter(scores)) == start
    best = max(scores, key=scores.__getitem__)
    assert score(best) == scores[best] == 1.5  # one skip, which the set allows, and five convolutions
    assert all(genotype in space.reachable(max_skips=1) for genotype in scores)
    few = ascend(space, score, start, within=space.reachable(max_skips=1), evaluations=5)
    assert list(few) == list(scores)[:5]
    with pytest.raises(ValueError, match="at least 1"):
        ascend(space, score, start, evaluations=0)


@pytest.mark.parametrize("seed", range(8))
def test_an_ascent_scores_all_neighbors_of_where_it_ends(seed):
    """Whatever the order: the best neighbor of the end may be what a shortlist is for."""
    space = NASBench201Space()
    weights = np.random.default_rng(seed).random((6, 5))

    def score(genotype):
        return float(sum(weights[row, option] for row, option in enumerate(space.encode(genotype))))

    scores = ascend(space, score, space.decode([2, 0, 1, 4, 3, 2]), seed=seed)
    end = space.encode(max(scores, key=scores.__getitem__))
    assert end == tuple(weights.argmax(1))
    assert {space.decode(indices) for indices in space.neighbors(end)} <= set(scores)
