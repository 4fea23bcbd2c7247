"""Searches on several logical CPU devices of one process against the same on one; writes what it measured as JSON.

python tests/distribution/run_mirrored.py OUT DEVICES SCENARIO [SCENARIO ...]
"""

import json
import pathlib
import sys
import tempfile
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import meta_scenarios
from searching import distance, images, make_search, result, spread

import kerasnas
from kerasnas.backend import split_cpu
from kerasnas.callbacks import SearchCheckpoint
from kerasnas.distribution import resolve_strategy
from kerasnas.trainers import gradients

ONE = tf.distribute.get_strategy()


class Spread(keras.callbacks.Callback):
    """The largest difference between the copies of alphas and weights after any step."""

    worst, steps = 0.0, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.worst = max(self.worst, spread(self.model.trainable_variables))


def fitted(strategy, data, epochs=1, eager=False, **arguments):
    """A search after `fit`, its result, and the spread over all steps."""
    search = make_search(strategy, **arguments)
    search.run_eagerly = eager
    watch = Spread()
    options = {"batch_size": 8} if isinstance(data[0], np.ndarray) else {}
    history = search.fit(*data, epochs=epochs, verbose=0, callbacks=[watch], **options)
    return search, result(search, history), watch


def compared(strategy, data, **arguments):
    """The distance of a search under `strategy` is from the same on one device."""
    (_, expected, _), (_, found, watch) = (fitted(s, data, **arguments) for s in (ONE, strategy))
    return {"distance": distance(found, expected), "spread": watch.worst, "steps": watch.steps}


def first_order(strategy):
    return compared(strategy, images(320), synchronized_batch_norm=True)


def second_order(strategy):
    """With a warm-up: the alphas are frozen for the first ten steps of twenty."""
    options = {"hypergradient": "unrolled", "architecture_warmup_epochs": 1, "epochs": 2}
    return compared(strategy, images(160), synchronized_batch_norm=True, **options)


def finite_difference(strategy):
    return compared(strategy, images(32), hypergradient="finite_difference", eager=True, synchronized_batch_norm=True)


def single_precision(strategy):
    """Eight steps in float32, where one device takes the fused kernel of batch norm."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    try:
        return compared(strategy, images(128), synchronized_batch_norm=True)
    finally:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")


def not_reduced(strategy):
    """A search in which the gradients of one level are not summed over the replicas."""
    found, real = {}, gradients.all_reduce
    data, options = images(32), {"eager": True, "synchronized_batch_norm": True}
    search, expected, _ = fitted(ONE, data, **options)
    counts = {"alphas": len(search.architecture_parameters), "weights": len(search.network_weights)}
    for level, count in counts.items():

        def broken(tensors, count=count):
            return tensors if isinstance(tensors, list) and len(tensors) == count else real(tensors)

        with mock.patch.object(gradients, "all_reduce", broken):
            _, wrong, watch = fitted(strategy, data, **options)
        found[level] = {"distance": distance(wrong, expected), "spread": watch.worst}
    return found


def _batches(count):
    return tuple(tf.data.Dataset.from_tensor_slices(images(count, seed)).batch(8) for seed in (1, 2))


def uneven(strategy):
    """Last batches that do not divide, one of them of a single sample, by size of the data."""
    found = {}
    for count in (13, 9):
        data = (tf.data.Dataset.zip(_batches(count)),)
        found[str(count)] = compared(strategy, data, eager=True, synchronized_batch_norm=True)
        _, separate, _ = fitted(strategy, data, eager=True)
        found[str(count)]["finite"] = all(np.isfinite(a).all() for group in separate.values() for a in group)
    return found


def sampled(strategy):
    """Relaxations that draw. Replicas get equal samples, whose statistics are those of the whole batch."""
    x, y = images(6)
    half = tf.data.Dataset.from_tensors((x, y)).repeat(3)
    double = half.map(lambda x, y: (tf.concat([x, x], 0), tf.concat([y, y], 0)))
    data, found = (tf.data.Dataset.zip((double, double)),), {}
    for relaxation in ("gumbel", "binary_gates"):
        found[relaxation] = compared(strategy, data, eager=True, relaxation=relaxation)
    return found


def objective(strategy):
    """A cost in the objective, added and as a factor."""
    found = {}
    for form in ("add", "multiply"):

        def cost(loss, supernet, form=form):
            expected = sum(keras.ops.sum(table[:, 2]) for table in supernet.expected_weights().values())
            return loss + 3.0 * expected if form == "add" else loss * expected**0.5

        found[form] = compared(
            strategy,
            images(32),
            eager=True,
            objective=cost,
            synchronized_batch_norm=True,
            architecture_weight_decay=0.0,
        )
    return found


def bad_input(strategy):
    """The messages of what cannot be."""
    said = {}
    space = kerasnas.DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])

    def expect(name, function):
        try:
            function()
        except ValueError as error:
            said[name] = str(error)

    def trainer(supernet_inside, trainer_inside, **compile_arguments):
        with strategy.scope() if supernet_inside else tf.device(None):
            supernet = space.build_supernet((8, 8, 1), 3)
        with strategy.scope() if trainer_inside else tf.device(None):
            search = kerasnas.BilevelTrainer(supernet)
        search.compile(**compile_arguments)
        return search

    expect("supernet", lambda: trainer(False, True))
    expect("trainer", lambda: trainer(True, False))
    expect("optimizer", lambda: trainer(True, True, optimizer=keras.optimizers.SGD(0.1)))
    expect("metric", lambda: trainer(True, True, metrics=[keras.metrics.SparseCategoricalAccuracy()]))
    expect("batch_size", lambda: trainer(True, True).fit(*images(32), batch_size=1, epochs=1))
    expect("paths", lambda: make_search(strategy, relaxation="gumbel", synchronized_batch_norm=True))
    return said


def checkpoint(strategy):
    """A search of two epochs on several replicas resumes on one, and the other way round."""
    found, data = {}, images(32)
    options = {"eager": True, "synchronized_batch_norm": True}
    _, expected, _ = fitted(ONE, data, epochs=2, **options)
    for name, (first, second) in {"down": (strategy, ONE), "up": (ONE, strategy)}.items():
        said = []
        with tempfile.TemporaryDirectory() as folder:
            for epochs, under in ((1, first), (2, second)):
                keeper = SearchCheckpoint(folder, log=said.append)
                search = make_search(under, synchronized_batch_norm=True)
                search.run_eagerly = True
                start = keeper.restore(search)
                search.fit(*data, batch_size=8, epochs=epochs, initial_epoch=start, verbose=0, callbacks=[keeper])
        found[name] = {"distance": distance(result(search), {**expected, "logs": []}), "said": said}
    return found


def main(out, devices, *scenarios):
    split_cpu(int(devices))
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    said = []
    strategy = resolve_strategy("cpu", log=said.append)
    known = {**vars(meta_scenarios), **globals()}
    record = {"said": said, **{name: known[name](strategy) for name in scenarios}}
    pathlib.Path(out).write_text(json.dumps(record))


if __name__ == "__main__":
    main(*sys.argv[1:])
