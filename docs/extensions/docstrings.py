"""Docstrings as Markdown: the house style (Markdown with Google's sections) for the pages of the reference."""

from __future__ import annotations

import inspect
import re
import textwrap

_HEADING = re.compile(
    r"^(Args|Call arguments|Attributes|Returns|Yields|Raises|Examples?|References?|Shapes|"
    r"Differences from the papers?):[ ]*$"
)
_LISTS = ("Args", "Call arguments", "Attributes", "Raises")
_ITEM = re.compile(r"^([*\w][\w`*., ]*?):(?:\s+|$)")


def sections(docstring: str) -> dict[str, str]:
    """The parts of a docstring by heading, in their order; what stands before all of them is under `""`."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(docstring).splitlines():
        if heading := _HEADING.match(line):
            current = heading[1]
            found.setdefault(current, [])
        else:
            found[current].append(line)
    return {heading: textwrap.dedent("\n".join(lines)).strip("\n") for heading, lines in found.items()}


def markdown(docstring: str, leave_out: tuple[str, ...] = ()) -> str:
    """A docstring as Markdown; `leave_out` names headings."""
    parts = []
    for heading, text in sections(docstring).items():
        if not text.strip() or heading in leave_out:
            continue
        body = _items(text) if heading in _LISTS else _with_fences(text)
        parts.append(f"**{heading}**\n\n{body}" if heading else body)
    return "\n\n".join(parts)


def summary(docstring: str | None) -> str:
    """The first sentence of a docstring, on one line."""
    first = inspect.cleandoc(docstring or "").split("\n\n")[0]
    return " ".join(first.split())


def differences(docstring: str) -> list[str]:
    """The differences from the paper that a docstring names, each on one line."""
    parts = sections(docstring)
    text = next((body for heading, body in parts.items() if heading.startswith("Differences")), "")
    return [" ".join(item.split()) for item in re.split(r"^- ", text, flags=re.MULTILINE) if item.strip()]


def _items(text: str) -> str:
    """`name: what it is`, with more indented lines below each, as a list."""
    lines = []
    for line in text.splitlines():
        item = _ITEM.match(line)
        if item and not line.startswith(" "):
            lines.append(f"- `{item[1].replace('`', '')}`: {line[item.end() :]}")
        else:
            lines.append(f"  {line.strip()}" if line.strip() else "")
    return "\n".join(lines)


def _with_fences(text: str) -> str:
    """Doctests in fences; everything else is Markdown already."""
    lines, fenced, open_fence = [], False, False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and line.startswith(">>>") and not open_fence:
            lines += ["", "```pycon"]
            open_fence = True
        if open_fence and not line.strip():
            lines += ["```", ""]
            open_fence = False
            continue
        lines.append(re.sub(r"\s+# doctest:.*$", "", line) if open_fence else line)
    return "\n".join([*lines, "```"] if open_fence else lines)
