"""Drift detection in Keras' `predict`: each batch of outputs goes to a monitor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasnas import checks


class DriftCallback(keras.callbacks.Callback):
    """Passes every batch of `model.predict(x, callbacks=[...])` to a drift monitor.

    Keras gives callbacks of `predict` the outputs but not the inputs, and those of `evaluate` neither: this callback
    monitors only the outputs. `DriftMonitor.observe` monitors inputs and accuracy too.

    Args:
        monitor: a `kerasnas.DriftMonitor` of the model.
        on_drift: called with each report of drift. Defaults to None: reports are kept in `reports`.

    Raises:
        TypeError: if `monitor` does not monitor outputs, or `on_drift` cannot be called.

    Attributes:
        reports: the reports of drift.

    Example:

    >>> import numpy as np
    >>> from kerasnas import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    >>> callback = DriftCallback(DriftMonitor(model, rng.normal(size=(200, 4))))
    >>> _ = model.predict(rng.normal(size=(100, 4)) + 3, verbose=0, callbacks=[callback])
    >>> [report.kinds for report in callback.reports]
    [('outputs',)]
    """

    def __init__(self, monitor: Any, on_drift: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        checks.function("monitor", getattr(monitor, "observe_outputs", monitor), "a `kerasnas.DriftMonitor`")
        self.monitor = monitor
        self.on_drift = checks.optional(checks.function, "on_drift", on_drift)
        self.reports: list[Any] = []

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        report = self.monitor.observe_outputs(keras.ops.convert_to_numpy((logs or {})["outputs"]))
        if report.drift:
            self.reports.append(report)
            if self.on_drift is not None:
                self.on_drift(report)
