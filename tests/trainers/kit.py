"""Values and batches of searches, and comparisons of them, for the tests of this folder."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasnas.callbacks.state import snapshot


def arrays(variables):
    """The values of variables as NumPy arrays."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def flat(tensors):
    """All values in one float64 vector."""
    return np.concatenate([np.ravel(np.asarray(ops.convert_to_numpy(tensor), "float64")) for tensor in tensors])


def state_of(search):
    """The arguments of a trainer's gradients: its weights, its alphas and the rest, as tensors."""
    parts = search.network_weights, search.architecture_parameters, search.non_trainable_variables
    return [[tf.convert_to_tensor(variable) for variable in part] for part in parts]


def halves(data, validation, count=8, dtype="float32"):
    """A pair of batches of the first samples of either half."""
    return tuple((tf.constant(x[:count].astype(dtype)), tf.constant(y[:count])) for x, y in (data, validation))


def noting(read, when="on_epoch_end"):
    """A list, and a callback that adds to it what `read()` returns at each such moment."""
    seen = []
    return seen, keras.callbacks.LambdaCallback(**{when: lambda at, logs=None: seen.append(read())})


def still(search):
    """The search, compiled, whose steps do nothing: callbacks alone act."""
    if not search.compiled:
        search.compile(run_eagerly=True)
    search.train_step = lambda data: {"loss": ops.zeros(())}
    return search


def same(first, second):
    """Whether two lists of arrays are equal, bit by bit."""
    assert len(first) == len(second) > 0
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def same_state(first, second):
    """Whether two trainers and their optimizers, or what `snapshot` kept of them, are equal, bit by bit."""
    first, second = (one if isinstance(one, dict) else snapshot(one) for one in (first, second))
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
