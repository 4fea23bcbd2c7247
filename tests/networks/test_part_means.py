"""Means of parts of images, counted by hand."""

import numpy as np

from kerasnas.networks.part_means import PartMeans


def test_each_part_of_each_grid_counts_its_own_pixels():
    x = np.random.default_rng(0).random((3, 6, 3, 2)).astype("float32")
    grids = (([slice(0, 6)], [slice(0, 3)]), ([slice(0, 3), slice(3, 6)], [slice(0, 2), slice(2, 3)]))
    fine = [slice(0, 2), slice(2, 4), slice(4, 6)], [slice(0, 1), slice(1, 2), slice(2, 3)]
    expected = [
        x[:, rows, columns].mean(axis=(1, 2)) for ways, sides in (*grids, fine) for rows in ways for columns in sides
    ]
    found = PartMeans.of(x.shape[1:]).features(x)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-5)


def test_there_are_at_most_a_thousand_of_a_grid():
    assert len(PartMeans.of((8, 8, 62)).pools) == 3 and len(PartMeans.of((8, 8, 63)).pools) == 2
    assert PartMeans.of((8, 8, 5000)).pools == ((8, 8),) and PartMeans.of((1, 1, 3)).pools == ((1, 1),)
