"""One supernet, any relaxation: the same trainer moves the alphas of each and derives."""

import numpy as np
import pytest

from kerasnas import BilevelTrainer
from kerasnas.relaxations import RELAXATIONS
from kerasnas.spaces import NASBench201Space


@pytest.mark.parametrize("relaxation", [name for name in sorted(RELAXATIONS) if name not in ("softmax", "gumbel")])
def test_every_relaxation_searches(relaxation):
    space = NASBench201Space(filters=2, num_cells=1, num_nodes=1, primitives=["none", "skip_connect", "nor_conv_1x1"])
    supernet = space.build_supernet((8, 8, 1), 2, relaxation, seed=3)
    search = BilevelTrainer(supernet)
    search.compile(run_eagerly=True)
    before = [np.array(alphas) for alphas in supernet.architecture_parameters]
    rng = np.random.default_rng(0)
    history = search.fit(rng.random((32, 8, 8, 1), "float32"), np.arange(32) % 2, batch_size=8, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((np.array(now) != old).any() for now, old in zip(supernet.architecture_parameters, before, strict=True))
    space.validate(search.derive())
    (weights,) = search.mixing_weights().values()
    assert weights.shape == (1, 3) and (weights >= 0).all()
