"""Pages of results in the documentation, made from `benchmarks/results/*.json`.

    python benchmarks/tables.py            # writes docs/results/*.md
    python benchmarks/tables.py --check    # exit status 1, with the difference, if they are out of date

Each result of `PAGES` becomes a section: its question, its table, the command, and what it was measured on. Nothing in
the pages is typed by hand; a figure changes by running its command again with `--results=benchmarks/results`.
"""

import difflib
import sys
from pathlib import Path
from typing import Any, NamedTuple

import skeleton
import tracked

TARGET = Path("docs", "results")


class Page(NamedTuple):
    """A page: its title, its subject, and its results in order."""

    title: str
    about: str
    results: tuple[str, ...]


PAGES = {
    "images": Page(
        "Images: what a search reaches",
        "`kerasnas search` on images compared with the alternatives, and the contribution of its parts.",
        (
            *(
                "initializations_free",
                "initializations_seeds",
                "value_free",
                "value_large",
                "value_first",
                "value_small",
                "value_limits",
            ),
            *("value_muon_few", "value_muon", "value_muon_drawn", "value_muon_long", "value_precision", "value_starts"),
            *("value_photographs_minute", "value_photographs", "value_device", "devices"),
            *("value_adapted", "value_few_5", "value_few_20", "value_few_20_long", "value_symmetries", "value_views"),
            *("value_time", "value_trainings", "value_regret"),
            *("value_parts", "value_products", "value_own", "value_lines", "value_boards"),
            *("value_tiles", "value_tiles_long", "value_random"),
            *("value_alone", "curves", "curves_choices", "headroom", "headroom_batch"),
        ),
    ),
    "texts_and_series": Page(
        "Texts, series, speech, tables",
        "Searches on texts, signals and rows compared with simple methods, which are hard to beat.",
        ("text_race", "text_starts", "series_race", "value_speech", "value_speech_few", "experience", "rows"),
    ),
    "graphs_and_planning": Page(
        "Graphs and planning",
        "Graph networks for few labels, and networks that find paths in unseen worlds.",
        ("graphs_product", "graphs_cora", "graphs_citeseer", "planning", "planning_obstacles"),
    ),
    "black_box_search": Page(
        "Black-box search on tables",
        "Strategies evaluated on published tables: tens of seeds, no training.",
        (
            *("strategies", "strategies_limits", "oracles", "pareto", "multi_fidelity"),
            *("transfer_policies", "transfer_policies_201"),
        ),
    ),
    "shared_weights": Page(
        "Shared weights",
        "What searches whose candidates share weights find, beside random networks.",
        ("nasbench201_pixels", "nasbench201_staged", "searches", "enas", "proxyless_front"),
    ),
    "meta_learning": Page(
        "Meta-learning",
        "Learned initializations on unseen tasks.",
        ("few_shot_compared", "few_shot_long", "few_images"),
    ),
    "drift_and_federated": Page(
        "Drift, and data that stay with their owners",
        "Adaptation of networks to changing data, and searches over clients.",
        ("drift", "readapting", "federated", "hostile_clients"),
    ),
    "speed": Page(
        "Speed and memory",
        "Time and memory of search steps, cost of executors.",
        (
            "compare_pytorch",
            "search_step",
            "roofline",
            "training_speed",
            "proxyless_memory",
            "latency",
            "executors_overhead",
            "executors_throughput",
            "executors_kill",
            "executors_idle",
        ),
    ),
}


def pages() -> dict[str, str]:
    """Make the text of every page by its file name; pages whose results do not exist are left out."""
    results, made = tracked.every(), {}
    for name, page in PAGES.items():
        sections = [section(results[one]) for one in page.results if one in results]
        if sections:
            made[f"{name}.md"] = "\n\n".join([f"# {page.title}", page.about, *sections]) + "\n"
    return {"index.md": index(results, made), **made}


