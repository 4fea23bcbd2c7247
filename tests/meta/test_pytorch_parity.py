"""The same numbers as an independent formulation in PyTorch; `benchmarks/pytorch_maml.py --golden` made them."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from kerasnas.meta import MAML, Reptile
from kerasnas.networks import few_shot_network
from tests.meta.kit import state_of

GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "pytorch_maml.npz"))
NAMES = [f"block{block}/{name}" for block in (0, 1) for name in ("kernel", "gamma", "beta")]
NAMES += ["head/kernel", "head/bias"]  # a bias before batch norm has no gradient, and is left out


@pytest.fixture
def network(dtype_policy):
    dtype_policy("float64")
    made = few_shot_network((8, 8, 1), 3, filters=4, blocks=2)
    for variable, name in zip(made.trainable_variables, NAMES, strict=True):
        variable.assign(GOLDEN[f"parameters/{name}"])
    return made


@pytest.mark.parametrize(
    "method", ["maml_3", "fomaml_3", *(pytest.param(one, marks=pytest.mark.slow) for one in ("maml", "fomaml"))]
)
def test_meta_gradients(network, method):
    steps, rate = (3, 0.2) if method.endswith("_3") else (1, 0.4)
    learner = MAML(network, method.startswith("fo"), steps, rate)
    learner.compile(run_eagerly=True)
    data = tuple((GOLDEN[f"{part}/x"], GOLDEN[f"{part}/y"]) for part in ("support", "query"))
    (results, _), gradients = learner.meta_gradients(*state_of(learner), data)
    assert float(ops.mean(results["loss"])) == pytest.approx(float(GOLDEN[f"epsilon_1e-5/{method}/loss"]), rel=1e-12)
    for name, gradient in zip(NAMES, gradients, strict=True):
        np.testing.assert_allclose(gradient, GOLDEN[f"epsilon_1e-5/{method}/{name}"], rtol=1e-10, atol=1e-13)


def test_an_inner_loop_of_reptile(network):
    """Five steps of Adam without momentum, from second moments of 0."""
    learner = Reptile(network)
    learner.compile(run_eagerly=True)
    task = learner.start(*state_of(learner))
    for rows in GOLDEN["reptile_order"]:
        batch = GOLDEN["query/x"][0, rows], GOLDEN["query/y"][0, rows]
        task, (loss, _) = learner.inner_step(task, batch, [1e-3] * len(NAMES))
    assert float(loss) == pytest.approx(float(GOLDEN["epsilon_1e-5/reptile/loss"]), rel=1e-9)
    for name, end, moments in zip(NAMES, task.w, task.slots[1:], strict=True):
        np.testing.assert_allclose(end, GOLDEN[f"epsilon_1e-5/reptile/{name}"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(moments, GOLDEN[f"epsilon_1e-5/reptile_moments/{name}"], rtol=1e-9, atol=1e-15)
