"""The adapter to TensorFlow's SavedModel: a folder that TensorFlow Serving, TensorFlow.js and C++ read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kerasnas.export.classifier import Classifier
from kerasnas.export.loaded import Loaded


def write(classifier: Classifier, path: Path, samples: np.ndarray) -> None:
    """Write the model to the folder `path`; its function is `serve`. `samples` are not needed."""
    classifier.model.export(path, format="tf_saved_model", verbose=False)


def load(path: Path) -> Loaded:
    """Read what `write` wrote, as TensorFlow alone does."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1
    return Loaded(lambda images: model.serve(tf.constant(images)).numpy(), threads)
