"""Generated data: what is no right argument of theirs is refused by its name."""

import numpy as np
import pytest

from kerasnas.datasets import glyphs, mazes, stochastic_blocks, waveforms
from kerasnas.datasets.sinusoids import SinusoidTasks

WRONG = {
    waveforms: {"train_samples": 5, "test_samples": 5, "length": 0, "noise": -1.0, "seed": -1},
    glyphs: {"classes": 0, "samples": 0, "size": 7, "jitter": -0.1, "seed": -1},
    mazes: {"size": 4, "kind": "cave", "density": 0.9, "seed": -1},
    stochastic_blocks: {"classes": 1, "nodes": 30, "features": 2, "degree": 0, "homophily": 2, "signal": 1, "seed": -1},
    SinusoidTasks: {"shots": 0, "query_shots": -1, "seed": 0.5},
}
CALLS = [(make, name, value) for make, wrong in WRONG.items() for name, value in wrong.items()]


@pytest.mark.parametrize(("make", "name", "value"), [*CALLS, (glyphs, "jitter", np.nan), (mazes, "size", 8)])
def test_wrong_arguments_are_refused(make, name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        make(**{name: value})
