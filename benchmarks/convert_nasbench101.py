"""Make the compact table of NAS-Bench-101 from an official file, once.

    python benchmarks/convert_nasbench101.py nasbench_full.tfrecord nasbench101.npz

`nasbench_only108.tfrecord` will do too. The hash of every cell is computed again from its graph; `NASBench101.open`
reads the result.
"""

from __future__ import annotations

import argparse
import array
import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.message import DecodeError

from kerasnas.files import storage
from kerasnas.spaces.nasbench101 import NASBench101Space
from kerasnas.spaces.nasbench101_cells import graph_hash
from kerasnas.tabular.nasbench101 import FORMAT, VERSION

_VALUES = ("seconds", "train", "valid", "test")  # fields 2 to 5 of an evaluation
_AROUND = 16  # bytes of a record beside its payload: the length, and two checksums


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


def convert(source: str | os.PathLike, destination: str | os.PathLike) -> None:
    """Convert an official file to the `.npz` that `NASBench101.open` reads.

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
            print(f"{len(row):,} trainings of {len(rows):,} cells")
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
    print(f"{destination}: {len(rows):,} cells, epochs {', '.join(map(str, sorted(set(epochs))))}")


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
        except (ValueError, TypeError) as error:
            raise ValueError(f"{source}: record {number} is none of NAS-Bench-101: {error}") from None
        yield training


def _training(record: bytes) -> Training:
    name, epochs, adjacency, operations, metrics = json.loads(record)
    parameters, evaluations = decode_metrics(base64.b64decode(metrics, validate=True))
    if len(evaluations) != 3 or not isinstance(epochs, int) or len(bytes.fromhex(name)) != 16:
        raise ValueError(f"{len(evaluations)} evaluations, expected 3, for {name!r} after {epochs!r} epochs")
    return Training(name, epochs, str(adjacency), str(operations), parameters, *evaluations[1:])


# The official formats ---------------------------------------------------------------------------------------
def _message() -> Any:
    """Return the class of protobuf's message `ModelMetrics`: its evaluations and the number of parameters."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="nasbench101.proto")
    evaluation, metrics = (file.message_type.add(name=name) for name in ("Evaluation", "ModelMetrics"))
    for number, name in enumerate(_VALUES, start=2):
        evaluation.field.add(name=name, number=number, type=field.TYPE_DOUBLE, label=field.LABEL_REQUIRED)
    many = {"type": field.TYPE_MESSAGE, "type_name": "Evaluation", "label": field.LABEL_REPEATED}
    metrics.field.add(name="evaluations", number=1, **many)
    metrics.field.add(name="parameters", number=2, type=field.TYPE_INT64, label=field.LABEL_REQUIRED)
    return message_factory.GetMessages([file])["ModelMetrics"]


_METRICS = _message()


def decode_metrics(message: bytes) -> tuple[int, list[tuple[float, ...]]]:
    """Decode the number of parameters, and the `_VALUES` of each evaluation (at the start, halfway, at the end).

    Raises ValueError if the message is cut short, or a value is missing.
    """
    try:
        metrics = _METRICS.FromString(message)
    except DecodeError as error:
        raise ValueError(str(error)) from None
    evaluations = [tuple(getattr(one, name) for name in _VALUES) for one in metrics.evaluations]
    if not metrics.IsInitialized() or not np.isfinite(evaluations).all():
        raise ValueError(f"no number of parameters, or an evaluation without all of {', '.join(_VALUES)}")
    return metrics.parameters, evaluations


def read_records(path: str | os.PathLike) -> Iterator[bytes]:
    """Yield the payloads of an uncompressed TFRecord file; a ValueError names the byte where it is cut or damaged."""
    size, end = os.path.getsize(path), 0
    try:
        for payload in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
            end += len(payload) + _AROUND
            yield payload
    except tf.errors.DataLossError as error:
        if "truncated" not in error.message:
            raise ValueError(
                f"{path}: damaged, or no TFRecord file: the record at byte {end} and its checksums do not agree."
            ) from None
    if end < size:  # which TensorFlow does not say of a file that ends within the length of a record
        raise ValueError(f"{path}: truncated: the file ends within a record that begins at byte {end}.")


if __name__ == "__main__":
    main()
