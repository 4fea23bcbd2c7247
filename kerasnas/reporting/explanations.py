"""Page that shows which parts of samples a network's answers depend on."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from kerasnas.reporting.report import page_text
from kerasnas.tasks import Task
from kerasnas.wording import printable

_NAMED = 3  # parts in words
_DARKEST = 0.75  # share of the page that the color of the part that counts most covers
_SAID = (
    "Each part of a sample was left out in turn: blocks and windows became their mean, words were dropped, columns "
    "were missing. Blue: without the part, the answer is lower; orange: higher; the darker, the more, beside the other "
    "parts. A part counts for little where another shows the same."
)
_STYLE = """
h2 { overflow-wrap: anywhere; }
.picture, .line { margin-bottom: .6rem; }
.picture { position: relative; width: min(100%, 24rem); }
.picture img { display: block; width: 100%; image-rendering: pixelated; }
.picture .parts { position: absolute; inset: 0; display: grid; }
.line { display: flex; flex-wrap: wrap; gap: 3px; }
.line span { padding: 0 .3rem; border-radius: 3px; }
.for { background: rgb(11 102 173 / var(--shade)); }
.against { background: rgb(230 159 0 / var(--shade)); }
"""


def explanations_page(explanations: Sequence[Any], task: Task) -> str:
    """Return the page of explanations, as `kerasnas.deployment.explaining.explain` returns them."""
    content = "\n".join(_section(one, task) for one in explanations)
    return page_text("What the answers depend on", "KerasNAS", _SAID, f"<style>{_STYLE}</style>\n{content}")


def _section(one: Any, task: Task) -> str:
    largest = max((abs(change) for change in one.changes), default=0.0) or 1.0
    cells = "".join(
        f'<span class="{"for" if change > 0 else "against"}" style="--shade:{_DARKEST * abs(change) / largest:.3f}" '
        f'title="{_text(part)}: {change:+.3g}">{"" if one.picture else _text(part)}</span>'
        for part, change in zip(one.parts, one.changes, strict=True)
    )
    shown = f'<div class="line">{cells}</div>'
    if one.picture:
        columns = f"grid-template-columns:repeat({len(one.parts) // one.rows},1fr)"
        shown = (
            f'<div class="picture"><img src="{one.picture}" alt="{_text(one.name)}">'
            f'<div class="parts" style="{columns}">{cells}</div></div>'
        )
    heading = f"{_text(one.name)}: {_text('  '.join(task.text_cells(one.answers)))}"
    return f'<section>\n<h2>{heading}</h2>\n{shown}\n<p class="soft">{_text(_in_words(one))}</p>\n</section>'


def _in_words(one: Any) -> str:
    """Return the parts that count most, in words."""
    order = sorted(zip(one.changes, one.parts, strict=True), key=lambda pair: -abs(pair[0]))
    named = ", ".join(f"{part} ({change:+.3g})" for change, part in order[:_NAMED] if change)
    return f"'{one.explained}' depends most on: {named}." if named else "No part changes the answer."


def _text(text: str) -> str:
    return html.escape(printable(text))
