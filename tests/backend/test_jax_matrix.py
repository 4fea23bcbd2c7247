"""On Keras' JAX backend: TensorFlow's gradients for every relaxation, and on two devices the course of one.

Everything runs in one process, in which TensorFlow cannot be imported: a TPU machine need not have it.
"""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
    pytest.mark.slow,  # the notebook runs on JAX among the examples
]

CODE = '''
import contextlib
import json
import sys

import keras
import numpy as np
from keras import ops

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.backend import traced_once, values
from kerasnas.datasets import EpisodeSampler
from kerasnas.meta import MAML, MetaNAS, Reptile
from kerasnas.networks import few_shot_network
from kerasnas.search import ENASTrainer, RandomSearch
from kerasnas.spaces import ENASMicroSpace

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "nor_conv_1x1", "avg_pool_3x3"])
rng = np.random.default_rng(0)
x, y = rng.random((80, 8, 8, 1)).astype("float32"), np.arange(80) % 3
SAMPLER = EpisodeSampler(x, y, ways=3, shots=2, query_shots=3)


def arrays(variables):
    return [np.asarray(ops.convert_to_numpy(variable)) for variable in variables]


@contextlib.contextmanager
def same_draws():
    """The backends' generators differ: fixed uniform numbers, and a smooth quantile of the gamma distribution."""

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return ops.convert_to_tensor(np.random.default_rng(5).uniform(minval, maxval, shape), dtype)

    def gamma(shape, alpha, dtype=None, seed=None):  # Wilson and Hilferty, 1931
        normal = np.random.default_rng(6).standard_normal(shape).astype("float32")
        return alpha * ops.power(1 - 1 / (9 * alpha) + 0.2 * normal / (3 * ops.sqrt(alpha)), 3)

    stock = keras.random.uniform, keras.random.gamma
    keras.random.uniform, keras.random.gamma = uniform, gamma
    try:
        yield
    finally:
        keras.random.uniform, keras.random.gamma = stock


def bilevel(relaxation, hypergradient, **options):
    supernet = SPACE.build_supernet((8, 8, 1), 3, seed=3, relaxation=relaxation)
    search = BilevelTrainer(supernet, hypergradient, architecture_warmup_epochs=0)
    search.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        architecture_optimizer=keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.999),
        **options,
    )
    return search


def gradients(relaxation, hypergradient):
    """Of both levels, at alphas far enough from zero for the relaxations to differ."""
    search = bilevel(relaxation, hypergradient)
    draws = np.random.default_rng(1)
    for alphas in search.architecture_parameters:
        alphas.assign(draws.standard_normal(alphas.shape))
    data = keras.tree.map_structure(ops.convert_to_tensor, ((x[:8], y[:8]), (x[8:16], y[8:16])))
    parts = search.network_weights, search.architecture_parameters, search.non_trainable_variables
    parts = [values(variables) for variables in parts]
    with same_draws():
        _, of_alphas = traced_once(search.architecture_gradients)(*parts, data)
        _, of_weights = traced_once(search.network_gradients)(*parts, data)
    return {"alphas": np.concatenate(list(map(np.ravel, arrays(of_alphas)))), **dict(enumerate(arrays(of_weights)))}


def on(devices):
    """Variables made from now on lie on this number of devices, and batches are sharded over them."""
    chosen = keras.distribution.list_devices()[:devices]
    strategy = keras.distribution.DataParallel(devices=chosen) if devices > 1 else None
    keras.distribution.set_distribution(strategy)


def course(kind, devices, options):
    """Ten steps: the learned values, and the number of devices they lie on."""
    on(devices)
    if kind == "retraining":
        model = SPACE.build_network(bilevel("softmax", "first_order").derive(), (8, 8, 1), 3, seed=4)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss=loss, **options)
        history = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
        learned = model.trainable_variables
    elif kind == "one_shot":
        space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])
        search = ENASTrainer(space.build_supernet((8, 8, 1), 3), space, RandomSearch(space, unique=False))
        search.compile(**options)
        history = search.fit(x, y, batch_size=8, epochs=2, controller_steps=2, verbose=0).history
        learned = search.trainable_variables
    elif kind in ("maml", "fomaml", "reptile", "metanas"):
        network = few_shot_network((8, 8, 1), 3, filters=2, blocks=2)
        learner = {
            "maml": lambda: MAML(network, inner_learning_rate=0.1),
            "fomaml": lambda: MAML(SPACE.build_supernet((8, 8, 1), 3), first_order=True, inner_learning_rate=0.1),
            "reptile": lambda: Reptile(network, inner_steps=2, inner_batch_size=4, inner_optimizer="sgd"),
            "metanas": lambda: MetaNAS(SPACE.build_supernet((8, 8, 1), 3), inner_steps=1, inner_optimizer="sgd"),
        }[kind]()
        learner.compile(optimizer=keras.optimizers.SGD(0.1), **options)
        history = learner.fit(SAMPLER, steps=10, tasks=2, verbose=0).history
        learned = learner.trainable_variables
    else:
        search = bilevel(*kind.split("/"), **options)
        history = search.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        learned = search.architecture_parameters
    sharding = getattr(learned[0].value, "sharding", None)  # of a JAX array
    found = dict(enumerate(arrays(learned)))
    keras.distribution.set_distribution(None)
    return {**found, "loss": history["loss"], "devices": len(sharding.device_set) if sharding else 1}


def run(path, cases):
    record = {}
    for relaxation, hypergradient in cases["gradients"]:
        found = gradients(relaxation, hypergradient)
        record |= {f"{relaxation}/{hypergradient}:{name}": value for name, value in found.items()}
    for kind, devices, options in cases["courses"]:
        record |= {f"{kind}@{devices}:{name}": value for name, value in course(kind, devices, options).items()}
    record["asked"] = [name for finder in sys.meta_path for name in getattr(finder, "asked", [])]
    np.savez(path, **record)
'''
BLOCK = """
import sys


class Absent:
    asked = []

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            self.asked.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""
RELAXATIONS = ["softmax", "sigmoid", "gumbel", "binary_gates", "dirichlet"]
HYPERGRADIENTS = ["first_order", "unrolled"]
GRADIENTS = [(relaxation, hypergradient) for relaxation in RELAXATIONS for hypergradient in HYPERGRADIENTS]
COURSES = [*map("/".join, GRADIENTS), "retraining", "maml", "fomaml", "reptile", "metanas", "one_shot"]


@pytest.fixture(scope="module")
def jax_record(tmp_path_factory):
    """The record of the process on JAX."""
    path = tmp_path_factory.mktemp("jax") / "record.npz"
    # Two devices take five steps in one call: neither that nor the number of devices may change anything.
    courses = [(kind, n, {"steps_per_execution": 5} if n == 2 else {}) for kind in COURSES for n in (1, 2)]
    cases = json.dumps({"gradients": GRADIENTS, "courses": courses})
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        # Two devices, and a compiler that does not spend its time on the speed of a few steps.
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
    }
    code = f"{BLOCK}\n{CODE}\nrun({str(path)!r}, json.loads({cases!r}))\n"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert not done.returncode, done.stderr[-4000:]
    return dict(np.load(path))


@pytest.fixture(scope="module")
def tensorflow_gradients():
    scope = {}
    exec(CODE, scope)
    return scope["gradients"]


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_are_those_of_tensorflow(jax_record, tensorflow_gradients, case):
    """To 1e-4, for the alphas together and for every variable of the network, at equal weights and equal draws."""
    found = tensorflow_gradients(*case)
    largest = max(np.linalg.norm(value) for name, value in found.items() if name != "alphas")
    assert len(found) > 10 and np.linalg.norm(found["alphas"]) > 1e-4
    for name, expected in found.items():
        received = jax_record[f"{'/'.join(case)}:{name}"]
        least = 1e-3 * largest if name != "alphas" else 0.0  # what is nearly zero, against the others
        distance = np.linalg.norm(received - expected) / max(np.linalg.norm(expected), least)
        assert distance < 1e-4, name
        print(f"{case}, {name}: {distance:.1e}") if name == "alphas" else None


@pytest.mark.parametrize("kind", COURSES)
def test_two_devices_learn_what_one_does(jax_record, kind):
    """To 1e-5 after ten steps: the alphas of a search, the weights of everything else."""
    one, two = (
        {key.partition(":")[2]: value for key, value in jax_record.items() if key.startswith(f"{kind}@{n}:")}
        for n in (1, 2)
    )
    assert (one["devices"], two["devices"]) == (1, 2)
    assert one.keys() == two.keys()
    for name in one.keys() - {"devices"}:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4 if name == "loss" else 0, atol=1e-5, err_msg=name)
    assert np.isfinite(one["loss"]).all()


def test_tensorflow_is_not_imported(jax_record):
    assert jax_record["asked"].size == 0
