"""The callback of `predict` that shows outputs to a drift monitor."""

import keras
import numpy as np

from kerasnas import DriftMonitor
from kerasnas.callbacks import DriftCallback


def test_outputs_of_predict_are_watched_batch_by_batch():
    layer = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.set_weights([np.array([[-1.0, 1.0]]), np.zeros(2)])
    rng, told = np.random.default_rng(0), []
    callback = DriftCallback(DriftMonitor(model, rng.normal(size=(400, 1)), window=50), told.append)
    model.predict(rng.normal(size=(90, 1)), batch_size=30, verbose=0, callbacks=[callback])
    assert callback.reports == []
    model.predict(rng.normal(size=(60, 1)) + 2, batch_size=30, verbose=0, callbacks=[callback])  # 40 waited
    assert told == callback.reports and len(told) >= 1 and told[-1].kinds == ("outputs",)
    assert "probability of 1" in {change.name for change in told[-1].changes}
