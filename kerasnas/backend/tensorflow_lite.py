"""Networks by LiteRT (TensorFlow Lite), as phones and small devices run them."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from kerasnas.backend.tensorflow_internals import ConverterError, frozen


def lite_call(model: keras.Model, inputs: Sequence[np.ndarray]) -> Callable[[], None] | None:
    """Return a call of `model` with `inputs` by LiteRT, in float32 on one thread of the CPU.

    Returns None where LiteRT lacks an operation of the model.
    """
    if any(x.dtype == object for x in inputs):  # texts
        return None

    def forward(*x: tf.Tensor) -> tf.Tensor:
        return model(list(x) if len(x) > 1 else x[0], training=False)

    signature = [tf.TensorSpec(x.shape, x.dtype) for x in inputs]
    traced = tf.function(forward, input_signature=signature, autograph=False).get_concrete_function()
    try:
        with _silent():
            # Given the model as well, the converter would write it to disk first, in several times the time.
            content = tf.lite.TFLiteConverter.from_concrete_functions([frozen(traced)]).convert()
            interpreter = interpreter_of(content)
        for read, x in zip(interpreter.get_input_details(), inputs, strict=True):
            interpreter.set_tensor(read["index"], x)
    except (ConverterError, RuntimeError, ValueError):
        return None
    return interpreter.invoke


def interpreter_of(content: bytes, kernels: Any = tf.lite.experimental.OpResolverType.AUTO) -> Any:
    """Return LiteRT's interpreter of the content of a file, by these kernels, on one thread and ready to compute."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that it will move to another package
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter


def nameless(content: bytes) -> bytes:
    """Return the content of a file without the names of its tensors, which are a third of a small one.

    Those of its signature stay: `get_signature_runner` works as before.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    signatures = model.signatureDefs
    flatbuffer_utils.strip_strings(model)
    model.signatureDefs = signatures
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def with_metadata(content: bytes, name: str, data: bytes) -> bytes:
    """Return the content of a file with `data` in its metadata, by a name that is not in it.

    What the converter states of itself there, which takes as much of a device's flash, is emptied for it.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for known in model.metadata or ():
        if known.name == b"CONVERSION_METADATA":
            model.buffers[known.buffer].data = None
    buffer, entry = flatbuffer_utils.schema_fb.BufferT(), flatbuffer_utils.schema_fb.MetadataT()
    buffer.data = list(data)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def metadata(content: bytes, name: str) -> bytes:
    """Return the data of this name in the metadata of a file; empty if there is none."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    found = [model.buffers[entry.buffer].data for entry in model.metadata or () if entry.name == name.encode()]
    return bytes(found[0]) if found else b""


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep back warnings of LiteRT, and what its converter writes to standard error about every network."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        with contextlib.suppress(OSError):  # there is none, as in a process without a terminal
            stack.enter_context(stderr_to(stack.enter_context(open(os.devnull, "wb"))))
        yield


@contextlib.contextmanager
def stderr_to(file: IO[bytes]) -> Iterator[None]:
    """A context in which `file` gets what the process writes to standard error, C++ code included."""
    before = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
