"""HW-NAS-Bench: the converter admits plain pickles alone, and NAS-Bench-201 has its metrics in its own order."""

import os
import pickle
import runpy
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from kerasnas.spaces import NASBench201Space
from kerasnas.spaces.nasbench201 import NASBENCH201_PRIMITIVES
from kerasnas.tabular import NASBench201
from kerasnas.tabular.hwnasbench import HARDWARE_METRICS

SPACE = NASBench201Space()
CONVERTER = Path(__file__).parents[2] / "benchmarks" / "convert_hwnasbench.py"
CELLS = [(3,) * 6, (0, 1, 2, 3, 4, 1), (1,) * 6]


def official(values=np.asarray):
    """The official structure, with values that name data set, metric and cell."""
    configs = [{"name": "infer.tiny", "arch_str": SPACE.to_string(SPACE.decode(cell))} for cell in CELLS]
    data = OrderedDict()
    for number, dataset in enumerate(("cifar10", "cifar100", "ImageNet16-120")):
        metrics = {
            name: values([100.0 * number + 10 * position + row for row in range(3)])
            for position, name in enumerate(HARDWARE_METRICS)
        }
        data[dataset] = {"config": configs, **metrics}
    return {"nasbench201": data, "fbnet": {}}


@pytest.fixture
def convert():
    return runpy.run_path(str(CONVERTER))["convert"]


def nasbench201(folder):
    """A table of the same cells, in another order and with operations named in another order."""
    names = list(reversed(NASBENCH201_PRIMITIVES))
    ops = np.array([[4 - op for op in cell] for cell in (CELLS[2], CELLS[0])], "uint8")
    columns = {f"{d}_{what}": np.ones(2) for d in ("cifar10", "cifar100") for what in ("valid_12", "test_200")}
    np.savez(folder / "nb201.npz", ops=ops, op_names=np.array(names), **columns)
    return folder / "nb201.npz"


@pytest.mark.parametrize("values", [list, np.asarray, lambda numbers: [np.float64(number) for number in numbers]])
@pytest.mark.parametrize("protocol", [2, 4])
def test_metrics_join_the_table_in_its_order(convert, tmp_path, values, protocol):
    (tmp_path / "official.pickle").write_bytes(pickle.dumps(official(values), protocol))
    convert(tmp_path / "official.pickle", tmp_path / "hwnasbench.npz")
    path = nasbench201(tmp_path)
    for dataset, base in (("cifar10", 0), ("cifar100", 100)):
        for table in (NASBench201.open(path, dataset), NASBench201.open(tmp_path, dataset)):
            for position, name in enumerate(HARDWARE_METRICS):
                assert table.column(name).tolist() == [base + 10 * position + 2, base + 10 * position]
            assert table.lookup(SPACE.decode(CELLS[0]), "raspi4_latency") == base + 20


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


@pytest.mark.parametrize("harmful", [Harmful(), os.getcwd, Path("x"), {"nasbench201": Harmful()}])
def test_a_pickle_that_names_anything_else_is_not_opened(convert, tmp_path, monkeypatch, harmful):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "official.pickle").write_bytes(pickle.dumps(harmful))
    with pytest.raises(ValueError, match=r"official.pickle is not opened: expected plain containers .* It names: "):
        convert("official.pickle", "hwnasbench.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["official.pickle"]


def test_other_files_are_refused(convert, tmp_path):
    def refused(content, message):
        (tmp_path / "official.pickle").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            convert(tmp_path / "official.pickle", tmp_path / "hwnasbench.npz")

    refused(pickle.dumps(official())[:200], "is not opened")
    refused(b"", "is not opened")
    refused(pickle.dumps([1, 2]), "it lacks 'nasbench201'")
    refused(pickle.dumps({"fbnet": 1}), "it lacks 'nasbench201'")
    lacking = official()
    del lacking["nasbench201"]["cifar100"]["fpga_energy"]
    refused(pickle.dumps(lacking), "'cifar100' lacks fpga_energy")
    short = official()
    short["nasbench201"]["cifar10"]["edgegpu_energy"] = [1.0]
    refused(pickle.dumps(short), "expected 3 values of 'edgegpu_energy' in 'cifar10'")
    turned = official()
    turned["nasbench201"]["cifar100"]["config"] = turned["nasbench201"]["cifar100"]["config"][::-1]
    refused(pickle.dumps(turned), "the cells of 'cifar100' are not in the order")


def test_a_file_that_does_not_fit_the_table_is_refused(tmp_path):
    path = nasbench201(tmp_path)
    ops, names = np.array([[1] * 6]), np.array(NASBENCH201_PRIMITIVES)
    for arrays, message in (
        ({"ops": ops, "op_names": names, "cifar10_fpga_energy": [1.0]}, "lacks 1 of the 2 cells of the table"),
        ({"ops": ops, "op_names": names}, "is not HW-NAS-Bench with cifar10: it lacks cifar10_edgegpu_latency"),
        ({"ops": ops, "op_names": names, "cifar10_fpga_energy": [1.0, 2]}, "expected 1 values of cifar10_fpga_energy"),
        ({"ops": ops}, "is not HW-NAS-Bench: it lacks op_names"),
    ):
        np.savez(tmp_path / "hwnasbench.npz", **arrays)
        with pytest.raises(ValueError, match=message):
            NASBench201.open(path)
