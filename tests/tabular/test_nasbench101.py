"""Files of NAS-Bench-101: small ones of the official format, their conversion, the table, and damage."""

import base64
import json
import struct
import time

import numpy as np
import pytest

from kerasnas.search import RandomSearch
from kerasnas.spaces import DARTSSpace, NASBench101Space
from kerasnas.spaces.nasbench101 import NASBENCH101_OPERATIONS
from kerasnas.spaces.nasbench101_enumeration import Cells, cell_indices, enumerate_cells
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.tabular import NASBench101
from tests.tabular.test_convert_nasbench101 import official, write_records

SPACE = NASBench101Space()
FULL, ONLY108 = (4, 12, 36, 108), (108,)
CELLS = [
    SPACE.decode(indices)
    for indices in map(tuple, cell_indices(Cells(*(column[::250] for column in enumerate_cells(5)))).tolist())
]


# Writing the official format --------------------------------------------------------------------------------
def varint(number):
    groups = []
    while True:
        number, low = number >> 7, number & 0x7F
        groups.append(low | (0x80 if number else 0))
        if not number:
            return bytes(groups)


def double(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def evaluation(epoch, seconds, accuracies, path=b""):
    message = double(1, epoch) + double(2, seconds)
    message += b"".join(double(3 + index, value) for index, value in enumerate(accuracies))
    return message + (varint(6 << 3 | 2) + varint(len(path)) + path if path else b"")


def metrics(epochs, seconds, accuracies, parameters):
    """Training accuracy, validation and test: a tenth at the start, 0.1 below their end halfway."""
    half = [value - 0.1 for value in accuracies]
    evaluations = [
        evaluation(0, 0.0, [0.1] * 3),
        evaluation(epochs / 2, seconds / 2, half),
        evaluation(epochs, seconds, accuracies, b"model.ckpt-1"),
    ]
    message = b"".join(varint(1 << 3 | 2) + varint(len(part)) + part for part in evaluations)
    return message + varint(2 << 3 | 0) + varint(parameters) + double(3, 2 * seconds)


def accuracies(row, epochs, repeat):
    return [(900 + row) / 1000 - 0.2 / epochs + 0.001 * repeat - 0.01 * column for column in range(3)]


def records(genotypes, budgets):
    """The rows of an official file, repeats and cells mixed."""
    for repeat in range(3):
        for row, genotype in enumerate(genotypes):
            matrix, operations = SPACE.matrix(genotype)
            for epochs in budgets:
                message = metrics(
                    epochs, 10.0 * epochs + row, accuracies(row, epochs, repeat), SPACE.parameters(genotype)
                )
                yield [
                    SPACE.hash(genotype),
                    epochs,
                    "".join(map(str, matrix.ravel())),
                    ",".join(operations),
                    base64.b64encode(message).decode(),
                ]


def write(path, rows):
    return write_records(path, [json.dumps(row).encode() for row in rows])


def converted(folder, budgets=FULL, genotypes=CELLS):
    source, destination = folder / "nasbench.tfrecord", folder / "nasbench101.npz"
    official.convert(write(source, records(genotypes, budgets)), destination)
    return destination


# Reading it ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("budgets", [FULL, ONLY108])
def test_official_files_are_converted(tmp_path, budgets):
    table = NASBench101.open(converted(tmp_path, budgets))
    assert table.epochs == budgets and len(table) == len(CELLS) == 11
    for row, genotype in enumerate(CELLS):
        for epochs in budgets:
            train, valid, test = 100 * np.mean([accuracies(row, epochs, repeat) for repeat in range(3)], axis=0)
            found = table.query(genotype, epochs)
            assert found.valid == pytest.approx(valid, rel=1e-6) and found.test == pytest.approx(test, rel=1e-6)
            assert found.seconds == pytest.approx(10.0 * epochs + row) and found.epochs == epochs
            assert table.lookup(genotype, f"train_{epochs}") == pytest.approx(train, rel=1e-6)
            assert table.lookup(genotype, f"halfway_valid_{epochs}") == pytest.approx(valid - 10, rel=1e-6)
            assert table.lookup(genotype, f"halfway_seconds_{epochs}") == pytest.approx((10.0 * epochs + row) / 2)
        assert table.lookup(genotype, "params") == SPACE.parameters(genotype)
    assert table.column("valid_108").shape == (11,) and table.columns["valid_108"].shape == (11, 3)


def test_the_converter_runs_from_the_command_line(tmp_path, monkeypatch, capsys):
    source = write(tmp_path / "nasbench.tfrecord", records(CELLS[:2], ONLY108))
    monkeypatch.setattr("sys.argv", ["convert_nasbench101.py", str(source), str(tmp_path / "two.npz")])
    official.main()
    assert "2 cells, epochs 108" in capsys.readouterr().out
    assert len(NASBench101.open(tmp_path / "two.npz")) == 2


def test_repeats_and_budget(tmp_path):
    table = NASBench101.open(converted(tmp_path).parent)  # the folder will do
    each = [table.query(CELLS[3], 12, repeat=repeat).valid for repeat in range(3)]
    assert each == pytest.approx([100 * accuracies(3, 12, repeat)[1] for repeat in range(3)], rel=1e-6)
    assert table.query(CELLS[3]).epochs == 108
    assert table.budget == {"evaluations": 4, "epochs": 3 * 12 + 108, "seconds": pytest.approx(3 * 123 + 1083)}


def test_rows_and_genotypes(tmp_path):
    table = NASBench101.open(converted(tmp_path, ONLY108))
    assert [table.row(genotype) for genotype in table] == list(range(len(table)))
    assert set(table) == set(CELLS) and all(genotype in table for genotype in CELLS)


def test_a_partial_table_is_searched_within_its_cells(tmp_path):
    table = NASBench101.open(converted(tmp_path, ONLY108))
    assert isinstance(table.space, SubsetSpace) and "11 of 423,624 cells" in table.name
    strategy = RandomSearch(table.space, seed=0)
    for genotype in strategy.ask(11):
        strategy.tell(genotype, table.query(genotype).valid)
    assert strategy.best[0] == CELLS[-1]


def test_cells_without_a_row_are_refused(tmp_path):
    table = NASBench101.open(converted(tmp_path, ONLY108))
    missing = next(SPACE.decode(indices) for indices in SPACE if SPACE.decode(indices) not in CELLS)
    assert missing not in table
    with pytest.raises(ValueError, match="has no row for this cell of NAS-Bench-101"):
        table.query(missing)
    with pytest.raises(ValueError, match="belongs to space 'darts'"):
        table.query(DARTSSpace().sample(np.random.default_rng(0)))
    assert table.budget["evaluations"] == 0


# The message ------------------------------------------------------------------------------------------------
def test_metrics_message():
    parameters, evaluations = official.decode_metrics(metrics(108, 50.0, [0.9, 0.8, 0.7], 12_345_678))
    assert parameters == 12_345_678
    assert evaluations == [(0.0, 0.1, 0.1, 0.1), (25.0, 0.9 - 0.1, 0.8 - 0.1, 0.7 - 0.1), (50.0, 0.9, 0.8, 0.7)]


def test_unknown_fields_are_passed_over():
    extra = varint(9 << 3 | 5) + struct.pack("<f", 1.0) + varint(10 << 3 | 0) + varint(300) + double(11, 1.0)
    message = metrics(4, 1.0, [0.5] * 3, 7)
    assert official.decode_metrics(extra + message + extra) == official.decode_metrics(message)


def test_messages_cut_short_are_refused():
    message = metrics(4, 1.0, [0.5] * 3, 7)
    whole = official.decode_metrics(message)
    for length in range(len(message)):
        try:
            assert (
                official.decode_metrics(message[:length]) == whole
            )  # only the total time was cut off, which is not read
            assert length == len(message) - 9
        except ValueError:
            assert length != len(message) - 9
    with pytest.raises(ValueError, match="without all of seconds"):
        official.decode_metrics(metrics(4, float("nan"), [0.5] * 3, 7))


# Damage -----------------------------------------------------------------------------------------------------
def broken(tmp_path, change):
    rows = list(records(CELLS[:2], ONLY108))
    change(rows)
    return write(tmp_path / "broken.tfrecord", rows)


def set_in(row, column, value):
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.clear(), "holds no trainings"),
        (lambda rows: rows.pop(), "108 epochs: 3 of some, 2 of"),
        (set_in(1, 4, "AAAA"), "record 1 is none of NAS-Bench-101"),
        (set_in(1, 4, "not base64!"), "record 1 is none of NAS-Bench-101"),
        (set_in(0, 0, "xyz"), "record 0 is none of NAS-Bench-101"),
        (set_in(0, 0, "0" * 32), "stored with hash 0{32} has the hash"),
        (set_in(1, 2, "0101"), "the cell with hash"),
        (lambda rows: rows.insert(0, {"another": "file"}), "record 0 is none of NAS-Bench-101"),
        (lambda rows: rows.insert(2, 5), "record 2 is none of NAS-Bench-101"),
    ],
)
def test_damaged_official_files_are_refused(tmp_path, change, message):
    source = broken(tmp_path, change)
    with pytest.raises(ValueError, match=message) as told:
        official.convert(source, tmp_path / "out.npz")
    assert "broken.tfrecord" in str(told.value)
    assert not (tmp_path / "out.npz").exists()


