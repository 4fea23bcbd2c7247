"""The whole search step under XLA."""

import numpy as np
import pytest

from tests.trainers.conftest import CLASSES, SHAPE, SPACE
from tests.trainers.kit import noting


@pytest.mark.slow
@pytest.mark.parametrize("hypergradient", ["first_order", "unrolled"])
def test_search_step_compiles_and_computes_the_same(make_search, data, hypergradient):
    """With a warm-up, so that either branch of the alphas' step is in the graph."""
    histories, courses = [], []
    for options in ({"run_eagerly": True}, {"run_eagerly": False, "jit_compile": True}):
        search = make_search(
            supernet=SPACE.build_supernet(SHAPE, CLASSES),
            hypergradient=hypergradient,
            architecture_warmup_epochs=1,
            compile={**options, "learning_rate": 0.1},
        )
        assert search.jit_compile is options.get("jit_compile", False)
        (alphas,) = search.architecture_parameters
        start = alphas.numpy()
        course, note = noting(alphas.numpy)
        history = search.fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[note]).history
        assert np.array_equal(start, course[0])
        assert not np.array_equal(course[0], course[1])
        histories.append(history)
        courses.append(course)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-3)
    np.testing.assert_allclose(courses[0], courses[1], atol=1e-5)
