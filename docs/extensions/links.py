"""Names in backticks become links to the reference, and numbers of papers links to arXiv, on every page."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Code has three backticks; those with more hold Markdown.
_PART = re.compile(r"(^(?:```(?!`)|:::(?!:)).*?^(?:```(?!`)|:::(?!:))[^\n]*$)", flags=re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"(?<![`{}\w\[])`([A-Za-z_][\w.]*)(\([^`]*\))?`(?![`\]])")
_PAPER = re.compile(r"\barXiv( )(\d{4}\.\d{5})\b")


def link(text: str, homes: Mapping[str, str]) -> str:
    """Text in which names that the reference has, by themselves or with their module, point there.

    Short names have to begin with a capital: `load` and `search` are everyday words too. Fences and headings stay.
    """
    return "".join(part if _PART.match(part) else _link(part, homes) for part in _PART.split(text))


def _link(text: str, homes: Mapping[str, str]) -> str:
    def replace(match: re.Match) -> str:
        name, call = match[1], match[2] or ""
        home = homes.get(name) if "." in name or name[0].isupper() else None
        return f"{{py:obj}}`{name}{call} <{home}>`" if home and "<" not in call and ">" not in call else match[0]

    def linked(line: str) -> str:
        return _PAPER.sub(r"[arXiv\1\2](https://arxiv.org/abs/\2)", _NAME.sub(replace, line))

    return "\n".join(line if line.startswith(("#", "    ")) else linked(line) for line in text.split("\n"))
