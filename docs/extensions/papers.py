"""Publications and the code that follows them, read from the docstrings."""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import docstrings

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "papers"
_TABLE = "```{papers}\n```"
_CITED = re.compile(r"^```\{code-that-cites\}\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"^\| ([\w ]+) \| (.*) \|$", flags=re.MULTILINE)
_OTHERS = """\
# Other publications

Code that follows a publication without a [page of its own](../papers/index.md), by module: the publication, the
equation or algorithm that the code reads like, and every known difference.
"""


@dataclasses.dataclass(frozen=True)
class Method:
    """A class or function that has a reference or differences."""

    path: str
    name: str
    docstring: str

    @property
    def reference(self) -> str:
        """The publications, on one line."""
        parts = docstrings.sections(self.docstring)
        return " ".join((parts.get("Reference") or parts.get("References") or "").split())

    def cites(self, publications: list[str]) -> bool:
        """Return whether it refers to one of these, each an arXiv number or a part of a title."""
        return any(publication in self.reference for publication in publications)

    def entry(self, homes: Mapping[str, str]) -> str:
        """Describe it in Markdown, below a heading of the third level."""
        name, home = self.name, homes.get(self.name)
        where = f"{{py:obj}}`{name} <{home}>`" if home else f"`{name}`"
        lines = [f"### {name}", "", docstrings.summary(self.docstring), "", f"- **Code**: {where} in `{self.path}`"]
        if self.reference:
            lines.append(f"- **Paper**: {self.reference}")
        differences = docstrings.differences(self.docstring) or ["*not stated*"]
        if len(differences) == 1:
            lines.append(f"- **Differences**: {differences[0]}")
        else:
            lines += ["- **Differences**:", *(f"  - {difference}" for difference in differences)]
        return "\n".join([*lines, ""])


@functools.cache
def methods() -> list[Method]:
    """Every class and function that has a reference or differences, in the order of files and lines."""
    found = []
    for path in sorted(path for package in ("kerasnas", "tuners") for path in (ROOT / package).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not re.search(r"^ +(References?|Differences from the papers?):$", source, flags=re.MULTILINE):
            continue
        for node in ast.walk(ast.parse(source)):
            text = (isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)) or ""
            if any(heading.startswith(("Reference", "Differences")) for heading in docstrings.sections(text)):
                found.append(Method(path.relative_to(ROOT).as_posix(), node.name, text))
    return found


def pages() -> dict[str, str]:
    """Name of each page of a paper -> its text as it is written."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md")) if path.stem != "index"}


def facts(text: str) -> dict[str, str]:
    """The table at the head of a page, by the words of its first column."""
    return dict(_ROW.findall(text.split("\n\n## ")[0]))


def cited(text: str) -> list[str]:
    """The publications whose code a page lists."""
    return [publication for block in _CITED.findall(text) for publication in block.splitlines()]


def filled(text: str, homes: Mapping[str, str]) -> str:
    """A page with its lists of code, and the table of all papers where it belongs."""

    def code(match: re.Match) -> str:
        return "\n".join(method.entry(homes) for method in methods() if method.cites(match[1].splitlines()))

    return _CITED.sub(code, text).replace(_TABLE, _table() if _TABLE in text else "")


def others(homes: Mapping[str, str]) -> str:
    """The page of the methods that no page of a paper lists."""
    publications = [publication for text in pages().values() for publication in cited(text)]
    left = [method for method in methods() if not method.cites(publications)]
    rooms = itertools.groupby(left, key=lambda method: "/".join(Path(method.path).parts[:-1][:2]))
    lines = [line for room, several in rooms for line in (f"## {room}", "", *(one.entry(homes) for one in several))]
    return "\n".join([_OTHERS, *lines])


def _table() -> str:
    rows = {}
    for name, text in pages().items():
        title, known = text.partition("\n")[0].removeprefix("# "), facts(text)
        year = re.search(r"\b(19|20)\d\d\b", known["paper"])
        cells = (f"[{title}]({name}.md)", year[0] if year else "", known["command line"], known["Python"])
        rows[title.lower()] = f"| {' | '.join(cells)} |"
    lines = ["| page | year | command line | Python |", "|---|---|---|---|", *(rows[title] for title in sorted(rows))]
    return "\n".join(lines)
