"""Cells of a tracked table: numbers and intervals, parsed from text and formatted as text."""

import math
import re
from collections.abc import Iterable
from typing import Any

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e-?\d+)?"


def cell(text: Any) -> Any:
    """Parse a cell that states a number or a mean with its interval; return any other text as it is.

    A number in brackets after them is a lead in standard errors.

    >>> cell("1,338"), cell("93.76 ± 0.35"), cell("98.5 (97.9 to 99.0)"), cell("cora")
    (1338, {'mean': 93.76, 'reach': 0.35}, {'mean': 98.5, 'low': 97.9, 'high': 99.0}, 'cora')
    """
    if not isinstance(text, str):
        return text.item() if hasattr(text, "item") else text  # NumPy's numbers as Python's
    text = text.strip()
    if found := re.fullmatch(rf"({_NUMBER}) ± ({_NUMBER})(?: \(({_NUMBER})\))?", text):
        values = {"mean": found[1], "reach": found[2], "z": found[3]}
        return {name: _number(value) for name, value in values.items() if value}
    if found := re.fullmatch(rf"({_NUMBER}) \(({_NUMBER}) to ({_NUMBER})\)", text):
        return {"mean": _number(found[1]), "low": _number(found[2]), "high": _number(found[3])}
    return _number(text) if re.search(r"\d", text) and re.fullmatch(_NUMBER, text) else text


def _number(text: str) -> float | int:
    text = text.replace(",", "")
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def finite(value: Any) -> Any:
    """Replace numbers that JSON does not have by None, inside lists and mappings too.

    >>> finite({"mean": 0.5, "reach": float("inf")})
    {'mean': 0.5, 'reach': None}
    """
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def words(value: Any, digits: int = 2) -> str:
    """Format a cell: a number with `digits` after the point, its interval; other texts as they are.

    >>> words(1338, 0), words({"mean": 93.8, "reach": 0.4, "runs": 3}), words({"mean": 0.5, "low": 0.25, "high": 1})
    ('1,338', '93.80 ± 0.40 (3)', '0.50 (0.25 to 1.00)')
    """
    if not isinstance(value, dict):
        return "" if value is None else value.replace("|", "\\|") if isinstance(value, str) else _shown(value, digits)
    text = _shown(value["mean"], digits)
    if "low" in value:
        text += f" ({_shown(value['low'], digits)} to {_shown(value['high'], digits)})"
    elif value.get("reach") is not None:
        text += f" ± {_shown(value['reach'], digits)}"
    text += f" ({value['z']:+.1f})" if "z" in value else ""
    return text + (f" ({value['runs']})" if "runs" in value else "")


def _shown(value: float, digits: int) -> str:
    if value and abs(value) < 10.0 ** -max(digits, 3):
        return f"{value:.2g}"
    return f"{value:,.{digits}f}"


def mean(values: Iterable[float], scale: float = 1.0, digits: int = 2) -> Any:
    """Return the mean of several runs, its 95 % interval by Student's t, and their number; None for no run."""
    from kerasnas.intervals import mean_interval  # here: the pages are made without the package

    values = [scale * float(value) for value in values]
    if not values:
        return None
    value, reach = mean_interval(values)
    found = {"mean": round(value, digits), "runs": len(values)}
    return found | ({"reach": round(reach, digits)} if len(values) > 1 else {})


def columns(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the titles of the rows' columns, in order, and the digits after the point of their numbers."""
    digits: dict[str, int] = {}
    for row in rows:
        for title, value in row.items():
            numbers = value.values() if isinstance(value, dict) else [value]
            written = [repr(one) for one in numbers if isinstance(one, float)]
            found = [len(one.partition(".")[2]) for one in written if "e" not in one]
            digits[title] = max([digits.get(title, 0), *found])
    return [{"title": title, "digits": most} for title, most in digits.items()]
