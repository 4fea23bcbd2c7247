"""The network of a finished run, put to use: by functions and by commands."""

import csv
import io
import json
import re

import keras
import numpy as np
import pytest
from PIL import Image

from kerasnas import cli, deployment
from kerasnas.deployment.samples import Samples
from kerasnas.export.classifier import load_classifier, save_classifier, with_preprocessing
from kerasnas.modalities.fronts import Levels
from kerasnas.modalities.images import Images
from tests.kit import finished_run

CLASSES = ("dark", "middle", "bright")


def brightness_network():
    """Tells dark, middle and bright images apart: logits of the mean of the pixels, from 0 to 1."""
    inputs = keras.Input((4, 6, 3))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    dense = keras.layers.Dense(3)
    model = keras.Model(inputs, dense(mean))
    dense.set_weights([np.tile([[-10.0, 0.0, 10.0]], (3, 1)), np.array([10.0, 4.0, -20.0])])
    return model


def photo(path, value, size=(12, 8)):
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


@pytest.fixture
def run(tmp_path):
    """A finished run on a dataset of its own: one of four images is of another class than it looks."""
    x = np.stack([np.full((4, 6, 3), value, np.uint8) for value in (10, 250, 130, 250)])
    y = np.array([0, 2, 1, 0])
    np.savez(tmp_path / "data.npz", x_train=x[::-1], y_train=y[::-1], x_test=x, y_test=y, classes=CLASSES)
    return finished_run(tmp_path / "run", brightness_network(), CLASSES, 255, dataset=tmp_path / "data.npz")


def test_images_of_any_size_are_classified_and_the_unreadable_named(run, tmp_path):
    (tmp_path / "photos" / "more").mkdir(parents=True)
    bright = photo(tmp_path / "photos" / "more" / "b.png", 250, (60, 50))
    dark = photo(tmp_path / "photos" / "a.jpg", 10)
    broken = tmp_path / "photos" / "c.png"
    broken.write_text("no image")
    found, failed = deployment.predict(run, [tmp_path / "photos", dark])
    assert [(one.path, one.label) for one in found] == [(dark, "dark"), (bright, "bright")]
    assert all(one.probability == one.probabilities[one.label] > 0.9 for one in found)
    assert list(failed) == [broken] and "c.png cannot be read as an image" in failed[broken]


@pytest.mark.parametrize(("image_fit", "label"), [("stretch", "middle"), ("crop", "bright"), ("pad", "dark")])
def test_images_of_another_shape_are_brought_to_size_as_in_the_training(run, tmp_path, image_fit, label):
    """A bright band of a quarter of the height in a wide dark image: its center is bright, all of it is not."""
    save_classifier(run, brightness_network(), CLASSES, 255, image_fit)
    pixels = np.full((4, 60, 3), 10 if image_fit == "pad" else 70, np.uint8)
    pixels[:, 25:35] = 250
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    (found,), _ = deployment.predict(run, [tmp_path / "wide.png"])
    assert found.label == label


