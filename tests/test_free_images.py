"""Data sets of free images: what a start is learned from."""

import types
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.starts.kit import tiny_start

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")


@pytest.fixture(scope="module")
def free_images(benchmark_script):
    return benchmark_script("free_images")


def made(free_images, what, seed=0, **settings):
    arguments = types.SimpleNamespace(**{"number": 40, "classes": 4, "font": None, "source": FONTS, **settings})
    x, y = free_images.MAKERS[what](arguments, np.random.default_rng(seed))
    assert x.shape == (40, 32, 32, 3) and x.dtype == np.uint8 and len(y) == 40
    assert (x.reshape(40, -1).std(axis=1) > 0).all()  # none is of one color
    return x, y


@pytest.mark.parametrize("what", ["fractals", "glyphs"])
def test_drawn_images_are_those_of_their_seed(what, free_images):
    x, y = made(free_images, what)
    again = made(free_images, what)
    np.testing.assert_array_equal(x, again[0])
    assert (made(free_images, what, seed=1)[0] != x).any()
    assert len(set(y)) == 4 if what == "fractals" else set(y) <= set(range(62))


def test_fractals_of_one_system_are_alike(free_images):
    x, y = made(free_images, "fractals")
    ink = np.abs(x.astype(int) - x[:, :1, :1]).sum(-1) > 0  # whatever the colors
    flat = ink.reshape(40, -1).astype(float)
    alike = np.corrcoef(flat)
    same = y[:, None] == y[None]
    assert alike[same & ~np.eye(40, dtype=bool)].mean() > alike[~same].mean() + 0.1


def test_crops_are_sorted_by_what_a_pretrained_network_sees(tmp_path, free_images, monkeypatch):
    stripes = np.zeros((200, 200, 3), "uint8")
    stripes[::8] = stripes[1::8] = stripes[2::8] = stripes[3::8] = 255
    for name, image in (
        ("rows", stripes),
        ("columns", stripes.transpose(1, 0, 2)),
        ("flat", np.full_like(stripes, 90)),
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    monkeypatch.setattr("kerasnas.starts.available_starts", lambda: ("tiny",))
    with tiny_start():
        x, y = made(free_images, "crops", source=tmp_path, classes=2)
    assert set(y) == {0, 1}
    assert x.std(axis=(1, 2)).max(axis=1).min() > 10  # crops of the flat one are left out
    along = np.abs(np.diff(x.astype(int), axis=1)).mean(axis=(1, 2, 3)) > np.abs(np.diff(x.astype(int), axis=2)).mean(
        axis=(1, 2, 3)
    )
    assert abs(np.corrcoef(along, y)[0, 1]) > 0.6
