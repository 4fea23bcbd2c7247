"""Metrics of the two halves of a search."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor


def batch_size_of(x: Tensor) -> Any:
    """Return the number of samples of a batch."""
    return ops.shape(keras.tree.flatten(x)[0])[0]  # a user's model may have several inputs


def validation_metric(metric: Any, loss: Any) -> keras.metrics.Metric:
    """Return a copy of `metric` for the validation half, named `val_...`."""
    if isinstance(metric, str) and metric in ("accuracy", "acc"):
        kind = loss if isinstance(loss, str) else type(loss).__name__
        kind = kind.replace("_", "").lower()
        if "sparse" in kind:
            return keras.metrics.SparseCategoricalAccuracy(name="val_accuracy")
        if "binary" in kind:
            return keras.metrics.BinaryAccuracy(name="val_accuracy")
        return keras.metrics.CategoricalAccuracy(name="val_accuracy")
    given = keras.metrics.get(metric)
    if isinstance(given, keras.metrics.Metric):
        return type(given).from_config({**given.get_config(), "name": f"val_{given.name}"})
    return keras.metrics.MeanMetricWrapper(given, name=f"val_{given.__name__}")
