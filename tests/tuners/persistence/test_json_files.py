"""JSON files: whole or not at all, with a checksum, and with the version before beside them."""

import json
import os
import random
import signal
import sys

import pytest

from kerasnas.files import leftovers
from tests.tuners.persistence.damages import DAMAGES
from tuners.persistence import json_files

VALUE = {"name": "größer", "score": 0.1, "values": [1, None, True, 1e300], "nothing": {}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


def test_what_was_written_is_read(path):
    for value in (VALUE, {}, {"nan": float("inf")}):
        json_files.write(path, value)
        assert json_files.read(path) == value
    assert json_files.previous(path) == path.with_name("state.previous.json")


def test_a_file_is_json_that_others_read_too(path):
    json_files.write(path, VALUE)
    found = json.loads(path.read_text())
    assert isinstance(found.pop("checksum"), int) and found == VALUE
    path.write_text(json.dumps(VALUE, indent=2))  # without a checksum, as KerasTuner writes
    assert json_files.read(path) == VALUE


def test_killed_between_both_versions_the_next_write_leaves_nothing(path):
    """Then both are one file, which renaming leaves as they are, with the third name of it."""
    json_files.write(path, {"step": 1})
    os.link(path, json_files.previous(path))
    json_files.write(path, {"step": 2})
    assert {one.name for one in path.parent.iterdir()} == {"state.json", "state.previous.json"}
    assert json_files.read(path) == {"step": 2} and json_files.read(json_files.previous(path)) == {"step": 1}


@pytest.mark.parametrize("durable", [True, False])
def test_the_version_before_is_kept(path, durable):
    for step in range(3):
        json_files.write(path, {"step": step}, durable)
    assert json_files.read(path) == {"step": 2}
    assert json_files.read(json_files.previous(path)) == {"step": 1}
    assert len(list(path.parent.iterdir())) == 2


DAMAGES = {
    **DAMAGES,
    "no object": lambda path: path.write_text("[1]"),
    "no text": lambda path: path.write_bytes(b"\xff" + path.read_bytes()),
    "too deep": lambda path: path.write_text('{"step": ' + "[" * 50_000),
    "without a key": lambda path: path.write_text('{"other": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_passed_over_for_the_version_before_if_that_is_good(path, damage):
    json_files.write(path, {"step": 1})
    json_files.write(path, {"step": 2})
    DAMAGES[damage](path)
    with pytest.warns(UserWarning, match=r"Resuming from the last good version, state.previous.json") as caught:
        assert json_files.read(path, keys=["step"]) == {"step": 1}
    assert damage != "missing" or "it is missing" in str(caught[0].message)
    assert damage != "without a key" or "it lacks 'step'" in str(caught[0].message)
    DAMAGES[damage](json_files.previous(path))
    if damage == "missing":
        assert json_files.read(path, keys=["step"]) is None
        return
    with pytest.warns(UserWarning, match="there is no good version before it"):
        assert json_files.read(path, keys=["step"]) is None


def test_any_flipped_bit_is_noticed_or_changes_nothing(path):
    """JSON with one wrong digit is JSON still: the checksum knows."""
    json_files.write(path, VALUE)
    content, rng = path.read_bytes(), random.Random(0)
    passed = 0
    for _ in range(400):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            value = json_files.decode(path.read_bytes())
        except ValueError:
            continue
        # The name of the checksum itself, say: all else is as it was, or there is one key more.
        assert {key: value.get(key) for key in VALUE} == VALUE
        passed += 1
    assert passed < 40


@pytest.mark.parametrize("durable", [True, False])
def test_what_cannot_be_written_leaves_all_as_it_was(path, durable, monkeypatch):
    json_files.write(path, {"step": 1})
    with pytest.raises(TypeError):
        json_files.write(path, {"step": object()}, durable)

    real = os.replace

    def full(source, target):
        if target == path:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        json_files.write(path, {"step": 2}, durable)
    assert json_files.read(path) == {"step": 1}
    assert not [one.name for one in path.parent.iterdir() if one.name.startswith(".")]


def test_lines(path):
    assert json_files.read_lines(path) == []
    for step in range(3):
        json_files.append(path, {"step": step}, durable=step == 1)
    with path.open("a") as file:
        file.write('{"step": 3')  # a kill, or a full disk
    assert json_files.read_lines(path) == [{"step": 0}, {"step": 1}, {"step": 2}]


# What killed writers leave -----------------------------------------------------------------------------
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("durable", [True, False])
def test_what_a_killed_writer_leaves_is_known_as_such(path, durable):
    """Killed between its writing and its renaming, for true."""
    json_files.write(path, {"step": 1})
    process = os.fork()
    if process == 0:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        json_files.write(path, {"step": 2}, durable)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 3  # the new file, and the link to the old one
    leftovers.remove(path.parent)
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]
    assert json_files.read(path) == {"step": 1}
