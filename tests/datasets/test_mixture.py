"""Tasks of several families."""

import numpy as np
import pytest

from kerasnas.datasets import EpisodeSampler
from kerasnas.datasets.mixture import TaskMixture
from kerasnas.datasets.sinusoids import SinusoidTasks

X, Y = np.zeros((60, 8, 8, 1), "float32"), np.repeat(np.arange(6), 10)


def sampler(value=0.0, **options):
    return EpisodeSampler(X + value, Y, **{"ways": 3, "shots": 2, "query_shots": 3} | options)


def test_each_family_is_as_probable_and_tasks_are_functions_of_their_number():
    mixture = TaskMixture([sampler(0.0), sampler(0.5), sampler(1.0)], seed=4)
    values = [float(mixture.episode(index).support[0].max()) for index in range(300)]
    shares = [values.count(value) / 300 for value in (0.0, 0.5, 1.0)]
    assert all(abs(share - 1 / 3) < 0.1 for share in shares)
    assert values[:20] == [float(TaskMixture(mixture.families, 4).episode(i).support[0].max()) for i in range(20)]
    assert mixture.batch(0, tasks=4).query[0].shape == (4, 9, 8, 8, 1)
    assert mixture.num_classes == 3


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ([], "at least one family"),
        ([sampler(), sampler(ways=4)], "num_classes"),
        ([sampler(), sampler(shots=1)], "shots"),
        ([SinusoidTasks(shots=2, query_shots=3), sampler()], "input_shape"),
    ],
)
def test_families_of_other_shapes_are_refused(families, words):
    with pytest.raises(ValueError, match=words):
        TaskMixture(families)
