"""Data as people have it, for `fit`: with the real packages, and what of it reaches the search."""

from pathlib import Path

import datasets as hugging_face
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import kerasnas
from kerasnas import ImageClassifier, ImageRegressor, TextClassifier
from kerasnas.deployment import estimator, samples
from kerasnas.modalities import columns
from tests.kit import count_steps, save_image
from tests.kit import stripes as images

X, NAMES = images(60, 0)
CLASSES = sorted(set(NAMES))
NUMBERS = np.searchsorted(CLASSES, NAMES)
TEXTS = [f"a {'fine' if number % 2 else 'dull'} film, number {number}" for number in range(40)]


class Rows(tfds.core.GeneratorBasedBuilder):
    """A data set of TFDS, made here."""

    __module__ = "rows"  # of a dotted one TFDS seeks the file, by a package that it does not ask for
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(12, 12, 1))
        features = tfds.features.FeaturesDict({"image": image, "label": tfds.features.ClassLabel(names=CLASSES)})
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index, (pixels, label) in enumerate(zip(X, NAMES, strict=True)):
            yield index, {"image": pixels[..., None], "label": str(label)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The images as files, in a folder for each class."""
    place = tmp_path_factory.mktemp("rows")
    for index, (pixels, label) in enumerate(zip(X, NAMES, strict=True)):
        save_image(place / label / f"{index:02d}.png", pixels)
    return place


@pytest.fixture
def reach(monkeypatch):
    """A function that fits, and returns the data and the settings that reach the search."""
    seen = []

    def note(settings, folder, log):
        seen.append((kerasnas.datasets.load(settings.dataset), settings))
        raise InterruptedError

    monkeypatch.setattr(estimator, "search", note)

    def fit(given, x, y=None, **options):
        with pytest.raises(InterruptedError):
            given.fit(x, y, **options)
        return seen[-1]

    return fit


def same_images(data, classes=CLASSES):
    """True if these are all the images, each with its class."""
    assert data.classes == tuple(classes) and data.scale == 255 and data.input_shape == (12, 12, 1)
    pixels = np.concatenate([data.raw("train"), data.raw("test")])[..., 0].astype("uint8")
    labels = np.concatenate([data.y_train, data.y_test])
    found = {image.tobytes(): CLASSES[label] for image, label in zip(pixels, labels, strict=True)}
    return found == {image.tobytes(): str(label) for image, label in zip(X, NAMES, strict=True)}


def face(**columns):
    """A data set of Hugging Face with the images."""
    pictures = hugging_face.Features(
        {"image": hugging_face.Image(), "label": hugging_face.ClassLabel(names=CLASSES), **columns}
    )
    rows = {"image": [Image.fromarray(pixels) for pixels in X], "label": NUMBERS.tolist()}
    return hugging_face.Dataset.from_dict(rows, features=pictures)


def test_images_from_keras_directories(folder, reach):
    options = {"image_size": (12, 12), "color_mode": "grayscale", "batch_size": 7, "shuffle": False, "verbose": 0}
    for mode in ("int", "categorical"):
        found = keras.utils.image_dataset_from_directory(folder, label_mode=mode, **options)
        assert same_images(reach(ImageClassifier(), found)[0])
    two = keras.utils.image_dataset_from_directory(
        folder, class_names=["upper", "lower"], label_mode="binary", **options
    )
    assert reach(ImageClassifier(), two)[0].classes == ("lower", "upper")


def test_arrays_of_which_a_share_or_others_are_the_test_data(reach):
    numbers = [str(number) for number in range(3)]
    for given in (X, X[..., None]):
        data, _ = reach(ImageClassifier(), given, NUMBERS)
        assert same_images(data, numbers) and len(data.x_test) == 6
    data, _ = reach(ImageClassifier(), X, NAMES, test_data=(X[:9], NAMES[:9]))
    assert len(data.x_train) == 60 and data.classes == tuple(CLASSES)
    np.testing.assert_array_equal(np.array(data.classes)[data.y_test], NAMES[:9])


def test_tensorflow_datasets(tmp_path, reach):
    builder = Rows(data_dir=str(tmp_path))
    builder.download_and_prepare()
    numbers = [str(number) for number in range(3)]
    for given in (builder.as_dataset("train", as_supervised=True), builder.as_dataset("train").batch(9)):
        assert same_images(reach(ImageClassifier(), given)[0], numbers)


def test_data_sets_of_hugging_face(reach):
    assert same_images(reach(ImageClassifier(), face())[0])
    assert same_images(reach(ImageClassifier(), face().to_iterable_dataset())[0])
    arrays = face().with_format("numpy")
    assert reach(ImageClassifier(), arrays)[0].input_shape == (12, 12, 1)
    renamed = face().rename_columns({"image": "file", "label": "row"})
    assert same_images(reach(ImageClassifier(target=["row"]), renamed)[0])
    with pytest.raises(ValueError, match=r"one split, such as `x\['train'\]`"):
        ImageClassifier().fit(hugging_face.DatasetDict(train=face(), test=face()))


def test_images_of_several_sizes_are_brought_to_one(reach):
    rows = {"image": [Image.new("RGB", (20 + index % 2, 10)) for index in range(12)], "label": [0, 1, 2] * 4}
    given = hugging_face.Dataset.from_dict(
        rows, features=hugging_face.Features(image=hugging_face.Image(), label=hugging_face.Value("int64"))
    )
    data, settings = reach(ImageClassifier(image_size="8x6", image_fit="crop"), given, test_data=given)
    assert data.input_shape == (8, 6, 3) and data.image_fit == "crop" and len(data.x_test) == 12
    assert settings.image_size == "auto"  # of what is an array by now
    squares = [Image.new("RGB", (30, 30))] * 4
    data, _ = reach(ImageClassifier(), given, test_data=(squares, [0, 1, 2, 0]))
    assert data.x_train.shape[1:] == data.x_test.shape[1:] == (10, 20, 3)
    large = {"image": [Image.new("L", (100, 50))] * 12, "label": [0, 1, 2] * 4}
    assert reach(ImageClassifier(), hugging_face.Dataset.from_dict(large, features=given.features))[0].input_shape == (
        32,
        64,
        1,
    )


def test_frames_of_paths_and_labels(folder, reach, monkeypatch):
    monkeypatch.chdir(folder)
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*.png"))]
    frame = pd.DataFrame({"path": map(str, files), "label": [file.parent.name for file in files]})
    assert same_images(reach(ImageClassifier(), frame)[0])
    assert same_images(reach(ImageClassifier(), frame["path"], frame["label"])[0])
    assert same_images(reach(ImageClassifier(), files, list(frame["label"]))[0])
    assert same_images(reach(ImageClassifier(), frame.assign(label=frame["label"].astype("category")))[0])
    frame["height"], frame["width"] = np.arange(60) / 7, np.arange(60) / 9
    data, _ = reach(ImageRegressor(target=["height", "width"]), frame)
    assert data.y_train.shape[1] == 2 and data.task.name == "regression"


def test_texts(reach):
    labels = ["yes" if number % 2 else "no" for number in range(40)]
    frame = pd.DataFrame({"review": TEXTS, "class": labels, "id": range(40)})
    given = hugging_face.Dataset.from_dict({"text": TEXTS, "label": labels})
    pairs = tf.data.Dataset.from_tensor_slices((TEXTS, labels)).batch(9)
    for one in (frame, given, frame.rename(columns={"review": "said"}), pairs):
        asked = {"text_column": "said"} if "said" in getattr(one, "columns", ()) else {}
        data, _ = reach(TextClassifier(**asked), one)
        assert data.modality.name == "texts" and set(data.raw("train")) < set(TEXTS)
        assert len(data.x_train) == 36 and data.classes == ("no", "yes")


@pytest.mark.slow
def test_a_table_is_fitted_evaluated_and_predicted(tmp_path, monkeypatch, folder):
    count_steps(monkeypatch, first=10)
    fitted = ImageClassifier(minutes=1.6, candidates=1, initializer="none", image_size="10x10", log=str).fit(face())
    fitted.save(tmp_path / "saved")
    files = sorted(folder.rglob("*.png"))
    frame = pd.DataFrame({"image": files, "label": [file.parent.name for file in files]})
    answers = fitted.predict(files)
    for one in (fitted, ImageClassifier.load(tmp_path / "saved")):
        assert fitted.predict_proba(face()).shape == (60, 3)
        assert list(one.predict(frame)) == list(answers) == list(one.predict([Image.open(file) for file in files]))
        expected = np.mean(answers == frame["label"].to_numpy())
        assert one.score(frame) == one.score(files, list(frame["label"])) == pytest.approx(expected)


def test_bad_tables(folder, tmp_path):
    file = str(next(folder.rglob("*.png")))
    frame = pd.DataFrame({"imagee": [file] * 4, "label": list("abab")})
    good = frame.rename(columns={"imagee": "image"})
    for given, settings, words in (
        (frame, {}, r"a column of images, named image, path.*Rename 'imagee'\? Did you mean 'image'"),
        (
            good.rename(columns={"label": "lable"}).assign(more=1),
            {},
            r"a column of labels.*Rename 'lable'\? Did you mean 'label'",
        ),
        (good, {"target": ["labl"]}, r"`target`.*Did you mean 'label'"),
        (good.assign(label=["a", None, "b", "a"]), {}, "a label in each row of column 'label'.*none in row 1"),
        (good.assign(image=[file, "nowhere.png"] * 2), {}, "nowhere.png cannot be read as an image"),
        (face().rename_column("image", "pictures"), {}, "a column of images"),
        (tf.data.Dataset.from_tensor_slices(X), {}, r"a dataset of pairs \(sample, label\), or of mappings"),
        (tf.data.Dataset.from_generator(ragged, output_types=("uint8", "int32")), {}, "samples of one shape.*resize"),
    ):
        with pytest.raises(ValueError, match=words):
            ImageClassifier(**settings).fit(given)
    unlabeled = hugging_face.ClassLabel(names=["a", "b"])
    rows = hugging_face.Dataset.from_dict({"text": ["x", "y"], "label": [0, -1]})
    with pytest.raises(ValueError, match="-1, which means none"):
        TextClassifier().fit(rows.cast_column("label", unlabeled))
    with pytest.raises(ValueError, match=r"`text_column`.*Did you mean 'text'"):
        TextClassifier(text_column="txt").fit(rows)
    with pytest.raises(ValueError, match=r"`image_size`.*'auto', as `x` is an array"):
        ImageClassifier(image_size="8").fit(X, NAMES)
    with pytest.raises(ValueError, match=r"`y`.*None, as `x` is a dataset"):
        ImageClassifier().fit(good, good["label"])


def ragged():
    yield np.zeros((3, 3, 1), "uint8"), 0
    yield np.zeros((4, 3, 1), "uint8"), 1


def test_no_package_of_them_is_imported():
    for module in (columns, samples, estimator):
        text = Path(module.__file__).read_text()
        assert not any(f"import {package}" in text for package in ("pandas", "datasets as", "tensorflow"))
