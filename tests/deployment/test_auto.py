"""Estimators that find out what the samples are, and those that answer numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from scipy.io import wavfile

from kerasnas import AutoRegressor, TextRegressor
from kerasnas.deployment.samples import Samples
from kerasnas.modalities.columns import columns_of
from kerasnas.modalities.decoding import Reading
from kerasnas.modalities.lookup import modality, of_samples
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
        (ROWS.assign(File=["a.wav", "b.wav"]), "recordings"),
        (tf.data.Dataset.from_tensor_slices((np.zeros((2, 8, 8, 3)), [0, 1])), "images"),
        (tf.data.Dataset.from_tensor_slices((np.zeros((2, 3)), [0, 1])), "tables"),
    ],
)
def test_samples_are_taken_for_what_they_look_like(x, kind):
    assert of_samples(x, columns_of(x)).name == kind


def test_a_frame_of_texts_is_read_as_texts():
    x, y = Samples().arrays(ROWS.assign(Review=["fine", "dull"], label=["yes", "no"]), None)
    assert x.tolist() == ["fine", "dull"] and y.tolist() == ["yes", "no"]


@pytest.mark.parametrize("as_frame", [False, True])
def test_files_of_sound_are_read_at_the_rate_of_most_in_the_order_given(as_frame, tmp_path):
    files = [str(tmp_path / f"{rate}-{number}.wav") for number, rate in enumerate((8000, 4000, 8000))]
    for number, file in enumerate(files, start=1):
        wavfile.write(
            file, 4000 if number == 2 else 8000, np.full(4000 if number == 2 else 8000, number / 10, "float32")
        )
    given = [files[2], *files]  # one twice
    x, y = (pd.DataFrame({"file": given, "label": list("baba")}), None) if as_frame else (given, np.array(list("baba")))
    samples = Samples()
    found, labels = samples.arrays(x, y)
    assert found.shape == (4, 8000) and labels.tolist() == list("baba") and samples.named["rate"] == 8000
    np.testing.assert_allclose(found[:, 4000], [0.3, 0.1, 0.2, 0.3], atol=1e-3)
    alone = pd.DataFrame({"file": given})
    assert samples.arrays(alone, ["c"] * 4)[1].tolist() == ["c"] * 4
    with pytest.raises(ValueError, match="None, as `x` is a dataset of recordings and labels"):
        samples.arrays(alone.assign(label="b"), ["c"] * 4)
    bound = modality("audio").restored({"front": {"rate": 4000, "samples": 100}})
    assert bound.queries(x, Reading((100,))).shape == (4, 100)
    Path(files[1]).write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"4000-1\.wav cannot be read as a recording"):
        samples.arrays(x, y)


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
