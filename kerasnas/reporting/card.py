"""Model card of a run: `card.md`, after Mitchell et al. (2019, arXiv 1810.03993)."""

from __future__ import annotations

import json
import re

from kerasnas.modalities.lookup import of_result
from kerasnas.records import Record
from kerasnas.reporting import tables
from kerasnas.reporting.comparisons import COMPARISONS, comparison_of, comparisons_in, verdict
from kerasnas.reporting.measures import task_in


def escape(text: str) -> str:
    r"""Text that Markdown shows as it is: one line, without markup, links or HTML.

    Example:

    >>> print(escape("<b> a*b | c"))
    \<b\> a\*b \| c
    """
    text = re.sub(r"([\\`*\[\]<>#|~&])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)  # within a word it is no markup


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any within the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def markdown_table(table: tables.Table) -> str:
    """A Markdown table; nothing for a table without rows."""
    if not table.rows:
        return ""
    header = table.header or ["", ""]
    lines = [header, ["---"] * len(header), *([escape(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def card_text(result: Record) -> str:
    """Return the text of `card.md`."""
    genotype, dataset = result.genotype, result.dataset
    name = escape(dataset.name or "an unnamed dataset")
    space = escape(genotype.space)
    what = task_in(result)
    made = f"KerasNAS {escape(result.version)}" if result.version else "KerasNAS"
    environment = markdown_table(tables.environment_table(result))
    seeds = markdown_table(tables.seeds_table(result))
    settings = markdown_table(tables.settings_table(result))
    kind = of_result(result).singular
    shape = f" and of shape {escape(tables.show(dataset.input_shape))}" if dataset.input_shape else ""
    comparison = comparison_of(result)
    compared = any(result.get(name) for name in COMPARISONS)
    searched = result.race is None or len(result.race.compared) > 1
    found = "was found by neural architecture search in" if searched else "is a known one of"
    exported = tables.exports_table(result)
    exports = ["## Files for other runtimes", markdown_table(exported), escape(tables.exports_note(result))]
    exports = exports if exported.rows else []
    parts = [
        f"# Model card: {space} network for {name}",
        f"A Keras {kind} {what.described_as}. Its architecture {found} the space "
        f"{space}, with {made}; {comparison.training(result)}. It "
        f"{what.purpose(f'{kind}s', name, [escape(str(one)) for one in dataset.classes])}.",
        "## Data",
        markdown_table(tables.dataset_table(result)) or "The dataset was not recorded.",
        markdown_table(tables.faults_table(result)),
        "## How it was made",
        fenced(result.command, "shell") if result.command else "The command was not recorded.",
        settings and f"Settings:\n\n{settings}",
        "### Seeds",
        seeds or "No seed was recorded: another run may find another network.",
        "### Environment",
        environment or "The environment was not recorded.",
        "## Results",
        markdown_table(tables.results_table(result)) or "No results were recorded.",
        f"## {comparison.title}",
        verdict(result),
        *([markdown_table(one.table(result)) for one in comparisons_in(result)] if compared else []),
        *exports,
        "## Genotype",
        fenced(json.dumps(result["genotype"]), "json"),
        fenced(genotype.to_paper_string(), "text"),
        "## Intended use and limits",
        "\n".join(
            [
                f"- Meant for {kind}s like those of {name}, prepared in the same way{shape}. "
                f"{what.words[0].upper()}{what.words[1:]} on other {kind}s is unknown.",
                f"- The results come from one training run and one {result.split} set. Another seed gives others, so "
                "small differences mean little.",
                f"- {comparison.limits}",
                "- Not examined: fairness between groups, robustness to shifted or hostile inputs, calibration of "
                "the probabilities. Do not use it for decisions about people without examining them.",
            ]
        ),
        "## How to use it",
        fenced(tables.usage(result), "python"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
