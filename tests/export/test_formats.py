"""Networks in the formats of other runtimes: what they answer, what is refused, what a failure leaves."""

import dataclasses
import functools
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnas.export import formats
from kerasnas.export.classifier import Classifier, with_preprocessing
from kerasnas.export.formats import FORMATS, check_formats, export_classifier
from kerasnas.export.loaded import Quantization
from kerasnas.modalities.fronts import LogMel, Padding
from kerasnas.modalities.recordings import Recordings
from kerasnas.primitives.base import expand
from kerasnas.primitives.text_blocks import MaskedPooling

X = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype("float32")
HERE = [name for name, kind in FORMATS.items() if not kind.missing]  # onnx too, where the extra is installed
CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.DepthwiseConv2D(3, padding="same")(keras.layers.Conv2D(8, 3, strides=2)(inputs))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    network = keras.Model(inputs, logits)
    network.layers[-1].set_weights([10 * w for w in network.layers[-1].get_weights()])  # no class is left to chance
    return Classifier(with_preprocessing(network, 255), CLASSES, 255)


@pytest.fixture(scope="module")
def exported(classifier, tmp_path_factory):
    """A function from the name of a format to its export, in a folder of its own, written once."""
    near = np.clip(X, 40, 200)  # no training image has the ends
    return functools.cache(lambda name: export_classifier(classifier, name, tmp_path_factory.mktemp(name), X, near))


def test_savedmodel_and_litert_need_no_further_package():
    assert {"savedmodel", "litert", "litert-int8"} <= set(HERE)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "onnx")) for n in FORMATS])
def test_what_a_file_answers(classifier, exported, name):
    if FORMATS[name].missing:
        pytest.skip("The extra kerasnas[export] is not installed.")
    found = exported(name)
    assert found.path.name == FORMATS[name].path and [*found.path.parent.iterdir()] == [found.path]
    loaded = FORMATS[name].load(found.path)
    answers, expected = loaded.answers(X), classifier.answers(X)  # the same raw images
    assert answers.shape == (40, 3)
    assert found.difference == pytest.approx(np.abs(answers - expected).max(), abs=1e-6)
    assert found.agreement == (answers.argmax(1) == expected.argmax(1)).mean()
    assert found.difference < (0.1 if name in ("litert-int8", "c") else 1e-5) and found.agreement >= 0.95
    files = [file for file in (found.path, *found.path.rglob("*")) if file.is_file()]
    assert found.size == (loaded.flash or sum(file.stat().st_size for file in files)) > 1000
    assert found.samples == 40 and found.latency_ms > 0 and found.threads >= 1
    one = loaded.answers(X[:1])
    np.testing.assert_allclose(one, answers[:1], atol=1e-6)


@pytest.mark.slow
def test_integers_of_8_bits_begin_behind_the_spectrogram_of_sound(tmp_path):
    keras.utils.set_random_seed(0)
    rng, pitch = np.random.default_rng(0), np.linspace(200, 1500, 12)[:, None]
    x = np.sin(2 * np.pi * pitch * np.arange(2000) / 8000) + 0.01 * rng.normal(size=(12, 2000))
    x = (10.0 ** rng.uniform(-3, 0, (12, 1)) * x).astype("float32")  # some a thousand times as loud as others
    front = LogMel.fitted(x, 8000)
    inputs = keras.Input(front.frames(x).shape[1:])
    hidden = keras.layers.Dense(200, "relu")(keras.layers.GlobalAveragePooling2D()(inputs))
    model = with_preprocessing(keras.Model(inputs, keras.layers.Dense(3)(hidden)), front=front)
    sound = Classifier(model, CLASSES, 1, modality=Recordings())
    rounded = export_classifier(sound, "litert-int8", tmp_path, x, x)
    assert rounded.difference < 0.02
    assert rounded.size < 50_000  # of the 32 kB of the dense layer, 8 are left


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_a_network_that_was_read_and_never_called_is_written(classifier, name, tmp_path):
    classifier.model.save(tmp_path / "model.keras")
    read = dataclasses.replace(classifier, model=keras.models.load_model(tmp_path / "model.keras"))
    assert export_classifier(read, name, tmp_path / "out", X[:4], X[:4]).samples == 4


