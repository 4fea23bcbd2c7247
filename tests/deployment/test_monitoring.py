"""`kerasnas monitor`: the network of a finished run, new images, words, and an adapted network beside it."""

import functools
import json

import keras
import numpy as np
import pytest

from kerasnas import deployment
from kerasnas.deployment import monitoring
from kerasnas.drift import DriftMonitor
from kerasnas.export.classifier import load_classifier
from kerasnas.modalities.images import Images
from tests.kit import finished_run, save_image

CLASSES = ("bright", "dark")


def network():
    """Tells images brighter than 0.5 from darker ones, by what batch norm makes of them."""
    inputs = keras.Input((4, 4, 1))
    norm, layer = keras.layers.BatchNormalization(epsilon=1e-5), keras.layers.Dense(2)
    model = keras.Model(inputs, layer(keras.layers.GlobalAveragePooling2D()(norm(inputs))))
    norm.moving_mean.assign([0.5])
    norm.moving_variance.assign([0.07])
    layer.set_weights([np.array([[3.0, -3.0]]), np.zeros(2)])
    return model


def images(number, seed, low=0, high=256):
    """Half of them bright; `(x, y)`, bytes."""
    rng, y = np.random.default_rng(seed), np.arange(number) % 2
    middle = (low + high) // 2
    base = np.where(y == 0, rng.integers(middle + 8, high - 8, number), rng.integers(low + 8, middle - 8, number))
    return (base[:, None, None, None] + rng.integers(-8, 8, (number, 4, 4, 1))).astype("uint8"), y


def write(path, x, y):
    half = len(x) // 2
    np.savez(path, x_train=x[:half], y_train=y[:half], x_test=x[half:], y_test=y[half:], classes=CLASSES)
    return path


@pytest.fixture
def fast(monkeypatch):
    """A re-adaptation of few large steps, as the network is a toy."""
    steps = functools.partial(monitoring.readapt, learning_rate=0.5, most_steps=60)
    monkeypatch.setattr(monitoring, "readapt", steps)


@pytest.fixture
def run(tmp_path):
    data = write(tmp_path / "data.npz", *images(200, 0))
    return finished_run(tmp_path / "run", network(), CLASSES, 255, dataset=data)


def photos(folder, x, y=None):
    for index, image in enumerate(x):
        save_image(folder / (CLASSES[y[index]] if y is not None else "") / f"{index:03d}.png", image[..., 0])
    return folder


def test_usual_images_are_no_drift_and_nothing_is_adapted(run, tmp_path, told):
    folder = photos(tmp_path / "photos", *images(60, 1))  # classes are folders: no labels without --labels
    out = told("monitor", run, folder, "--adapt")
    assert out.startswith("60 images. No drift: inputs and outputs look as before.")
    assert "the network is not adapted" in out and not list(run.glob("adapted-*"))
    assert {"drift.json", "drift.npz"} <= {path.name for path in run.iterdir()}


def test_the_reference_is_of_test_samples_and_outlives_the_data(run, tmp_path, told):
    new = photos(tmp_path / "photos", *images(60, 1))
    told("monitor", run, new)
    with np.load(run / "drift.npz") as found, np.load(tmp_path / "data.npz") as data:
        model = load_classifier(run).model
        expected = DriftMonitor(model, data["x_test"].astype("float32"), data["y_test"], classes=CLASSES)
        np.testing.assert_array_equal(found["reference"], expected._reference)
    (tmp_path / "data.npz").unlink()
    found = json.loads(told("monitor", run, new, "--format=json"))
    assert found["drift"] is False and found["samples"] == 60


def test_a_run_without_reference_and_data_says_what_to_do(run, tmp_path, fails, told):
    new = photos(tmp_path / "photos", *images(60, 1))
    (tmp_path / "data.npz").rename(tmp_path / "moved.npz")
    error = fails("monitor", run, new)
    assert "has no drift.json" in error and "--dataset=PATH" in error
    assert "No drift" in told("monitor", run, new, f"--dataset={tmp_path / 'moved.npz'}")


def test_darker_images_are_told_and_adapted_to_without_labels(run, tmp_path, told, monkeypatch):
    """All of them look dark to the network, until it knows how bright images are now."""
    monkeypatch.setattr(Images, "example", "photo.png")
    x, y = images(120, 1, 0, 100)
    before = (run / "model.keras").read_bytes()
    out = told("monitor", run, photos(tmp_path / "photos", x, y), "--adapt")
    assert "Drift: the inputs and the outputs of the model changed." in out and "  brightness: 1" in out
    adapted = run / "adapted-1"
    assert f"kerasnas predict {adapted} photo.png" in out and (run / "model.keras").read_bytes() == before
    files = ["adaptation.json", "drift.json", "drift.npz", "model.json", "model.keras"]
    assert sorted(path.name for path in adapted.iterdir()) == files
    record = json.loads((adapted / "adaptation.json").read_text())
    assert record["samples"] == 120 and record["report"]["kinds"] == ["inputs", "outputs"]
    x_test, _ = images(60, 2, 0, 100)
    found = photos(tmp_path / "more", x_test)
    assert told("predict", adapted, found / "000.png")
    assert "No drift" in told("monitor", adapted, found)  # its reference is how images are now
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


