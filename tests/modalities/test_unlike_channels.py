"""Images whose channels seem to be images of their own."""

import numpy as np
import pytest

from kerasnas.modalities.images import Images

NOISE = np.random.default_rng(0).random((20, 4, 4, 3)).astype("float32")


@pytest.mark.parametrize(
    ("x", "apart"),
    [
        (NOISE, True),
        ((255 * NOISE).astype("uint8"), True),
        (NOISE * [1, 1, 0], True),  # a constant channel is like none
        (NOISE * [1, 0, 0], False),  # and one alone has no other
        (NOISE[..., :1], False),
        (0 * NOISE, False),
        (NOISE + NOISE[..., [1, 0, 2]], False),
        (NOISE[..., [0, 1, 1]] * [1, 1, -1], False),  # a negative is alike
        (NOISE + 0.4 * NOISE[..., [1, 0, 2]], False),
        (NOISE + 0.2 * NOISE[..., [1, 0, 2]], True),
    ],
)
def test_channels_are_apart_if_no_two_are_alike(x, apart):
    assert Images().apart(x) is apart
    assert Images().apart(np.tile(x, (1, 20, 20, 1))) is apart  # some of the pixels are compared
