"""Make the compact table of NAS-Bench-101 from an official file, once.

    python benchmarks/convert_nasbench101.py nasbench_full.tfrecord nasbench101.npz

`nasbench_only108.tfrecord` will do too. The file is read without TensorFlow or protobuf, ten to twenty thousand records
a second, and the hash of every cell is computed again from its graph; `NASBench101.open` reads the result.
"""

from __future__ import annotations

import argparse
import array
import base64
import functools
import json
import math
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerasnas.files import storage
from kerasnas.spaces.nasbench101 import NASBench101Space
from kerasnas.spaces.nasbench101_cells import graph_hash
from kerasnas.tabular.nasbench101 import FORMAT, VERSION

_VALUES = ("seconds", "train", "valid", "test")  # fields 2 to 5 of an evaluation
_DOUBLE, _VARINT, _BYTES, _FLOAT = 1, 0, 2, 5  # wire types


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="an official file, nasbench_full.tfrecord or nasbench_only108.tfrecord")
    parser.add_argument("destination", help="the .npz file to write")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.destination)


class Training(NamedTuple):
    """One record of an official file: one training of one cell.

    `adjacency` is the matrix, row after row, as a string of 0 and 1; `operations` are joined by commas. `halfway` and
    `final` are training seconds, then training, validation and test accuracy as fractions.
    """

    hash: str
    epochs: int
    adjacency: str
    operations: str
    parameters: int
    halfway: tuple[float, ...]
    final: tuple[float, ...]


def convert(source: str | os.PathLike, destination: str | os.PathLike, log: Callable[[str], Any] = print) -> None:
    """Convert an official file to the `.npz` that `NASBench101.open` reads; `log` is called with lines of progress.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, damaged or another one, or lacks a training of some cell; nothing is
            written then.
    """
    if Path(destination).suffix != ".npz":
        raise ValueError(f"Invalid value received for argument `destination`. Expected *.npz. Received: {destination}")
    rows: dict[str, int] = {}
    cells, parameters = [], []
    row, epochs, values = array.array("i"), array.array("i"), array.array("d")
    for training in read_trainings(source):
        if training.hash not in rows:
            rows[training.hash] = len(rows)
            cells.append(_packed_cell(source, training))
            parameters.append(training.parameters)
        row.append(rows[training.hash])
        epochs.append(training.epochs)
        values.extend(training.halfway)
        values.extend(training.final)
        if len(row) % 500_000 == 0:
            log(f"{len(row):,} trainings of {len(rows):,} cells")
    if not rows:
        raise ValueError(f"{source} holds no trainings.")

    names = np.array(list(rows))
    order = np.argsort(names)
    arrays: dict[str, np.ndarray] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "hash": np.array([[int(name[:16], 16), int(name[16:], 16)] for name in names[order]], np.uint64),
        "cell": np.array(cells, np.uint32)[order],
        "params": np.array(parameters, np.int32)[order],
    }
    table = np.frombuffer(values).reshape(len(row), 2, len(_VALUES))
    for budget in sorted(set(epochs)):
        chosen = np.flatnonzero(np.frombuffer(epochs, np.int32) == budget)
        counts = np.bincount(np.frombuffer(row, np.int32)[chosen], minlength=len(rows))
        if counts.min() != counts.max():
            raise ValueError(
                f"{source}: not all cells have as many trainings of {budget} epochs: {counts.max()} of some, "
                f"{counts.min()} of {names[counts.argmin()]}. The file is not whole."
            )
        by_row = chosen[np.argsort(np.frombuffer(row, np.int32)[chosen], kind="stable")]
        results = table[by_row].reshape(len(rows), -1, 2, len(_VALUES))[order]
        for moment, prefix in enumerate(("halfway_", "")):
            for index, what in enumerate(_VALUES):
                unit = 1.0 if what == "seconds" else 100.0  # accuracies in percent
                arrays[f"{prefix}{what}_{budget}"] = (unit * results[:, :, moment, index]).astype(np.float32)
    with storage.atomic_path(destination) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
    log(f"{destination}: {len(rows):,} cells, epochs {', '.join(map(str, sorted(set(epochs))))}")


def _packed_cell(source: str | os.PathLike, training: Training) -> int:
    """Pack the canonical cell in 32 bits: vertices, 21 bits of edges, operations as digits to the base 3."""
    operations = training.operations.split(",")
    try:
        bits = np.array([int(bit) for bit in training.adjacency]).reshape(len(operations), len(operations))
        cell = NASBench101Space().cell(bits, operations)
    except ValueError as error:
        raise ValueError(f"{source}: the cell with hash {training.hash}: {error}") from None
    if graph_hash(cell) != training.hash:
        raise ValueError(
            f"{source}: the graph stored with hash {training.hash} has the hash {graph_hash(cell)}: the file is "
            "damaged, or another one."
        )
    code = 0
    for operation in cell.operations:
        code = 3 * code + operation
    return cell.vertices << 29 | cell.edges << 8 | code


