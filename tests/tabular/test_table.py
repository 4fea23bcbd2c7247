"""Tables: queries, charges, what they refuse; NAS-Bench-201's and NAS-Bench-Graph's files."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from kerasnas.spaces import NASBench201Space
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES
from kerasnas.tabular import NASBench201, NASBenchGraph, NATSBenchSize
from kerasnas.tabular.table import Table
from tests.tabular.official import OfficialApi

SPACE, CELLS = NASBench201Space(), [(3,) * 6, (0, 1, 2, 3, 4, 1)]
CONVERTER = Path(__file__).parents[2] / "benchmarks" / "convert_nasbench201.py"
PIXELS = CONVERTER.with_name("nasbench201_pixels.py")


@pytest.fixture(scope="module")
def synthetic():
    return NASBench201.synthetic()


@pytest.fixture
def file(tmp_path):
    """A file of the compact format: four cells, operations named in another order than ours."""
    names = np.array(["nor_conv_3x3", "none", "avg_pool_3x3", "skip_connect", "nor_conv_1x1"])
    ops = np.array([[0] * 6, [1, 0, 0, 0, 0, 0], [2] * 6, [4, 3, 2, 1, 0, 0]], "uint8")
    columns = {
        f"cifar10_{what}_{epochs}": np.arange(4, dtype="float32") + epochs + 10 * (what == "test")
        for what in ("valid", "test")
        for epochs in (12, 200)
    }
    np.savez(tmp_path / "nb201.npz", ops=ops, op_names=names, params_cifar10=np.array([4, 3, 2, 1]), **columns)
    np.savez(tmp_path / "nb201_latency_ms.npz", pixel3=np.array([1.5, 2.5, 3.5, 4.5]))
    return tmp_path / "nb201.npz"


def test_query_and_charges(file):
    table = NASBench201.open(file)
    genotype = SPACE.decode((0, 3, 3, 3, 3, 3))
    assert table.row(genotype) == 1 and table.genotype(1) == genotype and genotype in table
    assert table.query(genotype, epochs=12).valid == 13 and table.query(genotype).test == 211
    assert table.budget == {"evaluations": 2, "epochs": 212, "seconds": 0.0}
    table.reset_budget()
    assert table.budget["evaluations"] == 0
    assert table.lookup(genotype, "params") == 3 and table.lookup(genotype, "latency_pixel3") == 2.5
    assert table.budget["evaluations"] == 0


def test_refusals(file):
    table = NASBench201.open(file)
    with pytest.raises(
        ValueError, match=r"`epochs`. Expected 12 or 200, the epochs of table 'nasbench201 cifar10'. Rec.*36"
    ):
        table.query(table.genotype(0), epochs=36)
    with pytest.raises(ValueError, match="Did you mean 'valid_12'"):
        table.lookup(table.genotype(0), "valid_13")
    with pytest.raises(ValueError, match=r"`repeat`. Expected an integer from 0 to 0, .*Received: 1"):
        table.query(table.genotype(0), repeat=1)
    missing = SPACE.decode((1,) * 6)
    assert missing not in table
    with pytest.raises(ValueError, match="no row for this genotype"):
        table.query(missing)
    with pytest.raises(ValueError, match="Did you mean 'cifar10'"):
        NASBench201.open(file, dataset="cifar-10")
    with pytest.raises(ValueError, match="lacks cifar100_test_200"):
        NASBench201.open(file, dataset="cifar100")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        NASBench201.open(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="Found: 0"):
        NASBench201.open(tmp_path)


def test_repeats_are_averaged_or_picked():
    rows = [SPACE.decode((0,) * 6), SPACE.decode((1,) * 6)]
    table = Table(
        "toy",
        SPACE,
        {"valid_4": np.array([[1.0, 2, 6], [4, 5, 6]]), "seconds_4": np.array([[10.0] * 3, [20] * 3])},
        rows.index,
        rows.__getitem__,
    )
    assert table.query(rows[0]).valid == 3 and table.query(rows[0], repeat=2).valid == 6
    assert table.budget == {"evaluations": 2, "epochs": 8, "seconds": 20.0}
    with pytest.raises(ValueError, match="columns of one length"):
        Table("toy", SPACE, {"a": np.ones(2), "b": np.ones(3)}, rows.index, rows.__getitem__)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array([1.0, np.nan]), "column 'valid_4': .*`columns`.*all finite. Received: NaN or infinity"),
        (np.array(["a", "b"]), "column 'valid_4': .*`columns`. Expected an array of .*Received: dtype <U1"),
        (np.ones((2, 1, 1)), r"column 'valid_4': .*Expected arrays \(rows,\) or \(rows, repeats\)"),
        (None, "column 'valid_4': .*`columns`. Expected an array of .*Received: None"),
    ],
)
def test_columns_hold_finite_numbers(column, message):
    with pytest.raises(ValueError, match=message):
        Table("toy", SPACE, {"valid_4": column}, len, len)


def test_a_column_that_answers_no_query_may_have_gaps():
    table = Table("toy", SPACE, {"latency": np.array([1.0, np.nan])}, lambda genotype: 0, len)
    assert np.isnan(table.column("latency")[1])
    with pytest.raises(ValueError, match="Table 'toy' answers no queries: it has no column valid_<epochs>"):
        table.query(SPACE.decode((0,) * 6))


def test_synthetic_table_has_the_real_shape(synthetic):
    assert len(synthetic) == 15625 and synthetic.epochs == (12, 200)
    assert "synthetic" in synthetic.name
    again = NASBench201.synthetic()
    np.testing.assert_array_equal(synthetic.column("valid_12"), again.column("valid_12"))
    dead = SPACE.decode((0,) * 6)
    assert synthetic.lookup(dead, "test_200") == 10
    correlation = np.corrcoef(synthetic.column("valid_12"), synthetic.column("test_200"))[0, 1]
    assert 0.5 < correlation < 0.99


@pytest.mark.parametrize(
    ("convert", "kind", "strings", "budgets"),
    [
        ("convert", NASBench201, [SPACE.to_string(SPACE.decode(cell)) for cell in CELLS], ("12", "200")),
        ("convert_size", NATSBenchSize, ["8:8:8:8:8", "64:32:16:48:56"], ("01", "12", "90")),
    ],
)
def test_converter_from_the_official_files(tmp_path, convert, kind, strings, budgets):
    runpy.run_path(str(CONVERTER))[convert](OfficialApi(strings, budgets), tmp_path / "table.npz")
    table, other = (kind.open(tmp_path / "table.npz", dataset) for dataset in ("cifar10", "imagenet16"))
    genotype = table.space.from_string(strings[1])
    assert table.epochs == tuple(map(int, budgets)) and table.lookup(genotype, "params") == 2.5e6
    for epochs in table.epochs:
        assert table.lookup(genotype, f"valid_{epochs}") == 11.5
        # Of the network trained on all of the data.
        assert table.lookup(genotype, f"test_{epochs}") == pytest.approx(21 + epochs / 1000)
        assert other.lookup(genotype, f"test_{epochs}") == pytest.approx(41 + epochs / 1000)


def test_unknown_operations(tmp_path):
    with pytest.raises(ValueError, match=r"`op_names`. Expected a known name. Received: 'conv_9x9'"):
        NASBench201("x", np.zeros((1, 6), int), ["conv_9x9"], {"valid_1": np.ones(1)})
    for ops in (np.zeros((1, 5), int), np.full((1, 6), 5), np.full((1, 6), -1), np.zeros((0, 6), int)):
        with pytest.raises(ValueError, match=r"`ops`. Expected six operations for each cell, as indices below 5"):
            NASBench201("x", ops, NASBENCH201_PRIMITIVES, {"valid_1": np.ones(len(ops))})
    with pytest.raises(ValueError, match="each architecture once"):
        NASBench201("x", np.zeros((2, 6), int), NASBENCH201_PRIMITIVES, {"valid_1": np.ones(2)})


def test_nasbench_graph(tmp_path):
    arrays = {
        "hash": np.arange(3),
        "link": np.array([0, 1, 1]),
        "ops": np.array([[0, 1, 2, 0], [2, 2, 2, 2], [0, 0, 0, 1]]),
        "links": np.array([[0, 0, 0, 0], [0, 1, 2, 3]]),
        "op_names": np.array(["gcn", "gat", "skip"]),
        "columns": np.array(["valid", "test", "latency_s", "params_M"]),
        "cora": np.array([[0.5, 0.6, 1, 2], [0.7, 0.8, 3, 4], [0.1, 0.2, 5, 6]]),
    }
    np.savez(tmp_path / "graph.npz", **arrays)
    table = NASBenchGraph.open(tmp_path / "graph.npz")
    genotype = table.genotype(1)
    assert [tuple(edge) for edge in genotype["cell"]] == [("skip", node, node + 1) for node in range(4)]
    assert table.query(genotype).valid == pytest.approx(70) and table.lookup(genotype, "params_M") == 4
    rng = np.random.default_rng(0)
    assert {table.row(table.space.sample(rng)) for _ in range(50)} == {0, 1, 2}
    with pytest.raises(ValueError, match=r"graph.npz: .*`dataset`.*Received: 'core' Did you mean 'cora'"):
        NASBenchGraph.open(tmp_path / "graph.npz", dataset="core")


def test_the_benchmark_on_pixels_says_where_a_cell_stands(monkeypatch):
    """Of 1, 2, 3, 4: of the four threes the best is 3 once and 4 three times."""
    monkeypatch.syspath_prepend(PIXELS.parent)
    own, accuracies = runpy.run_path(str(PIXELS)), np.array([1.0, 2.0, 3.0, 4.0])
    assert own["_described"](accuracies) == ["4", "2.50", "2.50", "3.75", "4.00"]
    assert [own["_percentile"](value, accuracies) for value in (0.5, 3.0, 3.5, 9.0)] == [0, 62.5, 75, 100]
