"""miniImageNet: the official files in small, in each of the three forms; what is missing or wrong."""

import numpy as np
import pytest
from PIL import Image

from kerasnas.datasets import EpisodeSampler, mini_imagenet

CLASSES = {"train": ("n02", "n01", "n03"), "val": ("n05",), "test": ("n04", "n06")}
HERE = (3, 1, 8)  # the places of the images of each class, in the order of the split


def color(label, number):
    """The color of an image, another for each."""
    return np.array([40 * int(label[1:]), 25 * number, 7], "uint8")


@pytest.fixture
def place(tmp_path):
    """A folder with the split; `form` says where the images lie."""

    def make(form):
        for name, labels in CLASSES.items():
            rows = [f"{label}{number:08d}.jpg,{label}" for label in labels for number in HERE]
            (tmp_path / f"{name}.csv").write_text("\n".join(["filename,label", *rows]) + "\n")
        for label in (label for labels in CLASSES.values() for label in labels):
            for number in range(1, 10):
                parent, name = tmp_path / "images", f"{label}{number:08d}.jpg"
                parent = parent if form == "flat" else parent / label
                if form == "imagenet":  # ten times the place: sorted as text, 100 would come before 20
                    name = f"{label}_{number * 10 + 20}.JPEG"
                parent.mkdir(parents=True, exist_ok=True)
                pixels = np.broadcast_to(color(label, number), (30, 40, 3)).copy()
                Image.fromarray(pixels).save(parent / name, "jpeg", quality=100)
        return tmp_path

    return make


@pytest.mark.parametrize("form", ["flat", "classes", "imagenet"])
def test_the_official_files(place, form):
    path = place(form)
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        data = mini_imagenet(split, size=8, path=path)
        assert data.x.shape == (3 * len(CLASSES[name]), 8, 8, 3) and data.x.dtype == np.uint8
        assert data.classes == tuple(sorted(CLASSES[name])) and data.alphabets == ()
        expected = [color(label, number) for label in CLASSES[name] for number in HERE]
        assert [data.classes[label] for label in data.y] == [label for label in CLASSES[name] for _ in HERE]
        np.testing.assert_allclose(data.x[:, 4, 4], expected, atol=3)
    assert mini_imagenet("test", path=path).input_shape == (84, 84, 3)


def test_it_is_found_in_the_cache_and_makes_episodes(place, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mini_imagenet").symlink_to(place("flat"))
    data = mini_imagenet("test", size=8, cache_dir=home)
    monkeypatch.setenv("KERASNAS_HOME", str(home))
    np.testing.assert_array_equal(mini_imagenet("test", size=8).x, data.x)
    x, y = EpisodeSampler(data.x, data.y, ways=2, shots=1, query_shots=2).episode(0).support
    assert x.dtype == np.float32 and x.max() <= 1 and sorted(y) == [0, 1]
    with pytest.raises(ValueError, match=r"`ways`. Expected at most the number of classes, 2. Received: 5"):
        EpisodeSampler(data.x, data.y, ways=5, shots=1, query_shots=2)


def test_what_is_missing_is_named(place, tmp_path):
    message = r"There is no .*train.csv. miniImageNet cannot be downloaded .* put train.csv, val.csv and test.csv"
    with pytest.raises(FileNotFoundError, match=message):
        mini_imagenet(path=tmp_path / "nowhere")
    path = place("flat")
    (path / "images" / "n0200000008.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"There is no .*n0200000008.jpg"):
        mini_imagenet(path=path)
    (path / "images").rename(path / "pictures")
    with pytest.raises(FileNotFoundError, match=r"There is no .*images. miniImageNet"):
        mini_imagenet(path=path)
    (path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=r"There is no .*images/n0200000003.jpg"):
        mini_imagenet(path=path)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", r"Expected lines `filename,label` below a header of that name. Received: \[\]"),
        ("name,class\na.jpg,n01", r"Received: \['name', 'class'\]"),
        ("filename,label\na.jpg", r"Received: \['a.jpg'\]"),
        ("filename,label\n../../secret.jpg,n01", "without folders. Received: '../../secret.jpg'"),
        ("filename,label\na.jpg,../n01", "without folders. Received: 'a.jpg'"),
    ],
)
def test_a_split_that_is_none(tmp_path, content, message):
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        mini_imagenet(path=tmp_path)


def test_bad_input(place):
    path = place("imagenet")
    with pytest.raises(ValueError, match=r"Did you mean 'validation'\?"):
        mini_imagenet("valid", path=path)
    with pytest.raises(ValueError, match=r"`size`. Expected a positive integer"):
        mini_imagenet(size=0, path=path)
    (path / "train.csv").write_text("filename,label\nn0100000010.jpg,n01\n")
    with pytest.raises(ValueError, match=r"Expected a number from 1 to 9 after the label.*'n0100000010.jpg'"):
        mini_imagenet(path=path)