def read_trainings(source: str | os.PathLike) -> Iterator[Training]:
    """Read every training in an official file, in order; a ValueError names the record that is damaged."""
    for number, record in enumerate(read_records(source)):
        try:
            training = _training(record)
        except (ValueError, TypeError, struct.error, IndexError) as error:
            raise ValueError(f"{source}: record {number} is none of NAS-Bench-101: {error}") from None
        yield training


def _training(record: bytes) -> Training:
    name, epochs, adjacency, operations, metrics = json.loads(record)
    parameters, evaluations = decode_metrics(base64.b64decode(metrics, validate=True))
    if len(evaluations) != 3 or not isinstance(epochs, int) or len(bytes.fromhex(name)) != 16:
        raise ValueError(f"{len(evaluations)} evaluations, expected 3, for {name!r} after {epochs!r} epochs")
    return Training(name, epochs, str(adjacency), str(operations), parameters, *evaluations[1:])


# The serialized message ---------------------------------------------------------------------------------
def decode_metrics(message: bytes) -> tuple[int, list[tuple[float, ...]]]:
    """Decode the number of parameters, and the `_VALUES` of each evaluation (at the start, halfway, at the end).

    The message `ModelMetrics` has evaluations as field 1 and the number of parameters as field 2; an evaluation has
    training seconds and training, validation and test accuracy as doubles, fields 2 to 5. Raises ValueError if it is
    cut short, or a value is missing.
    """
    parameters, evaluations = None, []
    for field, value in _fields(message):
        if field == 1 and isinstance(value, bytes):
            doubles = {number: double for number, double in _fields(value) if isinstance(double, float)}
            evaluation = tuple([doubles.get(number, math.nan) for number in (2, 3, 4, 5)])
            if not all(map(math.isfinite, evaluation)):
                raise ValueError(f"an evaluation without all of {', '.join(_VALUES)}")
            evaluations.append(evaluation)
        elif field == 2 and isinstance(value, int):
            parameters = value
    if parameters is None:
        raise ValueError("no number of parameters")
    return parameters, evaluations


def _fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield (number, value) of every field of a message in protobuf's wire format."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire = tag >> 3, tag & 7
        if wire == _DOUBLE:
            yield field, struct.unpack_from("<d", message, position)[0]
            position += 8
        elif wire == _VARINT:
            value, position = _varint(message, position)
            yield field, value
        elif wire == _BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("a field longer than its message")
            yield field, message[position : position + length]
            position += length
        elif wire == _FLOAT:
            yield field, struct.unpack_from("<f", message, position)[0]
            position += 4
        else:
            raise ValueError(f"a field of wire type {wire}")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Decode an integer in groups of seven bits, the lowest first, each but the last with its eighth bit set."""
    value, shift = 0, 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


# TFRecord: length, its checksum, payload, its checksum, again and again -----------------------------------
_HEADER = struct.Struct("<QI")  # length of the payload, masked checksum of these 8 bytes
_FOOTER = struct.Struct("<I")  # masked checksum of the payload
_BATCH = 1 << 21  # bytes whose checksums are computed at once
_LONGEST = 1 << 26  # no record of a table comes near: a greater length is damage, and not to be allocated


def _crc32c_table() -> np.ndarray:
    """Tabulate the remainder of every byte modulo the Castagnoli polynomial, bits reversed."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table


_TABLE = _crc32c_table()


def crc32c(blocks: Sequence[bytes]) -> np.ndarray:
    """Compute the CRC-32C (Castagnoli) of each of several blocks of bytes, side by side.

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
    """Mask checksums as TFRecord files do: rotated right by 15 bits, plus a constant."""
    checksums = crc32c(blocks)
    return (checksums >> 15 | checksums << 17) + np.uint32(0xA282EAD8)


@functools.lru_cache(1 << 12)
def _masked_length(length: int) -> int:
    return int(masked_crc32c([struct.pack("<Q", length)])[0])


def read_records(path: str | os.PathLike, verify: bool = True) -> Iterator[bytes]:
    """Yield the payloads of an uncompressed TFRecord file.

    With `verify` the payloads are checked too, which takes about a second for 100 MB; the lengths always are. A
    ValueError names the byte where the file is truncated or damaged.
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


if __name__ == "__main__":
    main()
