"""Front of a run in words, as a table and as a page: networks from the best to the smallest, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas.modalities.lookup import of_result
from kerasnas.records import Record
from kerasnas.reporting.charts import line_chart
from kerasnas.reporting.measures import task_in
from kerasnas.reporting.report import html_table, page_text
from kerasnas.reporting.tables import MISSING, Table, amount, columns_text, show

_NOTE = (
    "int8: the file of LiteRT in 8-bit integers, measured on all test samples; flash is its size. Memory is a "
    "prediction of what TensorFlow Lite Micro computes in; `kerasnas export FOLDER --format=c` measures it."
)


def front_text(front: Mapping[str, Any], record: Record) -> str:
    """Return the table of a front and the network to take, for a terminal."""
    return f"{columns_text(_table(front['networks'], record))}\n{_recommendation(front, record)}"


def front_page(front: Mapping[str, Any], record: Record) -> str:
    """Return the page of a front: the network to take, a chart, the table, and where each network is.

    Args:
        front: `"networks"`, each with `"folder"`, `"parameters"` and `"score"`, and those in 8-bit integers with
            `"int8"`, their score, `"flash"` and `"memory"` in bytes; `"recommended"`, the position of one of them.
        record: of the run.
    """
    networks, task = front["networks"], task_in(record)
    title = f"{task.words} against parameters"
    series = {"Keras": [(one["parameters"], one["score"]) for one in networks]}
    series["int8"] = [(one["parameters"], one["int8"]) for one in networks if "int8" in one]
    chart = line_chart(series, title, "parameters", task.percent, dots=True, powers=True)
    content = f"{chart}\n{html_table(_table(networks, record))}\n"
    content += f'<p class="soft">{_NOTE}</p>' if any("int8" in one for one in networks) else ""
    heading = f"Networks for {record.dataset.name or 'an unnamed dataset'}, from the best to the smallest"
    return page_text(heading, f"KerasNAS {record.version}".strip(), _recommendation(front, record), content)


def _table(networks: Sequence[Mapping[str, Any]], record: Record) -> Table:
    task = task_in(record)
    header = ["folder", "network", "parameters", f"test {task.words}", "int8", "flash", "memory", "latency"]
    rows = []
    for one in networks:
        held = "int8" in one
        rows.append(
            [
                one["folder"],
                one["winner"] or MISSING,
                show(one["parameters"]),
                task.show(one["score"]),
                task.show(one["int8"]) if held else MISSING,
                f"{one['flash'] / 1000:,.1f} kB" if held else MISSING,
                f"{one['memory'] / 1000:,.1f} kB" if held else MISSING,
                amount(one["file_ms"] if held else one["latency_ms"], " ms"),
            ]
        )
    return Table(header, rows)


def _recommendation(front: Mapping[str, Any], record: Record) -> str:
    networks, task = front["networks"], task_in(record)
    best, taken = max(networks, key=lambda one: task.merit(one["score"])), networks[front["recommended"]]
    where = "the run itself" if taken["folder"] == "." else f"{taken['folder']}/"
    words = f"Recommended: {where}, {taken['parameters']:,} parameters, test {task.words} {task.show(taken['score'])}."
    if taken is best:
        return f"{words} It is the best of {len(networks)}, and no smaller one is within a standard error of it."
    return (
        f"{words} It is the smallest within a standard error of the best, {task.show(best['score'])} with "
        f"{best['parameters']:,} parameters, on {record.dataset.test_examples:,} test {of_result(record).plural}."
    )