def test_truncated_official_files_are_refused(tmp_path):
    source = write(tmp_path / "cut.tfrecord", records(CELLS[:2], ONLY108))
    source.write_bytes(source.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"cut\.tfrecord: truncated"):
        list(official.read_trainings(source))
    with pytest.raises(ValueError, match=r"Expected \*\.npz"):
        official.convert(source, tmp_path / "out.h5")


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_damaged_tables_are_refused(tmp_path):
    path = converted(tmp_path, ONLY108)
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="has version 2; this KerasNAS reads version 1"):
        NASBench101.open(rewritten(path, version=np.array(2)))
    with pytest.raises(ValueError, match="is not NAS-Bench-101: it lacks"):
        NASBench101.open(rewritten(path, format=np.array("something else")))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="nasbench101"):
        NASBench101.open(path)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    with pytest.raises(ValueError, match="nasbench101"):
        NASBench101.open(path)
    with pytest.raises(FileNotFoundError):
        NASBench101.open(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"convert it once, with benchmarks/convert_nasbench101\.py"):
        NASBench101.open(tmp_path / "nasbench.tfrecord")


def test_a_sample_with_a_cell_that_is_none_is_refused(tmp_path):
    arrays = {
        "hash": np.array(["0" * 32]),
        "vertices": [3],
        "ops": [[0]],
        "params": [1],
        "val108": [0.5],
        "matrix": np.zeros((1, 3, 3), int),
    }
    np.savez(tmp_path / "sample.npz", **arrays)
    with pytest.raises(ValueError, match="row 0 is not a pruned cell"):
        NASBench101.open(tmp_path / "sample.npz")


