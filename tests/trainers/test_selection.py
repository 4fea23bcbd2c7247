"""Beta-decay, the supernet's scores, and selection by perturbation."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import BilevelTrainer
from kerasnas.search import BetaDecay, SupernetScore, select_by_perturbation
from kerasnas.spaces import DARTSSpace, NASBench201Space
from tests.trainers.kit import noting

SPACE = NASBench201Space(filters=2, num_cells=1, num_nodes=2, primitives=["none", "skip_connect", "nor_conv_3x3"])


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((32, 8, 8, 1)).astype("float32"), np.arange(32) % 3


@pytest.fixture(scope="module")
def supernet():
    """Of alphas and statistics that every test may move."""
    return SPACE.build_supernet((8, 8, 1), 3, seed=1)


# Beta-decay ---------------------------------------------------------------------------------------------------
def test_beta_decay_adds_the_mean_logsumexp_whose_gradient_is_the_softmax(supernet):
    alphas = np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
    supernet.alphas["cell"].assign(alphas)
    decay = BetaDecay(0.3)
    exponentials = np.exp(alphas)
    assert float(decay(ops.ones(()), supernet)) == pytest.approx(1 + 0.3 * np.log(exponentials.sum(1)).mean(), rel=1e-6)
    step = 1e-2
    slopes = np.zeros_like(alphas)
    for index in np.ndindex(*alphas.shape):
        values = []
        for sign in (1, -1):
            moved = alphas.copy()
            moved[index] += sign * step
            supernet.alphas["cell"].assign(moved)
            values.append(float(decay(ops.zeros(()), supernet)))
        slopes[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(slopes, 0.3 * exponentials / exponentials.sum(1, keepdims=True) / 3, atol=1e-4)


def test_beta_decay_is_added_to_another_objective_and_serialized(supernet):
    double = BetaDecay(0.0, objective=lambda loss, supernet: 2 * loss)
    assert float(double(ops.ones(()), supernet)) == 2
    assert BetaDecay.from_config(BetaDecay(0.7).get_config()).weight == 0.7
    with pytest.raises(ValueError, match="argument `weight`"):
        BetaDecay(-1)


@pytest.mark.slow
def test_beta_decay_grows_linearly_and_moves_the_alphas(images):
    courses, ends = [], []
    for weight in (0.0, 100.0):
        supernet = SPACE.build_supernet((8, 8, 1), 3)
        supernet.alphas["cell"].assign(np.tile([[0.0, 0.0, 2.0]], (3, 1)))
        decay = BetaDecay(weight)
        search = BilevelTrainer(supernet, objective=decay, architecture_warmup_epochs=0, curvature_ratio=None)
        search.compile(architecture_optimizer=keras.optimizers.Adam(0.1), run_eagerly=True)
        factors, note = noting(decay.factor.numpy)
        search.fit(*images, batch_size=8, epochs=3, verbose=0, callbacks=[decay.schedule(), note])
        courses.append(factors)
        ends.append(np.array(supernet.alphas["cell"]))
    assert courses == [[0, 0, 0], [0, 50, 100]]
    assert ends[1][:, 2].max() < ends[0][:, 2].min()  # the leader is pulled down


# Scores with shared weights -----------------------------------------------------------------------------------
def test_one_hot_weights_are_those_of_the_genotype(supernet):
    genotype = SPACE.from_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
    np.testing.assert_array_equal(supernet.one_hot_weights(genotype)["cell"], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    cells = DARTSSpace(num_nodes=1, filters=2, num_cells=3, primitives=["none", "skip_connect"])
    genotype = cells.sample(np.random.default_rng(0))
    weights = cells.build_supernet((8, 8, 1), 3).one_hot_weights(genotype)
    assert {kind: table.sum() for kind, table in weights.items()} == {"normal": 2, "reduce": 2}  # two edges a node
    with pytest.raises(ValueError, match="belongs to space"):
        supernet.one_hot_weights(genotype)


def test_a_score_is_the_accuracy_of_the_mixture_that_is_the_network(images, supernet):
    x, y = images
    score = SupernetScore(supernet, x, y, batch_size=16)
    genotype = SPACE.from_string("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|")
    before = supernet.get_weights()
    value = score(genotype)
    for own, other in zip(before, supernet.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)  # no statistics are moved
    supernet.alphas["cell"].assign(50 * supernet.one_hot_weights(genotype)["cell"])  # a softmax that is one-hot
    logits = np.concatenate([supernet(x[:16], training=True), supernet(x[16:], training=True)])
    assert value == np.mean(logits.argmax(1) == y)
    other = SPACE.from_string("|none~0|+|none~0|none~1|")
    assert score(other) == pytest.approx(np.mean(y == np.argmax(supernet.classifier.bias)))  # nothing but the bias


def test_scores_of_bad_data(images, supernet):
    x, y = images
    with pytest.raises(ValueError, match="labels for the 32 images, of which a batch takes 250"):
        SupernetScore(supernet, x, y)
    with pytest.raises(ValueError, match="labels for the 32 images"):
        SupernetScore(supernet, x, y[:5], batch_size=4)
    with pytest.raises(TypeError, match="a supernet that a space built"):
        SupernetScore(keras.Sequential(), x, y)


# Selection by perturbation ------------------------------------------------------------------------------------
@pytest.fixture
def judged(monkeypatch):
    """Accuracies by a rule in place of measured ones: a list of the mixing weights that were asked for."""
    asked = []

    def accuracy(self, weights):
        asked.append({kind: table.copy() for kind, table in weights.items()})
        # Without the convolution on an edge the loss is largest; on the second edge, without the skip connection.
        return -sum(table[:, -1].sum() + 9 * table[1:2, 1].sum() for table in weights.values())  # the more, the worse

    monkeypatch.setattr(SupernetScore, "accuracy", lambda self, weights: -accuracy(self, weights))
    return asked


def test_what_costs_most_when_left_out_is_kept(images, judged):
    search = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3))
    search.compile(run_eagerly=True)
    lines = []
    genotype = select_by_perturbation(search, *images, images, tuning_steps=0, log=lines.append)
    assert SPACE.to_string(genotype) == "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|"
    assert len(lines) == 3 and len(judged) == 3 * 2  # `none` is not judged
    weights = search.mixing_weights()["cell"]
    np.testing.assert_allclose(weights, [[0, 0, 1], [0, 1, 0], [0, 0, 1]], atol=1e-6)
    # Where an edge is judged, the others are as they stand: undecided, or one-hot.
    first, last = judged[0]["cell"], judged[-1]["cell"]
    assert np.sort(first.ravel())[0] == 0 and np.count_nonzero(first == 0) == 1
    assert np.count_nonzero(last > 0.99) == 2


def test_weights_are_tuned_and_alphas_are_not(images, judged):
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "nor_conv_1x1"])
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3))
    search.compile(run_eagerly=True)
    before = [np.array(variable) for variable in search.network_weights]
    select_by_perturbation(search, *images, images, tuning_steps=1, batch_size=8)
    assert any(not np.array_equal(a, b) for a, b in zip(before, search.network_weights, strict=True))
    assert set(np.unique(search.supernet.alphas["cell"])) == {0.0, 30.0}
    assert int(search.optimizer.inner[0].iterations) == 1  # a step for each edge


def test_nodes_keep_the_edges_that_cost_most(images, monkeypatch):
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=2, primitives=["skip_connect", "max_pool_3x3"])
    worth = {0: 5.0, 1: 1.0, 2: 2.0, 3: 8.0, 4: 4.0}  # of the edges 02, 12 | 03, 13, 23

    def accuracy(self, weights):
        return sum(worth[row] * total for row, total in enumerate(weights["reduce"].sum(1)))

    monkeypatch.setattr(SupernetScore, "accuracy", accuracy)
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3))
    search.compile(run_eagerly=True)
    genotype = select_by_perturbation(search, *images, images, tuning_steps=0)
    space.validate(genotype)
    assert [(edge.source, edge.target) for edge in genotype["reduce"]] == [(0, 2), (1, 2), (1, 3), (2, 3)]


def test_selection_needs_every_primitive(images):
    search = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3, relaxation="gumbel"))
    with pytest.raises(ValueError, match=r"computes every primitive. Received: .Gumbel"):
        select_by_perturbation(search, *images, images)
