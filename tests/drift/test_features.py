"""The columns that drift is looked for in."""

import keras
import numpy as np

from kerasnas.drift import DriftMonitor
from kerasnas.export.classifier import with_preprocessing
from kerasnas.modalities.fronts import LogMel
from kerasnas.modalities.lookup import modality
from kerasnas.tasks.known import CLASSIFICATION


def test_statistics_of_images_by_hand():
    image = np.array([[[0, 10], [4, 10]], [[2, 10], [6, 10]]], np.uint8)[None]
    values, names = modality("images").statistics(image)
    assert names[:2] == ("brightness of channel 0", "brightness of channel 1") and len(names) == 6
    deviation = np.std([0, 4, 2, 6])
    np.testing.assert_allclose(values[0], [3, 10, deviation, 0, 3, 0], rtol=1e-6)  # differences 4, 4 and 2, 2


def test_many_samples_are_one_by_one_the_same():
    x = np.random.default_rng(0).normal(size=(300, 6, 5, 2))
    whole = modality("images").statistics(x)[0]
    np.testing.assert_allclose(whole[290:], modality("images").statistics(x[290:])[0], rtol=1e-5)
    assert whole.dtype == np.float32 and modality("images").statistics(x[:0])[0].shape == (0, 6)


def test_vectors_are_their_own_columns_up_to_a_number():
    few, many = np.arange(6.0).reshape(2, 3), np.arange(200.0).reshape(2, 100)
    assert modality("tables").statistics(few)[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    values, names = modality("tables").statistics(many)
    assert values.shape == (2, 32) and names[0] == "input 0" and names[-1] == "input 99"


def test_statistics_of_recordings_by_hand():
    """The first half is silent, the second 0.1 and -0.1 in turn: a tenth of it has twice the energy of all."""
    sound = np.where(np.arange(2000) < 1000, 0, 0.1 * (-1.0) ** np.arange(2000))[None]
    values, names = modality("recordings").statistics(sound)
    assert names == ("loudness", "sharpness", "the loudest tenth")
    level = 0.1 / np.sqrt(2)
    np.testing.assert_allclose(values[0], [np.log10(level), 0.1 / level, 2], rtol=2e-3)  # half of it jumps by 0.2
    silent = modality("recordings").statistics(np.zeros((1, 2)))[0]
    assert np.isfinite(silent).all()


def test_a_monitor_of_recordings_sees_noise_beneath_them():
    rng, pitch = np.random.default_rng(0), np.linspace(200, 1500, 120)[:, None]
    tones = (0.3 * np.sin(2 * np.pi * pitch * np.arange(2000) / 8000)).astype("float32")
    front = LogMel.fitted(tones, 8000)
    inputs = keras.Input(front.frames(tones[:2]).shape[1:])
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs)))
    even, odd = tones[::2], tones[1::2]
    monitor = DriftMonitor(with_preprocessing(network, front=front), even)
    assert not monitor.examine(odd).drift
    found = monitor.examine(odd + rng.normal(0, 0.2, odd.shape).astype("float32"))
    assert found.drift and {"loudness", "sharpness"} <= {change.name for change in found.changes}


def test_of_many_classes_the_likeliest_have_a_column():
    outputs = np.full((4, 50), 0.01)
    outputs[:, 40] = 0.5
    reading = CLASSIFICATION.reading(range(50))
    reading.watch(outputs)
    assert len(reading.watched) == 32 and 40 in reading.watched
    columns = reading.columns(outputs)
    assert columns.shape == (4, 33) and columns[0, 0] == 0.5
    named = CLASSIFICATION.reading(["cat", "dog"], (0, 1))
    assert named.column_names == ("confidence", "probability of cat", "probability of dog")
