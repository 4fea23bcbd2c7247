"""Where decoded images are held: in an array, in memory as bytes, in a file of the cache."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasnas.datasets import load
from kerasnas.files import untrusted
from kerasnas.modalities import decoding, pixel_store
from kerasnas.modalities.lazy_images import LazyImages
from tests.kit import save_image

NEEDED = 40 * 48 * 64 * 3  # bytes of the pixels below


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of 40 photographs, too many for an array."""
    rng = np.random.default_rng(0)
    for index in range(40):
        place = tmp_path / "photos" / "ab"[index % 2]
        save_image(place / f"{index:02}.jpg", rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))
    monkeypatch.setattr(pixel_store, "_FEW_BYTES", 0)
    monkeypatch.setattr(untrusted, "memory", lambda: 9 * NEEDED)
    return tmp_path / "photos"


def _load(photos, **more):
    return load(photos, photos.parent / "cache", **more)


def test_pixels_are_the_same_wherever_they_are_held(photos, monkeypatch):
    in_file = _load(photos)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    in_memory = load(photos, photos.parent / "other")
    monkeypatch.setattr(pixel_store, "_FEW_BYTES", NEEDED)
    array = _load(photos)
    assert isinstance(in_file.x_train.stored, np.memmap) and not isinstance(in_memory.x_train.stored, np.memmap)
    assert isinstance(array.x_train, np.ndarray) and array.x_train.dtype == np.float32
    for data in (in_file, in_memory):
        assert isinstance(data.x_train, LazyImages) and data.scale == array.scale
        for part in ("train", "test"):
            np.testing.assert_array_equal(getattr(data, f"x_{part}"), getattr(array, f"x_{part}"))
            np.testing.assert_array_equal(getattr(data, f"y_{part}"), getattr(array, f"y_{part}"))
            np.testing.assert_array_equal(data.raw(part), array.raw(part))
    assert in_memory.notes[:1] == array.notes and "GiB of decoded images are held in" in in_file.notes[1]


def test_a_later_run_reuses_the_file_until_something_changes(photos, monkeypatch, capsys):
    first = _load(photos)
    assert "Decoding 40 images to" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_pixels", lambda *arguments: pytest.fail("an image was decoded"))
        np.testing.assert_array_equal(_load(photos).x_train, first.x_train)
    stored = first.x_train.stored.filename.parent
    stored.with_name(stored.name).joinpath("pixels.bin").write_bytes(b"damaged")
    assert _load(photos).x_train.shape == first.x_train.shape and "Decoding" in capsys.readouterr().out
    for change in (
        lambda: Image.new("RGB", (128, 96), "red").save(photos / "a" / "00.jpg"),
        lambda: os.utime(photos / "a" / "02.jpg", (1, 1)),
        lambda: (photos / "b" / "01.jpg").unlink(),
    ):
        change()
        _load(photos)
        assert "Decoding" in capsys.readouterr().out
    for settings in ({"image_size": (40, 60)}, {"image_fit": "crop"}):
        _load(photos, **settings)
        assert "Decoding" in capsys.readouterr().out


def test_damaged_files_are_left_out_of_the_file_and_named_again(photos):
    whole = (photos / "a" / "02.jpg").read_bytes()
    (photos / "a" / "02.jpg").write_bytes(whole[: len(whole) // 2])
    first, second = _load(photos), _load(photos)
    assert len(first.x_train) + len(first.x_test) == 39 and "(the first: a/02.jpg cannot be read" in first.notes[-1]
    assert second.notes == first.notes
    np.testing.assert_array_equal(second.x_test, first.x_test)


@pytest.mark.parametrize("reason", ["full", "unwritable", "full while it is written"])
def test_without_room_on_the_disk_pixels_stay_in_memory(photos, monkeypatch, reason):
    expected = _load(photos).x_train
    shutil.rmtree(photos.parent / "cache")
    words = "cannot hold 0.0 GiB of decoded images"
    if reason == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, NEEDED - 1))
        words = "GiB are needed, and 0.0 are free"
    elif reason == "unwritable":
        (photos.parent / "cache").write_text("a file")
    else:
        monkeypatch.setattr(pixel_store.storage, "write_json", _no_space)
        words = "No space left"
    data = _load(photos)
    assert words in data.notes[1] and data.notes[1].endswith("they are held in memory")
    np.testing.assert_array_equal(data.x_train, expected)
    assert not list((photos.parent / "cache").rglob("*.bin"))


def _no_space(*arguments):
    raise OSError(28, "No space left on device")


def test_without_room_anywhere_images_get_smaller_unless_their_size_was_asked_for(photos, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    monkeypatch.setattr(untrusted, "memory", lambda: 2 * NEEDED)
    data = _load(photos)
    assert data.input_shape == (40, 53, 3) and "held in memory, at 40x53" in data.notes[1]
    assert data.notes[0].endswith("96x128 -> 40x53")
    with pytest.raises(ValueError, match=r"cache.* cannot hold .*40 images of 48x64 take .* such as image_size=40\."):
        _load(photos, image_size=(48, 64))


def test_entries_that_no_run_has_read_for_a_month_are_removed(photos, monkeypatch):
    _load(photos)
    old = list((photos.parent / "cache" / "decoded").iterdir())
    now = pixel_store.time.time()
    monkeypatch.setattr(pixel_store.time, "time", lambda: now + 31 * 24 * 3600)
    _load(photos, image_fit="crop")
    entries = list((photos.parent / "cache" / "decoded").iterdir())
    assert len(old) == len(entries) == 1 and old != entries


def test_the_longest_side_can_be_asked_for(photos):
    assert _load(photos, longest=224).input_shape == (96, 128, 3)
    assert _load(photos, longest=32).input_shape == (24, 32, 3)
    table = photos / "labels.csv"
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.glob("*/*.jpg"))]
    table.write_text("\n".join(["image,label", *rows]))
    data = load(table, photos.parent / "cache", longest=32)
    assert data.input_shape == (24, 32, 3) and isinstance(data.x_train, LazyImages)


def test_photographs_that_were_turned_are_read_upright_without_decoding_all_of_them(tmp_path, monkeypatch):
    turned = Image.Exif()
    turned[0x0112] = 6  # the viewer turns it by a quarter
    sides = np.zeros((600, 800, 3), np.uint8)
    sides[:, :400] = 255  # on top, once it is upright
    decoded = []
    converted = decoding._converted
    monkeypatch.setattr(
        decoding, "_converted", lambda image, mode: decoded.append(image.size) or converted(image, mode)
    )
    two = {"save_all": True, "append_images": [Image.fromarray(sides)], "format": "MPO"}
    for name, more in (("a", {}), ("b", two)):
        for index in range(2):
            save_image(tmp_path / name / f"{index}.jpg", sides, exif=turned, **more)
    data = load(tmp_path)
    assert data.input_shape == (64, 48, 3) and set(decoded) == {(150, 200)}
    assert (data.x_train[:, :20] > 0.9).all() and (data.x_train[:, 44:] < 0.1).all()
