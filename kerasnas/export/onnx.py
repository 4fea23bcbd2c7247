"""The adapter to ONNX, by tf2onnx and ONNX Runtime: a file that most other frameworks and runtimes read."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np

from kerasnas.export.classifier import Classifier
from kerasnas.export.loaded import Loaded

PACKAGES = ("onnx", "tf2onnx", "onnxruntime")
"""Required packages, those of the extra `kerasnas[export]`."""


def write(classifier: Classifier, path: Path, samples: np.ndarray) -> None:
    """Write the model to the file `path`; the first axis of its input is free. One of `samples` is enough."""
    classifier.model(np.asarray(samples[:1]))  # Keras refuses a network that was loaded and has never been called
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras looks whether NumPy has names that are gone
        classifier.model.export(path, format="onnx", verbose=False)


def load(path: Path) -> Loaded:
    """Read what `write` wrote, as ONNX Runtime does, on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Loaded(lambda images: session.run(None, {name: images})[0], threads=1)
