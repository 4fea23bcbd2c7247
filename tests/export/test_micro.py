"""C for microcontrollers: what the sources say, that they compile, and which networks are refused."""

import dataclasses
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest

from kerasnas.export import formats
from kerasnas.export.classifier import Classifier, with_preprocessing
from kerasnas.export.formats import FORMATS, export_classifier

pytest.importorskip("tflite_micro")
from kerasnas.export import micro

X = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype("float32")
CLASSES = ("cat", 'a "quoted"\nname??/', "Bär\\0")


def classifier_of(activation):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Activation(activation)(keras.layers.Conv2D(8, 3, strides=2)(inputs))
    x = keras.layers.MaxPooling2D()(x)
    outputs = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(stddev=5.0))
    logits = outputs(keras.layers.GlobalAveragePooling2D()(x))
    return Classifier(with_preprocessing(keras.Model(inputs, logits), 255), CLASSES, 255)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_classifier(classifier_of("relu"), "c", tmp_path_factory.mktemp("micro"), X, X)


def test_sources_say_what_a_caller_needs(exported):
    header, main = ((exported.path / name).read_text() for name in ("model_data.h", "main.cc"))
    defined = dict(re.findall(r"#define MODEL_(\w+) \(?([-\d.e]+)", header))
    content = micro.array_of(exported.path)
    assert content[4:8] == b"TFL3" and int(defined["SIZE"]) == exported.size == len(content)
    assert int(defined["INPUT_SIZE"]) == 192 and float(defined["INPUT_SCALE"]) == 1
    assert int(defined["INPUT_ZERO_POINT"]) == -128 and float(defined["OUTPUT_SCALE"]) == 1 / 256
    assert int(defined["OUTPUTS"]) == 3 and "a pixel minus 128" in header
    operators = ["Conv2D", "FullyConnected", "MaxPool2D", "Mean", "Softmax"]
    assert re.findall(r"resolver\.Add(\w+)\(\)", main) == operators and "MicroMutableOpResolver<5>" in main
    sample = re.search(r"sample\[MODEL_INPUT_SIZE\] = {([^}]*)}", main)[1]
    assert [int(number) + 128 for number in sample.split(",") if number.strip()] == X[0].ravel().tolist()


def test_the_arena_is_the_smallest_that_suffices(exported):
    content = micro.array_of(exported.path)
    assert exported.memory == micro.arena_of(content) > 6 * 6 * 8 // 4
    with pytest.raises(ValueError, match=r"(?i)alloc|arena|buffer"):
        micro.interpreter_of(content, exported.memory - 64)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler")
def test_a_compiler_takes_any_names_of_classes(exported, tmp_path):
    """A program that includes the header and prints the names and the sum of the array."""
    (tmp_path / "print.c").write_text(
        '#include <stdio.h>\n#include "model_data.h"\nint main(void) { unsigned sum = 0; '
        "for (int i = 0; i < MODEL_SIZE; ++i) sum += model_data[i]; "
        'for (int i = 0; i < MODEL_OUTPUTS; ++i) { fputs(model_classes[i], stdout); putchar(0); } printf("%u", sum); }'
    )
    sources = [str(tmp_path / "print.c"), str(exported.path / "model_data.c")]
    options = ["-std=c99", "-trigraphs", "-Wall", "-Wextra", "-Werror", f"-I{exported.path}"]
    subprocess.run(["gcc", *options, *sources, "-o", str(tmp_path / "print")], check=True)
    done = subprocess.run([str(tmp_path / "print")], capture_output=True, check=True).stdout.decode()
    assert done.split("\0") == [*CLASSES, str(sum(micro.array_of(exported.path)))]


def test_an_operator_that_does_not_exist_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"it has no operator GELU\. Use --format=litert-int8 .* --space=macro"):
        export_classifier(classifier_of("gelu"), "c", tmp_path, X, X)
    assert not [*tmp_path.iterdir()]


def test_an_array_that_answers_otherwise_is_refused(exported, monkeypatch, tmp_path):
    kind = FORMATS["c"]

    def other(path):
        loaded = kind.load(path)
        return dataclasses.replace(loaded, predict=lambda x: loaded.predict(x)[:, ::-1])

    monkeypatch.setitem(formats.FORMATS, "c", dataclasses.replace(kind, twin=other))
    with pytest.raises(ArithmeticError, match=r"is not that of LiteRT: they answer .* It was not kept"):
        export_classifier(classifier_of("relu"), "c", tmp_path, X, X)
    assert not [*tmp_path.iterdir()]