def test_names_of_classes_that_were_swapped_are_learned(run, tmp_path, told, fast):
    x, y = images(240, 1)
    new = write(tmp_path / "new.npz", x, 1 - y)
    out = told("monitor", run, new, "--labels", "--adapt")
    assert "Labels may mean something else now." in out and "accuracy 100.0 % before, 0.0 % now" in out
    assert "Adapted: it gains" in out
    x_test, y_test = images(100, 3)
    found = load_classifier(run / "adapted-1").answers(x_test.astype("float32")).argmax(axis=1)
    assert (found == 1 - y_test).mean() > 0.9
    assert deployment.evaluate(run / "adapted-1", str(new))["accuracy"] > 0.9


@pytest.mark.usefixtures("eagerly")
def test_earlier_images_are_replayed_unless_the_concept_changed(run, tmp_path, monkeypatch):
    asked = []

    def spy(model, x, y, replay, **options):
        asked.append(replay)
        return readapt(model, x, y, replay=replay, most_steps=1, **options)

    readapt = monitoring.readapt
    monkeypatch.setattr(monitoring, "readapt", spy)
    quiet = {"labels": True, "adapt": True, "log": lambda line: None}
    x, y = images(100, 1, 0, 100)
    found = deployment.monitor(run, write(tmp_path / "new.npz", x, y), **quiet)
    assert set(found["kinds"]) > {"inputs"}
    assert asked[0][0].shape == (100, 4, 4, 1) and asked[0][0].max() > 100  # raw training images of the run
    x, y = images(100, 2)
    deployment.monitor(run, write(tmp_path / "new.npz", x, 1 - y), **quiet)
    assert asked[1] is None
    assert found["adaptation"]["folder"] is None or found["adaptation"]["adopted"]


def test_a_failure_leaves_no_part_of_an_adapted_network(run, tmp_path, monkeypatch, fails):
    def full(folder, model):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(monitoring, "write_model", full)
    new = photos(tmp_path / "photos", *images(60, 1, 0, 100))
    assert "The disk is full" in fails("monitor", run, new, "--adapt")
    assert not [path.name for path in run.iterdir() if "adapted" in path.name]
    assert load_classifier(run).classes == CLASSES


def test_bad_input(run, tmp_path, fails):
    few, new = photos(tmp_path / "few", images(19, 1)[0]), photos(tmp_path / "new", *images(40, 1))
    assert "at least 20 samples" in fails("monitor", run, few)
    assert "Expected image files" in fails("monitor", run)
    assert "for flag --minutes. Expected a number" in fails("monitor", run, new, "--minutes=x")
    assert "Expected a number above 0. Received: 0.0" in fails("monitor", run, new, "--minutes=0")
    assert "There is no image" in fails("monitor", run, tmp_path / "nothing")
    (tmp_path / "new" / "dark").rename(tmp_path / "new" / "drak")
    assert "does not know class 'drak'" in fails("monitor", run, new, "--labels")
    assert "one folder or file" in fails("monitor", run, new, few, "--labels")
    x, y = images(40, 1)
    np.savez(tmp_path / "wide.npz", x_train=x[:, :, :2], y_train=y, x_test=x[:, :, :2], y_test=y, classes=CLASSES)
    assert "takes samples of shape (4, 4, 1)" in fails("monitor", run, tmp_path / "wide.npz", "--labels")
    (run / "model.json").unlink()
    assert "is not finished" in fails("monitor", run, new)
    assert "holds no run" in fails("monitor", tmp_path / "few", new)


@pytest.mark.slow
def test_too_few_held_out_images_leave_no_reference(run, tmp_path, fails, told, fast):
    x, y = images(60, 1)
    new = write(tmp_path / "new.npz", x, 1 - y)
    (run / "adapted-1").mkdir()  # an earlier one, which is not written over
    told("monitor", run, new, "--labels", "--adapt")
    assert not list((run / "adapted-1").iterdir())
    adapted = run / "adapted-2"
    assert (adapted / "model.keras").exists() and not (adapted / "drift.json").exists()
    assert "too few images to hold out a reference" in fails("monitor", adapted, new)


def test_run_with_few_test_images_says_so(tmp_path, fails):
    data = write(tmp_path / "data.npz", *images(40, 0))
    folder = finished_run(tmp_path / "run", network(), CLASSES, 255, dataset=data)
    assert "are 20 samples. Expected at least 40" in fails("monitor", folder, data)
