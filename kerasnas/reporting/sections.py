"""Parts of a report that are drawn in the page itself: mistakes, samples, curves, the race, times."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from kerasnas.modalities.lookup import of_result
from kerasnas.records import Record
from kerasnas.reporting.charts import bar_chart, line_chart, scatter_chart
from kerasnas.reporting.closing import phases
from kerasnas.reporting.measures import numbers_in, task_in
from kerasnas.reporting.tables import MOST_CLASSES, duration

STYLE = """
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .8rem; margin: .6rem 0;
  padding: 0; list-style: none; }
.gallery li { font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere; }
.gallery img, .samples img { image-rendering: pixelated; background: var(--panel); border: 1px solid var(--line);
  border-radius: 4px; object-fit: contain; }
.gallery img { display: block; width: 100%; aspect-ratio: 1; margin-bottom: .25rem; }
.samples img { width: 2.2rem; height: 2.2rem; margin-right: .25rem; vertical-align: middle; }
.samples i { display: block; height: .5rem; border-radius: 2px; min-width: 2px; background: var(--s0); }
.confusion td { text-align: right; background: color-mix(in srgb, var(--cell) calc(60% * var(--share)), transparent); }
.confusion .right { --cell: var(--s2); }
.confusion .wrong { --cell: var(--s7); }
.samples td:last-child { min-width: 5rem; }
"""
_PNG = "data:image/png;base64,"


def mistakes(result: Record) -> str:
    """Return the images that the network is surest about, and wrong; nothing where none is known."""
    items = []
    for one in result.samples.mistakes:
        sure = "" if one.get("probability") is None else f" ({100 * one['probability']:.0f} %)"
        image = _image(one.get("image"), f"{one['label']}, taken for {one['taken_for']}")
        if text := one.get("text"):
            image = f"<q>{html.escape(text)}</q><br>"
        file = f"<br><small>{html.escape(one['file'])}</small>" if one.get("file") else ""
        items.append(
            f"<li>{image}<b>{html.escape(one['label'])}</b>, taken for {html.escape(one['taken_for'])}{sure}{file}</li>"
        )
    note = f'<p class="soft">{task_in(result).mistakes_words}</p>'
    return f'{note}<ul class="gallery">{"".join(items)}</ul>' if items else ""


def samples(result: Record) -> str:
    """Some images of each class, and how many samples it has."""
    classes = result.samples.classes
    if not classes:
        return ""
    counts, rows = [one["train"] for one in classes], []
    most = max(counts) or 1
    for one in classes:
        images = "".join(map(_image, one["images"], one.get("files") or [""] * len(one["images"])))
        rows.append(
            f'<tr><th scope="row">{html.escape(one["name"])}</th><td>{images}</td>'
            f"<td>{one['train']:,} + {one['test']:,}"
            f'<i style="width:{100 * one["train"] / most:.1f}%"></i></td></tr>'
        )
    ratio = max(counts) / max(1, min(counts))
    balance = "The classes are balanced" if ratio < 1.5 else f"The largest class has {ratio:.1f} times the smallest"
    shown = "" if of_result(result).transductive else f"training {of_result(result).plural}"
    head = f'<thead><tr><th scope="col">class</th><th scope="col">{shown}</th>'
    head += '<th scope="col">training + test samples</th></tr></thead>'
    note = f'<p class="soft">{balance}.</p>'
    return f'{note}<div class="scroll samples"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def curves(history: Mapping[str, Any]) -> str:
    """Loss and accuracy of a training, and those of the validation beside them, each in a chart."""
    series = numbers_in(history)
    steps = series.get("steps")
    across = "epoch" if steps is None else "steps"
    charts = []
    for metric in ("loss", "accuracy", "mae"):
        found = {}
        for name, words in ((metric, "training"), (f"val_{metric}", "validation")):
            if values := series.get(name):
                found[words] = list(zip(steps or range(1, len(values) + 1), values, strict=False))
        charts.append(line_chart(found, metric, across, percent=metric == "accuracy"))
    content = "".join(charts)
    return f'<div class="charts">{content}</div>' if content else ""


def confusion(result: Record) -> str:
    """Return the confusion matrix of up to 20 classes, each row shaded by its shares; nothing for more, or of none."""
    names, matrix = result.dataset.classes, result.searched.confusion
    if not matrix or not 2 <= len(names) <= MOST_CLASSES:
        return ""
    head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in names)
    rows = []
    for index, (name, counts) in enumerate(zip(names, matrix, strict=True)):
        cells = "".join(
            f'<td class="{"right" if column == index else "wrong"}" style="--share:{count / (sum(counts) or 1):.3f}">'
            f"{count or ''}</td>"
            for column, count in enumerate(counts)
        )
        rows.append(f'<tr><th scope="row">{html.escape(str(name))}</th>{cells}</tr>')
    note = f'<p class="soft">Test {of_result(result).plural}: a row for each true class, a column for each answer.</p>'
    corner = f"<thead><tr><th></th>{head}</tr></thead>"
    return f'{note}<div class="scroll confusion"><table>{corner}<tbody>{"".join(rows)}</tbody></table></div>'


def residuals(result: Record) -> str:
    """For each number of a regression, what the network found against what is true; nothing of other tasks."""
    found = result.searched.residuals
    if not found or not found["true"]:
        return ""
    names = result.dataset.classes or [str(index) for index in range(len(found["true"][0]))]
    charts = []
    for index, name in enumerate(names):
        true, answered = ([row[index] for row in found[key]] for key in ("true", "found"))
        charts.append(scatter_chart(list(zip(true, answered, strict=True)), f"{name}: found against true"))
    return f'<div class="charts">{"".join(charts)}</div>'


def times(result: Record) -> str:
    """Return the seconds of each phase of the run, as bars."""
    taken = phases(result)
    return bar_chart([(name, seconds, duration(seconds)) for name, seconds in taken]) if len(taken) > 1 else ""


def _image(source: Any, text: str) -> str:
    if not isinstance(source, str) or not source.startswith(_PNG):
        return ""
    return f'<img src="{html.escape(source)}" alt="{html.escape(text)}" title="{html.escape(text)}">'