@pytest.mark.usefixtures("eagerly")
def test_evaluation_tells_classes_apart(run):
    record = deployment.evaluate(run)
    assert record["accuracy"] == 0.75 and record["samples"] == 4 and record["dataset"] == "data"
    assert record["classes"]["dark"]["accuracy"] == 0.5 and record["classes"]["bright"]["accuracy"] == 1
    model = keras.models.load_model(run / "model.keras")
    with np.load(run.parent / "data.npz") as arrays:
        loss, _ = model.evaluate(arrays["x_test"], arrays["y_test"], verbose=0)
    assert record["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.usefixtures("eagerly")
def test_classes_are_matched_by_name(run, tmp_path):
    x = np.full((2, 4, 6, 3), 250, np.uint8)
    np.savez(tmp_path / "some.npz", x_train=x, y_train=[0, 1], x_test=x, y_test=[0, 0], classes=["bright", "dark"])
    assert deployment.evaluate(run, str(tmp_path / "some.npz"))["accuracy"] == 1
    np.savez(tmp_path / "some.npz", x_train=x, y_train=[0, 1], x_test=x, y_test=[0, 0], classes=["brigt", "dark"])
    with pytest.raises(ValueError, match=r"does not know class 'brigt' of some\. Did you mean 'bright'"):
        deployment.evaluate(run, str(tmp_path / "some.npz"))
    with pytest.raises(ValueError, match="takes samples of shape"):
        deployment.evaluate(run, "fashion_mnist_mini")


@pytest.mark.usefixtures("eagerly")
def test_commands(run, tmp_path, told, capsys):
    dark = photo(tmp_path / "a.png", 10)
    assert re.fullmatch(rf"{dark}  dark  \d\d\.\d %\n", told("predict", run, dark))
    (record,) = json.loads(told("predict", run, dark, "--format=json"))
    assert record["class"] == "dark" and sum(record["probabilities"].values()) == pytest.approx(1)
    broken = tmp_path / "b.png"
    broken.write_text("no image")
    assert cli.main(["predict", str(run), str(dark), str(broken), "--format=csv"]) == 2
    out, err = capsys.readouterr()
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["class"] == "dark" and float(row["dark"]) == pytest.approx(float(row["probability"]))
    assert "1 of 2 files could not be read: b.png cannot be read" in err
    first, worst, *_ = told("evaluate", run).splitlines()
    assert first.startswith("data: 75.00 % of 4 samples (95 % interval ") and worst.split()[0] == "dark"


def test_bad_input(run, tmp_path, fails):
    (tmp_path / "empty").mkdir()
    assert "There is no image in the folder" in fails("predict", run, tmp_path / "empty")
    assert "There is no image, and no folder" in fails("predict", run, tmp_path / "nothing.png")
    assert "holds no run" in fails("predict", tmp_path / "empty", tmp_path / "data.npz")
    (run / "model.json").unlink()
    assert f"is not finished. Continue it: kerasnas resume {run}" in fails("evaluate", run)


def test_an_estimator_scales_files_as_the_command_does(run, tmp_path):
    """Of a network that has learned from floats up to 1."""
    save_classifier(run, brightness_network(), CLASSES, 1)
    (found,), _ = deployment.predict(run, [photo(tmp_path / "a.png", 130)])
    answers = Samples().answers(load_classifier(run), tmp_path / "a.png")
    np.testing.assert_allclose(answers[0], list(found.probabilities.values()), rtol=1e-5)
    assert found.label == "middle"


def test_images_of_another_range_are_arrays_and_no_files(run, tmp_path):
    images, network, levels = Images(pictures=False), brightness_network(), Levels([-80.0] * 3, [160.0] * 3)
    save_classifier(run, network, CLASSES, front=levels, modality=images)
    classifier, x = load_classifier(run), np.linspace(-80, 80, 5).reshape(5, 1, 1, 1) * np.ones((4, 6, 3))
    expected = with_preprocessing(network).predict((x + 80) / 160, verbose=0)
    np.testing.assert_allclose(Samples().answers(classifier, x), expected, atol=1e-5)
    with pytest.raises(ValueError, match="another range than pictures have"):
        deployment.predict(run, [photo(tmp_path / "a.png", 10)])
    with pytest.raises(ValueError, match="another range than pictures have"):
        Samples().answers(classifier, [Image.new("RGB", (6, 4))])
    record = {"input_shape": [4, 6, 3], "scale": 1.0}
    assert "PIL" in Images().usage(record, "answers", "") and "PIL" not in images.usage(record, "answers", "")
    assert classifier.modality == images and images.thumbnail(x[0] - x[0]) != images.thumbnail(x[0] * [0, 0.5, 1])


def test_signals_are_no_images(run, tmp_path):
    inputs = keras.Input((16, 1))
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    save_classifier(run, network, CLASSES)
    with pytest.raises(FileNotFoundError, match="takes signals"):
        deployment.predict(run, [photo(tmp_path / "a.png", 10)])
