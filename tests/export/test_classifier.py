"""What is handed over: raw samples in, probabilities out, from files that need no KerasNAS."""

import functools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasnas.export.classifier import load_classifier, save_classifier, with_preprocessing

PHOTOS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
NOISE = np.random.default_rng(0).normal(size=PHOTOS.shape)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@functools.cache
def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 4, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(PHOTOS / 255, LABELS, verbose=0)  # so that there are statistics, and an optimizer with a state
    return model


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("x", "scale"), [(PHOTOS, [255]), (PHOTOS.astype("float64"), [255]), (NOISE, [])])
def test_raw_samples_in_probabilities_out(x, scale):
    """Those that nothing was done to are taken as they are."""
    bare = network()
    expected = keras.ops.softmax(bare.predict(x / np.prod(scale), verbose=0))
    np.testing.assert_allclose(with_preprocessing(bare, *scale).predict(x, verbose=0), expected, atol=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_evaluate_gives_cross_entropy_and_accuracy():
    bare = network()
    loss, accuracy = with_preprocessing(bare, 255).evaluate(PHOTOS, LABELS, verbose=0)
    logits = bare.predict(PHOTOS / 255, verbose=0)
    expected = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[np.arange(6), LABELS]
    assert loss == pytest.approx(float(np.mean(expected)), rel=1e-5)
    assert accuracy == pytest.approx(float(np.mean(logits.argmax(1) == LABELS)))


def test_probabilities_are_float32_in_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inputs = keras.Input((5, 4, 3))
        bare = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
        found = with_preprocessing(bare, 255).predict(PHOTOS, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.filterwarnings("error::UserWarning")  # such as of an optimizer whose state does not fit
def test_files_are_read_again(tmp_path):
    bare = network()
    save_classifier(tmp_path, bare, ("cat", "dog", "owl"), 255)
    found = load_classifier(tmp_path)
    assert found.classes == ("cat", "dog", "owl") and found.scale == 255 and found.input_shape == (5, 4, 3)
    expected = with_preprocessing(bare, 255).predict(PHOTOS, verbose=0)
    np.testing.assert_allclose(found.answers(PHOTOS), expected, atol=1e-6)


@pytest.mark.slow
def test_model_loads_where_there_is_no_kerasnas(tmp_path):
    save_classifier(tmp_path, network(), ("cat", "dog", "owl"), 255)
    np.save(tmp_path / "photos.npy", PHOTOS)
    code = (
        "import sys; sys.modules['kerasnas'] = None\n"
        "import keras, numpy\n"
        "print(keras.models.load_model('model.keras').predict(numpy.load('photos.npy'), verbose=0).sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) == pytest.approx(6, abs=1e-4)


def test_what_is_missing_or_malformed_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model\.keras"):
        load_classifier(tmp_path)
    save_classifier(tmp_path, network(), ("cat", "dog", "owl"))
    (tmp_path / "model.json").write_text(json.dumps({"classes": ["cat"], "scale": 1}))
    with pytest.raises(ValueError, match="names 1 classes, and the model has 3"):
        load_classifier(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read: 'classes'"):
        load_classifier(tmp_path)
    with pytest.raises(ValueError, match="`scale`"):
        with_preprocessing(network(), 0)
