"""Part of a report that compares the searched network with random ones: verdict, table, chart, plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from kerasnas.genotypes import Genotype
from kerasnas.records import Lead, Network, Record
from kerasnas.reporting.charts import bar_chart
from kerasnas.reporting.comparisons import Comparison
from kerasnas.reporting.measures import accuracies, task_in
from kerasnas.reporting.tables import MISSING, Table, duration, show
from kerasnas.tasks import Task

_SEARCHED, _RANDOM = "#0b66ad", "#6e7781"


class RandomComparison(Comparison):
    """Searched network next to random ones."""

    title = "Comparison with random networks"
    limits = (
        "A comparison with random networks that the same search could have returned measures what the search added; it "
        "says nothing about other spaces or other training recipes."
    )

    def sentences(self, record: Record) -> list[str]:
        (searched, randoms), task = accuracies(record), task_in(record)
        if searched is None:
            sentences = [f"The searched network has no {record.split} {task.words}, so it was not compared."]
        elif not randoms:
            sentences = [
                f"The searched network reaches {task.show(searched)} {record.split} {task.words}; it was not compared "
                "with random networks."
            ]
        else:
            sentences = _standing(searched, randoms, record.split, record.paired, task)
        skips, edges = skip_share(record.genotype)
        if 2 * skips > edges:
            sentences.append(
                f"Warning: the genotype is dominated by skip connections ({skips} of {edges} edges of the normal "
                "cell), the usual sign of a collapsed search."
            )
        return sentences

    def table(self, record: Record) -> Table:
        task = task_in(record)

        def row(name: str, network: Network) -> list[str]:
            value = record.metric(task.metric, network)
            return [
                name,
                MISSING if value is None else task.show(value),
                show(record.metric("loss", network)),
                show(network.parameters),
                duration(network.seconds),
            ]

        rows = [row("searched", record.searched)]
        rows += [row(f"random {number}", network) for number, network in enumerate(record.random, start=1)]
        _, values = accuracies(record)
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            spread = f" ± {task.show(deviation).removesuffix(' %')}" if len(values) > 1 else ""
            mean = f"{task.show(statistics.fmean(values))}{spread}"
            rows.append([f"mean of the random networks (n={len(values)})", mean, "", "", ""])
        data = record.split
        return Table(["network", f"{data} {task.words}", f"{data} loss", "parameters", "training time"], rows)

    def chart(self, record: Record) -> str:
        searched, others = accuracies(record)
        if searched is None or not others:
            return ""
        task = task_in(record)
        rows = [("searched", searched), *((f"random {number}", one) for number, one in enumerate(others, start=1))]
        return bar_chart([(name, max(value, 0.0), task.show(value)) for name, value in rows])


def skip_share(genotype: Genotype) -> tuple[int, int]:
    """Return the number of edges of the normal cell that are `skip_connect`, and the number of all its edges.

    In a space without a normal cell, the first cell counts.
    """
    edges = genotype["normal"] if "normal" in genotype else genotype.cells[0][1]
    return sum(edge.primitive == "skip_connect" for edge in edges), len(edges)


def _standing(searched: float, randoms: Sequence[float], data: str, paired: Lead | None, task: Task) -> list[str]:
    factor, unit = (100, " points") if task.percent else (1, "")
    if not task.metric_is_mean:  # the samples are compared by another score
        paired = None
    number, mean = len(randoms), statistics.fmean(randoms)
    rank = 1 + sum(value > searched for value in randoms)
    # Rounded first: what reads as 0.00 points is no lead, and float noise must not make one.
    difference = round(factor * (searched - mean), 2 if task.percent else 3)
    if difference == 0:
        stands = "level with"
    else:
        stands = f"{abs(difference):.{2 if task.percent else 3}f}{unit} {'above' if difference > 0 else 'below'}"
    first = (
        f"The searched network reaches {task.show(searched)} {data} {task.words}, {stands} the mean of the random "
        f"networks ({task.show(mean)}, n={number}), and ranks {ordinal(rank)} of {number + 1}."
    )
    warning = "" if difference > 0 else "Warning: this search did not beat drawing networks at random"
    if paired and math.isfinite(paired.error):
        half = 196 * paired.error  # of a 95 % interval, in points
        by = f"on the same {paired.samples:,} samples the difference is {difference:+.2f} ± {half:.2f} points (95 %)"
        if warning:
            return [first, f"{warning}; {by}."]
        chance = ", so it may be chance" if abs(difference) <= half else ""
        return [first, f"{by[0].upper()}{by[1:]}{chance}."]
    if number == 1:
        spread = "with n=1 the spread of random networks is unknown"
        return [first, f"{warning}; {spread}." if warning else f"{spread[0].upper()}{spread[1:]}."]
    deviation = factor * statistics.stdev(randoms)
    of = f"one standard deviation of the random networks ({deviation:.{2 if task.percent else 3}f}{unit})"
    within = abs(difference) <= deviation
    if warning:
        comparison = f"the difference is {'within' if within else 'more than'} {of}"
        return [first, f"{warning}; {comparison}."]
    if within:
        return [first, f"The lead is within {of}: with n={number} it may be chance."]
    return [first, f"The lead is more than {of}."]


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, ...

    Example:

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
