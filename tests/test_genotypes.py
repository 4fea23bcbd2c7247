"""Genotypes: immutable, comparable, readable from JSON and from the papers' strings, and never run as code."""

import dataclasses
import json

import pytest

from kerasnas import genotypes
from kerasnas.genotypes import DARTS_V1, DARTS_V2, PC_DARTS_CIFAR, Edge, Genotype

PUBLISHED = [DARTS_V1, DARTS_V2, PC_DARTS_CIFAR]
EDGES = [("skip_connect", 0, 2), ("sep_conv_3x3", 1, 2), ("max_pool_3x3", 2, 3)]


def test_edges_are_kept_sorted_and_their_order_means_nothing():
    first, second = Genotype("toy", {"normal": EDGES}), Genotype("toy", [("normal", EDGES[::-1])])
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    assert first["normal"] == tuple(Edge(*edge) for edge in EDGES)
    assert first != Genotype("other", {"normal": EDGES})
    assert first != Genotype("toy", {"normal": EDGES[:2]})
    assert first != "toy"


def test_is_immutable():
    genotype = Genotype("toy", {"normal": EDGES})
    with pytest.raises(dataclasses.FrozenInstanceError):
        genotype.space = "other"
    with pytest.raises(TypeError):
        genotype["normal"][0] = None
    with pytest.raises(AttributeError):
        genotype["normal"][0].source = 5
    edges = list(EDGES)
    genotype = Genotype("toy", {"normal": edges})
    edges.clear()
    assert len(genotype["normal"]) == 3


def test_access():
    genotype = Genotype("toy", {"normal": EDGES, "reduce": EDGES[:1]})
    assert list(genotype) == ["normal", "reduce"]
    assert genotype.count("skip_connect") == 2 and genotype.count("none") == 0
    assert "0 -> 2  skip_connect" in str(genotype)
    with pytest.raises(KeyError, match="reduce"):
        genotype["missing"]


@pytest.mark.parametrize(
    ("space", "cells", "message"),
    [
        *((space, {"normal": EDGES}, "`space`") for space in ("", None, 3)),
        ("toy", {}, "at least one cell"),
        ("toy", {"normal": [("skip_connect", 0)]}, r"`cells`. Expected edges \(primitive"),
        ("toy", {"normal": [5]}, r"`cells`. Expected edges \(primitive"),
        ("toy", {"normal": [("skip_connect", 2, 2)]}, "source < target"),
        ("toy", {"normal": [("skip_connect", -1, 2)]}, "0 <= source"),
        ("toy", {"normal": [("skip_connect", True, 2)]}, r"`cells`. Expected edges \(primitive"),
        ("toy", {"normal": [(3, 0, 2)]}, "primitive name"),
        ("toy", [("normal", EDGES), ("normal", EDGES)], "once"),
        *(
            ("toy", cells, "`cells`. Expected a mapping, or pairs")
            for cells in (None, [("normal", EDGES, 3)], {"normal": None}, {3: EDGES})
        ),
    ],
)
def test_malformed_genotypes_are_refused(space, cells, message):
    with pytest.raises(ValueError, match=message):
        Genotype(space, cells)


# JSON -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("genotype", PUBLISHED)
def test_json_round_trip(genotype, tmp_path):
    assert Genotype.from_json(genotype.to_json()) == genotype
    genotype.save(tmp_path / "genotype.json")
    assert Genotype.load(tmp_path / "genotype.json") == genotype


def test_json_names_its_format_and_version():
    record = json.loads(DARTS_V1.to_json())
    assert record["format"] == "kerasnas.genotype" and record["version"] == 1 and record["space"] == "darts"
    assert record["cells"]["normal"][0] == ["sep_conv_3x3", 0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2.*Upgrade"),
        ({"format": "other"}, "Not a genotype"),
        ({"space": None}, "`space`"),
        ({"cells": None}, '"cells"'),
        ({"cells": {"normal": "skip_connect"}}, '"cells"'),
        ({"cells": {"normal": [["skip_connect", 0]]}}, r"`cells`. Expected edges \(primitive"),
    ],
)
def test_malformed_records_are_refused(change, message):
    record = {**json.loads(DARTS_V1.to_json()), **change}
    with pytest.raises(ValueError, match=message):
        Genotype.from_json(json.dumps(record))


# The papers' strings ----------------------------------------------------------------------------------
PAPER = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('none', 2), ('max_pool_3x3', 0)], "
    "normal_concat={concat}, reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])"
)


@pytest.mark.parametrize("concat", ["range(2, 4)", "[2, 3]", "(3, 2)", "range(2, 4, 1)"])
def test_paper_string(concat):
    genotype = Genotype.from_paper_string(PAPER.format(concat=concat))
    assert genotype["normal"] == (
        Edge("skip_connect", 0, 2),
        Edge("sep_conv_3x3", 1, 2),
        Edge("max_pool_3x3", 0, 3),
        Edge("none", 2, 3),
    )
    assert genotype["reduce"] == (Edge("skip_connect", 0, 2), Edge("skip_connect", 1, 2))
    assert genotype.space == "darts"
    assert Genotype.from_paper_string(PAPER.format(concat=concat), space="other").space == "other"


@pytest.mark.parametrize("genotype", PUBLISHED)
def test_paper_string_round_trip(genotype):
    assert Genotype.from_paper_string(genotype.to_paper_string()) == genotype


def test_names_of_published_genotypes():
    assert {name for name in dir(genotypes) if isinstance(getattr(genotypes, name), Genotype)} == {
        "DARTS_V1",
        "DARTS_V2",
        "PC_DARTS_CIFAR",
    }


@pytest.mark.parametrize(
    "text",
    [
        "Genotype(normal=[(open('{target}', 'w').name, 0), ('skip_connect', 1)])",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=open('{target}', 'w'))",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=range(open('{target}', 'w')))",
        "open('{target}', 'w').write('')",
    ],
)
def test_a_call_inside_is_refused_and_not_run(text, tmp_path):
    target = tmp_path / "written"
    with pytest.raises(ValueError):
        Genotype.from_paper_string(text.format(target=target))
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Genotype",
        "Genotype()",
        "[1, 2]",
        "Genotype(normal=5)",
        "Genotype(normal=[('skip_connect', 'a')])",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=3)",
        "import os",
        "Genotype(normal=[('skip_connect', 5), ('skip_connect', 1)])",
        "\0",
        # Cells that concatenate other nodes (AmoebaNet's, for one): without the list they would be another network.
        *(PAPER.format(concat=concat) for concat in ("[2]", "[3]", "[2, 4]", "range(2, 5)", "[2, 2, 3]")),
        *(PAPER.format(concat=concat) for concat in ("range(10 ** 30)", "range(2, 10**9)")),
    ],
)
def test_malformed_strings_are_refused(text):
    with pytest.raises(ValueError):
        Genotype.from_paper_string(text)
