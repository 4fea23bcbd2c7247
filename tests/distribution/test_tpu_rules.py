"""The rules of a TPU, as far as a machine without one can check them: every step function under XLA on the CPU.

The whole step compiles (XLA knows no host operation), with shapes known when it is traced; remainders are dropped;
several steps run in one call; bfloat16 works; and, of what draws nothing, the result is that without XLA.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.datasets import EpisodeSampler
from kerasnas.meta import MAML, MetaNAS, Reptile
from kerasnas.networks import few_shot_network
from kerasnas.search import ENASTrainer, RandomSearch
from kerasnas.spaces import ENASMicroSpace

# Depthwise convolutions are slow under XLA on a CPU; a TPU does not mind them, and nothing here depends on them.
SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "nor_conv_1x1", "avg_pool_3x3"])
BATCH, STEPS = 8, 2
rng = np.random.default_rng(0)
# For either half two batches and a remainder.
X, Y = rng.random((2 * (STEPS * BATCH + 4), 8, 8, 1)).astype("float32"), np.arange(2 * (STEPS * BATCH + 4)) % 3

ON_THE_HOST = {
    "PyFunc",
    "PyFuncStateless",
    "EagerPyFunc",
    "Print",
    "PrintV2",
    "Assert",
    "StringFormat",
    "NumpyFunction",
}
OF_UNKNOWN_SHAPE = {"Where", "Unique", "UniqueV2", "DynamicPartition", "NonMaxSuppressionV3", "StringSplit"}

RELAXATIONS = ["softmax", "sigmoid", "gumbel", "binary_gates"]
# In the second derivative of a switch, which sampled paths are, XLA knows a shape too late (TF 2.21). JAX can do it.
SAMPLED = ("gumbel", "binary_gates")
# TensorFlow has no gamma draws for XLA, so no "dirichlet" either; JAX has.
KINDS = [f"{relaxation}/first_order" for relaxation in RELAXATIONS]
KINDS += [f"{relaxation}/unrolled" for relaxation in RELAXATIONS if relaxation not in SAMPLED]
KINDS += ["softmax/finite_difference", "one_shot", "maml", "fomaml", "reptile", "metanas"]
DEFAULT = [("softmax/first_order", "mixed_bfloat16"), ("gumbel/first_order", "float32"), ("fomaml", "float32")]
CASES = [
    pytest.param(kind, policy, marks=[] if (kind, policy) in DEFAULT else [pytest.mark.slow])
    for kind in KINDS
    for policy in ("float32", "mixed_bfloat16")
]


def search_steps(kind, **options):
    """A trainer, and a function that takes `2 * STEPS` of its steps and returns the course of its loss."""
    if kind == "one_shot":
        space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])
        search = ENASTrainer(space.build_supernet((8, 8, 1), 3), space, RandomSearch(space, unique=False))
        search.compile(**options)
        return search, lambda: search.fit(X, Y, batch_size=BATCH, epochs=2, controller_steps=1, verbose=0)
    if "/" in kind:
        relaxation, hypergradient = kind.split("/")
        supernet = SPACE.build_supernet((8, 8, 1), 3, seed=3, relaxation=relaxation)
        search = BilevelTrainer(supernet, hypergradient, architecture_warmup_epochs=0)
        search.compile(
            optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
            architecture_optimizer=keras.optimizers.Adam(0.01),
            **options,
        )
        return search, lambda: search.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0)
    network = few_shot_network((8, 8, 1), 3, filters=2, blocks=2)
    learner = {
        "maml": lambda: MAML(network, inner_learning_rate=0.1),
        "fomaml": lambda: MAML(network, first_order=True, inner_learning_rate=0.1),
        "reptile": lambda: Reptile(network, inner_steps=2, inner_batch_size=4, inner_optimizer="sgd"),
        "metanas": lambda: MetaNAS(SPACE.build_supernet((8, 8, 1), 3), inner_steps=1, inner_optimizer="sgd"),
    }[kind]()
    learner.compile(optimizer=keras.optimizers.SGD(0.1), **options)
    sampler = EpisodeSampler(X, Y, ways=3, shots=2, query_shots=3)
    return learner, lambda: learner.fit(sampler, steps=2 * STEPS, tasks=2, steps_per_epoch=STEPS, verbose=0)


def traced(search, fit):
    """Run `fit`; returns its losses, the shapes of each traced batch, and the operations of the step's graph."""
    name = next(name for name in ("network_gradients", "meta_gradients", "train_step") if hasattr(search, name))
    step, shapes, graphs = getattr(search, name), [], []

    def watched(*arguments):
        shapes.append([tuple(tensor.shape) for tensor in tf.nest.flatten(arguments[-1])])
        graphs.append(tf.compat.v1.get_default_graph())
        return step(*arguments)

    setattr(search, name, watched)
    losses = fit().history["loss"]
    graph = graphs[-1].as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return losses, shapes, {node.op for node in nodes}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "policy"), CASES)
def test_step_keeps_the_rules(dtype_policy, kind, policy):
    dtype_policy(policy)
    search, fit = search_steps(kind, jit_compile=True, steps_per_execution=STEPS)
    before = [variable.numpy() for variable in search.trainable_variables]
    losses, shapes, operations = traced(search, fit)
    assert search.jit_compile is True
    # No remainder came. Sampled paths make layers in the first trace, for which TensorFlow traces again.
    assert len(shapes) <= 2 and shapes[0] == shapes[-1]
    if kind != "one_shot":  # whose batch is seen here before the step gives it its size
        assert shapes[0] and all(None not in shape for shape in shapes[0])
    assert not operations & (ON_THE_HOST | OF_UNKNOWN_SHAPE)
    assert len(operations) > 20 and ("Conv2D" in operations or kind == "one_shot")
    assert int(search.optimizer.iterations) == 2 * STEPS
    assert np.isfinite(losses).all()
    moved = [not np.array_equal(old, new.numpy()) for old, new in zip(before, search.trainable_variables, strict=True)]
    assert np.mean(moved) > 0.5
    print(kind, policy, losses, len(operations))

    if kind.startswith(SAMPLED):
        return  # TensorFlow draws other numbers under XLA
    plain, fit = search_steps(kind, run_eagerly=True)
    expected = fit().history["loss"]
    tolerance = 1e-3 if policy == "float32" else 5e-2
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    for one, other in zip(search.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=tolerance)
