"""Image sets by name and path, downloads from local files in the official formats, checks and split."""

import gzip
import hashlib
import io
import os
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

from kerasnas import testing
from kerasnas.datasets import Dataset, load, published
from kerasnas.datasets.dataset import DATASETS
from kerasnas.datasets.downloads import RemoteFile
from kerasnas.files import untrusted
from kerasnas.files.storage import cache_folder
from kerasnas.modalities import decoding
from kerasnas.modalities.lookup import check_images
from tests.kit import save_image


@pytest.fixture
def rng():
    return np.random.default_rng(0)


TOY = (np.zeros((3, 4, 4, 1)), np.zeros(3, int)) * 2


# By name -----------------------------------------------------------------------------------------
def test_embedded_set_is_whole():
    data = load("fashion_mnist_mini")
    assert isinstance(data, Dataset)
    assert (data.name, data.num_classes, data.input_shape) == ("fashion_mnist_mini", 10, (28, 28, 1))
    assert data.x_train.shape == (6000, 28, 28, 1) and data.x_test.shape == (1000, 28, 28, 1)
    assert data.x_train.dtype == np.float32 and data.y_train.dtype == data.y_test.dtype == np.int64
    assert data.x_train.min() == 0.0 and data.x_train.max() == 1.0
    assert np.bincount(data.y_train).tolist() == [600] * 10 and np.bincount(data.y_test).tolist() == [100] * 10
    assert data.classes[0] == "T-shirt/top" and data.classes == published._FASHION_CLASSES
    assert "x_train" not in repr(data)


def test_dataset_is_frozen_and_compares_by_identity():
    data = Dataset("toy", *TOY, classes=("a",))
    with pytest.raises(AttributeError):
        data.name = "other"
    assert data == data and data != Dataset("toy", *TOY, classes=("a",))


@pytest.mark.parametrize(
    ("shape", "said"), [((16, 2), "of 16 values in 2 ch"), ((8, 1), "of 8 values: "), ((15, 2), "")]
)
def test_strips_may_be_series(tmp_path, shape, said):
    x, y = np.zeros((4, *shape), np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    notes = load(tmp_path / "a.npz").notes
    assert any("kind=" in note and said in note for note in notes) if said else not notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": [[0.0]]}, "`x_train`. Expected a NumPy array"),
        ({"x_train": np.full((3, 4, 4, 1), "a")}, "`x_train`. Expected numbers.*dtype <U1"),
        ({"y_train": np.zeros(3)}, "`y_train`. Expected class numbers.*dtype float64"),
        ({"y_test": np.zeros(2, int)}, r"`y_test`. Expected 3 labels.*shape \(2,\)"),
        ({"y_test": np.array([0, 1, 2])}, "`y_test`. Expected labels from 0 to 1.*largest 2"),
        ({"x_test": np.zeros((3, 5, 5, 1))}, r"`x_test`. Expected samples of shape \(4, 4, 1\).*\(5, 5, 1\)"),
        ({"classes": ("a", "a")}, "`classes`. Expected distinct names"),
    ],
)
def test_a_dataset_is_whole(changes, message):
    arrays = dict(zip(("x_train", "y_train", "x_test", "y_test"), TOY, strict=True), classes=("a", "b"))
    with pytest.raises(ValueError, match=message):
        Dataset("toy", **{**arrays, **changes})


def test_users_register_their_own():
    made = Dataset("mine", *TOY, classes=("a",))
    seen = []
    DATASETS.register("mine", lambda cache_dir: seen.append(cache_dir) or made)
    try:
        assert load("mine", "cache") is made and seen == ["cache"]
    finally:
        DATASETS.unregister("mine")
    DATASETS.register("wrong", lambda cache_dir: None)
    try:
        with pytest.raises(TypeError, match=r"dataset 'wrong' must return a Dataset. Received: None"):
            load("wrong")
    finally:
        DATASETS.unregister("wrong")


def test_unknown_name_says_the_nearest_and_that_a_path_would_do():
    with pytest.raises(
        ValueError, match=r"`name_or_path`.*\.npz, \.csv or \.ts file, or of a folder.*Did you mean 'cifar10'\?"
    ) as error:
        load("cifar-10")
    assert "Received: 'cifar-10'" in str(error.value)


