"""Files in 8-bit integers of channels of unlike units, and of series that end in NaN: each channel has its scale."""

import re
import shutil
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from kerasnas.backend.tensorflow_lite import metadata
from kerasnas.export import litert
from kerasnas.export.classifier import Classifier, with_preprocessing
from kerasnas.export.formats import FORMATS, export_classifier
from kerasnas.modalities.fronts import Front, Levels, Padding, Scaling

CLASSES = ("low low", "low high", "high low", "high high")
FILES = [
    pytest.param(name, marks=pytest.mark.skipif(bool(FORMATS[name].missing), reason="The extra is not installed."))
    for name in ("litert-int8", "c")
]


def series(*sizes, seed=0):
    """Two channels, of 1000 +- 5 and of +- 1, the sign of whose means are the class."""
    rng = np.random.default_rng(seed)
    y = np.arange(200) % 4
    means = np.stack([y // 2, y % 2], axis=-1) - 0.5
    x = means.reshape(200, *[1] * len(sizes), 2) + 0.5 * rng.normal(size=(200, *sizes, 2))
    return (x * [5.0, 1.0] + [1000.0, 0.0]).astype("float32"), y


def classifier_of(x, front):
    """A classifier by the sign of each channel's mean, above and below 0 apart."""
    kernel = keras.ops.reshape(np.array([[1.0, -1, 0, 0], [0, 0, 1, -1]], "float32"), (*[1] * (x.ndim - 2), 2, 4))
    weights = np.array([[-4, -4, 4, 4], [4, 4, -4, -4], [-4, 4, -4, 4], [4, -4, 4, -4]], "float32")
    layers = keras.layers
    convolution, pooling = {
        3: (layers.Conv1D, layers.GlobalAveragePooling1D),
        4: (layers.Conv2D, layers.GlobalAveragePooling2D),
    }[x.ndim]
    inputs = keras.Input(x.shape[1:])
    first, last = convolution(4, 1, activation="relu"), layers.Dense(4)
    network = keras.Model(inputs, last(pooling()(first(inputs))))
    first.set_weights([kernel, np.zeros(4)])
    last.set_weights([weights, np.zeros(4)])
    return Classifier(with_preprocessing(network, front=front), CLASSES, 1)


def padded(x):
    """Series of which three in four end in NaN."""
    x = x.copy()
    for row, length in zip(x, np.arange(len(x)) % 4, strict=False):
        row[20 + 4 * length :] = np.nan
    return x


X, Y = series(32)
LEVELS = Levels.fitted(X, mean=0, deviation=1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of an export as C."""
    pytest.importorskip("tflite_micro")
    return export_classifier(classifier_of(X, LEVELS), "c", tmp_path_factory.mktemp("c"), X, X).path


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("x", "front"),
    [(X, LEVELS), (padded(X), Padding(LEVELS)), (series(6, 6)[0], LEVELS)],
    ids=["series", "padded", "images"],
)
def test_a_file_takes_raw_samples_of_unlike_channels(name, x, front, tmp_path):
    """By one scale for all, the second channel was one integer: half of the classes were wrong."""
    classifier = classifier_of(x, front)
    assert (classifier.answers(x).argmax(1) == Y).mean() >= 0.99
    found = export_classifier(classifier, name, tmp_path, x, x)
    loaded = FORMATS[name].load(found.path)
    assert found.agreement >= 0.99 and found.difference < 0.05
    assert (loaded.answers(x).argmax(1) == classifier.answers(x).argmax(1)).mean() >= 0.99


@pytest.mark.parametrize("name", FILES)
def test_padding_is_zeros_behind_the_front(name, tmp_path):
    """Without levels, too."""
    x = padded((X - [1000, 0]) / [5, 1]).astype("float32")
    classifier = classifier_of(x, Padding())
    path = export_classifier(classifier, name, tmp_path, x, x).path
    loaded = FORMATS[name].load(path)
    np.testing.assert_array_equal(loaded.answers(x), loaded.answers(np.nan_to_num(x)))
    assert (loaded.answers(x).argmax(1) == classifier.answers(x).argmax(1)).mean() >= 0.99


def test_a_file_alone_says_how_samples_are_stored(tmp_path):
    """As the guide to deployment has it, without KerasNAS."""
    classifier = classifier_of(X, LEVELS)
    path = export_classifier(classifier, "litert-int8", tmp_path, X, X).path
    content = flatbuffer_utils.read_model(str(path))
    assert b"min_runtime_version" in {one.name for one in content.metadata}
    (data,) = (content.buffers[one.buffer].data for one in content.metadata if one.name == b"input_scale_offset")
    scale, offset = np.frombuffer(bytes(data), "<f4").reshape(-1, 2).T
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    zero_point = inputs["quantization"][1]
    stored = np.clip(np.round((X - offset) / scale) + zero_point, -128, 127).astype("int8")
    assert all(np.unique(stored[..., channel]).size > 100 for channel in (0, 1))  # of 256
    answers = []
    for sample in stored:
        interpreter.set_tensor(inputs["index"], sample[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(outputs["index"])[0].argmax())
    assert (np.array(answers) == classifier.answers(X).argmax(1)).mean() >= 0.99


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler")
def test_a_program_stores_the_sample_by_the_header(exported, tmp_path):
    raw = ", ".join(f"{float(number)!r}f" for number in X[0].ravel())
    (tmp_path / "store.c").write_text(
        '#include <math.h>\n#include <stdio.h>\n#include "model_data.h"\n'
        f"static const float raw[MODEL_INPUT_SIZE] = {{{raw}}};\n"
        "int main(void) { for (int i = 0; i < MODEL_INPUT_SIZE; ++i) { int c = i % MODEL_INPUT_CHANNELS; "
        "float q = roundf((raw[i] - model_input_offset[c]) / model_input_scale[c]) + MODEL_INPUT_ZERO_POINT; "
        'printf("%d ", q < -128 ? -128 : q > 127 ? 127 : (int)q); } }'
    )
    sources = [str(tmp_path / "store.c"), str(exported / "model_data.c"), "-lm"]
    options = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{exported}"]
    subprocess.run(["gcc", *options, *sources, "-o", str(tmp_path / "store")], check=True)
    done = subprocess.run([str(tmp_path / "store")], capture_output=True, check=True, text=True).stdout
    sample = re.search(r"sample\[MODEL_INPUT_SIZE\] = {([^}]*)}", (exported / "main.cc").read_text())[1]
    numbers = [int(number) for number in sample.split(",") if number.strip()]
    assert len(numbers) == 64 and [int(number) for number in done.split()] == numbers
    assert len(set(numbers)) > 20


def test_a_header_names_the_scale_of_each_channel(exported):
    header = (exported / "model_data.h").read_text()
    assert "round((x - model_input_offset[c]) / model_input_scale[c]) + MODEL_INPUT_ZERO_POINT" in header
    assert "#define MODEL_INPUT_CHANNELS 2\n" in header and "MODEL_INPUT_SCALE" not in header


@pytest.mark.parametrize("front", [None, Scaling(2.0)])
def test_without_levels_there_is_one_scale(front: Front | None, tmp_path):
    x = ((X - [1000, 0]) / [5, 1]).astype("float32")
    path = export_classifier(classifier_of(x, front), "litert-int8", tmp_path, x, x).path
    assert metadata(path.read_bytes(), litert.CHANNELS) == b""
    if not FORMATS["c"].missing:
        header = (export_classifier(classifier_of(x, front), "c", tmp_path, x, x).path / "model_data.h").read_text()
        assert "#define MODEL_INPUT_SCALE 0.0" in header and "channel" not in header
        assert "round(x / MODEL_INPUT_SCALE) + MODEL_INPUT_ZERO_POINT.\n" in header
