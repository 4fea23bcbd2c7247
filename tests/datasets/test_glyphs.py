"""Generated characters: always the same, lines where they should be, about as hard to tell apart as is said."""

import importlib
import time

import numpy as np
import pytest

from kerasnas.datasets import EpisodeSampler, glyphs
from kerasnas.datasets.pools import LabelledImages

module = importlib.import_module("kerasnas.datasets.glyphs")  # the package's attribute is the function


# Closed forms --------------------------------------------------------------------------------------
def test_bezier_curves():
    control = np.array([[0.0, 0], [1, 2], [3, 2], [4, 0]])
    found = module._bezier(control, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(found, [[0, 0], [2, 1.5], [4, 0]])  # (p0 + 3 p1 + 3 p2 + p3) / 8
    line = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3]])
    np.testing.assert_allclose(module._bezier(np.stack([line, control]), np.array([1 / 3]))[0], [[1, 1]])


@pytest.mark.parametrize("pen", [0.3, 1.0, 2.2])
def test_ink_is_a_function_of_the_distance_to_the_line(pen):
    # A line from (4, 6) to (12, 6), and a point at (3, 13); x is the column, y the row.
    points = np.array([[[4.0, 6], [7, 6], [12, 6]], [[3, 13]] * 3])
    found = module._rasterize(points, pen, 16)
    row, column = np.mgrid[:16, :16] + 0.5
    to_line = np.hypot(column - np.clip(column, 4, 12), row - 6)
    distance = np.minimum(to_line, np.hypot(column - 3, row - 13))
    np.testing.assert_allclose(found, np.clip(pen + 0.5 - distance, 0, 1), atol=1e-5)


def test_a_slanted_line_is_as_even_as_a_straight_one():
    ends = np.array([[3.0, 3], [25, 20]])
    found = module._rasterize(ends[None], 0.8, 28)
    area = np.hypot(22, 17) * 2 * 0.8 + np.pi * 0.8**2  # of all within 0.8 of the line
    assert found.sum() == pytest.approx(area, rel=0.05)
    along = np.round(np.linspace(ends[0], ends[1], 50) - 0.5).astype(int)
    assert found[along[:, 1], along[:, 0]].min() > 0.5  # no gaps


# The set -------------------------------------------------------------------------------------------
def test_the_set_is_whole():
    data = glyphs(classes=45, samples=6)
    assert (data.x.shape, data.x.dtype, data.y.dtype) == ((270, 28, 28, 1), np.float32, np.int64)
    assert (data.num_classes, data.input_shape) == (45, (28, 28, 1))
    np.testing.assert_array_equal(data.y, np.repeat(np.arange(45), 6))
    assert data.x.min() == 0 and 0.9 < data.x.max() <= 1
    assert 0.05 < data.x.mean() < 0.12  # Omniglot's is 0.08
    assert data.classes[21] == "alphabet02/character02" and data.alphabets[39:41] == ("alphabet02", "alphabet03")
    np.testing.assert_array_equal(data.of_alphabets(["alphabet02"]), np.arange(20, 40))
    border = np.concatenate([data.x[:, 0], data.x[:, -1], data.x[:, :, 0], data.x[:, :, -1]])
    assert border.mean() < 0.02  # within the image
    assert all(data.x.reshape(270, -1).sum(axis=1) > 10)  # no empty one


@pytest.mark.parametrize("alphabets", [("Greek",), ("Greek", 2), ["Greek", "Latin"], "Greek"])
def test_each_class_has_an_alphabet_or_none_has(alphabets):
    x, y, classes = np.zeros((2, 8, 8, 1), "float32"), np.arange(2), ("alpha", "b")
    assert LabelledImages(x, y, classes).alphabets == ()
    with pytest.raises(ValueError, match=r"`alphabets`\. Expected a tuple of the alphabets of the 2 classes"):
        LabelledImages(x, y, classes, alphabets)


def test_a_character_is_the_same_in_any_set():
    small, large = glyphs(classes=3, samples=4), glyphs(classes=25, samples=7)
    np.testing.assert_array_equal(small.x.reshape(3, 4, -1), large.x.reshape(25, 7, -1)[:3, :4])
    other = glyphs(classes=3, samples=4, seed=1)
    assert all((one != two).any() for one, two in zip(small.x, other.x, strict=True))
    samples = large.x.reshape(175, -1)
    assert len({sample.tobytes() for sample in samples}) == 175


def test_without_jitter_the_hands_are_alike():
    x = glyphs(classes=5, samples=3, jitter=0.0).x.reshape(5, 3, -1)
    np.testing.assert_array_equal(x[:, 1:], np.broadcast_to(x[:, :1], (5, 2, 784)))


def test_another_size_is_the_same_character():
    large, small = glyphs(classes=4, samples=3, size=56).x, glyphs(classes=4, samples=3, size=28).x
    pooled = large.reshape(12, 28, 2, 28, 2).mean(axis=(2, 4))
    for one, two in zip(pooled, small[..., 0], strict=True):
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.95


def nearest_neighbor(data):
    """The share of 5-way queries that the nearest support image, in pixels, answers right."""
    sampler, right = EpisodeSampler(data.x, data.y), []
    for index in range(150):
        episode = sampler.episode(index)
        support, query = (part[0].reshape(len(part[0]), -1) for part in (episode.support, episode.query))
        distances = (support**2).sum(axis=1) - 2 * query @ support.T
        right.append(episode.support[1][distances.argmin(axis=1)] == episode.query[1])
    return np.mean(right)


@pytest.mark.slow
def test_pixels_alone_go_only_part_of_the_way():
    assert 0.60 < nearest_neighbor(glyphs()) < 0.76  # said: 0.68
    assert 0.38 < nearest_neighbor(glyphs(jitter=1.5)) < 0.54  # said: 0.46; Omniglot's: 0.44
    assert nearest_neighbor(glyphs(jitter=0.0, samples=16)) == 1.0


def test_it_is_made_quickly():
    start = time.process_time()
    glyphs(classes=60, samples=20)
    assert time.process_time() - start < 1
