"""The adapter to LiteRT (TensorFlow Lite): a file for phones and small devices, in float32 or with 8-bit integers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from kerasnas.export.loaded import Loaded


def write(model: keras.Model, path: Path, samples: np.ndarray) -> None:
    """Write `model` to the file `path`, in float32. `samples` are not needed."""
    model.export(path, format="litert", verbose=False)


def write_int8(model: keras.Model, path: Path, samples: np.ndarray) -> None:
    """Write `model` to the file `path`, with weights and activations of 8 bits (Jacob et al., 2018, arXiv 1712.05877).

    Its input and output stay float32, so that it is called as the others are.

    Args:
        model: raw samples -> probabilities.
        path: the file.
        samples: raw samples of the training data, float32 `(samples, ...)`, by which the ranges of the activations are
            found; 200 are enough.
    """
    import tensorflow as tf

    def calibration() -> Iterator[list[np.ndarray]]:
        for sample in samples:
            yield [sample[None]]

    model.export(
        path,
        format="litert",
        verbose=False,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=calibration,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
    )


def load(path: Path) -> Loaded:
    """Read what `write` or `write_int8` wrote, as LiteRT's interpreter does, on one thread of the CPU."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the interpreter will move to a package of its own
        interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(inputs["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(outputs["index"])  # a copy

    return Loaded(predict, threads=1, batch=1)
