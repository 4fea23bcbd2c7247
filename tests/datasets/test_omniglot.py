"""Omniglot: the official archives in small, `.npz` files, alphabets, bad input; the real file where there is one."""

import importlib
import io
import math
import zipfile

import numpy as np
import pytest
from PIL import Image

from kerasnas.datasets import EpisodeSampler, omniglot
from kerasnas.datasets.downloads import RemoteFile
from kerasnas.datasets.pools import LabelledImages
from tests.datasets.test_glyphs import nearest_neighbor
from tests.datasets.test_images import served_file

module = importlib.import_module("kerasnas.datasets.omniglot")  # the package's attribute is the function
ALPHABETS = {"background": {"Greek": 3, "Balinese": 2}, "evaluation": {"Manipuri": 2}}


@pytest.fixture
def ink():
    """(split, alphabet, character) -> ink (4, 105, 105), 0 or 1."""
    rng = np.random.default_rng(0)
    return {
        (split, alphabet, f"character{number:02d}"): (rng.random((4, 105, 105)) < 0.3).astype(np.uint8)
        for split, alphabets in ALPHABETS.items()
        for alphabet, characters in alphabets.items()
        for number in range(1, characters + 1)
    }


def archive_of(split, ink):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"images_{split}/", "")
        archive.writestr(f"__MACOSX/images_{split}/Greek/character01/._0001_01.png", b"no image")
        archive.writestr(f"images_{split}/Greek/character01/.hidden.png", b"no image")
        archive.writestr(f"images_{split}/Greek/readme.txt", b"no image")
        for number, ((part, alphabet, character), drawings) in enumerate(reversed(ink.items())):
            if part != split:
                continue
            for sample in (2, 0, 3, 1):  # the order in the archive is of no matter
                content = io.BytesIO()
                Image.fromarray(drawings[sample] == 0).save(content, "png")  # paper is white
                name = f"images_{split}/{alphabet}/{character}/{number:04d}_{sample + 1:02d}.png"
                archive.writestr(name, content.getvalue())
    return buffer.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch, ink):
    """The archives as files to download; a cache in the folder `cache`."""
    (tmp_path / "server").mkdir()
    for split in ALPHABETS:
        path, content = tmp_path / "server" / f"images_{split}.zip", archive_of(split, ink)
        monkeypatch.setitem(module._FILES, split, served_file(path, content))
    return tmp_path / "cache"


def test_official_addresses():
    for split, file in module._FILES.items():
        assert file.address.startswith("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/")
        assert file.address.endswith(f"images_{split}.zip") and len(file.md5) == 32


# Archives ------------------------------------------------------------------------------------------
def test_the_archive_is_read_in_the_order_of_names(served, ink):
    data = omniglot(size=105, cache_dir=served)
    assert isinstance(data, LabelledImages) and (served / "omniglot" / "images_background.zip").exists()
    assert data.classes == tuple(
        f"{name}/character0{n}" for name, *ns in (("Balinese", 1, 2), ("Greek", 1, 2, 3)) for n in ns
    )
    assert data.alphabets == ("Balinese",) * 2 + ("Greek",) * 3
    assert (data.x.dtype, data.num_classes, data.input_shape) == (np.float32, 5, (105, 105, 1))
    np.testing.assert_array_equal(data.y, np.repeat(np.arange(5), 4))
    for label, name in enumerate(data.classes):
        np.testing.assert_array_equal(data.x[data.y == label][..., 0], ink["background", *name.split("/")])
    assert "x=" not in repr(data)


@pytest.mark.parametrize("size", [35, 28, 20, 1])
def test_images_become_means_over_areas(served, ink, size):
    data = omniglot("evaluation", size=size, cache_dir=served)
    drawings = np.concatenate([drawings for (split, *_), drawings in ink.items() if split == "evaluation"])
    times, block = size // math.gcd(size, 105), 105 // math.gcd(size, 105)
    fine = drawings.repeat(times, axis=1).repeat(times, axis=2)  # whole numbers of these make an old and a new pixel
    expected = fine.reshape(-1, size, block, size, block).mean(axis=(2, 4))
    np.testing.assert_allclose(data.x[..., 0], expected, atol=1e-6)


def test_all_is_background_then_evaluation(served, monkeypatch):
    monkeypatch.setenv("KERASNAS_HOME", str(served))
    whole, background, evaluation = (omniglot(split) for split in ("all", "background", "evaluation"))
    np.testing.assert_array_equal(whole.x, np.concatenate([background.x, evaluation.x]))
    assert whole.alphabets == background.alphabets + evaluation.alphabets and whole.y[-1] == 6
    assert evaluation.classes == ("Manipuri/character01", "Manipuri/character02") and evaluation.y[0] == 0


def test_offline_names_the_place_and_the_generated_characters(tmp_path, monkeypatch):
    monkeypatch.setitem(module._FILES, "background", RemoteFile((tmp_path / "images_background.zip").as_uri(), "0123"))
    with pytest.raises(ConnectionError) as error:
        omniglot(cache_dir=tmp_path / "cache")
    for word in (f"put that file at {tmp_path / 'cache' / 'omniglot' / 'images_background.zip'}", "datasets.glyphs"):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("images_background/Greek/readme.txt", b"", r"Expected images_.../<alphabet>/<character>/<image>.png"),
        ("images_background/Greek/character01/0001_01.png", b"x", "0001_01.png cannot be read as an image"),
    ],
)
def test_other_archives_are_refused(tmp_path, monkeypatch, member, content, message):
    path = tmp_path / "images_background.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    monkeypatch.setitem(module._FILES, "background", served_file(path, path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        omniglot(cache_dir=tmp_path / "cache")


