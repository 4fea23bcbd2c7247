"""Texts and recordings as datasets: vocabularies of the training texts alone, spectrograms, and clear errors."""

import keras
import numpy as np
import pytest

from kerasnas import datasets
from kerasnas.modalities.augmentations import drop_words
from kerasnas.modalities.base import TextLimits
from kerasnas.modalities.fronts import LogMel, Vocabulary

TRAIN = ["A good film", "a dull film!", "good good good", "dull, dull and dull"]
TEST = ["an unseen film", "good"]
LABELS = {"y_train": np.array([1, 0, 1, 0]), "y_test": np.array([0, 1])}


def npz(tmp_path, **arrays):
    path = tmp_path / "reviews.npz"
    np.savez(path, **{"x_train": np.array(TRAIN), "x_test": np.array(TEST), **LABELS, **arrays})
    return path


def test_vocabulary_is_of_the_training_texts_alone(tmp_path):
    data = datasets.load(npz(tmp_path, classes=np.array(["bad", "good"])))
    assert (data.modality.name, data.input_shape, data.raw_shape, data.classes) == ("texts", (4,), (), ("bad", "good"))
    assert data.front.words[:2] == ("good", "dull") and "unseen" not in data.front.words
    assert data.x_train.dtype == np.int32 and data.x_train[2].tolist() == [2, 2, 2, 0]
    film = 2 + data.front.words.index("film")
    assert data.x_test.tolist() == [[1, 1, film, 0], [2, 0, 0, 0]]
    assert data.raw("test").tolist() == TEST and data.front.sizes == {"vocabulary": 2 + len(data.front.words)}


def test_limits_and_notes(tmp_path):
    path = npz(tmp_path, x_train=np.array([*TRAIN[:3], "..."]))
    data = datasets.load(path, limits=TextLimits(words=2, length=2))
    assert data.front.sizes == {"vocabulary": 4} and data.input_shape == (2,)
    assert data.front.words == ("good", "film")
    assert "Vocabulary: 2 words, of texts of 2 at most; 3 of 4 training texts are longer, and are cut" in data.notes


def test_languages_without_spaces_are_split_into_characters(tmp_path):
    chinese = np.array(["这个外卖非常好吃而且送餐速度很快", "这个外卖非常难吃而且送餐速度很慢"] * 2)
    data = datasets.load(npz(tmp_path, x_train=chinese, x_test=chinese[:2]))
    assert data.front.split == "characters" and data.input_shape == (16,)
    assert datasets.load(npz(tmp_path), limits=TextLimits(tokens="characters")).front.split == "characters"


def test_csv_with_texts(tmp_path):
    path = tmp_path / "reviews.csv"
    rows = [f'"{text}, said {index}",{("bad", "good")[index % 2]}' for index, text in enumerate(TRAIN * 5)]
    path.write_text("\n".join(["Review,label", *rows]), encoding="utf-8")
    data = datasets.load(path)
    assert data.modality.name == "texts" and data.classes == ("bad", "good")
    assert (len(data.x_train), len(data.x_test)) == (16, 4) and data.notes[0] == "Found 20 texts, 2 classes"
    with pytest.raises(ValueError, match="Did you mean 'label'"):
        datasets.load(path, target=["lable"])
    with pytest.raises(ValueError, match="Did you mean 'Review'"):
        datasets.load(path, text_column="Revew")
    with pytest.raises(ValueError, match=r"`image_size`\. Expected None, as column 'Review' holds texts"):
        datasets.load(path, image_size=(8, 8))
    path.write_text(path.read_text(encoding="utf-8").replace("Review", "words"), encoding="utf-8")
    assert datasets.load(path, text_column="words").modality.name == "texts"
    with pytest.raises(ValueError, match="texts alone with the setting text_column"):
        datasets.load(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.array(["...", "!", "", "?"])}, "Expected texts with words in them. Received: 4 training texts"),
        ({"y_train": np.array([1, 1, 1, 1])}, "Expected at least two classes. Received: only label 1, 4 times"),
        ({"y_train": np.array([1, 0])}, "Expected as many labels as texts. Received: 4 texts and 2"),
        ({"x_train": np.zeros((4, 8, 8, 1)), "kind": "text"}, "Expected texts, strings of shape (samples,)"),
        ({"kind": "images"}, "Expected images, as the array `kind` says. Received: texts"),
        ({"kind": "sounds"}, "to name a modality. Received: 'sounds'. Did you mean 'signals'"),
        ({"y_train": np.array([0.5, 1, 2, 3]), "task": "multilabel"}, "Expected"),
        ({"kind": "audio", "x_train": np.zeros((4, 800)), "x_test": np.zeros((2, 800))}, "Expected the array `rate`"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError) as error:
        datasets.load(npz(tmp_path, **arrays))
    assert message in str(error.value)


