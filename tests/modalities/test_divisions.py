"""Images that may be read by their parts: by channels or tiles, by rows and columns."""

import numpy as np
import pytest

from kerasnas.modalities.images import Images

NOISE = np.random.default_rng(0).random((40, 6, 8, 3)).astype("float32")
LINES = ("rows", "columns")
SMOOTH = NOISE[..., :1].cumsum(axis=1).cumsum(axis=2)


def words():
    """Three words each, of three to six letters, filled up to six: columns with one of 27 signs."""
    rng = np.random.default_rng(0)
    codes = np.where(np.arange(6) < rng.integers(3, 7, (100, 3, 1)), rng.integers(26, size=(100, 3, 6)), 26)
    return np.eye(27)[codes.reshape(100, 18)].swapaxes(1, 2)[..., None]


def tiled(x, size=2):
    return np.tile(x, (1, size, size, 1))


def framed(x):
    return np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))


@pytest.mark.parametrize(
    ("x", "divisions"),
    [
        (NOISE, ("channels",)),
        ((255 * NOISE).astype("uint8"), ("channels",)),
        (NOISE * [1, 1, 0], ("channels",)),  # a constant channel is like none
        (NOISE * [1, 0, 0], LINES),  # and one alone has no other
        (0 * NOISE, ()),
        (NOISE[..., :1], LINES),
        (NOISE + NOISE[..., [1, 0, 2]], LINES),
        (NOISE[..., [0, 1, 1]] * [1, 1, -1], LINES),  # a negative is alike
        (NOISE + 0.4 * NOISE[..., [1, 0, 2]], LINES),
        (NOISE + 0.2 * NOISE[..., [1, 0, 2]], ("channels",)),
        (SMOOTH, ()),
        (NOISE[..., :1].cumsum(axis=1), ()),  # rows are like their neighbors
        (NOISE[..., :1].cumsum(axis=2), ()),
        (NOISE[:, :3, :, :1], ()),  # of too few rows to tell
        (np.eye(8)[np.random.default_rng(0).integers(8, size=(40, 8))][..., None], ("rows",)),  # letters
        (words(), ("columns_in_3", "columns")),
        (words().swapaxes(1, 2), ("rows_in_3", "rows")),
        (words()[:, :, :17], ("columns",)),  # of no whole number of words
        (words() + 0.1, ("columns_in_3", "rows", "columns")),  # signs are pixels that are not zero
        (tiled(SMOOTH), ("tiles_2x2",)),  # a step between them
        (tiled(framed(NOISE[..., :1])), ("tiles_2x2",)),  # nothing between them
        (
            tiled(framed(NOISE[..., :1])) + 0.01 * np.random.default_rng(1).random((40, 24, 28, 1)),
            ("tiles_2x2",),
        ),  # or little
        (np.concatenate([SMOOTH, SMOOTH], axis=1), ("tiles_2x1",)),
        (np.concatenate([SMOOTH, SMOOTH], axis=2), ("tiles_1x2",)),
        (tiled(SMOOTH[:, :5]), ("tiles_2x2",)),
        (tiled(SMOOTH, 3), ("tiles_3x3",)),
        (tiled(SMOOTH)[:, 1:], ("tiles_1x2",)),  # of an odd side
    ],
)
def test_parts_that_images_may_be_read_by(x, divisions):
    assert Images().divisions(x) == divisions