# At full size -------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_sample_of_20001_cells(published):
    path = published("nb101_20k_inverted.npz")
    took = []
    for _ in range(3):
        start = time.process_time()
        table = NASBench101.open(path)
        took.append(time.process_time() - start)
    assert min(took) < 2  # a second, and as much again for a busy machine
    assert table.epochs == FULL and len(table) == 20_001
    with np.load(path) as file:
        hashes, params, valid = file["hash"], file["params"], file["val108"]
    for row, genotype in enumerate(table):
        assert table.row(genotype) == row and SPACE.hash(genotype) == hashes[row]
        assert SPACE.parameters(genotype) == params[row] == table.lookup(genotype, "params")
    assert table.column("valid_108").max() == pytest.approx(100 * valid.max()) == pytest.approx(94.91186)


@pytest.mark.slow
def test_a_table_of_all_cells_opens_in_a_second(tmp_path):
    """Of the size of the converted official file, with made-up numbers."""
    cells, rng = enumerate_cells(), np.random.default_rng(0)
    rows = len(cells.vertices)
    arrays = {
        "format": np.array("kerasnas.nasbench101"),
        "version": np.array(1),
        "hash": rng.integers(0, 1 << 63, (rows, 2)).astype(np.uint64),
        "cell": cells.vertices.astype(np.uint32) << 29 | cells.edges << 8 | cells.operations,
        "params": np.zeros(rows, np.int32),
    }
    for epochs in FULL:
        for what in ("seconds", "train", "valid", "test"):
            for moment in ("", "halfway_"):
                arrays[f"{moment}{what}_{epochs}"] = np.zeros((rows, 3), np.float32)
    np.savez(tmp_path / "all.npz", **arrays)
    start = time.process_time()
    table = NASBench101.open(tmp_path / "all.npz")
    assert time.process_time() - start < 2  # a second, and as much again for a busy machine
    assert table.name == "nasbench101" and table.space.name == "nasbench101" and len(table) == 423_624
    assert not isinstance(table.space, SubsetSpace)
    assert sum(array.nbytes for array in arrays.values()) < 200e6
    assert SPACE.matrix(table.genotype(423_623))[1][1:-1] == [NASBENCH101_OPERATIONS[2]] * 5
