"""A Sphinx extension: writes the generated pages before the build reads its sources, and links names on all pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import command_line
import links
import modules
import papers
import reference

DOCS = Path(__file__).parents[1]
OUTPUT = DOCS / "generated"


def write(app: Any = None) -> None:
    """Write all generated pages; files that stay the same keep their time, so that they are not built again."""
    homes = modules.homes(modules.entries())
    pages = {**reference.pages(), "papers.md": papers.others(homes), "command-line.md": command_line.page()}
    for stale in set(OUTPUT.rglob("*.md")) - {OUTPUT / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = OUTPUT / name
        text = links.link(text, homes)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if app is not None:
        app.connect("source-read", lambda app, name, source: _link(name, source, homes))


def _link(name: str, source: list[str], homes: dict[str, str]) -> None:
    if name.endswith("index"):
        source[0] = without_empty_globs(source[0], (DOCS / name).parent)
    if not name.startswith(("generated/", "tutorials/")):
        source[0] = links.link(papers.filled(source[0], homes), homes)


def _papers(app: Any, env: Any, *changes: set[str]) -> list[str]:
    """The pages of papers are read again at every build: docstrings are part of them."""
    return [name for name in env.found_docs if name.startswith("papers/")]


def without_empty_globs(text: str, folder: Path) -> str:
    """The text of a page in `folder` without those globs of its tables of contents that add no page to the others."""
    lines = text.splitlines()
    kept = [
        line
        for line in lines
        if not re.fullmatch(r"[\w/]*\*", line)
        or {path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob(f"{line}.md")}
        - {*lines, "index"}
    ]
    return "\n".join(kept) + "\n"


def setup(app: Any) -> dict[str, bool]:
    """Hook into the build."""
    app.connect("builder-inited", write)
    app.connect("env-get-outdated", _papers)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
