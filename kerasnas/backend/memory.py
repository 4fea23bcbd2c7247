"""Memory that a backend holds on to after a model is gone."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any

import keras

_PREFIX = "CustomGradient-"  # TensorFlow's own names, numbered
_MANY = 1000  # variables, of which TensorFlow keeps some 34 MB
_gone: list[int] = []  # numbers of variables of owners that were freed since the kernels were


def release_kernels_of(owner: Any, variables: int) -> None:
    """Have the next `release_kernels` free what TensorFlow keeps of an owner's variables, once it is gone.

    Args:
        owner: any object.
        variables: how many it has.
    """
    weakref.finalize(owner, _gone.append, variables).atexit = False


def release_kernels() -> None:
    """Free what TensorFlow keeps of variables that are gone, 34 KB each, if these are many.

    It keeps a kernel for every variable that there ever was, and has no way to free some of them only: kernels in use
    are made again, which may take a large function seconds. Hence not in a finalizer, which runs anywhere.
    """
    if sum(_gone) < _MANY or keras.backend.backend() != "tensorflow":
        return
    from kerasnas.backend.tensorflow_internals import clear_kernel_cache

    _gone.clear()
    clear_kernel_cache()


@contextlib.contextmanager
def forget_gradients() -> Iterator[None]:
    """A context after which the models traced inside it can be freed.

    TensorFlow keeps the function behind each `tf.custom_gradient` that a graph was differentiated through, and with it
    the graph and its variables, for the life of the process. `silu` and Keras' optimizers have such gradients: a plain
    Keras model of 15 layers leaves 8 MB. The trainers' own steps need no such context. Functions traced inside still
    run afterwards; functions traced afterwards cannot be differentiated through them.

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


def peak_memory_gib() -> float | None:
    """The largest memory that this process has ever held, or None where the system keeps no count."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
