"""Estimators that find out what the samples are, and those that answer numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from kerasnas import AutoClassifier, AutoRegressor, ImageRegressor, TextRegressor
from kerasnas.deployment.samples import Samples
from kerasnas.modalities.columns import columns_of
from kerasnas.modalities.lookup import of_samples
from tests.kit import count_steps

ROWS = pd.DataFrame({"age": [1.0, 2.0], "city": ["a", "b"]})


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (["a fine film", "dull"], "texts"),
        (np.array(["a fine film", "dull"], object), "texts"),
        (["cat.png", "dog.JPG"], "images"),
        ([Path("cat"), Path("dog")], "images"),
        ([Image.new("L", (4, 4))] * 2, "images"),
        (np.zeros((2, 8, 8, 3)), "images"),
        (np.zeros((2, 8, 8), "uint8"), "images"),
        (np.zeros((2, 3)), "tables"),
        ([["a", "b"], ["c", "d"]], "tables"),
        (ROWS, "tables"),
        (ROWS.assign(Review=["fine", "dull"]), "texts"),
        (ROWS.assign(path=["a.png", "b.png"]), "images"),
        (tf.data.Dataset.from_tensor_slices((np.zeros((2, 8, 8, 3)), [0, 1])), "images"),
        (tf.data.Dataset.from_tensor_slices((np.zeros((2, 3)), [0, 1])), "tables"),
    ],
)
def test_samples_are_taken_for_what_they_look_like(x, kind):
    assert of_samples(x, columns_of(x)).name == kind


def test_a_frame_of_texts_is_read_as_texts():
    x, y = Samples().arrays(ROWS.assign(Review=["fine", "dull"], label=["yes", "no"]), None)
    assert x.tolist() == ["fine", "dull"] and y.tolist() == ["yes", "no"]


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    words = rng.choice(["good", "bad"], 80)
    return [f"the film was {word}" for word in words], np.where(words == "good", 5.0, 1.0) + rng.normal(0, 0.1, 80)


@pytest.mark.slow  # as texts with classes, which a default test races
def test_numbers_are_estimated_from_what_is_found_to_be_text(numbers, tmp_path, monkeypatch):
    count_steps(monkeypatch)
    fitted = AutoRegressor(2, tmp_path / "home", log=lambda line: None, candidates=1).fit(*numbers)
    assert fitted.result["dataset"]["modality"] == "texts" and fitted.score(*numbers) > 0.9
    for kind in (AutoRegressor, TextRegressor):  # a run says what it is
        np.testing.assert_array_equal(kind.load(tmp_path / "home").predict("a bad film"), fitted.predict("a bad film"))
    for kind in (ImageRegressor, AutoClassifier):  # other samples, other answers
        with pytest.raises(ValueError, match=f"no run of {kind.__name__}"):
            kind.load(tmp_path / "home")
