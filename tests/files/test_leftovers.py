"""Leftovers of killed writers: gone at the next opening, while what a living writer writes stays."""

import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasnas.files import leftovers, storage

WRITER = """
import sys
from pathlib import Path
from kerasnas.files import storage
folder, text = Path(sys.argv[1]), "x" * 20_000
print("ready", flush=True)
number = 0
while True:
    number += 1
    storage.write_json(folder / "record.json", {"number": number, "text": text, "again": number})
    with storage.atomic_folder(folder / "whole") as temporary:
        for name in ("a", "b"):
            (temporary / name).write_text(f"{number} {text} {number}")
"""


def read(folder):
    """The number of each file that a writer wrote; fails where one is torn."""
    found = {}
    if (folder / "record.json").exists():
        record = storage.untrusted.read_json(folder / "record.json")
        assert record["number"] == record["again"]
        found["record"] = record["number"]
    if (folder / "whole").exists():
        first, second = ((folder / "whole" / name).read_text().split() for name in ("a", "b"))
        assert first == second and first[0] == first[2]
        found["whole"] = int(first[0])
    return found


def kill_writers(folder, kills, seed=0):
    """Kill a writer at random moments, and open the folder; how many left something behind before, and after."""
    rng, before, after, found = np.random.default_rng(seed), 0, 0, {}
    for _ in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0, 0.02))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        before += any(path.name.startswith(".") for path in folder.iterdir())
        leftovers.remove(folder)
        after += any(path.name.startswith(".") for path in folder.iterdir())
        earlier, found = found, read(folder)
        assert found.keys() >= earlier.keys()  # what was there once is never missing
    return before, after


@pytest.mark.parametrize(("kills", "least"), [(5, 1), pytest.param(150, 51, marks=pytest.mark.slow)])
def test_killed_writers_leave_nothing_after_the_next_opening(tmp_path, kills, least):
    before, after = kill_writers(tmp_path, kills)
    print(f"{kills} kills: {before} left something behind, {after} after the next opening")
    assert before >= least and after == 0


def test_what_a_living_process_writes_stays(tmp_path):
    with storage.atomic_path(tmp_path / "a.txt") as temporary, storage.atomic_folder(tmp_path / "b") as folder:
        temporary.write_text("whole")
        assert leftovers.remove(tmp_path) == []
        # Another process asks.
        code = f"from kerasnas.files import leftovers; print(leftovers.remove({str(tmp_path)!r}))"
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert said.stdout == "[]\n"
        assert temporary.exists() and folder.exists()
    assert (tmp_path / "a.txt").read_text() == "whole" and (tmp_path / "b").is_dir()


def dead(folder, name, host=None):
    """A temporary of a process that is gone: one with the number of this one, that started at another time."""
    stem, dot, suffix = name.partition(".")
    own = leftovers.name_temporary(folder, stem, dot + suffix)
    begin, _, rest = own.name.partition("~")
    where, process, start, *more = rest.split(".")
    return folder / ".".join([f"{begin}~{host or where}", process, str(int(start) + 1), *more])


def test_a_number_that_another_process_has_by_now_is_no_writer(tmp_path):
    left = dead(tmp_path / "deep", "model.keras")
    left.parent.mkdir()
    left.write_bytes(b"part")
    assert leftovers.remove(tmp_path) == [left]
    assert list(left.parent.iterdir()) == []


def test_of_another_host_only_what_is_old_goes(tmp_path):
    left = dead(tmp_path, "model.keras", host="0123456789ab")
    left.write_bytes(b"part")
    assert leftovers.remove(tmp_path) == []
    os.utime(left, (time.time() - 90_000,) * 2)
    assert leftovers.remove(tmp_path) == [left]


def test_files_of_the_user_stay(tmp_path):
    names = (".model-1a2b3c4d.keras", "~model.keras", ".a~b.1.2.c", ".git", "a~0123456789ab.1.2.01234567", ".env")
    for name in names:
        (tmp_path / name).write_text("mine")
    assert leftovers.remove(tmp_path) == [] and {path.name for path in tmp_path.iterdir()} == set(names)
    assert leftovers.remove(tmp_path / "nowhere") == []


@pytest.mark.parametrize(("parts", "text"), [(("new", "before"), "new"), (("before",), "old"), (("new",), None)])
def test_a_folder_that_was_moved_aside_is_put_back(tmp_path, parts, text):
    """The writer was killed between the two renames: the old folder is not in its place, nor is the new one."""
    place = dead(tmp_path, "whole")
    for name in parts:
        (place / name).mkdir(parents=True)
        (place / name / "a").write_text("new" if name == "new" else "old")
    assert leftovers.remove(tmp_path) == [place]
    assert [path.name for path in tmp_path.iterdir()] == ([] if text is None else ["whole"])
    assert text is None or (tmp_path / "whole" / "a").read_text() == text


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_plain_files(tmp_path, umask):
    def modes(*paths):
        return [stat.S_IMODE(path.stat().st_mode) for path in paths]

    before = os.umask(umask)
    try:
        (tmp_path / "plain").write_text("")
        (tmp_path / "folder").mkdir()
        storage.write_text(tmp_path / "a.txt", "")
        with storage.atomic_folder(tmp_path / "b") as folder:
            (folder / "c").write_text("")
        plain, folder = modes(tmp_path / "plain", tmp_path / "folder")
        assert modes(tmp_path / "a.txt", tmp_path / "b", tmp_path / "b" / "c") == [plain, folder, plain]
        (tmp_path / "a.txt").chmod(0o440)  # read-only files are replaced too
        (tmp_path / "b").chmod(0o750)
        storage.write_text(tmp_path / "a.txt", "new")
        with storage.atomic_folder(tmp_path / "b"):
            pass
        assert modes(tmp_path / "a.txt", tmp_path / "b") == [0o440, 0o750]  # as `open` leaves them
        assert (tmp_path / "a.txt").read_text() == "new"
    finally:
        os.umask(before)
