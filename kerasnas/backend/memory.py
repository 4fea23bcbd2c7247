"""Memory that a backend holds after a model is gone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import keras

_PREFIX = "CustomGradient-"  # TensorFlow's own names, numbered


@contextlib.contextmanager
def forget_gradients() -> Iterator[None]:
    """A context after which the models traced inside it can be freed.

    TensorFlow holds the function behind each `tf.custom_gradient` that a graph was differentiated through, and with it
    the graph and its variables, for the life of the process. `silu` and Keras' optimizers have such gradients: a plain
    Keras model of 15 layers leaves 8 MB. The trainers' own steps need no such context. Functions traced inside still
    run afterwards; functions traced afterwards cannot be differentiated through them.
    """
    gradients = _gradients()
    before = set(gradients)
    try:
        yield
    finally:
        for name in set(gradients) - before:
            if name.startswith(_PREFIX):
                del gradients[name]


def _gradients() -> MutableMapping[str, Any]:
    """Return TensorFlow's registry of gradients by name; empty on other backends."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from kerasnas.backend.tensorflow_internals import gradient_registry

    return gradient_registry()


def peak_memory_gib() -> float | None:
    """Return this process's peak memory, None if the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
