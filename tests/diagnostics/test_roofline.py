"""Rooflines: what is pooled, compared with the peaks, and printed."""

from typing import NamedTuple

import pytest

from kerasnas.diagnostics.roofline import COLUMNS, Kind, Peaks, Roofline, memory_peak, pooled, rows, table

PEAKS = Peaks(flops=1e9, bytes=1e8)


class Operation(NamedTuple):
    kind: str
    runs: int
    seconds: float
    operands: tuple
    results: tuple
    equation: str = ""


def product(kind, size, runs, seconds):
    return Operation(kind, runs, seconds, (((size, size), 4), ((size, size), 4)), (((size, size), 4),))


OPERATIONS = [
    product("_MklMatMul", 1000, 4, 16.0),  # 2 GFLOP, 12 MB: 2 s by arithmetic
    product("MatMul", 10, 2, 2.0),  # 2 kFLOP, 1.2 kB: 12 us by memory
    Operation("Relu", 2, 1.0, (((500_000,), 4),), (((500_000,), 4),)),  # 0.5 MFLOP, 4 MB: 40 ms by memory
]


def test_operations_are_pooled_by_kind_with_the_limit_of_each():
    product, relu = pooled(OPERATIONS, 2, PEAKS)
    assert product == Kind(
        "MatMul", 3, 9.0, pytest.approx(2 * 2e9 + 2e3), pytest.approx(2 * 12e6 + 1200), pytest.approx(4 + 12e-6)
    )
    assert relu == Kind("Relu", 1, 0.5, 5e5, 4e6, pytest.approx(0.04))


def test_rows_hold_the_shares_of_the_step_of_the_peaks_and_of_the_limit():
    step = Roofline(wall=9.0, cpu=9.0, recorded=10.0, kinds=pooled(OPERATIONS, 2, PEAKS))
    first, second, lost, whole = rows(step, PEAKS)
    assert list(first) == ["operation", *COLUMNS]
    expected = (3, 9000, 90, 4.000002, 24.0012, 4.000002 / 9, 0.0240012 / 9, 400.0002 / 9, 24.0012 / 9, 400.0012 / 9)
    assert list(first.values())[1:] == pytest.approx(expected)
    assert second["time %"] == pytest.approx(5) and second["memory %"] == second["roof %"] == pytest.approx(8)
    assert (lost["operation"], lost["runs"], lost["GFLOP"]) == ("no operation", 0, 0)
    assert lost["ms"] == pytest.approx(500) and lost["time %"] == pytest.approx(5)
    expected = (4, 10_000, 100, 4.000502, 28.0012, 0.4000502, 0.00280012, 40.00502, 2.80012, 40.40012)
    assert whole["operation"] == "whole step" and list(whole.values())[1:] == pytest.approx(expected)


def test_kinds_beyond_the_first_are_shown_together():
    kinds = [Kind(name, 1, 4.0 - index, 1e9, 1e6, 1.0) for index, name in enumerate("abcd")]
    step = Roofline(10.0, 10.0, 10.0, kinds)
    names = [(row["operation"], round(row["ms"]), round(row["GFLOP"])) for row in rows(step, PEAKS, most=2)]
    other = ("2 other kinds", 3000, 2)
    assert names == [("a", 4000, 1), ("b", 3000, 1), other, ("no operation", 0, 0), ("whole step", 10_000, 4)]


def test_a_table_fits_a_terminal_of_120_columns():
    kind = Kind("DepthwiseConv2dNativeBackpropFilter", 12_345, 2.0, 2e11, 1e11, 1.0)
    step = Roofline(4.0, 4.0, 4.0, [kind, Kind("Slice", 1, 0.001, 0, 2e6, 0.001)])
    lines = table(step, Peaks(5e11, 1e11))
    assert max(map(len, lines)) <= 120 and lines[0].startswith("operation  ") and lines[0].endswith("roof %")
    assert lines[1].split() == [
        *("DepthwiseConv2dNativeBackpropFilter", "12,345", "2000.0", "50.0", "200.00", "100,000"),
        *("100.0", "50.0", "20.0", "50.0", "50.0"),
    ]
    assert lines[2].split() == ["Slice", "1", "1.0", "0.0", "2", "2.0", "2.0", "100.0"], "zeros stay empty"


def test_peak_of_memory_is_a_rate():
    assert 1e8 < memory_peak(megabytes=1, repeats=2) < 1e13
