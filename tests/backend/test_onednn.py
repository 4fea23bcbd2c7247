"""What goes wrong with oneDNN's kernels alone, in a process that has them: the other tests leave them out."""

import os
import subprocess
import sys

import pytest

CODE = """
import keras
import numpy as np

from kerasnas.datasets import EpisodeSampler
from kerasnas.meta import MAML
from kerasnas.primitives.normalization import BatchNorm
from kerasnas.proxies.synflow import synflow
from kerasnas.spaces import DARTSSpace

# The gradient of 1x1 convolutions with strides writes past its memory on a batch of one image.
space = DARTSSpace(filters=2, num_cells=2, num_nodes=1)
scores = [synflow(space.build_network(space.sample(np.random.default_rng(s)), (28, 28, 1), 10)) for s in range(4)]
assert np.isfinite(scores).all()

# The gradient of a bias would be merged with one that depends on it: a cycle in the graph.
x, y = np.random.default_rng(0).random((100, 28, 28, 1), "float32"), np.repeat(np.arange(5), 20)
x_in = z = keras.Input((28, 28, 1))
for _ in range(4):
    z = keras.layers.ReLU()(BatchNorm()(keras.layers.Conv2D(64, 3, 2, padding="same")(z)))
learner = MAML(keras.Model(x_in, keras.layers.Dense(5)(keras.layers.Flatten()(z))))
learner.compile()
history = learner.fit(EpisodeSampler(x, y, query_shots=2), steps=1, tasks=2, verbose=0)
assert np.isfinite(history.history["loss"]).all()
print("done")
"""


@pytest.mark.slow
def test_second_derivatives_and_strided_gradients_run():
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "done", done.stderr[-2000:]
