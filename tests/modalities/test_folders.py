"""The layout of a folder of images: parts, classes, groups."""

import numpy as np
import pytest

from kerasnas.datasets import load
from tests.kit import save_image


def _folder(root, *places, images=5):
    """Make images, each of one color of its own, in each of the folders `places`."""
    for number, place in enumerate(places):
        for index in range(images):
            save_image(root / place / f"{index}.png", np.full((4, 4), 10 * number + index, np.uint8))
    return root


def _values(x):
    return sorted(np.rint(255 * x[:, 0, 0, 0]).astype(int).tolist())


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "Testing"), ("TRAIN", "Test")])
def test_training_and_test_parts_have_names_in_any_capitals(tmp_path, names):
    data = load(_folder(tmp_path, *(f"{part}/{label}" for part in names for label in "ab")))
    assert data.classes == ("a", "b") and len(data.notes) == 1
    assert _values(data.x_train) == [*range(5), *range(10, 15)]
    assert _values(data.x_test) == [*range(20, 25), *range(30, 35)]


@pytest.mark.parametrize("name", ["val", "Valid", "validation"])
def test_a_validation_part_is_the_test_part_where_there_is_none(tmp_path, name):
    data = load(_folder(tmp_path, "train/a", "train/b", f"{name}/a", f"{name}/b"))
    assert data.classes == ("a", "b") and _values(data.x_test) == [*range(20, 25), *range(30, 35)]
    assert f"There is no test part: {name}/ is the test part" in data.notes[1]


def test_a_validation_part_joins_the_training_images_where_there_is_a_test_part(tmp_path):
    data = load(_folder(tmp_path, "train/a", "train/b", "val/b", "test/b"))
    assert _values(data.x_train) == [*range(5), *range(10, 15), *range(20, 25)]
    assert data.y_train.tolist() == 5 * [0] + 10 * [1]
    assert data.y_test.tolist() == 5 * [1] and _values(data.x_test) == [*range(30, 35)]
    assert "val/ joins the training data" in data.notes[1] and "reported on test/" in data.notes[1]


def test_one_part_alone_is_split_and_a_folder_of_an_archive_is_opened(tmp_path):
    data = load(_folder(tmp_path, "pets/train/a", "pets/train/b"))
    assert data.classes == ("a", "b") and (len(data.x_train), len(data.x_test)) == (8, 2)
    assert data.notes[1:] == (
        "Read from its only folder, pets/",
        "train/ is the only part: split 80/20 into training and test",
    )


def test_a_class_may_be_called_train_and_other_folders_next_to_parts_are_named(tmp_path):
    assert load(_folder(tmp_path / "traffic", "bus", "car", "train")).classes == ("bus", "car", "train")
    places = [f"{part}/{label}" for part in ("train", "test") for label in "ab"]
    data = load(_folder(tmp_path / "split", *places, "unlabelled/x", "__MACOSX/train", ".git/a"))
    assert data.classes == ("a", "b") and data.notes[1:] == ("unlabelled/ next to the parts: not read",)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (["fold1/a", "fold1/b", "fold2/a", "fold2/B"], "fold1, fold2, all with the same folders a, b: either"),
        (["fold1/a1", "fold1/a2", "fold2/a1", "fold2/a2"], "fold1, fold2, all with the same folders a1, a2"),
        (["photo/cat", "photo/dog", "sketch/cat", "sketch/dog"], "photo, sketch, all with the same folders cat, dog"),
        (["a/train", "a/test", "b/train", "b/test"], r"parts of a split \(test, train\) in a, b"),
        (["x/train/a", "x/val/a", "y/a"], r"parts of a split \(train, val\) in x\. If that is a data set"),
        (["train/a", "train/b", "val/a", "val/B"], r"val has classes .* train lacks: \['B'\] \(B is b there\)"),
        (["train/a", "train/b", "val/a", "test/c"], r"The folder test has classes .* train lacks: \['c'\]"),
        (["train/a", "train/b", "val/a", "valid/a"], "one folder for the validation part. Received: val/ and valid/"),
        (["val/a", "val/b", "test/a"], "a folder train next to test and val. Received: none"),
        (["train", "test"], "one folder for each class in train, with .* Received: no folder"),
    ],
)
def test_folders_that_could_be_parts_are_never_classes(tmp_path, places, words):
    with pytest.raises(ValueError, match=words):
        load(_folder(tmp_path, *places))


def test_folders_in_classes_are_groups_and_the_notes_say_so(tmp_path):
    data = load(_folder(tmp_path, "a/ann", "a/bob", "a/eve", "b/ann", "b/bob", "b/joe"))
    assert data.classes == ("a", "b") and set(data.groups) < {"ann", "bob", "eve", "joe"}
    assert "Folders in the classes are groups, none of which is split: ann, bob, eve, joe" in data.notes