def test_a_named_dataset_is_of_its_own_task():
    with pytest.raises(ValueError, match=r"`task`. Expected 'classification', which this dataset is of"):
        load("fashion_mnist_mini", task="regression")


def test_arrays_do_not_say_what_was_found_in_files(tmp_path):
    x, y = np.zeros((4, 8, 8, 1), np.uint8), np.arange(4) % 2
    found = {"left_out": y, "traits": np.arange(9), "files_train": np.array(["a"] * 4)}
    np.savez(tmp_path / "x.npz", x_train=x, y_train=y, x_test=x, y_test=y, **found)
    data = load(tmp_path / "x.npz")
    assert not data.left_out and data.traits is None and not data.files["train"]


def test_a_file_of_another_kind_is_no_dataset(tmp_path):
    (tmp_path / "data.txt").write_text("1,2")
    with pytest.raises(ValueError, match="a file of another kind"):
        load(tmp_path / "data.txt")


def test_a_name_goes_before_a_path(tmp_path, monkeypatch):
    (tmp_path / "fashion_mnist_mini").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("fashion_mnist_mini").num_classes == 10
    with pytest.raises(ValueError, match="one folder for each class"):
        load("./fashion_mnist_mini")


# Downloads ---------------------------------------------------------------------------------------
def served_file(path, content):
    """A file to download, at a path that has this content."""
    path.write_bytes(content)
    return RemoteFile(path.as_uri(), hashlib.md5(content).hexdigest())


def _idx(array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}i", *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def served_fashion(tmp_path, monkeypatch, rng):
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        "y_train": np.arange(20, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }
    (tmp_path / "server").mkdir()
    files = {
        key: served_file(tmp_path / "server" / file.address.rsplit("/", 1)[-1], _idx(arrays[key]))
        for key, file in published._FILES["fashion_mnist"].items()
    }
    monkeypatch.setitem(published._FILES, "fashion_mnist", files)
    return arrays


def test_fashion_mnist_from_official_idx_files(served_fashion, tmp_path):
    data = load("fashion_mnist", cache_dir=tmp_path / "cache")
    for part in ("train", "test"):
        expected = served_fashion[f"x_{part}"][..., None].astype(np.float32) / 255
        np.testing.assert_array_equal(getattr(data, f"x_{part}"), expected)
        np.testing.assert_array_equal(getattr(data, f"y_{part}"), served_fashion[f"y_{part}"])
    assert data.classes[9] == "Ankle boot" and data.name == "fashion_mnist"
    names = sorted(path.name for path in (tmp_path / "cache" / "fashion_mnist").iterdir())
    assert names == sorted(file.address.rsplit("/", 1)[-1] for file in published._FILES["fashion_mnist"].values())


def test_a_cached_file_needs_no_network(served_fashion, tmp_path, capsys):
    first = load("fashion_mnist", cache_dir=tmp_path / "cache")
    assert capsys.readouterr().out.count("Downloading file://") == 4
    for path in (tmp_path / "server").iterdir():
        path.unlink()
    second = load("fashion_mnist", cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(first.x_train, second.x_train)
    assert capsys.readouterr().out == ""


def test_cifar10_from_the_official_binary_archive(tmp_path, monkeypatch, rng):
    pixels = rng.integers(0, 256, (6, 3, 3, 32, 32), dtype=np.uint8)  # file, image, channel, row, column
    labels = rng.integers(0, 10, (6, 3), dtype=np.uint8)
    labels[:, 0], labels[:, 1] = 1, 9
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:

        def add(name, content):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
        for index in (5, 3, 0, 1, 2, 4):  # the order in the archive is of no matter
            rows = zip(labels[index], pixels[index], strict=True)
            add(names[index], b"".join(bytes([label]) + image.tobytes() for label, image in rows))
        classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        add("batches.meta.txt", ("\n".join(classes) + "\n\n").encode())
        add("readme.html", b"<html>")
    served = served_file(tmp_path / "cifar-10-binary.tar.gz", buffer.getvalue())
    monkeypatch.setitem(published._FILES, "cifar10", {"archive": served})

    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path / "home"))
    data = load("cifar10")
    assert (tmp_path / "home" / "cifar10" / "cifar-10-binary.tar.gz").exists()
    assert data.classes == tuple(classes) and data.input_shape == (32, 32, 3)
    expected = pixels[:5].reshape(15, 3, 32, 32).astype(np.float32) / 255
    np.testing.assert_array_equal(data.x_train, np.moveaxis(expected, 1, -1))
    np.testing.assert_array_equal(data.y_train, labels[:5].ravel())
    np.testing.assert_array_equal(data.y_test, labels[5])
    assert data.x_train.flags.c_contiguous