def test_recordings_become_spectrograms_inside_the_model(tmp_path):
    rng = np.random.default_rng(0)
    sound = np.sin(2 * np.pi * np.outer(rng.uniform(200, 900, 12), np.arange(1600) / 8000)).astype("float32")
    arrays = {"x_train": sound[:8], "x_test": sound[8:], "y_train": np.arange(8) % 2, "y_test": np.arange(4) % 2}
    data = datasets.load(npz(tmp_path, **arrays, rate=8000))
    assert (data.modality.name, data.input_shape, data.raw_shape) == ("recordings", (13, 40, 1), (1600,))
    assert abs(data.x_train.mean() - 0.5) < 1e-4 and abs(data.x_train.std() - 0.2) < 1e-4
    inputs = data.front.input(data.input_shape)
    model = keras.Model(inputs, data.front.apply(inputs))
    np.testing.assert_allclose(model.predict(data.raw("test"), verbose=0), data.x_test, rtol=1e-4, atol=1e-4)
    bad = {**arrays, "x_test": np.where(np.arange(1600) == 5, np.nan, sound[8:])}
    with pytest.raises(ValueError, match="NaN or infinity in 4 of 4 test recordings"):
        datasets.load(npz(tmp_path, **bad, kind="audio", rate=8000))


def test_a_low_tone_is_in_a_low_band():
    time = np.arange(4000) / 8000
    front = LogMel(samples=4000, rate=8000)
    low, high = front.frames(np.sin(2 * np.pi * np.array([[200.0], [3000.0]]) * time))
    assert low.mean(axis=0).argmax() < 6 and high.mean(axis=0).argmax() > 30


def test_long_recordings_have_longer_frames():
    front = LogMel(samples=80_000, rate=8000)
    assert front.frames(np.zeros((1, 80_000), "float32")).shape == (1, 201, 40, 1) and front.stride == 0.05


def test_a_frame_hears_what_the_next_one_begins_with():
    click = np.zeros((1, 8000), "float32")
    click[:, 4096 + 64] = 1.0
    heard = LogMel(samples=8000, rate=8000).frames(click)[0, ..., 0].max(axis=-1)
    assert (heard > heard.min() + 1).sum() == 2


def test_a_loud_recording_leaves_a_quiet_one_of_its_batch_alone():
    time = np.arange(4000) / 8000
    quiet = 1e-4 * np.sin(2 * np.pi * 440 * time)
    front = LogMel(samples=4000, rate=8000)
    both = front.frames(np.stack([quiet, 1e4 * np.sin(2 * np.pi * 300 * time)]))
    np.testing.assert_allclose(both[0], front.frames(quiet[None])[0], atol=1e-3)


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"only the TensorFlow backend has\. Received: KERAS_BACKEND=jax"):
        Vocabulary(["film"], length=2)


def test_words_are_dropped_but_not_padding():
    ids = np.tile(np.array([[5, 6, 7, 0]]), (200, 1))
    dropped = drop_words(ids.copy(), np.random.default_rng(0), share=0.25)
    assert (dropped[:, 3] == 0).all() and 0.2 < (dropped[:, :3] == 1).mean() < 0.3
    assert ((dropped == ids) | (dropped == 1)).all()
    with pytest.raises(ValueError, match="Expected token ids, integers"):
        drop_words(np.ones((2, 8, 8, 1)), np.random.default_rng(0))


def test_signals_of_several_lengths_end_in_nan(tmp_path):
    x = np.random.default_rng(0).standard_normal((6, 5, 2)).astype("float32")
    x[1, 3:] = np.nan
    path = npz(tmp_path, x_train=x[:4], x_test=x[4:], kind="signals")
    data = datasets.load(path)
    assert data.notes == ("1 of 6 signals are shorter than 5 steps, and are padded",)
    np.testing.assert_array_equal(data.x_train[1, 3:], 0)
    np.testing.assert_array_equal(data.raw("train"), x[:4])
    inputs = data.front.input((5, 2))
    model = keras.Model(inputs, data.front.apply(inputs))
    np.testing.assert_array_equal(model.predict(data.raw("train"), verbose=0), data.x_train)
    x[1, 2] = [np.nan, 1]
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 4 signals, first in signal 1"):
        datasets.load(npz(tmp_path, x_train=x[:4], x_test=x[4:], kind="signals"))
    x[5] = np.nan
    with pytest.raises(ValueError, match="Received: 1 test signals of NaN alone"):
        datasets.load(npz(tmp_path, x_train=x[:4], x_test=x[4:], kind="signals"))