def index(results: dict[str, dict[str, Any]], made: dict[str, str]) -> str:
    """Make the page that leads to the others, by the questions they answer."""
    lines = ["# Results", "", *_INTRODUCTION, ""]
    for name, page in PAGES.items():
        if f"{name}.md" in made:
            lines += [f"**[{page.title}]({name}.md)**", ""]
            lines += [f"- {results[one]['question']}" for one in page.results if one in results] + [""]
    lines += ["```{toctree}", ":maxdepth: 1", ":hidden:", "", *(name.removesuffix(".md") for name in made), "```"]
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    "`python benchmarks/tables.py` makes every table from a file in `benchmarks/results/`, which records the command,",
    "commit, machine, seeds and settings of the measurement. `python benchmarks/stale.py` lists the results whose code",
    "has changed since. `DATA` is a folder with the public data sets, see `benchmarks/README.md`.",
)


def section(result: dict[str, Any]) -> str:
    """Format a result as Markdown."""
    parts = [f"## {result['question']}", markdown(result["columns"], result["rows"])]
    if result["intervals"]:
        parts.append(f"{result['intervals'].removesuffix('.')}.")
    if result["note"]:
        parts.append(result["note"])
    parts += [f"```shell\n{result['command']}\n```", measured_on(result)]
    return "\n\n".join(parts)


def markdown(columns: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """Format a table; a cell that a row lacks stays empty."""
    titles = [column["title"] for column in columns]
    lines = [f"| {' | '.join(titles)} |", "|" + " --- |" * len(titles)]
    for row in rows:
        cells = [tracked.words(row.get(column["title"]), column["digits"]) for column in columns]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def measured_on(result: dict[str, Any]) -> str:
    """Format the line below a table: seeds, machine, versions, commit."""
    machine, words = result["machine"], []
    if result["seeds"]:
        words.append(f"seeds {ranges(result['seeds'])}" if len(result["seeds"]) > 1 else f"seed {result['seeds'][0]}")
    cores = {1: "one core", 2: "two cores"}.get(machine["cores"], f"{machine['cores']} cores")
    words.append(f"{cores} of {machine['cpu']}")
    if machine["threads"]:
        counts = sorted(set(machine["threads"].values()), key=int)
        words.append("one thread" if counts == ["1"] else f"{' or '.join(counts)} threads")
    if machine.get("load") is not None:
        words.append(f"load {machine['load']:g} at the start")
    if machine.get("note"):
        words.append(machine["note"])
    names = {"python": "Python", "keras": "Keras", "tensorflow": "TensorFlow", "torch": "PyTorch"}
    words += [f"{names[name]} {result['versions'][name]}" for name in names if name in result["versions"]]
    dirty = ", with uncommitted changes" if result["dirty"] else ""
    words.append(f"{result['date']}, commit `{str(result['commit'])[:9]}`{dirty}")
    line = "; ".join(words)
    return f"{line[0].upper()}{line[1:]}."


def ranges(seeds: list[int]) -> str:
    """Format seeds.

    >>> ranges([0, 1, 2, 3]), ranges([1, 3])
    ('0 to 3', '1, 3')
    """
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def main() -> None:
    check = (False, "write nothing; exit status 1 if a page differs")
    arguments = skeleton.arguments(__doc__, record=False, check=check)
    folder, made = tracked.ROOT / TARGET, pages()
    there = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
    if arguments.check:
        for name in sorted(made.keys() | there.keys()):
            lines = [(one.get(name) or "").splitlines(keepends=True) for one in (there, made)]
            sys.stdout.writelines(difflib.unified_diff(*lines, f"{TARGET}/{name}", "as made from the results"))
        sys.exit(0 if there == made else 1)
    folder.mkdir(parents=True, exist_ok=True)
    for name in there.keys() - made.keys():
        (folder / name).unlink()
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")
    print(f"{len(made)} pages in {TARGET}")


if __name__ == "__main__":
    main()
