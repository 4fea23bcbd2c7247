"""Sizes of the published networks: the package, a count by hand, and what the papers report agree."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from kerasnas import DARTSSpace, genotypes

GOLDEN = Path(__file__).parents[1] / "golden"
COUNTS = json.loads((GOLDEN / "parameter_counts.json").read_text())
IMAGES = {"input_shape": (32, 32, 3), "num_classes": 10}


def parameters(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_the_golden_file_is_what_its_script_writes():
    assert runpy.run_path(str(GOLDEN / "make_parameter_counts.py"))["counts"]() == COUNTS


@pytest.mark.slow
@pytest.mark.parametrize(("filters", "cells", "expected"), [(8, 4, 347_298), (16, 8, 1_930_618)])
def test_supernet(filters, cells, expected):
    supernet = DARTSSpace(filters=filters, num_cells=cells).build_supernet(**IMAGES)
    assert parameters(supernet.network_weights) == expected
    assert parameters(supernet.architecture_parameters) == 2 * 14 * 8
    assert COUNTS["supernet"][f"{filters} filters, {cells} cells"] == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected", "reported"),
    [
        pytest.param("DARTS_V1", 3_169_414, 3.3e6, marks=pytest.mark.slow),
        ("DARTS_V2", 3_349_342, 3.3e6),
        pytest.param("PC_DARTS_CIFAR", 3_634_678, 3.6e6, marks=pytest.mark.slow),
    ],
)
def test_published_genotype(name, expected, reported):
    network = DARTSSpace(filters=36, num_cells=20).build_network(getattr(genotypes, name), **IMAGES)
    assert parameters(network.trainable_variables) == expected
    assert COUNTS["discrete, 36 filters, 20 cells"][name] == expected
    assert abs(expected - reported) / reported < 0.05  # the papers print one decimal, of the mean over searches
