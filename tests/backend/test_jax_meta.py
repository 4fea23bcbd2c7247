"""Meta-learning on Keras' JAX backend: the same meta-gradients and the same training, without TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
    pytest.mark.slow,  # the notebook runs on JAX among the examples
]

CODE = """
import sys

import numpy as np
import keras
from keras import ops
from kerasnas.backend import traced_once, values
from kerasnas.datasets import EpisodeSampler
from kerasnas.meta import MAML, MetaNAS, ProtoNet, Reptile
from kerasnas.networks import few_shot_network
from kerasnas.spaces import NASBench201Space

rng = np.random.default_rng(0)
x, y = rng.random((60, 8, 8, 1)).astype("float32"), np.repeat(np.arange(6), 10)
sampler = EpisodeSampler(x, y, ways=3, shots=2, query_shots=3)
space = NASBench201Space(filters=2, num_cells=1, num_nodes=2, primitives=["none", "skip_connect", "nor_conv_3x3"])


def network():
    return few_shot_network((8, 8, 1), 3, filters=3, blocks=2)


def gradients(learner):
    batch = sampler.batch(0, 2)
    start = values(learner.trainable_variables), values(learner.non_trainable_variables)
    _, found = traced_once(learner.meta_gradients)(*start, (batch.support, batch.query))
    return [np.asarray(ops.convert_to_numpy(gradient)) for gradient in found]


plus_plus = {"learn_inner_rates": True, "per_step_statistics": True, "per_step_scale_offset": True}
plus_plus |= {"first_order_steps": 1, "multi_step_loss_steps": 3}
learners = {
    "maml": MAML(network(), False, 2, 0.1, **plus_plus),
    "reptile": Reptile(network(), inner_steps=2, inner_batch_size=4, inner_optimizer="sgd", inner_learning_rate=0.1),
    "protonet": ProtoNet(network()),
}
record = {}
for name, learner in learners.items():
    learner.compile()
    record |= {f"{name}-gradient-{i}": gradient for i, gradient in enumerate(gradients(learner))}
    record[f"{name}-loss"] = np.array(learner.fit(sampler, steps=4, tasks=2, verbose=0).history["loss"])
    found = learner.evaluate(sampler, episodes=4, tasks=2, steps=3)
    record |= {f"{name}-{key}": np.array(value.mean) for key, value in found.items()}
# Here, as Keras imports it when it makes a model from its configuration.
record["tensorflow"] = np.array("tensorflow" in sys.modules)
adapted = learners["maml"].adapt(sampler.episode(9))
record["maml-predictions"] = adapted.predict(sampler.episode(9).query[0], verbose=0)
joint = MetaNAS(space.build_supernet((8, 8, 1), 3), inner_steps=1, inner_optimizer="sgd")
joint.compile()
record |= {f"metanas-gradient-{i}": gradient for i, gradient in enumerate(gradients(joint))}
np.savez(sys.argv[1], **record)
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder, records = tmp_path_factory.mktemp("backends"), {}
    for backend in ("tensorflow", "jax"):
        path = folder / f"{backend}.npz"
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        subprocess.run([sys.executable, "-c", CODE, str(path)], check=True, env=environment, timeout=900)
        records[backend] = dict(np.load(path))
    return records


def test_meta_gradients_agree(both):
    names = [name for name in both["jax"] if "-gradient-" in name]
    assert len(names) > 30
    for name in names:
        mine, other = both["tensorflow"][name], both["jax"][name]
        assert np.linalg.norm(mine - other) <= 1e-4 * max(np.linalg.norm(mine), 1e-3), name


def test_training_and_evaluation_agree(both):
    for name, value in both["jax"].items():
        if name.endswith(("-loss", "-accuracy", "-predictions", "-loss_transductive")):
            np.testing.assert_allclose(both["tensorflow"][name], value, rtol=2e-2, atol=2e-3, err_msg=name)


def test_tensorflow_is_not_imported(both):
    assert not both["jax"]["tensorflow"] and both["tensorflow"]["tensorflow"]
