"""Charts as inline SVG: they take the colors of the page, light or dark, and are read on a phone.

The letters of a chart are 12 units of its 340 wide; a phone of 390 pixels shows it about as wide.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 340, 214
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 42
COLORS = 8  # classes s0 to s7 of STYLE

STYLE = """
:root { --s0: #0b66ad; --s1: #c45100; --s2: #00795a; --s3: #9b3f86; --s4: #7a5c3e; --s5: #6e7781; --s6: #8a7000;
  --s7: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --s0: #6cb6ff; --s1: #ffa657; --s2: #4fd1a5; --s3: #e39fd3;
  --s4: #d2b48c; --s5: #9aa4af; --s6: #e3c94f; --s7: #ff8f86; } }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem 2rem; }
.chart { margin: .5rem 0; max-width: 36rem; }
.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.chart .won { stroke-width: 3.2; }
.chart .dashed { stroke-dasharray: 5 4; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; margin: .2rem 0 0; padding: 0; list-style: none;
  font-size: .85rem; color: var(--soft); }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
.legend .half { height: .3em; vertical-align: .25em; }
.bars { display: grid; grid-template-columns: minmax(4.5rem, max-content) 1fr max-content; gap: .3rem .7rem;
  align-items: center; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
.bars > :nth-child(3n + 1) { overflow-wrap: anywhere; color: var(--soft); }
.bars i { display: block; height: .8rem; border-radius: 2px; min-width: 2px; background: var(--s0); }
""" + "\n".join(
    f".s{n} {{ stroke: var(--s{n}); }} .f{n} {{ background: var(--s{n}); }} .d{n} {{ fill: var(--s{n}); }}"
    for n in range(COLORS)
)

Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class _Axes:
    """The ranges of a chart: from left to right, and from low to high."""

    left: float
    right: float
    low: float
    high: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point is drawn."""
        across = (x - self.left) / ((self.right - self.left) or 1.0)
        up = (y - self.low) / ((self.high - self.low) or 1.0)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> str:
        """Draw a line of the grid."""
        (x1, y1), (x2, y2) = self.place(*start), self.place(*end)
        return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'

    def beside(self, y: float, words: str) -> str:
        """Write the label of a height."""
        return f'<text x="{_LEFT - 6}" y="{self.place(self.left, y)[1] + 4:.1f}" text-anchor="end">{words}</text>'

    def below(self, x: float, words: str) -> str:
        """Write the label of a place across."""
        across = self.place(x, self.low)[0]
        return f'<text x="{across:.1f}" y="{HEIGHT - _BOTTOM + 21}" text-anchor="middle">{words}</text>'


def line_chart(
    series: Mapping[str, Points],
    title: str,
    across: str,
    percent: bool = False,
    strong: str = "",
    dots: bool = False,
    powers: bool = False,
) -> str:
    """Curves over common axes, with a legend below where there are several; `powers` make the first one logarithmic."""
    across_by, up_by = math.log10 if powers else float, 100.0 if percent else 1.0
    clean = {
        name: [(across_by(x), up_by * y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    clean = {name: points for name, points in clean.items() if points}
    if not clean:
        return ""
    xs, ys = zip(*(point for points in clean.values() for point in points), strict=True)
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
    axes = _Axes(min(xs), max(max(xs), min(xs) + 1e-9), min(y_ticks[0], min(ys)), max(y_ticks[-1], max(ys)))
    parts = []
    for y in y_ticks:
        parts += [axes.line((axes.left, y), (axes.right, y)), axes.beside(y, f"{y:g}{' %' if percent else ''}")]
    for x in x_ticks:
        if axes.left <= x <= axes.right:
            parts.append(axes.below(x, f"{float(f'{10**x:.2g}') if powers else x:,g}"))
    middle = (WIDTH + _LEFT - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{html.escape(across)}</text>')
    for number, (name, points) in enumerate(clean.items()):
        parts.append(_curve([axes.place(*point) for point in points], number, name == strong, dots))
    return _figure(parts, title, _legend(list(clean)))


def _curve(points: Points, number: int, strong: bool, dots: bool) -> str:
    """Draw the curve of a number, which decides its color, through points that are placed."""
    path, color = " ".join(f"{x:.1f},{y:.1f}" for x, y in points), number % COLORS
    more = (" won" if strong else "") + (" dashed" if number >= COLORS else "")
    marks = [f'<circle class="d{color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
    curve = f'<polyline class="curve s{color}{more}" points="{path}"/>'
    return curve + "".join(marks if dots or len(points) == 1 else ())


def _legend(names: Sequence[str]) -> str:
    """Name the curves, if they are several."""
    items = ""
    for number, name in enumerate(names):
        mark = f"f{number % COLORS}{' half' if number >= COLORS else ''}"
        items += f'<li><i class="{mark}"></i>{html.escape(name)}</li>'
    return f'<ul class="legend">{items}</ul>' if len(names) > 1 else ""


def scatter_chart(points: Points, title: str) -> str:
    """Points, of which x and y are the same quantity, over a diagonal.

    Example:

    >>> scatter_chart([(0.0, 0.1), (1.0, 0.9)], "found against true").count("<circle")
    2
    """
    clean = [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not clean:
        return ""
    marks = ticks(min(map(min, clean)), max(map(max, clean)))
    low, high = marks[0], max(marks[-1], marks[0] + 1e-9)
    axes = _Axes(low, high, low, high)
    parts = [axes.line((low, low), (high, high))]
    for mark in marks:
        parts += [axes.beside(mark, f"{mark:g}"), axes.below(mark, f"{mark:g}")]
    dots = (axes.place(*point) for point in clean)
    parts += [f'<circle class="d0" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in dots]
    return _figure(parts, title)


def _figure(parts: Sequence[str], title: str, legend: str = "") -> str:
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f"{''.join(parts)}</svg>{legend}<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def bar_chart(rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars, each with its name and its value in words.

    Example:

    >>> bar_chart([("race", 10.0, "10 s"), ("training", 20.0, "20 s")]).count("width:50.0%")
    1
    """
    most = max((length for _, length, _ in rows), default=0.0) or 1.0
    cells = "".join(
        f'<span>{html.escape(name)}</span><span><i style="width:{100 * length / most:.1f}%"></i></span>'
        f"<span>{html.escape(words)}</span>"
        for name, length, words in rows
    )
    return f'<div class="bars">{cells}</div>' if rows else ""


def ticks(low: float, high: float) -> list[float]:
    """At most six round numbers from below `low` to above `high`.

    Example:

    >>> ticks(0.13, 2.1), ticks(1, 1), ticks(71, 93)
    ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [1.0], [70.0, 80.0, 90.0, 100.0])
    """
    if high <= low:
        return [float(low)]
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]
