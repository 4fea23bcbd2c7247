"""Tables of a report and of a model card, as plain text that each then escapes in its own way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kerasnas.genotypes import Genotype, of_entry
from kerasnas.intervals import wilson_interval
from kerasnas.modalities.lookup import of_result
from kerasnas.records import Network, Record
from kerasnas.reporting.measures import finite, numbers_in, task_in
from kerasnas.wording import printable

MISSING = "-"
MOST_CLASSES = 20
"""Classes of a confusion matrix that fits on a page; of more, the pairs that are confused most are listed."""
_AGREED = 0.95  # share of equal answers, below which a file is said to be too coarse
_MOST_PAIRS, _MOST_FILES = 20, 200  # that are listed: confused pairs, files left out
_LINEAR = {"linear": "alone", "network": "network", "both": "combined"}


class Table(NamedTuple):
    """Header and rows of text. An empty header means two columns, name and value."""

    header: list[str]
    rows: list[list[str]]


def columns_text(table: Table) -> str:
    r"""Format a table as columns for a terminal.

    Example:

    >>> print(columns_text(Table(["run", "state"], [["runs/first", "finished"]])))
    run         state
    runs/first  finished
    """
    rows = [[printable(str(cell)) for cell in row] for row in [table.header, *table.rows] if row]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def usage(result: Record) -> str:
    """Return the code that loads the network of a run and puts an image, or a text, into it."""
    return of_result(result).usage(result.get("dataset") or {}, *task_in(result).usage)


def show(value: Any) -> str:
    """Format a value for people.

    Example:

    >>> show(1234567), show(0.123456), show([28, 28, 1]), show(None), show(True)
    ('1,234,567', '0.1235', '28x28x1', '-', 'True')
    """
    if value is None:
        return MISSING
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        integers = len(value) > 0 and all(isinstance(item, int) for item in value)
        return ("x" if integers else ", ").join(map(str, value))
    return str(value)


def duration(seconds: float | None) -> str:
    """Format a duration.

    Example:

    >>> duration(0.012), duration(7.25), duration(125), duration(7400), duration(None)
    ('12 ms', '7.2 s', '2 min 5 s', '2 h 3 min', '-')
    """
    if seconds is None:
        return MISSING
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def exact(value: Any) -> str:
    """Format a setting as it was given, without rounding and separators, so that it can be typed again."""
    return MISSING if value is None else str(value)


def settings_table(result: Record) -> Table:
    """Return all settings of the run, as they were given."""
    return Table([], [[str(name), exact(value)] for name, value in result.settings.items()])


def seeds_table(result: Record) -> Table:
    """Return the settings that are seeds."""
    return Table([], [row for row in settings_table(result).rows if "seed" in row[0].lower()])


def dataset_table(result: Record) -> Table:
    """Return the data that the networks were trained and evaluated on."""
    dataset = {name: entry for name, entry in (result.get("dataset") or {}).items() if name != "faults"}
    classes = dataset.get("classes")
    if classes:
        dataset["classes"] = f"{len(classes)}: {', '.join(map(str, classes))}"
    if "vectors" in (front := dataset.get("front") or {}):
        dataset["word vectors"] = f"{front['vectors']} ({front['license']}), made of {front['origin']}"
    scale = dataset.pop("scale", None)
    if scale is not None and len(dataset.get("input_shape") or ()) == 3 and not front:
        dataset["pixel values"] = f"0 to {scale:g}"
    return _records(dataset)


def environment_table(result: Record) -> Table:
    """Return versions, machine and memory of the run."""
    environment = {"kerasnas": result.version or None, **result.environment}
    memory = environment.pop("peak_memory_gib", None)
    if memory is not None:
        environment["peak memory"] = f"{memory:.2f} GiB"
    return _records(environment)


def results_table(result: Record) -> Table:
    """Return the accuracy and the cost of the search and its network."""
    searched, search, task = result.searched, result.search, task_in(result)
    accuracy, size, latency = finite(result.metric(task.metric)), searched.bytes, searched.latency_ms
    kind = of_result(result).singular
    memory = result.environment.get("peak_memory_gib")
    rows = [
        [f"{result.split} {task.words}", MISSING if accuracy is None else task.show(accuracy)],
        *_other_rows(result),
        [f"{result.split} loss", show(result.metric("loss"))],
        ["parameters", show(searched.parameters)],
        ["MACs", show(searched.macs)],
        ["size on disk", MISSING if size is None else f"{size / 1000:,.0f} kB"],
        [f"latency of one {kind}", MISSING if latency is None else amount(latency, " ms")],
        ["training time", duration(searched.seconds)],
        *_linear_rows(searched, kind),
        *_cost_rows(result),
        ["search time", duration(search.seconds)],
        ["parameters of the supernet", show(search.parameters)],
        ["peak memory", MISSING if memory is None else f"{memory:.2f} GiB"],
    ]
    return Table([], [row for row in rows if row[1] != MISSING])


def _linear_rows(searched: Network, kind: str) -> list[list[str]]:
    """Return the row of the linear models next to a network."""
    if not (linear := searched.linear):
        return []
    losses = ", ".join(f"{linear['losses'][name]:.3f} {words}" for name, words in _LINEAR.items())
    rows = [[linear.get("words", "linear model"), f"held-out loss ({linear['samples']:,} {kind}s): {losses}"]]
    if pretrained := linear.get("pretrained"):
        used = "used" if pretrained["used"] else "not used"
        rows.append(
            [
                f"pretrained {pretrained['name']}",
                f"{used}; loss {pretrained['with']:.3f} with, {pretrained['without']:.3f} without",
            ]
        )
    return rows


def _other_rows(result: Record) -> list[list[str]]:
    """Further metrics of the task."""
    return [
        [f"{result.split} {words}", show(value)]
        for name, words in task_in(result).further.items()
        if (value := result.metric(name)) is not None
    ]


def _cost_rows(result: Record) -> list[list[str]]:
    if (cost := result.cost) is None:
        return []
    rows = [[cost.name, amount(cost.searched, cost.unit)]] if cost.name != "parameters" else []
    return rows + ([[f"target for {cost.name}", amount(cost.target, cost.unit)]] if cost.target else [])


def score(result: Record) -> str:
    """Format the score of a run on its test data, with the name of its metric."""
    task = task_in(result)
    value = finite(result.metric(task.metric))
    return MISSING if value is None else f"{task.show(value)} {task.words}"


def amount(value: float, unit: str) -> str:
    """Format a cost with its unit."""
    return f"{value:,.0f}{unit}" if value >= 1000 else f"{value:.3g}{unit}"


def front_table(result: Record) -> Table:
    """Return the networks that the search would choose under tighter limits, cheaper ones first."""
    if (cost := result.cost) is None:
        return Table([], [])
    rows = []
    for point in cost.front:
        cells = of_entry(point["genotype"]).cells
        primitives = [edge.primitive for _, edges in cells for edge in edges]
        rows.append([amount(point["cost"], cost.unit), " ".join(primitives)])
    return Table([cost.name, "primitives"], rows)


def shortlist_table(result: Record) -> Table:
    """Return the networks of a shortlist with their accuracy after each rung."""
    rungs = () if result.shortlist is None else result.shortlist.rungs
    header = ["Network", *(f"Held-out accuracy after {rung['epochs']} epochs" for rung in rungs)]
    reached = [{json.dumps(one["genotype"]): one["val_accuracy"] for one in rung["networks"]} for rung in rungs]
    rows = []
    for text in reached[0] if reached else ():
        taken = " (taken)" if json.loads(text) == result["genotype"] else ""
        shown = [show(accuracy.get(text)) for accuracy in reached]
        rows.append([f"{Genotype.from_json(text).to_paper_string()}{taken}", *shown])
    return Table(header, rows)


def class_table(result: Record) -> Table:
    """Return the accuracy of each class on the test data, the worst first, and what it is most often taken for.

    Of several labels how well each is found, the worst first.
    """
    names, matrix = result.dataset.classes, result.searched.confusion
    if (found := result.searched.labels) is not None:
        named = zip(names, found, strict=False)
        ordered = sorted(named, key=lambda item: item[1]["f1"] or 0.0)
        keys = ("precision", "recall", "f1")
        found_rows = [[str(name), *(show(one[key]) for key in keys), show(one["samples"])] for name, one in ordered]
        return Table(["label", "precision", "recall", "F1", f"{of_result(result).plural} that have it"], found_rows)
    if not matrix or not names:
        return Table([], [])
    rows = []
    for index, (name, counts) in enumerate(zip(names, matrix, strict=True)):
        total = sum(counts)
        if not total:
            continue
        accuracy = counts[index] / total
        low, high = wilson_interval(accuracy, total)
        others = sorted(((count, names[j]) for j, count in enumerate(counts) if j != index and count), reverse=True)
        taken = ", ".join(f"{other} ({count})" for count, other in others[:3])
        interval = f"{100 * low:.0f} to {100 * high:.0f} %"
        rows.append((accuracy, [str(name), f"{100 * accuracy:.1f} %", interval, f"{total:,}", taken or MISSING]))
    counted = of_result(result).plural
    header = ["class", "test accuracy", "95 % interval", counted, "taken for (times)"]
    return Table(header, [row for _, row in sorted(rows, key=lambda pair: pair[0])])


def pairs_table(result: Record) -> Table:
    """Return the pairs of classes that are confused most, of more classes than a confusion matrix is shown for."""
    names, matrix = result.dataset.classes, result.searched.confusion or ()
    pairs = [
        (count, count / sum(counts), str(names[i]), str(names[j]))
        for i, counts in enumerate(matrix if len(matrix) > MOST_CLASSES else ())
        for j, count in enumerate(counts)
        if i != j and count
    ]
    rows = [[true, found, str(count), f"{100 * share:.1f} %"] for count, share, true, found in sorted(pairs)[::-1]]
    return Table(["class", "taken for", "times", "share of the class"], rows[:_MOST_PAIRS])


def faults_table(result: Record) -> Table:
    """Return the faults of the data."""
    return Table(["what the data have, and what it does to the result"], [[str(one)] for one in result.dataset.faults])


def left_out_table(result: Record) -> Table:
    """Return the files that were left out, with the reason for each; the first 200 of more."""
    left = result.samples.left_out
    rows = [[str(one["file"]), str(one["reason"])] for one in left[:_MOST_FILES]]
    return Table(["file", "reason"], rows + [["...", f"{len(left):,} files in all"]] * (len(left) > _MOST_FILES))


def exports_table(result: Record) -> Table:
    """Return the files that the network was exported to: size, latency, and how they compare with the Keras model."""
    files = () if result.exports is None else result.exports.files
    header = ["file", "format", "size", "latency of one sample", "threads", "same class", "largest difference"]
    rows = []
    for one in files:
        compared = one["format"] != "keras"
        rows.append(
            [
                one["file"] + ("" if "." in one["file"] else "/"),
                one["title"],
                f"{one['bytes'] / 1000:,.0f} kB",
                amount(one["latency_ms"], " ms"),
                show(one["threads"]),
                f"{100 * one['agreement']:.1f} %" if compared else MISSING,
                f"{one['difference']:.1g}" if compared else MISSING,
            ]
        )
    return Table(header, rows)


def exports_note(result: Record) -> str:
    """Return what the table of exports was measured on, and which files answer otherwise."""
    if (exports := result.exports) is None:
        return ""
    on_device = [
        f" On a microcontroller {one['file']}/ needs {one['bytes'] / 1000:,.1f} kB of flash and "
        f"{one['memory'] / 1000:,.1f} kB of memory, besides the interpreter."
        for one in exports.files
        if one.get("memory")
    ]
    coarse = [
        f" {one['file']} answers {100 * (1 - one['agreement']):.0f} % of the samples otherwise than model.keras: "
        "integers of 8 bits are too coarse for this network. Use another format."
        for one in exports.files
        if one["agreement"] < _AGREED
    ]
    return (
        f"Compared with model.keras on {exports.samples:,} samples of the test data: how many get the same class, "
        f"and the largest difference of a probability. Latency: median of many calls, on {exports.machine}."
        f"{''.join((*on_device, *coarse))}"
    )


def history_table(history: Mapping[str, Any]) -> Table:
    """One row an epoch; metrics that are not one number an epoch are left out."""
    series = numbers_in(history)
    length = max(map(len, series.values()), default=0)
    rows = [
        [str(epoch + 1), *(show(values[epoch]) if epoch < len(values) else MISSING for values in series.values())]
        for epoch in range(length)
    ]
    return Table(["epoch", *series], rows)


def _records(record: Mapping[str, Any]) -> Table:
    return Table([], [[str(k).replace("_", " "), show(value)] for k, value in record.items() if value is not None])