@pytest.mark.slow
def test_calibration_decides_what_the_integers_stand_for(classifier, exported, tmp_path):
    """Ranges found on dark images do not fit others."""
    wrong = export_classifier(classifier, "litert-int8", tmp_path, X, X // 16)
    assert wrong.difference > 2 * exported("litert-int8").difference


def test_integers_go_in_and_come_out(exported):
    """Each of the 256 values of a pixel is an integer of its own, although no training image has the ends."""
    interpreter = tf.lite.Interpreter(str(exported("litert-int8").path))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert inputs["dtype"] == outputs["dtype"] == np.int8
    assert inputs["quantization"] == (1.0, -128) and outputs["quantization"] == (1 / 256, -128)
    assert list(inputs["shape_signature"]) == [1, 8, 8, 3]
    assert not any(tensor["name"] for tensor in interpreter.get_tensor_details())  # they would take flash
    (answer,) = interpreter.get_signature_runner()(args_0=np.zeros((1, 8, 8, 3), np.int8)).values()
    assert answer.shape == (1, 3)


def test_a_layer_that_is_0_for_all_samples_does_not_hinder_a_file(tmp_path):
    """XNNPACK refuses its scale: in a network of few filters it may be a stage of one, whose shortcut goes on."""
    inputs = keras.Input((8, 8, 3))
    dead = keras.layers.Conv2D(1, 3, padding="same", bias_initializer=keras.initializers.Constant(-1e4))(inputs)
    x = keras.layers.Add()([inputs, keras.layers.Conv2D(3, 1)(keras.layers.ReLU()(dead))])
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    classifier = Classifier(with_preprocessing(network, 255), CLASSES, 255)
    assert export_classifier(classifier, "litert-int8", tmp_path, X, X).difference < 0.1


def test_numbers_as_integers():
    quantization = Quantization(scale=0.5, zero_point=3)
    stored = quantization.store(np.array([0.0, 1.0, -0.9, 1e9, -1e9, np.nan]))
    assert stored.dtype == np.int8 and stored.tolist() == [3, 5, 1, 127, -128, 3]
    assert quantization.restore(stored)[:3].tolist() == [0, 1, -1]


@pytest.mark.slow
def test_savedmodel_needs_neither_keras_nor_kerasnas(classifier, tmp_path):
    path = export_classifier(classifier, "savedmodel", tmp_path, X, X).path
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys; sys.modules['kerasnas'] = sys.modules['keras'] = None\n"
        "import numpy, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(path)!r})\n"
        "print(model.serve(tf.constant(numpy.load('x.npy'))).numpy().argmax(1).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == classifier.answers(X).argmax(1).tolist()


def test_another_export_takes_the_place_of_the_first(classifier, tmp_path):
    (tmp_path / "savedmodel").mkdir()
    (tmp_path / "savedmodel" / "first").write_text("of the first export")
    (tmp_path / "model.tflite").write_text("of the first export")
    export_classifier(classifier, "savedmodel", tmp_path, X, X)
    assert {path.name for path in tmp_path.iterdir()} == {"savedmodel", "model.tflite"}
    assert not (tmp_path / "savedmodel" / "first").exists()


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        pytest.param("write", "litert", marks=pytest.mark.slow),
        pytest.param("answers", "savedmodel", marks=pytest.mark.slow),
        pytest.param("write", "savedmodel", marks=pytest.mark.slow),
        ("answers", "litert"),
    ],
)
def test_a_failure_leaves_what_was_there(classifier, exported, name, fault, tmp_path, monkeypatch):
    kind, tmp_path = FORMATS[name], tmp_path / "before"
    shutil.copytree(exported(name).path.parent, tmp_path)
    content = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def broken(classifier, path, samples):
        kind.write(classifier, path, samples)
        raise RuntimeError("no kernel for this\nand a long trace")

    def other(classifier, path, samples):
        inputs = keras.Input((8, 8, 3))
        outputs = keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(inputs))
        kind.write(dataclasses.replace(classifier, model=keras.Model(inputs, outputs)), path, samples)

    monkeypatch.setitem(FORMATS, name, dataclasses.replace(kind, write=broken if fault == "write" else other))
    error, words = (ValueError, "no kernel for this$") if fault == "write" else (ArithmeticError, "It was not kept")
    with pytest.raises(error, match=words):
        export_classifier(classifier, name, tmp_path, X, X)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == content
    assert [path.name for path in tmp_path.iterdir()] == [kind.path]


def test_a_file_where_the_folder_goes(classifier, tmp_path):
    (tmp_path / "savedmodel").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file"):
        export_classifier(classifier, "savedmodel", tmp_path, X, X)
    assert (tmp_path / "savedmodel").read_text() == "mine"


def test_names_of_formats(monkeypatch):
    assert check_formats("litert,savedmodel,litert") == ("litert", "savedmodel")
    with pytest.raises(ValueError, match=r"Unknown format 'onx'\. Did you mean 'onnx'"):
        check_formats(["onx"])
    with pytest.raises(ValueError, match=r"`formats`\. Expected some of savedmodel, onnx"):
        check_formats([])
    found = formats.importlib.util.find_spec
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    with pytest.raises(
        ValueError, match=r"'onnx' needs onnx and tf2onnx and onnxruntime.*pip install 'kerasnas\[export\]'"
    ):
        check_formats(["onnx"])
    assert check_formats(["litert"]) == ("litert",)
    monkeypatch.setattr(formats.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        check_formats(["litert"])


@pytest.mark.slow
def test_integers_of_8_bits_are_smaller(tmp_path):
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(300)])
    network = keras.Model(network.inputs, keras.layers.Dense(3)(network.outputs[0]))
    large = Classifier(with_preprocessing(network, 255), CLASSES, 255)
    exact, rounded = (export_classifier(large, name, tmp_path, X, X).size for name in ("litert", "litert-int8"))
    assert rounded < 0.4 * exact


@pytest.mark.parametrize("name", ["litert-int8", "c"])
def test_tables_whose_rows_are_looked_up_need_more_than_8_bits(name, tmp_path):
    inputs = keras.Input((4, 4, 1))
    rows = keras.layers.Embedding(9, 3)(keras.layers.Flatten()(inputs))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(rows))
    within = keras.Model(inputs, keras.layers.Identity()(network(inputs)))
    with pytest.raises(ValueError, match=r"rows of tables.*--format=litert or onnx"):
        export_classifier(
            Classifier(with_preprocessing(within, 1), CLASSES, 1), name, tmp_path, *[X[:, :4, :4, :1]] * 2
        )
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["litert-int8", "c"])
def test_steps_that_are_counted_need_more_than_8_bits(name, tmp_path):
    """Numbers near 0 would be padding. LiteRT without XNNPACK divided by 0 steps."""
    inputs = keras.Input((8, 2))
    network = keras.Model(inputs, keras.layers.Dense(3)(expand(MaskedPooling(2, kind="mean"), inputs)))
    series = Classifier(with_preprocessing(network, front=Padding()), CLASSES, 1)
    with pytest.raises(ValueError, match=r"counts the steps of series before.*--max_flash_kb.*--format=litert or"):
        export_classifier(series, name, tmp_path, *[np.ones((4, 8, 2), "float32")] * 2)
    assert not [*tmp_path.iterdir()]