@pytest.mark.parametrize("where", ["server", "cache"])
def test_a_damaged_file_is_deleted_and_both_sums_are_named(served_fashion, tmp_path, where):
    file = published._FILES["fashion_mnist"]["x_train"]
    name = file.address.rsplit("/", 1)[-1]
    cache = tmp_path / "cache" / "fashion_mnist"
    cache.mkdir(parents=True)
    damaged = (cache if where == "cache" else tmp_path / "server") / name
    damaged.write_bytes(b"half a file")
    found = hashlib.md5(b"half a file").hexdigest()
    with pytest.raises(ValueError, match=f"damaged or incomplete: expected the MD5 sum {file.md5}, found {found}"):
        load("fashion_mnist", cache_dir=tmp_path / "cache")
    assert list(cache.iterdir()) == []  # nor is a temporary file left


def test_offline_says_what_to_do(tmp_path, monkeypatch):
    file = RemoteFile((tmp_path / "nowhere" / "archive.tar.gz").as_uri(), "0123abcd")
    monkeypatch.setitem(published._FILES, "cifar10", {"archive": file})
    with pytest.raises(ConnectionError) as error:
        load("cifar10", cache_dir=tmp_path / "cache")
    by_hand = tmp_path / "cache" / "cifar10" / "archive.tar.gz"
    for word in (f"Could not reach {file.address}", f"put that file at {by_hand}", "0123abcd", "fashion_mnist_mini"):
        assert word in str(error.value)
    assert list(by_hand.parent.iterdir()) == []


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERASNAS_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "kerasnas"
    monkeypatch.setenv("KERASNAS_HOME", "~/elsewhere")
    assert cache_folder() == tmp_path / "elsewhere"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


# .npz --------------------------------------------------------------------------------------------
def _npz(path, x_train, x_test=None, y_train=(0, 1, 2, 0), y_test=(2, 1), **more):
    x_test = x_train[:2] if x_test is None else x_test
    np.savez(path, x_train=x_train, y_train=np.array(y_train), x_test=x_test, y_test=np.array(y_test), **more)
    return path


def test_npz_of_bytes(tmp_path, rng):
    x = rng.integers(0, 256, (4, 5, 6), dtype=np.uint8)
    data = load(_npz(tmp_path / "grey.v1.npz", x))
    np.testing.assert_array_equal(data.x_train, x[..., None].astype(np.float32) / 255)
    assert data.x_train.dtype == np.float32 and data.y_train.tolist() == [0, 1, 2, 0]
    assert (data.name, data.classes, data.input_shape) == ("grey.v1", ("0", "1", "2"), (5, 6, 1))


def test_npz_of_floats_in_unit_range_stays(tmp_path, rng):
    x = rng.random((4, 5, 6, 3))
    data = load(str(_npz(tmp_path / "data.npz", x, classes=np.array(["ant", "bee", "cat", "dog"]))))
    np.testing.assert_array_equal(data.x_train, x.astype(np.float32))
    assert data.classes == ("ant", "bee", "cat", "dog") and data.num_classes == 4


def test_npz_of_wide_floats_is_divided(tmp_path):
    x = np.zeros((4, 2, 2, 1), np.float32)
    x[1] = 255.0
    data = load(_npz(tmp_path / "data.npz", x, x_test=np.ones((2, 2, 2, 1), np.float32)))
    assert data.x_train.max() == 1.0
    np.testing.assert_allclose(data.x_test, 1 / 255, rtol=1e-6)  # training and test on one scale
    barely = np.full((4, 2, 2, 1), 1.5, np.float32)
    assert load(_npz(tmp_path / "data.npz", barely)).x_train.max() == 1.5


