"""Writes parameter_counts.json: trainable parameters counted by hand from the layer definitions of the papers.

Nothing of KerasNAS is used. DARTS (Liu et al., 2019) defines, for C filters and without biases:

    ReLU-Conv-BN, FactorizedReduce   C_in x C;  FactorizedReduce is two 1x1 convolutions of C / 2 filters each
    sep_conv_kxk                     twice: depthwise k x k, then 1x1;  each with its batch norm
    dil_conv_kxk                     once: dilated depthwise k x k, then 1x1, batch norm
    skip_connect                     nothing at stride 1, FactorizedReduce at stride 2
    pools, none                      nothing

A batch norm has 2 C parameters in a discrete network, and none in the cells of a supernet (`affine=False`).

    python tests/golden/make_parameter_counts.py
"""

import json
from pathlib import Path

# The published genotypes, as (primitive, source) pairs: two for each of four nodes.
GENOTYPES = {
    "DARTS_V1": {
        "normal": "sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 0, sep_conv_3x3 1, "
        "skip_connect 0, sep_conv_3x3 1, sep_conv_3x3 0, skip_connect 2",
        "reduce": "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 0, "
        "max_pool_3x3 0, skip_connect 2, skip_connect 2, avg_pool_3x3 0",
    },
    "DARTS_V2": {
        "normal": "sep_conv_3x3 0, sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 1, "
        "sep_conv_3x3 1, skip_connect 0, skip_connect 0, dil_conv_3x3 2",
        "reduce": "max_pool_3x3 0, max_pool_3x3 1, skip_connect 2, max_pool_3x3 1, "
        "max_pool_3x3 0, skip_connect 2, skip_connect 2, max_pool_3x3 1",
    },
    "PC_DARTS_CIFAR": {
        "normal": "sep_conv_3x3 1, skip_connect 0, sep_conv_3x3 0, dil_conv_3x3 1, "
        "sep_conv_5x5 0, sep_conv_3x3 1, avg_pool_3x3 0, dil_conv_3x3 1",
        "reduce": "sep_conv_5x5 1, max_pool_3x3 0, sep_conv_5x5 1, sep_conv_5x5 2, "
        "sep_conv_3x3 0, sep_conv_3x3 3, sep_conv_3x3 1, sep_conv_3x3 2",
    },
}
PRIMITIVES = ["sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "skip_connect", "max_pool_3x3", "none"]
NODES = 4


def operation(name, filters, strides, norm):
    """Parameters of one primitive; `norm` is those of a batch norm for each filter."""
    if name.startswith(("sep_conv", "dil_conv")):
        window = int(name[-1]) ** 2
        once = window * filters + filters * filters + norm * filters
        return 2 * once if name.startswith("sep_conv") else once
    if name == "skip_connect" and strides == 2:
        return filters * filters + norm * filters
    return 0


def network(filters, cells, cell, norm, channels=3, classes=10):
    """Parameters of stem, cells and classifier; `cell(kind, filters)` gives those of the operations of a cell."""
    stem = 3 * filters
    total = 9 * channels * stem + 2 * stem
    before, last = stem, stem
    for index in range(cells):
        reduction = index in (cells // 3, 2 * cells // 3)
        filters = 2 * filters if reduction else filters
        total += (before + last) * filters + 2 * norm * filters  # both inputs are brought to `filters` channels
        total += cell("reduce" if reduction else "normal", filters)
        before, last = last, NODES * filters
    return total + last * classes + classes


def supernet_cell(kind, filters):
    """Every primitive on every edge; the edges from the two inputs of a reduction cell stride."""
    edges = [(source, target) for target in range(2, 2 + NODES) for source in range(target)]
    strides = [2 if kind == "reduce" and source < 2 else 1 for source, _ in edges]
    return sum(operation(name, filters, stride, 0) for stride in strides for name in PRIMITIVES)


def discrete_cell(genotype):
    """The operations of one published genotype."""

    def count(kind, filters):
        pairs = [edge.split() for edge in genotype[kind].split(", ")]
        return sum(operation(n, filters, 2 if kind == "reduce" and int(s) < 2 else 1, 2) for n, s in pairs)

    return count


def counts():
    """The whole record."""
    return {
        "supernet": {
            f"{filters} filters, {cells} cells": network(filters, cells, supernet_cell, 0)
            for filters, cells in ((8, 4), (16, 8))
        },
        "discrete, 36 filters, 20 cells": {
            name: network(36, 20, discrete_cell(genotype), 2) for name, genotype in GENOTYPES.items()
        },
    }


if __name__ == "__main__":
    Path(__file__).with_name("parameter_counts.json").write_text(json.dumps(counts(), indent=2) + "\n")
