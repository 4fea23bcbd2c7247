"""Storage: files are whole or not there; a damaged checkpoint falls back to the one before."""

import json
import os
import socket
import stat

import numpy as np
import pytest

from kerasnas.files import storage
from kerasnas.files.storage import CheckpointStore


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_path_writes_and_replaces(tmp_path):
    target = tmp_path / "a.txt"
    for text in ("first", "second"):
        storage.write_text(target, text)
        assert target.read_text() == text
    assert names(tmp_path) == ["a.txt"]


def test_text_that_is_not_unicode_is_written_escaped(tmp_path):
    storage.write_text(tmp_path / "a.txt", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "a.txt").read_text() == "caf\\udce9"


def test_atomic_path_follows_links(tmp_path):
    target, link = tmp_path / "a.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    storage.write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new" and names(tmp_path) == ["a.txt", "link.txt"]


@pytest.fixture(params=["pipe", "socket", "device", "folder"])
def special(request, tmp_path):
    """A path where something stands that is no regular file; the device is a node with the numbers of /dev/null."""
    path = tmp_path / request.param
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(path))
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("makes no devices")
    return path


@pytest.mark.parametrize("linked", [False, True])
def test_atomic_path_replaces_regular_files_only(special, linked, tmp_path):
    mode, path = special.lstat().st_mode, special
    if linked:
        path = tmp_path / "link"
        path.symlink_to(special)
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match="a folder, a device, a pipe or a socket, not a regular file"):
        storage.write_text(path, "text")
    assert special.lstat().st_mode == mode and names(tmp_path) == before


def test_atomic_folder_follows_links(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with storage.atomic_folder(tmp_path / "link") as temporary:
        (temporary / "a.txt").write_text("new")
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "there") == ["a.txt"]
    assert names(tmp_path) == ["link", "there"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), storage.atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        assert target.read_text() == "old"
        assert temporary.suffix == ".txt"  # writers choose a format by it
        raise error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_write_json_fails_before_it_touches_the_file(tmp_path):
    storage.write_json(tmp_path / "a.json", {"ä": [1, 2]})
    with pytest.raises(TypeError):
        storage.write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": [1, 2]}
    assert names(tmp_path) == ["a.json"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        storage.write_text(tmp_path / "nowhere" / "a.txt", "text")


# Checkpoints ------------------------------------------------------------------------------------------
def store_of(folder, keep=2):
    messages = []
    store = CheckpointStore(folder, keep, log=messages.append)
    return store, messages


def arrays_of(step):
    kernel = np.full((2, 3), step, "float32")
    return {"a": np.arange(step, dtype="int64"), "layers/0/kernel": kernel, "b": np.float64(1)}


def assert_is(loaded, step):
    assert loaded is not None
    received, arrays, record = loaded
    assert received == step and record == {"step": step}
    expected = arrays_of(step)
    assert sorted(arrays) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == np.asarray(value).dtype


def save(store, *steps):
    for step in steps:
        store.save(step, arrays_of(step), {"step": step})


def test_checkpoint_round_trip(tmp_path):
    store, messages = store_of(tmp_path / "new" / "folder")
    assert store.load_latest() is None
    save(store, 3)
    assert_is(store.load_latest(), 3)
    assert messages == []


@pytest.mark.parametrize("keep", [1, 3])
def test_the_last_ones_are_kept(tmp_path, keep):
    store, _ = store_of(tmp_path, keep)
    save(store, 1, 2, 3, 4, 5)
    assert names(tmp_path) == [f"checkpoint-{step:06d}.npz" for step in range(6 - keep, 6)]
    assert_is(store.load_latest(), 5)


def test_a_seventh_digit_is_newer(tmp_path):
    store, _ = store_of(tmp_path)
    save(store, 999_999, 1_000_000)
    assert store.load_latest()[0] == 1_000_000
    save(store, 1_000_001)
    assert sorted(names(tmp_path)) == ["checkpoint-1000000.npz", "checkpoint-1000001.npz"]


def test_one_that_is_removed_gives_way_to_the_one_before(tmp_path):
    store, _ = store_of(tmp_path)
    save(store, 1, 2)
    for _ in range(2):  # one that is not there is no error
        store.remove(2)
    assert_is(store.load_latest(), 1)
    with pytest.raises(ValueError, match="`step`"):
        store.remove(-1)


def truncated(part):
    return lambda content: content[: int(part * len(content))]


def claiming_encryption(flag):
    def damage(content):
        content[content.index(b"PK\x01\x02") + 8] |= flag
        return content

    return damage


@pytest.mark.parametrize(
    "damage", [*map(truncated, (0.0, 0.01, 0.3, 0.7, 0.99)), *map(claiming_encryption, (0x01, 0x20, 0x40))]
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_or_to_none(tmp_path, damage):
    store, messages = store_of(tmp_path)
    save(store, 1, 2)
    for step, found in ((2, 1), (1, None)):
        path = tmp_path / f"checkpoint-{step:06d}.npz"
        path.write_bytes(damage(bytearray(path.read_bytes())))
        loaded = store.load_latest()
        assert (loaded and loaded[0]) == found and f"{path.name} is damaged" in messages[-1]
    assert len(messages) == 3


def test_a_flipped_bit_falls_back_or_does_no_harm(tmp_path):
    """Wherever the bit lies: in the data, in a header, in the zip's directory."""
    store, messages = store_of(tmp_path)
    save(store, 1, 2)
    path = tmp_path / "checkpoint-000002.npz"
    content = path.read_bytes()
    rng, fallbacks = np.random.default_rng(0), 0
    places = range(0, len(content), 7)
    for position in places:
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        loaded = store.load_latest()
        fallbacks += loaded[0] == 1
        assert_is(loaded, loaded[0])
    assert fallbacks == len(messages) > 0.6 * len(places)  # the rest are dates, padding, permissions


def test_a_failing_save_keeps_the_checkpoints(tmp_path, monkeypatch):
    store, _ = store_of(tmp_path)
    save(store, 1, 2)
    before = names(tmp_path)

    def full_disk(file, **arrays):
        file.write_bytes(b"part")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(store, 3)
    assert names(tmp_path) == before
    assert_is(store.load_latest(), 2)


def test_temporaries_of_a_killed_save_are_passed_over(tmp_path):
    store, messages = store_of(tmp_path)
    save(store, 1)
    (tmp_path / ".checkpoint-000002-abc.npz").write_bytes(b"part")
    assert_is(store.load_latest(), 1)
    assert messages == []


def test_nothing_is_pickled(tmp_path):
    store, _ = store_of(tmp_path)
    with pytest.raises(ValueError, match=r"`arrays`.*arrays of numbers.*the value of 'a'"):
        store.save(1, {"a": np.array([object()])}, {})
    np.savez(tmp_path / "checkpoint-000009.npz", a=np.array([{}], dtype=object))
    assert store.load_latest() is None


def test_keep_is_checked(tmp_path):
    with pytest.raises(ValueError, match="`keep`"):
        CheckpointStore(tmp_path, keep=0)