@pytest.mark.parametrize(("largest", "scale"), [(1, 1), (2, 16), (16, 16), (17, 255), (255, 255)])
def test_npz_of_few_levels_keeps_its_contrast(largest, scale, tmp_path):
    x = np.zeros((4, 2, 2, 1), np.uint8)
    x[1] = largest
    for kind in (np.uint8, np.float64):
        data = load(_npz(tmp_path / "data.npz", x.astype(kind), x_test=np.zeros((2, 2, 2, 1), kind)))
        assert (data.scale, data.x_train.max()) == (scale, np.float32(largest / scale)), kind
        np.testing.assert_allclose(data.raw("train"), x, rtol=1e-6)
    data = load(_npz(tmp_path / "data.npz", np.full((4, 2, 2), 200, np.uint8), x_test=np.full((2, 2, 2), 0.5)))
    assert data.x_test.max() == 0.5  # floats beside bytes


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal([0, 5], [1, 3], (40, 6, 6, 2)),  # standardized, or measured
        np.random.default_rng(0).uniform(-80, 0, (40, 6, 6)),  # decibels
        np.random.default_rng(0).integers(0, 4096, (40, 6, 6), np.uint16),  # of 12 bits
        np.full((40, 6, 6), -1.0),
    ],
)
def test_npz_of_another_range_is_brought_to_that_of_pictures(x, tmp_path):
    data = load(_npz(tmp_path / "data.npz", x, y_train=np.arange(40) % 3))
    channels = data.x_train.reshape(-1, data.x_train.shape[-1])
    np.testing.assert_allclose(channels.mean(axis=0), 0.5, atol=1e-5)
    np.testing.assert_allclose(channels.std(axis=0), 0.2 * (x.std() > 0), atol=1e-5)
    np.testing.assert_array_equal(data.raw("test"), x[:2].reshape(2, 6, 6, -1).astype("float32"))
    assert any("a mean of 0.5" in note for note in data.notes)
    testing.check_modality(
        "images", {"x_train": x, "y_train": np.arange(40) % 3, "x_test": x[:2], "y_test": np.arange(2)}
    )


def test_npz_with_column_labels_and_byte_names(tmp_path):
    x = np.zeros((4, 2, 2), np.uint8)
    classes = np.array([b"ant", b"bee", b"cat"])
    data = load(_npz(tmp_path / "data.npz", x, y_train=[[0], [1], [2], [0]], y_test=[[1], [1]], classes=classes))
    assert data.y_train.tolist() == [0, 1, 2, 0] and data.classes == ("ant", "bee", "cat")
    assert data.y_test.tolist() == [1, 1]  # test data may be of one class


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": np.zeros((4, 2, 2)), "x_test": np.zeros((2, 3, 3))}, r"\(test data\).*\(2, 2, 1\)"),
        ({"x_train": np.zeros((4, 2, 2)), "y_train": [0, 1, 3, 0], "classes": ["a", "b", "c"]}, "largest 3"),
        ({"x_train": np.zeros((4, 2, 2)), "y_train": [0.0, 1.0, 1.0, 0.0]}, 'astype\\("int64"\\)'),
        ({"x_train": np.array([None] * 4)}, "not of Python objects"),
    ],
)
def test_npz_errors_name_the_file(tmp_path, change, words):
    with pytest.raises(ValueError, match=rf"data\.npz: .*{words}"):
        load(_npz(tmp_path / "data.npz", **change))


def test_npz_without_an_array_or_truncated(tmp_path):
    np.savez(tmp_path / "data.npz", x_train=np.zeros((2, 2, 2)), labels=np.zeros(2))
    with pytest.raises(ValueError, match=r"Missing: \['y_train', 'x_test', 'y_test'\].*\['labels', 'x_train'\]"):
        load(tmp_path / "data.npz")
    whole = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"data\.npz: Not an \.npz file"):
        load(tmp_path / "data.npz")


# Folders -----------------------------------------------------------------------------------------
def _grey_folder(folder, per_class=10):
    for number, name in enumerate(("cat", "dog")):
        for index in range(per_class):
            save_image(folder / name / f"{index:02d}.png", np.full((4, 6), 100 * number + index, np.uint8))
    return folder


def test_folder_is_split_by_class(tmp_path):
    folder = _grey_folder(tmp_path / "pets")
    (folder / ".cache").mkdir()
    (folder / "cat" / "notes.txt").write_text("no image")
    data = load(folder)
    assert (data.name, data.classes, data.input_shape) == ("pets", ("cat", "dog"), (4, 6, 1))
    assert np.bincount(data.y_train).tolist() == [8, 8] and np.bincount(data.y_test).tolist() == [2, 2]
    values = np.concatenate([data.x_train, data.x_test])[:, 0, 0, 0] * 255
    np.testing.assert_allclose(sorted(values), [*range(10), *range(100, 110)], atol=1e-4)
    labels = np.concatenate([data.y_train, data.y_test])
    np.testing.assert_array_equal(labels, values > 50)
    np.testing.assert_array_equal(load(folder).x_test, data.x_test)
    assert any(not np.array_equal(load(folder, seed=seed).x_test, data.x_test) for seed in (1, 2))


