"""Models that are gone leave nothing behind."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from kerasnas import BilevelTrainer, DARTSSpace
from kerasnas.backend import tensorflow_internals
from kerasnas.backend.memory import forget_gradients

SPACE = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect"])


def graph_of(activation):
    """A weak reference to the graph of a gradient of `activation`, of which nothing else is kept."""
    traced = tf.function(lambda x: tf.gradients(activation(x), x))
    return weakref.ref(traced.get_concrete_function(tf.TensorSpec([2])).graph)


def test_graphs_with_custom_gradients_are_freed():
    kept = graph_of(tf.nn.silu)
    with forget_gradients():
        gone = graph_of(tf.nn.silu)
    gc.collect()
    assert kept() is not None and gone() is None  # TensorFlow alone keeps it, see `forget_gradients`


def test_gradients_of_before_are_kept():
    traced = tf.function(lambda x: tf.nn.silu(x))
    traced.get_concrete_function(tf.TensorSpec([2]))
    with forget_gradients():
        graph_of(tf.nn.silu)
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = traced(x)
    assert tape.gradient(y, x).shape == (2,)


# Searches ----------------------------------------------------------------------------------------------------
def search(hypergradient="first_order"):
    """A search after its `fit`, compiled, with a warm-up and a measurement of the curvature."""
    trainer = BilevelTrainer(SPACE.build_supernet((8, 8, 1), 3), hypergradient, architecture_warmup_epochs=1)
    trainer.compile()
    x, y = np.random.default_rng(0).random((32, 8, 8, 1), "float32"), np.arange(32) % 3
    trainer.fit(x, y, batch_size=16, epochs=2, verbose=0)
    trainer.curvature((x[:16], y[:16]))
    return trainer


@pytest.mark.parametrize("hypergradient", ["first_order", pytest.param("unrolled", marks=pytest.mark.slow)])
def test_a_search_that_is_gone_leaves_no_trainer_no_supernet_and_no_graph(hypergradient):
    before = set(tensorflow_internals.gradient_registry())
    trainer = search(hypergradient)
    graph = next(iter(trainer._guards._measure._list_all_concrete_functions())).graph
    kept = [weakref.ref(one) for one in (trainer, trainer.supernet, trainer.optimizer, trainer.train_function, graph)]
    assert set(tensorflow_internals.gradient_registry()) - before
    del trainer, graph
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)
    assert not set(tensorflow_internals.gradient_registry()) - before


@pytest.mark.slow
def test_a_supernet_outlives_its_search():
    """Its own functions, traced in the first search, are differentiated again in the second."""
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "sep_conv_3x3"])
    supernet = space.build_supernet((8, 8, 1), 3, relaxation="gumbel")
    x, y = np.random.default_rng(0).random((16, 8, 8, 1), "float32"), np.arange(16) % 3
    for _ in range(2):
        trainer = BilevelTrainer(supernet)
        trainer.compile()
        assert np.isfinite(trainer.fit(x, y, batch_size=8, epochs=1, verbose=0).history["val_loss"]).all()
        del trainer
        gc.collect()
