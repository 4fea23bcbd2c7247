"""Memory that a backend holds on to after a model is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import keras

_PREFIX = "CustomGradient-"  # TensorFlow's own names, numbered


@contextlib.contextmanager
def forget_gradients() -> Iterator[None]:
    """A context after which the models traced inside it can be freed.

    TensorFlow keeps the function behind each `tf.custom_gradient` that a graph was differentiated through, and with it
    the graph and its variables, for the life of the process. Batch norm and `silu` have such gradients: a search grows
    by some 14 MB with each tiny model. Functions traced inside still run afterwards; functions traced afterwards cannot
    be differentiated through them.

    Example:

    >>> before = len(_gradients())
    >>> with forget_gradients():
    ...     layer = keras.layers.Dense(1, activation="silu")
    >>> len(_gradients()) == before
    True
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
    """TensorFlow's registry of gradients by name; empty on other backends."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from kerasnas.backend.tensorflow_internals import gradient_registry

    return gradient_registry()
