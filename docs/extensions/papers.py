"""The map of papers: every method with its reference, equation and differences, read from the docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import docstrings

ROOT = Path(__file__).parents[2]
_ROOMS = {
    "kerasnas/trainers": "Gradient search and weight sharing",
    "kerasnas/relaxations": "Relaxations",
    "kerasnas/primitives": "Primitives",
    "kerasnas/networks": "Supernets and derivation",
    "kerasnas/spaces": "Search spaces",
    "kerasnas/strategies": "Black-box strategies",
    "kerasnas/proxies": "Zero-cost proxies",
    "kerasnas/meta": "Meta-learning and transfer",
    "kerasnas/starts": "Pretrained networks",
    "kerasnas/cost": "Costs",
    "kerasnas/federated": "Federated search",
    "kerasnas/drift": "Drift",
    "kerasnas/tabular": "Tables of published results",
    "kerasnas/datasets": "Data",
    "kerasnas/modalities": "Modalities",
    "kerasnas/tasks": "Tasks",
    "kerasnas/callbacks": "Callbacks and guards",
    "kerasnas/companions": "Companions of networks",
    "kerasnas/training": "Training",
    "kerasnas/racing": "Races",
    "kerasnas/methods": "Methods of a run",
    "kerasnas/deployment": "Deployment",
    "kerasnas/platforms": "Platforms",
    "tuners": "KerasTuner",
}
_INTRODUCTION = """\
# Paper map

Every method that follows a publication, with the publication, the equation or algorithm that the code reads like, and
every difference that we know of. This page is made of the docstrings when the site is built, and cannot lag behind
the code. "None" means that we looked for differences and found none; *not stated* means that the docstring makes no
such claim: the paper is where the idea comes from.
"""


def documented() -> Iterator[tuple[str, str, str]]:
    """`(path, name, docstring)` of every class and function that has a reference or differences."""
    for package in ("kerasnas", "tuners"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                    parts = docstrings.sections(text)
                    if any(heading.startswith(("Reference", "Differences")) for heading in parts):
                        yield path.relative_to(ROOT).as_posix(), node.name, text


def page(homes: Mapping[str, str]) -> str:
    """The page, as Markdown."""
    rooms: dict[str, list[str]] = {title: [] for title in _ROOMS.values()}
    others: list[str] = []
    for path, name, text in documented():
        title = next((title for room, title in _ROOMS.items() if path.startswith(room)), None)
        (others if title is None else rooms[title]).append(_method(path, name, text, homes))
    lines = [_INTRODUCTION]
    for title, methods in {**rooms, "Elsewhere": others}.items():
        if methods:
            lines += [f"## {title}", "", *methods]
    return "\n".join(lines)


def _method(path: str, name: str, text: str, homes: Mapping[str, str]) -> str:
    parts = docstrings.sections(text)
    reference = " ".join((parts.get("Reference") or parts.get("References") or "").split())
    where = f"{{py:obj}}`{name} <{homes[name]}>`" if name in homes else f"`{name}`"
    lines = [f"### {name}", "", docstrings.summary(text), "", f"- **Code**: {where} in `{path}`"]
    if reference:
        lines.append(f"- **Paper**: {reference}")
    differences = docstrings.differences(text)
    if len(differences) == 1:
        lines.append(f"- **Differences**: {differences[0]}")
    elif differences:
        lines += ["- **Differences**:", *(f"  - {difference}" for difference in differences)]
    else:
        lines.append("- **Differences**: *not stated*")
    return "\n".join([*lines, ""])
