"""Report of a run: `report.html`, one file that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path

from kerasnas.records import Network, Record, Search
from kerasnas.reporting import charts, sections, tables
from kerasnas.reporting.comparisons import comparisons_in, verdict
from kerasnas.reporting.race import symmetry_table

_PLOTS = {
    "normal": ("cell_normal.png", "The normal cell"),
    "reduce": ("cell_reduce.png", "The reduction cell"),
    "cell": ("cell_cell.png", "The cell"),
    "chain": ("cell_chain.png", "The chain"),
    "network": ("cell_network.png", "The network"),
    "front": ("front.png", "Accuracy of the trained networks against what they cost"),
    "alphas": ("alphas.png", "Weights of the primitives during the search"),
}

_LONG = 30  # letters, above which a figure is a sentence and has a line of its own
_READABLE = 0.62  # of its width, the least that a plot is shown at: letters of 8 points are then of 10 pixels

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #57606a; --page: #ffffff; --panel: #f6f8fa;
  --line: #d0d7de; --accent: #0b66ad; --warn: #9a3412; --warnpage: #fff4e5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --page: #0d1117; --panel: #161b22;
  --line: #30363d; --accent: #6cb6ff; --warn: #ffb77c; --warnpage: #2b1d0e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 4rem; color: var(--ink);
  background: var(--page); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .7rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
.soft { color: var(--soft); margin: 0; }
.verdict { border-left: 4px solid var(--accent); background: var(--panel); padding: .8rem 1rem; margin: 1.2rem 0;
  border-radius: 0 6px 6px 0; }
.verdict.warning { border-color: var(--warn); background: var(--warnpage); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
.figures div { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.figures dt { color: var(--soft); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
.figures .words { grid-column: 1 / -1; order: 1; }
.figures .words dd { font-size: 1rem; }
dl { margin: 0; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #ffffff; border-radius: 6px;
  border: 1px solid var(--line); }
@media (prefers-color-scheme: dark) { figure img { filter: invert(.93) hue-rotate(180deg); } }
.wide { overflow-x: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; text-align: center; }
.scroll { overflow-x: auto; max-height: 32rem; overflow-y: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .75rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { background: var(--panel); position: sticky; top: 0; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 500; color: var(--soft); white-space: nowrap; }
td { overflow-wrap: break-word; }
.named td { overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: .6rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; font: .88rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 2rem; }
@media print { .scroll { max-height: none; } body { max-width: none; } }
"""


def report_text(folder: Path, result: Record) -> str:
    """Return the text of `report.html`.

    Curves, bars and images are drawn in the page; the plots that lie in the folder are embedded: those of the cells or
    the network, `front.png` and `alphas.png`. Those that do not are left out.
    """
    genotype = result.genotype
    title = f"Architecture search on {result.dataset.name or 'an unnamed dataset'}"
    said = verdict(result)
    made = f"KerasNAS{f' {result.version}' if result.version else ''}, space {genotype.space}"
    plots = {name: _plot(folder / file, caption) for name, (file, caption) in _PLOTS.items()}
    cells = plots["normal"] + plots["reduce"] + plots["cell"] + plots["chain"] + plots["network"]
    parts = [
        _section("Faults of the data", tables.faults_table(result)),
        _section("Worst mistakes", sections.mistakes(result)),
        _section(*_outputs(result)),
        _section("Confusion", sections.confusion(result), tables.pairs_table(result)),
        *(_section(one.title, one.chart(result), one.table(result)) for one in comparisons_in(result)),
        _section("Shortlist", tables.shortlist_table(result)),
        _section("Symmetries of the data", symmetry_table(result)) if result.race else "",
        _section("Cost", plots["front"], tables.front_table(result)),
        _section("Network" if plots["network"] else "Cells", cells),
        _section("Search", plots["alphas"], *_learned(result.search)),
        _section("Training of the searched network", *_learned(result.searched)),
        _section(
            "Genotype",
            "<h3>JSON</h3>",
            _code(json.dumps(result["genotype"])),
            "<h3>The papers' form</h3>",
            _code(genotype.to_paper_string()),
        ),
        _section("Use the model", _code(tables.usage(result))),
        _section("Files for other runtimes", tables.exports_table(result), _note(tables.exports_note(result))),
        _section("Time by phase", sections.times(result)),
        _section("Samples of the data", sections.samples(result)),
        _section("Files left out", tables.left_out_table(result)),
        '<div class="columns">',
        _section("Dataset", tables.dataset_table(result)),
        _section("Environment", tables.environment_table(result)),
        "</div>",
        _section("Settings", _code(result.command) if result.command else "", tables.settings_table(result)),
    ]
    results = "".join(
        f"<div{' class=words' * (len(value) > _LONG)}><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in tables.results_table(result).rows
    )
    figures = f'<dl class="figures">{results}</dl>\n'
    return page_text(title, made, said, figures + "\n".join(part for part in parts if part))


def page_text(title: str, made: str, said: str, content: str) -> str:
    """Return a page that needs nothing else, not even a network.

    Args:
        title: the heading.
        made: what made it, below the heading.
        said: what it comes to; with "Warning" in it, in another color.
        content: of the body, in HTML; all others are text.
    """
    warning = " warning" if "Warning" in said else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # The browser itself enforces that nothing is fetched and nothing is run.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}{charts.STYLE}{sections.STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{html.escape(title)}</h1>\n<p class="soft">{html.escape(made)}</p>\n'
        f'<p class="verdict{warning}">{html.escape(said)}</p>\n{content}\n</body>\n</html>\n'
    )


def _outputs(result: Record) -> tuple[str, str | tables.Table]:
    """Return the section on single classes, labels or numbers."""
    if residuals := sections.residuals(result):
        return "Residuals", residuals
    labels = result.searched.labels is not None
    return "Labels" if labels else "Classes", tables.class_table(result)


def _learned(part: Search | Network) -> tuple[str, tables.Table]:
    """Return the curves and the epochs of a search, or of a training."""
    return sections.curves(part.history), tables.history_table(part.history)


def _section(title: str, *parts: str | tables.Table) -> str:
    shown = (html_table(part) if isinstance(part, tables.Table) else part for part in parts)
    content = "\n".join(part for part in shown if part)
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{content}\n</section>" if content else ""


def _plot(path: Path, caption: str) -> str:
    if not path.is_file():
        return ""
    content, text = path.read_bytes(), html.escape(caption)
    data = base64.b64encode(content).decode("ascii")
    wide = _READABLE * int.from_bytes(content[16:20], "big")  # the width in the header of a PNG file
    image = (
        f'<div class="wide"><img style="min-width:{wide:.0f}px" src="data:image/png;base64,{data}" alt="{text}"></div>'
    )
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def _note(text: str) -> str:
    return f'<p class="soft">{html.escape(text)}</p>' if text else ""


def _code(text: str) -> str:
    return f"<pre><code>{html.escape(text)}</code></pre>"


def html_table(table: tables.Table) -> str:
    """Return a table in HTML; nothing for one without rows."""
    if not table.rows:
        return ""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in table.rows
    )
    thead = f"<thead><tr>{head}</tr></thead>\n" if head else ""
    named = "" if head else ' class="named"'
    return f'<div class="scroll"><table{named}>\n{thead}<tbody>\n{body}</tbody>\n</table></div>'
