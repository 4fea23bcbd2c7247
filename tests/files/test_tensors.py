"""Files of PyTorch are read as data: right, or not at all."""

import numpy as np
import pytest

from kerasnas.files.tensors import read_tensors
from tests.starts.kit import Call, write_tensors

TENSORS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "scalar": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.fixture
def path(tmp_path):
    write_tensors(tmp_path / "weights.pth", TENSORS)
    return tmp_path / "weights.pth"


def test_tensors_are_read(path):
    found = read_tensors(path)
    assert list(found) == list(TENSORS)
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"x": Call("os", "system", "touch {marker}")}, "os system"),
        ({"x": Call("builtins", "eval", "1")}, "builtins eval"),
        ({"x": 3}, "'x' is none"),
    ],
)
def test_a_file_that_calls_something_else_is_refused(tmp_path, entry, words):
    marker = tmp_path / "marker"
    for call in entry.values():
        if isinstance(call, Call):
            call.arguments = tuple(one.format(marker=marker) for one in call.arguments)
    write_tensors(tmp_path / "bad.pth", TENSORS, entry)
    with pytest.raises(ValueError, match=words):
        read_tensors(tmp_path / "bad.pth")
    assert not marker.exists()


def test_every_damage_is_an_error_or_changes_numbers_alone(path, tmp_path):
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for cut in range(0, len(content), 7):
        (tmp_path / "cut.pth").write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"cut\.pth"):
            read_tensors(tmp_path / "cut.pth")
    for _ in range(400):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "damaged.pth").write_bytes(damaged)
        try:
            found = read_tensors(tmp_path / "damaged.pth")
        except ValueError:
            continue
        assert sum(array.size for array in found.values()) <= 40
