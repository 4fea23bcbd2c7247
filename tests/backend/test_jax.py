"""The same on Keras' JAX backend: searches and meta-learning, same weights, same course, without TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,  # the notebook runs on JAX among the examples
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]

SEARCH = """
import sys

import numpy as np
import keras
from kerasnas import BilevelTrainer, DARTSSpace, MixedOp
from kerasnas.spaces import SignalSpace


def run(path):
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 8, 8, 1)).astype("float32"), np.arange(32) % 3
    primitives = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3"]
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=primitives)
    search = BilevelTrainer(space.build_supernet((8, 8, 1), 3, seed=3), architecture_warmup_epochs=1)
    search.compile(architecture_optimizer=keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.999))
    record = {f"start-{i}": np.asarray(keras.ops.convert_to_numpy(v)) for i, v in enumerate(search.variables)}
    history = search.fit(x, y, batch_size=8, epochs=3, verbose=0, class_weight={0: 2.0}).history
    record |= {f"end-{i}": np.asarray(keras.ops.convert_to_numpy(v)) for i, v in enumerate(search.variables)}
    record |= {f"history-{name}": np.array(series) for name, series in history.items()}
    record["alphas"] = np.asarray(keras.ops.convert_to_numpy(search.architecture_parameters[0]))
    record["iterations"] = np.array([int(o.iterations) for o in (search.optimizer, *search.optimizer.inner)])
    record["predictions"] = search.predict(x, verbose=0)
    record["genotype"] = np.array(search.derive().to_json())
    record["curvature"] = np.array(search.curvature((x[:8], y[:8])))

    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "dil_conv_3x3"])
    for policy, hypergradient in (("float32", "unrolled"), ("mixed_float16", "first_order")):
        keras.config.set_dtype_policy(policy)
        ahead = BilevelTrainer(space.build_supernet((8, 8, 1), 3, seed=3), hypergradient=hypergradient)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.2, 4, 0.5)
        ahead.compile(
            optimizer=keras.optimizers.SGD(schedule, momentum=0.9),
            architecture_optimizer=keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.999),
        )
        if policy == "mixed_float16":
            ahead.optimizer.inner[1].dynamic_scale.assign(2.0**60)  # every step of the alphas overflows
        before = np.asarray(keras.ops.convert_to_numpy(ahead.architecture_parameters[0]))
        history = ahead.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        alphas = np.asarray(keras.ops.convert_to_numpy(ahead.architecture_parameters[0]))
        record |= {f"{policy}-{name}": np.array(history[name]) for name in ("loss", "val_loss")}
        record |= {f"{policy}-alphas": alphas, f"{policy}-moved": np.abs(alphas - before).max()}
        record[f"{policy}-scales"] = np.array([float(scale) for scale in ahead.optimizer.loss_scales])
    keras.config.set_dtype_policy("float32")

    inputs = keras.Input((8, 8, 1))  # a user's model, whose regularizer needs the substituted weights
    h = keras.layers.Flatten()(MixedOp(["skip_connect", "avg_pool_3x3"], filters=1)(inputs))
    start = {"kernel_initializer": keras.initializers.Constant(0.1), "kernel_regularizer": keras.regularizers.L2(0.5)}
    own = BilevelTrainer(keras.Model(inputs, keras.layers.Dense(3, **start)(h)))
    own.compile()
    own.supernet.layers[1].alphas.assign([[0.01, -0.01]])  # Keras' initializers differ between backends
    record["own-loss"] = np.array(own.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"])
    record["own-alphas"] = np.asarray(keras.ops.convert_to_numpy(own.architecture_parameters[0]))

    signals = SignalSpace(filters=2, num_cells=1, num_nodes=2).build_supernet((9, 2), 3, seed=3)
    x = rng.standard_normal((4, 9, 2)).astype("float32")
    record |= {f"signals-{t}": np.asarray(keras.ops.convert_to_numpy(signals(x, training=t))) for t in (True, False)}
    record["tensorflow"] = np.array("tensorflow" in sys.modules)
    record["backend"] = np.array(keras.backend.backend())
    np.savez(path, **record)
"""


META = """
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


def run(path):
    plus_plus = {"learn_inner_rates": True, "per_step_statistics": True, "per_step_scale_offset": True}
    plus_plus |= {"first_order_steps": 1, "multi_step_loss_steps": 3}
    learners = {
        "maml": MAML(network(), False, 2, 0.1, **plus_plus),
        "reptile": Reptile(
            network(), inner_steps=2, inner_batch_size=4, inner_optimizer="sgd", inner_learning_rate=0.1
        ),
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
    record["backend"] = np.array(keras.backend.backend())
    np.savez(path, **record)
"""


def records(code, folder):
    """What the function `run` of the code writes on JAX, in a process of its own, and on TensorFlow."""
    command = [sys.executable, "-c", f"{code}\nrun({str(folder / 'jax.npz')!r})\n"]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    scope = {}
    exec(code, scope)
    scope["run"](folder / "tensorflow.npz")
    return tuple(dict(np.load(folder / f"{name}.npz")) for name in ("jax", "tensorflow"))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return records(SEARCH, tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def meta(tmp_path_factory):
    return records(META, tmp_path_factory.mktemp("meta"))


@pytest.mark.parametrize("name", ["both", "meta"])
def test_ran_on_jax_without_tensorflow(name, request):
    jax, tensorflow = request.getfixturevalue(name)
    assert [str(record["backend"]) for record in (jax, tensorflow)] == ["jax", keras.backend.backend()]
    assert not jax["tensorflow"]


@pytest.mark.parametrize(
    ("tolerance", "names"),
    [
        (0, ("start-",)),  # the same seed is the same supernet
        (1e-3, ("end-",)),
        (1e-4, ("history-loss", "history-val_loss", "history-alpha_entropy", "alphas", "predictions")),
        (1e-4, ("float32-loss", "float32-val_loss", "float32-alphas")),  # unrolled, by the rate of each step
        (2e-2, ("mixed_float16-loss", "mixed_float16-val_loss", "mixed_float16-alphas")),
        (1e-4, ("signals-",)),
        (1e-4, ("own-",)),  # of a user's model
    ],
)
def test_searches_agree(both, tolerance, names):
    jax, tensorflow = both
    assert jax.keys() == tensorflow.keys()
    found = [name for name in jax if name.startswith(names)]
    assert len(found) >= len(names)
    for name in found:
        np.testing.assert_allclose(jax[name], tensorflow[name], rtol=0, atol=tolerance, err_msg=name)


def test_alphas_move_and_count_their_steps(both):
    jax, tensorflow = both
    assert np.abs(jax["alphas"]).max() > 0.01 and jax["float32-moved"] > 0.01  # by more than the tolerance
    np.testing.assert_allclose(jax["curvature"], tensorflow["curvature"], rtol=1e-2)
    assert jax["curvature"] > 0
    assert str(jax["genotype"]) == str(tensorflow["genotype"])
    for record in both:  # three epochs of two steps; in the first one the alphas and their optimizer are frozen
        np.testing.assert_array_equal(record["iterations"], [6, 6, 4])
        np.testing.assert_array_equal(record["float32-scales"], [1, 1])
        np.testing.assert_array_equal(record["mixed_float16-scales"], [2.0**15, 2.0**56])  # four steps, all skipped
        assert record["mixed_float16-moved"] == 0


def test_meta_gradients_agree(meta):
    jax, tensorflow = meta
    names = [name for name in jax if "-gradient-" in name]
    assert len(names) > 30
    for name in names:
        distance = np.linalg.norm(tensorflow[name] - jax[name])
        assert distance <= 1e-4 * max(np.linalg.norm(tensorflow[name]), 1e-3), name


def test_meta_training_and_evaluation_agree(meta):
    jax, tensorflow = meta
    for name, value in jax.items():
        if name.endswith(("-loss", "-accuracy", "-predictions", "-loss_transductive")):
            np.testing.assert_allclose(tensorflow[name], value, rtol=2e-2, atol=2e-3, err_msg=name)
