"""The mathematics of a round: closed forms, and what is refused."""

import numpy as np
import pytest

from kerasnas.federated.aggregations import weighted_mean
from kerasnas.federated.averaging import Update, Values, outer_step


def random_values(seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    shapes = [(3, 2), (2,)], [(4,)], [(2,)]
    return Values(*([rng.standard_normal(shape).astype(dtype) for shape in group] for group in shapes))


def test_the_mean_is_weighted_by_samples():
    (mean,) = weighted_mean([[np.array([1.0, 0.0])], [np.array([4.0, 0.0])], [np.array([4.0, 8.0])]], [1, 2, 1])
    np.testing.assert_allclose(mean, [3.25, 2.0], rtol=1e-15)


def test_the_step_of_the_server_is_reptiles():
    """`w + e (mean w' - w)`, another step for alphas, and the mean itself for statistics."""
    start, first, second = (random_values(seed, "float64") for seed in range(3))
    after = outer_step(start, [Update(first, 10), Update(second, 30)], step=0.5, architecture_step=0.25)
    for kind, step in (("weights", 0.5), ("alphas", 0.25), ("statistics", 1.0)):
        for w, one, other, new in zip(
            *(getattr(values, kind) for values in (start, first, second, after)), strict=True
        ):
            np.testing.assert_allclose(new, w + step * ((one + 3 * other) / 4 - w), rtol=1e-14)


def test_one_client_at_the_step_1_is_taken_over_exactly_and_alphas_take_the_same_step():
    start, end = random_values(0), random_values(1)
    for group, expected in zip(outer_step(start, [Update(end, 7)]), end, strict=True):
        for array, other in zip(group, expected, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, other)
    after = outer_step(start, [Update(end, 1)], step=0.5)
    np.testing.assert_allclose(after.alphas[0], (start.alphas[0] + end.alphas[0]) / 2, rtol=1e-6)


def test_bytes_are_those_of_the_arrays():
    assert random_values(0).nbytes == 4 * (6 + 2 + 4 + 2)


def test_errors_name_the_argument():
    start = random_values(0)
    update, other = Update(start, 1), Update(start._replace(alphas=[np.zeros(9)]), 1)
    for call, message in (
        (lambda: outer_step(start, [update], step=-1), "`step`"),
        (lambda: outer_step(start, [update], architecture_step=0), "`architecture_step`"),
        (lambda: outer_step(start, []), "`updates`. Expected a list of at least one update"),
        (lambda: outer_step(start, [other]), r"`updates`. Expected values of this network: expected shape \(4,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
