"""TFRecord files: records come back, and damage is reported with its place."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
official = SimpleNamespace(**runpy.run_path(str(BENCHMARKS / "convert_nasbench101.py")))
SECOND = 19  # the byte at which the second record begins


@pytest.fixture
def whole(tmp_path):
    """The content of a file of two records."""
    return write_records(tmp_path / "whole.tfrecord", [b"abc", b"defgh"]).read_bytes()


def write_records(path, payloads):
    with tf.io.TFRecordWriter(str(path)) as file:
        for payload in payloads:
            file.write(payload)
    return path


@pytest.mark.parametrize("payloads", [[], [b"", b"a", bytes(range(256)), b"\0" * 7, b"long" * 10_000]])
def test_records_come_back(tmp_path, payloads):
    assert list(official.read_records(write_records(tmp_path / "a.tfrecord", payloads))) == payloads


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        list(official.read_records(tmp_path / "none.tfrecord"))


def test_every_truncation_is_refused(tmp_path, whole):
    """Cut anywhere but between records: the message names the file and where the cut record begins."""
    cut = tmp_path / "cut.tfrecord"
    for length in range(1, len(whole)):
        cut.write_bytes(whole[:length])
        if length == SECOND:
            assert list(official.read_records(cut)) == [b"abc"]
            continue
        with pytest.raises(ValueError, match=rf"cut\.tfrecord: truncated: .* byte {SECOND * (length > SECOND)}\."):
            list(official.read_records(cut))


def test_every_flipped_byte_is_refused(tmp_path, whole):
    path = tmp_path / "a.tfrecord"
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=rf"a\.tfrecord: damaged.* byte {SECOND * (position >= SECOND)} "):
            list(official.read_records(path))


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(b"PK\x03\x04 and so on, some other format")
    with pytest.raises(ValueError, match="no TFRecord file"):
        list(official.read_records(tmp_path / "a.tfrecord"))
