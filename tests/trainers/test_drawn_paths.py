"""Steps of alphas as in ProxylessNAS: probability moves within the drawn pair alone; the weights' step draws one."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasnas import BilevelTrainer, MixedOp
from kerasnas.cost import COSTS
from kerasnas.relaxations import BinaryGates
from kerasnas.search import CostObjective
from kerasnas.spaces import NASBench201Space
from kerasnas.trainers.drawn_paths import drawn_mask, rescaled, within_drawn
from tests.trainers.kit import noting

SPACE = NASBench201Space(
    filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "nor_conv_1x1", "avg_pool_3x3"]
)
X, Y = np.random.default_rng(0).random((64, 4, 4, 1), "float32"), np.arange(64) % 2


def softmax(alphas):
    exponents = np.exp(alphas - alphas.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def test_mask():
    mask = drawn_mask(ops.convert_to_tensor([[0, 2], [3, 1]]), 4)
    np.testing.assert_array_equal(mask, [[True, False, True, False], [False, True, False, True]])


def test_rescaled_in_closed_form():
    """The published adjustment: the pair keeps its probability, the others theirs, whatever the optimizer did."""
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 3, 5))
    active = np.array([[0, 1], [4, 2], [3, 0]])
    mask = np.zeros((3, 5), bool)
    np.put_along_axis(mask, active, True, axis=1)
    free = rng.normal(size=(2, 2))
    found = rescaled([before, before[:2, :2]], [after, free], [ops.convert_to_tensor(mask), None])
    np.testing.assert_array_equal(found[1], free)
    old, new = softmax(before), softmax(ops.convert_to_numpy(found[0]))
    np.testing.assert_allclose(new[~mask], old[~mask], rtol=1e-12)
    np.testing.assert_allclose((new * mask).sum(axis=1), (old * mask).sum(axis=1), rtol=1e-12)
    shares = np.take_along_axis(new, active, 1)
    moved = softmax(np.take_along_axis(after, active, 1))  # within the pair: what the step said
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), moved, rtol=1e-12)


def test_gradient_within_the_pair_is_that_of_probabilities_of_which_only_its_own_move():
    """Of the expected cost `p @ costs`: `p_i (costs_i - sum of q costs)` over the pair, by that of its softmax."""
    alphas, costs = np.array([[0.3, -1.0, 0.8, 0.1]]), np.array([5.0, 1.0, 2.0, 9.0])
    p, pair = softmax(alphas)[0], [1, 2]
    whole = p * (costs - p @ costs)
    q = p[pair] / p[pair].sum()
    expected = np.zeros(4)
    expected[pair] = p[pair] * (costs[pair] - q @ costs[pair])
    mask = drawn_mask(ops.convert_to_tensor([pair]), 4)
    (found,) = within_drawn([ops.convert_to_tensor(whole[None])], [ops.convert_to_tensor(alphas)], [mask])
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    gates = ops.convert_to_tensor(np.array([[0, 0.7, -0.7, 0]]))  # adds up to 0, and stays
    np.testing.assert_allclose(within_drawn([gates], [ops.convert_to_tensor(alphas)], [mask])[0], gates, atol=1e-15)


def own_model(primitives):
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 1)(inputs)
    for number in range(2):
        x = MixedOp(primitives, filters=2, relaxation="binary_gates", seed=number)(x)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    "case", ["eager", *(pytest.param(case, marks=pytest.mark.slow) for case in ("plain", "cost", "own model"))]
)
def test_a_step_of_the_alphas_leaves_what_was_not_drawn(monkeypatch, case):
    """With momentum and weight decay of the alphas: at most two of an edge's probabilities change in a step.

    It computes two paths for the alphas, and one for the weights.
    """
    drawn, call = [], BinaryGates.call

    def recorded(self, alphas, training=None):
        weights, active = call(self, alphas, training)
        drawn.append(active.shape[1])
        return weights, active

    monkeypatch.setattr(BinaryGates, "call", recorded)
    if case == "own model":
        supernet, objective = own_model(["max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_1x1"]), None
    else:
        supernet = SPACE.build_supernet((4, 4, 1), 2, "binary_gates")
        objective = CostObjective(COSTS["parameters"](SPACE, (4, 4, 1), 2), weight=0.1) if case == "cost" else None
    search = BilevelTrainer(supernet, objective=objective, architecture_warmup_epochs=0)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.05, beta_1=0.5), run_eagerly=case == "eager")

    def probabilities():
        return [softmax(np.array(alphas)) for alphas in search.architecture_parameters]

    first = probabilities()
    seen, note = noting(probabilities, "on_train_batch_end")
    search.fit(X, Y, batch_size=8, epochs=4 if case != "eager" else 1, verbose=0, callbacks=[note])
    steps = [paths for paths, _ in itertools.groupby(drawn)]
    assert steps == [2, 1] * 4 if case == "eager" else set(steps) == {1, 2}
    moves = []
    for old, new in itertools.pairwise([first, *seen]):
        for before, after in zip(old, new, strict=True):
            changed = np.abs(after - before) > 1e-6
            moves += changed.sum(axis=1).tolist()
            np.testing.assert_allclose((after * changed).sum(axis=1), (before * changed).sum(axis=1), atol=1e-6)
    assert max(moves) == 2 and np.mean(np.array(moves) == 2) > 0.4
