"""Meta-learning with tasks spread over replicas, and the one-shot search, against the same on one device."""

import keras
import numpy as np
import tensorflow as tf
from searching import PRIMITIVES, distance, spread

from kerasnas import DARTSSpace, meta
from kerasnas.datasets import TaskFamily
from kerasnas.datasets.tasks import Episode
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.search import ENASTrainer
from kerasnas.spaces import ENASMicroSpace

ONE = tf.distribute.get_strategy()


class Images(TaskFamily):
    """Two classes of noisy 8x8 images: a random template each."""

    input_shape = (8, 8, 1)

    def draw(self, rng):
        templates = rng.standard_normal((2, *self.input_shape))
        parts = []
        for shots in (3, 2):
            y = np.repeat(np.arange(2), shots).astype("int32")
            parts.append((templates[y] + 0.3 * rng.standard_normal((len(y), *self.input_shape)), y))
        return Episode(*parts)


class Diverging(Images):
    """Every third task has inputs that no loss is finite on."""

    def draw(self, rng):
        episode = super().draw(rng)
        x, y = episode.support
        return Episode((np.full_like(x, np.inf), y), episode.query) if rng.random() < 0.3 else episode


def network():
    inputs = keras.Input(Images.input_shape)
    start = keras.initializers.GlorotUniform(1)
    x = keras.layers.Conv2D(3, 3, strides=2, use_bias=False, kernel_initializer=start)(inputs)  # no bias: batch norm
    x = keras.layers.Flatten()(keras.layers.Activation("tanh")(BatchNorm()(x)))
    return keras.Model(inputs, keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(2))(x))


def supernet():
    space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=PRIMITIVES)
    return space.build_supernet(Images.input_shape, num_classes=2, seed=0)


LEARNERS = {
    "maml": lambda: meta.MAML(network(), inner_steps=2, inner_learning_rate=0.1, learn_inner_rates=True),
    "reptile": lambda: meta.Reptile(network(), inner_steps=2, inner_learning_rate=0.01, inner_batch_size=None),
    "metanas": lambda: meta.MetaNAS(supernet(), inner_steps=2, inner_batch_size=None, architecture_warmup=0.0),
    "metanas_frozen": lambda: meta.MetaNAS(supernet(), inner_steps=2, inner_batch_size=None, architecture_warmup=0.4),
}
# Of three steps, that of the alphas sees those after the first.
OPTIMIZERS = {"metanas_frozen": lambda: keras.optimizers.SGD(0.5, momentum=0.9)}


def trained(strategy, make, tasks, family, optimizer):
    with strategy.scope():
        learner = make()
        learner.compile(optimizer())
    history = learner.fit(family(seed=3), steps=3, tasks=tasks, verbose=0)
    logs = [np.array(history.history[name]) for name in sorted(history.history)]
    found = {"variables": [np.array(v) for v in learner.variables], "logs": logs}
    found["optimizer"] = [np.array(v) for v in learner.optimizer.variables]
    return learner, found


def one_shot(strategy):
    """ENAS, with replicas that get equal samples, whose statistics are those of the whole batch; rewards included."""
    space = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "sep_conv_3x3"])
    x, found = np.random.default_rng(1).random((2, 8, 8, 1)), {}
    images, labels = np.tile(x, (4, 1, 1, 1)), np.tile([0, 1], 4)
    orders = ([np.random.default_rng([seed, epoch]).permutation(8)[:4] for epoch in range(3)] for seed in range(1000))
    seed = next(s for s, halves in enumerate(orders) if all(sum(half % 2) == 2 for half in halves))
    for name, own in (("one", ONE), ("several", strategy)):
        with own.scope():
            network = space.build_supernet(input_shape=(8, 8, 1), num_classes=2, seed=0)
            search = ENASTrainer(network, space, seed=0)
        search.compile(optimizer=None, learning_rate=0.5)

        history = search.fit(
            images,
            labels,
            batch_size=8,
            epochs=3,
            controller_steps=2,
            verbose=0,
            validation_data=(images, labels),
            seed=seed,
        )
        found[name] = {
            "weights": [np.array(v) for v in search.trainable_variables],
            "optimizer": [np.array(v) for v in search.optimizer.variables],
            "logs": [np.array(history.history[key]) for key in sorted(history.history)],
        }
    return {"distance": distance(found["several"], found["one"]), "spread": spread(search.variables)}


def meta_learning(strategy):
    """A few meta-steps of each learner; MAML also where tasks cannot be spread evenly, and where some diverge."""
    cases = {name: (make, 4, Images) for name, make in LEARNERS.items()}
    cases["uneven"] = (LEARNERS["maml"], 5, Images)
    cases["diverging"] = (LEARNERS["maml"], 6, Diverging)
    found = {}
    for name, (make, tasks, family) in cases.items():
        optimizer = OPTIMIZERS.get(name, lambda: None)
        learner, one = trained(ONE, make, tasks, family, optimizer)
        lost = float(np.array(learner.diverged))
        learner, several = trained(strategy, make, tasks, family, optimizer)
        found[name] = {"distance": distance(several, one), "spread": spread(learner.variables), "lost": lost}
        if name == "metanas_frozen":
            found["counts"] = [int(np.array(own.iterations)) for own in learner.optimizer.inner]
        if name == "maml":
            episode = Images(seed=3).episode(9)
            found["adapted"] = [tuple(w.shape) for w in learner.adapt(episode).weights] != []
            found["evaluated"] = sorted(learner.evaluate(Images(seed=3), episodes=2))
    try:
        learner.fit(Images(seed=3), steps=1, tasks=1, verbose=0)
    except ValueError as error:
        found["said"] = str(error)
    return found
