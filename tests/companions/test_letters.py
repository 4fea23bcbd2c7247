"""Linear models of images whose lines are letters: what they read, and that a saved network reads the same."""

import keras
import numpy as np
import pytest

from kerasnas.companions.letters import LetterCompanion
from kerasnas.tasks.known import CLASSIFICATION

RNG = np.random.default_rng(0)
CODES = RNG.integers(5, size=(300, 6))
Y = (CODES[:, 2] == CODES[:, 5]).astype(int)
IMAGES = np.eye(5, dtype="float32")[CODES][..., None]
COLUMNS = IMAGES.swapaxes(1, 2)


@pytest.mark.parametrize(
    ("division", "x", "expected"),
    [
        ("rows", IMAGES, [6, 1, 2, 3, 4, 5, 6]),
        ("rows_in_2", IMAGES, [6, 1, 2, 3, 6, 4, 5, 6]),
        ("columns", COLUMNS, [6, 1, 2, 3, 4, 5, 6]),
        ("columns_in_3", COLUMNS, [6, 1, 2, 6, 3, 4, 6, 5, 6]),
    ],
)
@pytest.mark.parametrize("brightness", [1, 255])
def test_letters_are_the_lit_pixels_of_lines_behind_a_sign_for_each_word(division, x, expected, brightness):
    found = np.asarray(LetterCompanion(division).ids(brightness * x))
    runs = len(expected) - 6
    wanted = np.concatenate([np.full((300, runs, 1), 6), 1 + CODES.reshape(300, runs, -1)], axis=2).reshape(300, -1)
    np.testing.assert_array_equal(found, wanted)


def test_a_line_without_a_pixel_is_no_letter():
    x = IMAGES[:1].copy()
    x[0, 1] = 0
    assert np.asarray(LetterCompanion("rows_in_2").ids(x))[0, :4].tolist() == [6, 1 + CODES[0, 0], 0, 1 + CODES[0, 2]]


def test_a_saved_network_says_what_the_models_said_of_held_out_images(tmp_path):
    parts = np.arange(250), np.arange(250, 300)
    held, whole = LetterCompanion("columns_in_3").learn(COLUMNS, Y, parts, CLASSIFICATION, 2)
    early = LetterCompanion("columns_in_3").learn(COLUMNS[:250], Y[:250], parts[:1] * 2, CLASSIFICATION, 2)[1]
    shares = np.array([0.3, 0.7])
    inputs = keras.Input(COLUMNS.shape[1:])
    keras.Model(inputs, early(shares).apply(inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    said = loaded.predict(COLUMNS[250:], verbose=0) + early(shares).bias
    np.testing.assert_allclose(said, np.tensordot(shares, np.stack(held), 1), atol=1e-4)
    assert len(whole(shares).bias) == 2