# .npz ----------------------------------------------------------------------------------------------
def arrays(**changes):
    rng = np.random.default_rng(0)
    made = {
        "images": rng.integers(0, 16, (4, 3, 28, 28)).astype(np.uint8),
        "split": np.array([1, 0, 0, 1]),
        "alphabet": np.array([2, 0, 1, 2], np.uint8),
        "alphabet_names": np.array(["Greek", "Latin", "Tifinagh"]),
        "class_names": np.array(["Tifinagh/1", "Greek/1", "Latin/1", "Tifinagh/2"]),
    }
    made["images"][0, 0, 0, 0] = 15
    return {key: value for key, value in (made | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def saved(**changes):
        np.savez(tmp_path / "characters.npz", **arrays(**changes))
        return tmp_path / "characters.npz"

    return saved


def test_npz_by_split(save):
    made, path = arrays(), save()
    data = omniglot(path=path)
    assert data.classes == ("Greek/1", "Latin/1") and data.alphabets == ("Greek", "Latin")
    np.testing.assert_array_equal(data.y, [0, 0, 0, 1, 1, 1])
    expected = made["images"][1:3].reshape(6, 28, 28, 1) / np.float32(15)
    np.testing.assert_array_equal(data.x, expected)
    assert data.x.dtype == np.float32 and data.y.dtype == np.int64
    np.testing.assert_array_equal(omniglot(path=path.parent).x, data.x)  # the folder
    assert omniglot("evaluation", path=path).classes == ("Tifinagh/1", "Tifinagh/2")
    assert omniglot("all", path=path).classes == ("Greek/1", "Latin/1", "Tifinagh/1", "Tifinagh/2")
    halves = omniglot(path=path, size=14).x
    np.testing.assert_allclose(halves[..., 0], expected.reshape(6, 14, 2, 14, 2).mean(axis=(2, 4)), atol=1e-6)


def test_npz_of_bytes(save):
    made = arrays()["images"] * 17  # 0..255
    np.testing.assert_allclose(omniglot(path=save()).x, omniglot(path=save(images=made)).x, atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": None, "alphabet": None}, "is not Omniglot: it lacks alphabet, split"),
        ({"images": np.zeros((4, 3, 28, 28))}, r"`images` as uint8 .*Received: float64 \(4, 3, 28, 28\)"),
        ({"images": np.zeros((4, 28, 28), np.uint8)}, r"Received: uint8 \(4, 28, 28\)"),
        ({"class_names": np.array(["a"])}, r"Expected `class_names` of shape \(4,\). Received: \(1,\)"),
        ({"alphabet": np.array([0, 1, 2, 3])}, "`alphabet` to be indices into `alphabet_names`"),
        ({"split": np.ones(4, int)}, "Expected characters of the split background. Received: none"),
        ({"class_names": np.array([{}] * 4)}, "not of Python objects"),
    ],
)
def test_other_npz_files_are_refused(save, changes, message):
    path = save(**changes)
    with pytest.raises(ValueError, match=message) as error:
        omniglot(path=path)
    assert str(path) in str(error.value)


def test_other_files_are_refused(save, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no such file\. Expected Omniglot"):
        omniglot(path=tmp_path / "nowhere.npz")
    with pytest.raises(FileNotFoundError, match=r"expected one \.npz file with Omniglot in it\. Found: 0"):
        omniglot(path=tmp_path)
    (tmp_path / "characters.npz").write_bytes(b"half a file")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for path in (tmp_path, tmp_path / "array.npy"):
        with pytest.raises(ValueError, match=r"is not a whole .npz file"):
            omniglot(path=path)
    for arguments, message in ((("backgrond",), "`split`.* Did you mean 'background'"), (("all", 0), "`size`")):
        with pytest.raises(ValueError, match=message):
            omniglot(*arguments)


# Alphabets ---------------------------------------------------------------------------


def test_classes_by_alphabet(served):
    data = omniglot(cache_dir=served)
    assert data.of_alphabets(["Greek"]).tolist() == [2, 3, 4] == data.of_alphabets("Greek").tolist()
    assert data.of_alphabets(["Greek", "Balinese"]).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"`names`.*Received: 'Balinise' Did you mean 'Balinese'\? Known: \['Bal"):
        data.of_alphabets(["Greek", "Balinise"])
    sampler = EpisodeSampler(data.x, data.y, ways=3, query_shots=3, classes=data.of_alphabets(["Greek"]))
    assert {data.alphabets[label] for label, _ in sampler.pool} == {"Greek"}


# The real file -------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_complete_omniglot(published):
    path = published("omniglot28.npz")
    background, evaluation = (omniglot(split, path=path) for split in ("background", "evaluation"))
    for data, classes, alphabets in ((background, 964, 30), (evaluation, 659, 20)):
        assert (data.num_classes, len(set(data.alphabets)), data.input_shape) == (classes, alphabets, (28, 28, 1))
        assert np.bincount(data.y).tolist() == [20] * classes
        assert data.x.min() == 0 and data.x.max() == 1 and 0.05 < data.x.mean() < 0.1
    assert not set(background.alphabets) & set(evaluation.alphabets)
    assert len(background.of_alphabets(["Balinese", "Greek"])) == 24 + 24
    # `glyphs` says 0.44; Matching Networks (1606.04080), table 1: 41.7 % by the cosine, on another split.
    assert 0.38 < nearest_neighbor(evaluation) < 0.5
