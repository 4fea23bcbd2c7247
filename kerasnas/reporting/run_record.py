"""Reading the record of a run: its required entries, and its verdict in plain words."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.reporting.measures import task_in
from kerasnas.reporting.mixture import mixture_sentences
from kerasnas.reporting.race import race_sentences
from kerasnas.tasks import Task


def require(result: Mapping[str, Any]) -> None:
    """Check that a record holds what nothing can be reported without.

    Raises:
        ValueError: if `"genotype"` or `"searched"` is missing, or `result` is not a mapping.

    Example:

    >>> require({"genotype": {}})
    Traceback (most recent call last):
        ...
    ValueError: Incomplete value received for argument `result`. Missing: 'searched'. Received keys: ['genotype']
    """
    if not isinstance(result, Mapping):
        raise ValueError(f"Invalid value received for argument `result`. Expected a mapping. Received: {result!r}")
    missing = [repr(key) for key in ("genotype", "searched") if result.get(key) is None]
    if missing:
        raise ValueError(
            f"Incomplete value received for argument `result`. Missing: {', '.join(missing)}. "
            f"Received keys: {sorted(map(str, result))}"
        )


def read_genotype(result: Mapping[str, Any]) -> Genotype:
    """The genotype of a record, from the form that `Genotype.to_json` writes."""
    return Genotype.from_json(json.dumps(result["genotype"]))


def split(result: Mapping[str, Any]) -> str:
    """The data that the networks were evaluated on: "test" or "validation"."""
    return "validation" if result.get("evaluated_on") == "val" else "test"


def metric(result: Mapping[str, Any], record: Mapping[str, Any], name: str) -> float | None:
    """A metric of one network of `result`, on the data that they were evaluated on; None where it is missing."""
    return record.get(f"{result.get('evaluated_on', 'test')}_{name}")


def accuracies(result: Mapping[str, Any]) -> tuple[float | None, list[float]]:
    """The task's metric of the searched network (None where it is missing), and those of the random ones."""
    values = [
        metric(result, one, task_in(result).metric) for one in (result["searched"], *(result.get("random") or []))
    ]
    finite = [float(v) if v is not None and math.isfinite(v) else None for v in values]
    return finite[0], [value for value in finite[1:] if value is not None]


def points(fraction: float) -> str:
    """A fraction in per cent.

    Example:

    >>> points(0.91234)
    '91.23 %'
    """
    return f"{100 * fraction:.2f} %"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, ...

    Example:

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 22)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def skip_share(genotype: Genotype) -> tuple[int, int]:
    """The number of edges of the normal cell that are `skip_connect`, and the number of all its edges.

    In a space without a normal cell, the first cell counts.
    """
    edges = genotype["normal"] if "normal" in genotype else genotype.cells[0][1]
    return sum(edge.primitive == "skip_connect" for edge in edges), len(edges)


@checks.reading("result", "the record of a run, as `kerasnas.reporting` describes it")
@checks.arguments(result=checks.mapping)
def verdict(result: Mapping[str, Any]) -> str:
    """Say in plain words where the searched network stands against the random ones, or the others of its race.

    Of a mixture it says what that and its parts reach.

    Args:
        result: the record of a run; see `kerasnas.reporting`.

    Returns:
        One to three sentences: the difference of the means in percentage points with the rank; whether that is more
        than chance, by the same samples where the record has them, else by the spread of the random networks; and a
        warning if skip connections dominate.

    Raises:
        ValueError: if a required key is missing.

    Example:

    >>> genotype = json.loads(Genotype("toy", {"normal": [("sep_conv_3x3", 0, 2)]}).to_json())
    >>> random = [{"test_accuracy": accuracy} for accuracy in (0.88, 0.89, 0.90)]
    >>> print(verdict({"genotype": genotype, "searched": {"test_accuracy": 0.92}, "random": random}))
    The searched network reaches 92.00 % test accuracy, 3.00 points above the mean of the random networks \
(89.00 %, n=3), and ranks 1st of 4. The lead is more than one standard deviation of the random networks (1.00 points).
    """
    require(result)
    for part, sentences_of in (("race", race_sentences), ("mixture", mixture_sentences)):
        if part in result:
            return " ".join(sentences_of(result))
    searched, randoms = accuracies(result)
    task = task_in(result)
    if searched is None:
        sentences = [f"The searched network has no {split(result)} {task.words}, so it was not compared."]
    elif not randoms:
        sentences = [
            f"The searched network reaches {task.show(searched)} {split(result)} {task.words}; it was not compared "
            "with random networks."
        ]
    else:
        sentences = _standing(searched, randoms, split(result), result.get("paired"), task)
    skips, edges = skip_share(read_genotype(result))
    if 2 * skips > edges:
        sentences.append(
            f"Warning: the genotype is dominated by skip connections ({skips} of {edges} edges of the normal cell), "
            "the usual sign of a collapsed search."
        )
    return " ".join(sentences)


def _standing(
    searched: float, randoms: Sequence[float], data: str, paired: Mapping[str, Any] | None, task: Task
) -> list[str]:
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
    if paired and math.isfinite(paired["error"]):
        half = 196 * paired["error"]  # of a 95 % interval, in points
        by = f"on the same {paired['samples']:,} samples the difference is {difference:+.2f} ± {half:.2f} points (95 %)"
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