def test_folder_takes_the_most_common_size_and_color_when_any_has_it(tmp_path):
    folder = _grey_folder(tmp_path / "pets", per_class=2)
    save_image(folder / "cat" / "big.JPG", np.full((40, 30, 3), 200, np.uint8), quality=95)
    data = load(folder)
    assert data.input_shape == (4, 6, 3)
    everything = np.concatenate([data.x_train, data.x_test])
    assert (np.abs(everything[:, 0, 0, 0] * 255 - 200) < 2).sum() == 1
    np.testing.assert_array_equal(everything[..., 0], everything[..., 1])
    assert load(folder, image_size=(8, 5)).input_shape == (8, 5, 3)


def test_folder_reads_every_mode_of_pixel(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # the viewer turns it by a quarter
    save_image(tmp_path / "a" / "turned.jpg", np.full((6, 4), 128, np.uint8), exif=turned)
    save_image(tmp_path / "a" / "deep.png", np.full((4, 6), 0x8042, np.uint16))
    save_image(tmp_path / "b" / "two.png", np.full((4, 6), 128, np.uint8), mode="LA")
    save_image(tmp_path / "b" / "one.png", np.full((4, 6), 128, np.uint8), mode="1")
    data = load(tmp_path)
    assert data.input_shape == (4, 6, 1)
    everything = np.concatenate([data.x_train, data.x_test]) * 255
    means = sorted(everything.mean(axis=(1, 2, 3)))
    assert sum(abs(mean - 128) < 1.5 for mean in means) >= 3  # the fourth is dithered black and white


def test_folder_errors(tmp_path):
    with pytest.raises(ValueError, match=r"one folder for each class.*Received: no folder"):
        load(tmp_path)
    folder = _grey_folder(tmp_path / "pets", per_class=2)
    for size in (28, (28,), (0, 4), (2.0, 2)):
        with pytest.raises(ValueError, match=r"`image_size`. Expected \(height, width\)"):
            load(folder, image_size=size)
    (folder / "cow").mkdir()
    with pytest.raises(ValueError, match=r"no image in \['cow'\]"):
        load(folder)
    (folder / "cow" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"cow/0\.png cannot be read as an image"):
        load(folder)
    whole = (folder / "cat" / "00.png").read_bytes()
    (folder / "cow" / "0.png").write_bytes(whole[:45])
    (folder / "cat" / "broken.png").write_bytes(whole[:45])  # the reason is that of the class
    with pytest.raises(
        ValueError, match=r"pets: No image of class cow can be read: cow/0\.png cannot be read as an image"
    ):
        load(folder)


def test_photographs_of_every_format_are_read_and_made_small(tmp_path):
    color = np.full((300, 400, 3), 200, np.uint8)
    for name in ("a.webp", "b.gif", "c.tiff", "d.jpg", "e.bmp", "f.png"):
        save_image(tmp_path / "day" / name, color)
        save_image(tmp_path / "night" / name, color // 4)
    data = load(tmp_path)
    assert data.input_shape == (48, 64, 3) and len(data.x_train) + len(data.x_test) == 12
    np.testing.assert_allclose(255 * data.x_train[data.y_train == 0], 200, atol=3)
    assert data.notes == ("Found 12 images, 2 classes, 300x400 -> 48x64",)
    assert load(tmp_path, image_size=(300, 400)).input_shape == (300, 400, 3)


@pytest.mark.parametrize("parts", [("",), ("train", "test"), ("train", "val", "test")])
def test_each_image_of_a_folder_is_named(tmp_path, parts):
    for part in parts:
        for label in ("cat", "dog"):
            for index in range(5, 15):
                save_image(
                    tmp_path / part / label / f"{index}.png", np.full((4, 4), 10 * index + 3 * len(part), np.uint8)
                )
    data = load(tmp_path)
    for part in ("train", "test"):
        assert len(data.files[part]) == len(getattr(data, f"y_{part}"))
        for name, label, image in zip(data.files[part], *(getattr(data, f"{one}_{part}") for one in "yx"), strict=True):
            *place, folder, file = name.split("/")
            assert folder == data.classes[label]
            assert 255 * image[0, 0, 0] == pytest.approx(10 * int(file[:-4]) + 3 * len("".join(place)))


def test_files_that_are_left_out_are_counted_and_many_are_refused(tmp_path):
    folder = _grey_folder(tmp_path / "pets", per_class=30)
    (folder / "cat" / "a.heic").write_text("unknown")
    (folder / "dog" / "b.png").write_text("no image")
    data = load(folder)
    assert len(data.x_train) + len(data.x_test) == 60 and len(data.notes) == 2
    for words in ("2 of 62 files are left out: 1 .heic, 1 that cannot be read (the first: dog/b.png", ".webp"):
        assert words in data.notes[1]
    assert data.left_out["cat/a.heic"] == "no image" and "cannot be read" in data.left_out["dog/b.png"]
    for index in range(3):
        (folder / "cat" / f"{index}.heic").write_text("unknown")
    with pytest.raises(ValueError, match=r"pets: 5 of 65 files are left out: 4 \.heic, 1 that cannot be read"):
        load(folder)


def test_files_of_strangers_reach_a_few_decoders_alone(tmp_path, monkeypatch):
    folder = _grey_folder(tmp_path / "pets", per_class=30)
    (folder / "cat" / "eps.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    data = load(folder)
    assert len(data.x_train) + len(data.x_test) == 60
    assert "1 that cannot be read (the first: cat/eps.png cannot be read as an image" in data.notes[1]
    (folder / "cat" / "eps.png").unlink()
    save_image(folder / "dog" / "bomb.png", np.zeros((300, 300), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)  # of 90,000: more than twice as many
    data = load(folder)
    assert len(data.x_train) + len(data.x_test) == 60 and "decompression bomb" in data.notes[1]


def test_images_that_do_not_fit_into_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    folder = _grey_folder(tmp_path / "pets")
    monkeypatch.setattr(untrusted, "memory", lambda: 4 * 6 * 20 * 5 / 0.7 + 1)
    assert load(folder).input_shape == (4, 6, 1)
    monkeypatch.setattr(decoding, "_pixels", lambda *arguments: pytest.fail("an image was read"))
    with pytest.raises(ValueError, match=r"20 images of 8x12 take .* GiB of memory.* such as image_size=4\."):
        load(folder, image_size=(8, 12))


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="this Pillow has no AVIF")
def test_avif_where_pillow_has_it(tmp_path):
    for label in ("day", "night"):
        for index in range(2):
            save_image(tmp_path / label / f"{index}.avif", np.full((8, 8, 3), 200, np.uint8))
    assert load(tmp_path).input_shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("image_fit", "expected"),
    [
        ("stretch", [[10, 90, 200, 250]] * 4),
        ("crop", [[90, 90, 200, 200]] * 4),
        ("pad", [[0] * 4, [10, 90, 200, 250], [0] * 4, [0] * 4]),
    ],
)
def test_images_of_another_shape_are_brought_to_size_as_asked(tmp_path, image_fit, expected):
    wide = np.repeat(np.repeat([[10, 90, 200, 250]], 8, axis=0), 8, axis=1).astype(np.uint8)  # 8 x 32: four bands
    for label in ("cat", "dog"):
        for index in range(5):
            save_image(tmp_path / label / f"{index}.png", wide)
    data = load(tmp_path, image_size=(4, 4), image_fit=image_fit)
    assert data.image_fit == image_fit
    found = 255 * data.x_train[0, :, :, 0]
    if image_fit == "pad":
        np.testing.assert_allclose(np.sort(found.sum(axis=1))[:3], 0, atol=1)  # black bars
        np.testing.assert_allclose(found.max(axis=0), expected[1], atol=25)
    else:
        np.testing.assert_allclose(found, expected, atol=45)


def test_image_size_is_for_folders():
    with pytest.raises(ValueError, match=r"`image_size`.*only the images of a folder"):
        load("fashion_mnist_mini", image_size=(8, 8))
    with pytest.raises(ValueError, match=r"`image_fit`. Expected 'stretch', since only the images of a folder"):
        load("fashion_mnist_mini", image_fit="crop")
    with pytest.raises(ValueError, match=r"`image_fit`.*'crop'"):
        load("fashion_mnist_mini", image_fit="croped")


# check_images ------------------------------------------------------------------------------------
X, Y = np.zeros((6, 4, 4, 1), np.float32), np.array([0, 1, 2, 0, 1, 2])


def _broken(index, value):
    x = X.copy()
    x[index] = value
    return x


def test_good_images_pass():
    assert check_images(X, Y, num_classes=3, input_shape=(4, 4, 1)) is None
    check_images(X.astype(np.uint8), Y.astype(np.uint8), input_shape=(None, None, 1))
    check_images(X, np.zeros(6, int), what="test")


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        ([[1.0]], Y, {}, r"`x` \(training data\). Expected an array.*Received: list"),
        (X, [0, 1], {}, r"`y`.*an array.*Received: list"),
        (X, Y[:5], {}, "6 images and 5 labels"),
        (X[:0], Y[:0], {}, r"at least one image.*\(0, 4, 4, 1\)"),
        (X[:, :0], Y, {}, r"an empty array, shape \(6, 0, 4, 1\)"),
        (X[..., 0], Y, {}, r"\(6, 4, 4\).*x\[\.\.\., None\]"),
        (X.reshape(6, 16), Y, {}, r"x\.reshape\(-1, height, width, channels\)"),
        (X[None], Y, {}, r"shape \(1, 6, 4, 4, 1\)$"),
        (X.astype(str), Y, {}, r"images of numbers.*dtype <U"),
        (X, Y, {"input_shape": (4, 4, 3)}, r"images of shape \(4, 4, 3\). Received: images of shape \(4, 4, 1\)"),
        (X, Y, {"input_shape": (None, 5, 1)}, r"\(None, 5, 1\)"),
        (X, Y, {"input_shape": (4,)}, r"as `input_shape` says. Received: shape"),
        (X, Y, {"input_shape": (4, 4)}, r"Expected signals of shape \(samples, length, channels\).*These are images"),
        (_broken([2, 4], np.nan), Y, {}, "NaN or infinity in 2 of 6 images, first in image 2.*SignalClassifier"),
        (_broken((5, 0, 0, 0), -np.inf), Y, {}, "in 1 of 6 images, first in image 5"),
        (X, Y.astype(float), {}, r'dtype float64.*y\.astype\("int64"\)'),
        (X, Y == 1, {}, r'dtype bool.*y\.astype\("int64"\)'),
        (X, Y + 0.5, {}, "not whole numbers"),
        (X, np.where(Y == 0, np.nan, 1.0), {}, "not whole numbers"),
        (X, Y.astype(str), {}, r"np\.unique\(y, return_inverse=True\)\[1\]"),
        (X, np.eye(3)[Y], {}, r"shape \(6, 3\).*One-hot.*y\.argmax\(axis=-1\)"),
        (X, Y[:, None], {}, r"shape \(6, 1\).*y\.reshape\(-1\)"),
        (X, Y, {"num_classes": 2}, "labels from 0 to 1. Received: smallest 0, largest 2$"),
        (X, Y + 1, {"num_classes": 3}, "smallest 1, largest 3. Labels that count from 1.*y - 1"),
        (X, Y - 1, {}, "labels of at least 0. Received: smallest -1, largest 1"),
        (X, np.full(6, 2), {"what": "validation"}, r"\(validation data\).*only label 2, 6 times.*nothing to learn"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_images_are_refused_with_the_fix(x, y, options, words):
    with pytest.raises(ValueError, match="Invalid value received for argument .*" + words):
        check_images(x, y, **options)


def test_names_that_are_not_unicode_are_escaped(tmp_path):
    """Of a folder out of an old archive, in Latin-1."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9")
    for label in (os.fsdecode(b"caf\xe9"), "tea"):
        os.makedirs(os.path.join(folder, label))
        for number in range(5):
            Image.new("RGB", (8, 8)).save(os.path.join(folder, label, f"{number}.png"))
    with open(os.path.join(folder, "tea", os.fsdecode(b"\xe9.png")), "wb") as file:
        file.write(b"no image")
    data = load(folder)
    assert data.classes == ("caf\\udce9", "tea") and data.name == "\\udce9"
    "".join((*data.classes, *data.notes, data.name)).encode()
