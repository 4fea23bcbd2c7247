"""TFRecord files: checksums by known vectors, and damage that is reported with its place."""

import runpy
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
official = SimpleNamespace(**runpy.run_path(str(BENCHMARKS / "convert_nasbench101.py")))


def write_records(path, payloads):
    """A TFRecord file, its checksums computed bit by bit."""
    with open(path, "wb") as file:
        for payload in payloads:
            length = struct.pack("<Q", len(payload))
            file.write(length + masked(length) + payload + masked(payload))


def masked(data):
    checksum = slow_crc32c(data)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def slow_crc32c(data):
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0x82F63B78 if checksum & 1 else 0)
    return checksum ^ 0xFFFFFFFF


PAYLOADS = [b"", b"a", b"nasbench" * 50, bytes(range(256)), b"\0" * 7]


def test_published_checksums():
    """RFC 3720, appendix B.4, and the usual check value."""
    vectors = {b"\0" * 32: 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E, b"123456789": 0xE3069283}
    assert official.crc32c(list(vectors)).tolist() == list(vectors.values())
    assert official.crc32c(list(vectors)[::-1]).tolist() == list(vectors.values())[::-1]
    assert official.crc32c([]).tolist() == []


def test_checksums_of_any_length_side_by_side():
    rng = np.random.default_rng(0)
    blocks = [rng.bytes(length) for length in rng.integers(0, 40, 200)]
    assert official.crc32c(blocks).tolist() == [slow_crc32c(block) for block in blocks]
    assert official.masked_crc32c([b"123456789"]).tolist() == [struct.unpack("<I", masked(b"123456789"))[0]]


@pytest.mark.parametrize("verify", [True, False])
def test_records_come_back(tmp_path, verify, monkeypatch):
    monkeypatch.setitem(official.read_records.__globals__, "_BATCH", 1 << 14)
    payloads = [*PAYLOADS, *(str(number).encode() for number in range(5000)), b"long" * 10_000, b"x"]  # several batches
    write_records(tmp_path / "a.tfrecord", payloads)
    assert list(official.read_records(tmp_path / "a.tfrecord", verify)) == payloads
    (tmp_path / "empty.tfrecord").touch()
    assert list(official.read_records(tmp_path / "empty.tfrecord")) == []


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        list(official.read_records(tmp_path / "none.tfrecord"))


def test_every_truncation_is_refused(tmp_path):
    """Cut anywhere but between records: the message names the file and where the cut record begins."""
    path, cut = tmp_path / "whole.tfrecord", tmp_path / "cut.tfrecord"
    write_records(path, [b"abc", b"defgh"])
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        cut.write_bytes(whole[:length])
        if length == 19:
            assert list(official.read_records(cut)) == [b"abc"]
            continue
        with pytest.raises(ValueError, match=rf"cut\.tfrecord: truncated: .* byte {0 if length < 19 else 19}\."):
            list(official.read_records(cut))


def test_every_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(path, [b"abc", b"defgh"])
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=rf"a\.tfrecord: damaged.* byte {0 if position < 19 else 19} "):
            list(official.read_records(path))


def test_payloads_may_go_unchecked(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(path, [b"abc"])
    path.write_bytes(path.read_bytes().replace(b"abc", b"abd"))
    assert list(official.read_records(path, verify=False)) == [b"abd"]


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"PK\x03\x04 and so on, some other format")
    with pytest.raises(ValueError, match="no TFRecord file"):
        list(official.read_records(tmp_path / "a.tfrecord"))
