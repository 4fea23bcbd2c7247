"""TFRecord files without TensorFlow: length, its checksum, payload, its checksum, again and again."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator, Sequence

import numpy as np

_HEADER = struct.Struct("<QI")  # length of the payload, masked checksum of these 8 bytes
_FOOTER = struct.Struct("<I")  # masked checksum of the payload
_BATCH = 1 << 21  # bytes whose checksums are computed at once
_LONGEST = 1 << 26  # no record of a table comes near: a greater length is damage, and not to be allocated


def _crc32c_table() -> np.ndarray:
    """The remainder of every byte by the Castagnoli polynomial, bits reversed."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table


_TABLE = _crc32c_table()


def crc32c(blocks: Sequence[bytes]) -> np.ndarray:
    """CRC-32C (Castagnoli) of each of several blocks of bytes, all computed side by side.

    Example:

    >>> [hex(checksum) for checksum in crc32c([b"123456789", b""])]
    ['0xe3069283', '0x0']
    """
    lengths = np.array([len(block) for block in blocks], np.int64)
    order = np.argsort(-lengths, kind="stable")  # longest first: those that still have bytes are at the front
    longest = lengths.max(initial=0)
    columns = np.zeros((len(blocks), longest), np.uint8)
    for row, index in enumerate(order):
        columns[row, : lengths[index]] = np.frombuffer(blocks[index], np.uint8)
    columns = np.ascontiguousarray(columns.T)
    left = np.searchsorted(-lengths[order], -np.arange(longest), side="left")  # how many are longer than i
    checksums = np.full(len(blocks), 0xFFFFFFFF, np.uint32)
    for column, count in zip(columns, left, strict=True):
        active = checksums[:count]
        active[:] = _TABLE[(active ^ column[:count]) & 0xFF] ^ active >> 8
    found = np.empty_like(checksums)
    found[order] = ~checksums
    return found


def masked_crc32c(blocks: Sequence[bytes]) -> np.ndarray:
    """The checksums as TFRecord files hold them: rotated right by 15 bits, plus a constant."""
    checksums = crc32c(blocks)
    return (checksums >> 15 | checksums << 17) + np.uint32(0xA282EAD8)


@functools.lru_cache(1 << 12)
def _masked_length(length: int) -> int:
    return int(masked_crc32c([struct.pack("<Q", length)])[0])


def read_records(path: str | os.PathLike, verify: bool = True) -> Iterator[bytes]:
    """The payloads of the TFRecord file at `path`, one after the other.

    Args:
        path: an uncompressed TFRecord file.
        verify: whether to check the payloads too, which takes about a second for 100 MB; the lengths always are.
            Defaults to True.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated or damaged, or no TFRecord file; the message has the byte where.
    """
    with open(path, "rb") as file:
        offset, longest = 0, 0
        batch: list[tuple[int, bytes, int]] = []
        while header := file.read(_HEADER.size):
            if len(header) < _HEADER.size:
                raise _truncated(path, offset, "the length of a record")
            length, checksum = _HEADER.unpack(header)
            if _masked_length(length) != checksum or length > _LONGEST:
                raise ValueError(
                    f"{path}: damaged, or no TFRecord file: at byte {offset} the length of a record and its checksum "
                    "do not agree."
                )
            payload, footer = file.read(length), file.read(_FOOTER.size)
            if len(payload) < length or len(footer) < _FOOTER.size:
                raise _truncated(path, offset, f"a record of {length} bytes")
            batch.append((offset, payload, _FOOTER.unpack(footer)[0]))
            offset += _HEADER.size + length + _FOOTER.size
            longest = max(longest, length)
            if len(batch) * longest >= _BATCH:
                yield from _payloads(path, batch, verify)
                batch, longest = [], 0
        yield from _payloads(path, batch, verify)


def _truncated(path: str | os.PathLike, offset: int, what: str) -> ValueError:
    return ValueError(f"{path}: truncated: the file ends within {what} that begins at byte {offset}.")


def _payloads(path: str | os.PathLike, batch: list[tuple[int, bytes, int]], verify: bool) -> Iterator[bytes]:
    computed = masked_crc32c([payload for _, payload, _ in batch]) if verify else None
    for row, (offset, payload, checksum) in enumerate(batch):
        if computed is not None and computed[row] != checksum:
            raise ValueError(f"{path}: damaged: the record at byte {offset} and its checksum do not agree.")
        yield payload
