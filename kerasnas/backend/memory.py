"""What a backend keeps of models that are gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import keras

_PREFIX = "CustomGradient-"  # TensorFlow's own names, numbered


@contextlib.contextmanager
def forget_gradients() -> Iterator[None]:
    """A context whose models can be freed after it.

    TensorFlow keeps the function behind each `tf.custom_gradient` that a graph was differentiated through, and with it
    the graph and its variables, as long as the process lives: batch norm and `silu` have such gradients, and a search
    grows by some 14 MB with each tiny model. What was traced inside still runs afterwards; what is traced afterwards
    cannot be differentiated through it.

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
