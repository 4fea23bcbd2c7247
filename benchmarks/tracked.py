"""Tracked results: what a benchmark measured, and all that is needed to measure it again.

Every script that prints a table takes `--results`, a folder or a file, and then also writes JSON there: the question,
the command, the commit, versions, machine, seeds, settings, the rows of the table, and the files whose change makes
them stale. `benchmarks/results/` holds those that the documentation shows; `tables.py` makes its pages of them, and
`stale.py` lists those whose code has changed since. A script says

    table = tracked.Table(["strategy", "accuracy"])   # prints the rows of a table in Markdown as they come
    table.add(["random", "93.76 ± 0.35"])
    tracked.record(arguments, table.rows, intervals="± standard deviation over seeds", code=["kerasnas/strategies"])
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tracked_cells import cell, columns, finite, words
from tracked_cells import mean as mean

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path("benchmarks", "results")
INTERNAL = ("results", "one", "child", "folder", "raw", "output", "json", "summarize", "save", "plot")  # no settings
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
PACKAGES = ("keras", "tensorflow", "numpy", "keras-tuner", "scikit-learn", "jax", "torch", "autokeras")


class Target:
    """Value of `--results`, with the state of the repository when the script started.

    Args:
        path: a folder, in which a result has the name of its script, or a `.json` file.
    """

    def __init__(self, path: str):
        self.path = Path(path)
        self.commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--", ".", f":!{FOLDER}", ":!docs/results")
        self.dirty = None if changed is None else bool(changed)
        self.load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None

    def file(self, name: str, part: str | None) -> Path:
        """Return the file of a result, or of a part of it."""
        whole = self.path if self.path.suffix == ".json" else self.path / f"{name}.json"
        return whole if part is None else whole.with_name(f"{whole.stem}_{part}.json")


def add_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--results` to a parser."""
    words = f"also write the result as JSON: a folder ({FOLDER} for one that is tracked), or a .json file"
    parser.add_argument("--results", type=Target, metavar="PATH", help=words)


def each_seed(
    arguments: argparse.Namespace, function: Callable[[Any, int], Any], seeds: Iterable[int], shared: Any = None
) -> list[Any]:
    """Return `function(shared, seed)` of each seed, computed by `--executor`.

    Args:
        arguments: of the command line.
        function: of the script's own module, so that a worker can import it.
        seeds: one independent run each.
        shared: first argument of all calls. Defaults to None.
    """
    from kerasnas import runs

    with runs.open_executor(arguments.executor) as executor:
        return executor.map(function, list(seeds), shared)


class Table:
    """A table in Markdown, printed row by row as it is measured.

    Args:
        header: titles of the columns; printed at once.
    """

    def __init__(self, header: Sequence[str]):
        self.header, self.rows = list(header), []
        print(f"| {' | '.join(self.header)} |\n|{'---|' * len(self.header)}", flush=True)

    def add(self, cells: Iterable[Any]) -> None:
        """Print a row, texts as they are and None as nothing, and keep it."""
        cells = list(cells)
        self.rows.append(dict(zip(self.header, map(cell, cells), strict=True)))
        shown = (words(one) if one is None or isinstance(one, dict) else str(one) for one in cells)
        print(f"| {' | '.join(shown)} |", flush=True)


def record(
    arguments: argparse.Namespace,
    rows: Iterable[dict[str, Any]],
    *,
    code: Sequence[str] = (),
    intervals: str = "",
    note: str = "",
    runs: Iterable[dict[str, Any]] = (),
    part: str | None = None,
    question: str | None = None,
    seeds: Iterable[int] | None = None,
    command: str | None = None,
) -> Path | None:
    """Write a result to where `--results` says, if it was given.

    Args:
        arguments: of the command line.
        rows: of the table: cells by the titles of their columns. Numbers, texts, or `{"mean": ..., "reach": ...}` and
            `{"mean": ..., "low": ..., "high": ...}` for intervals.
        code: files and folders of the repository that the result depends on, besides the script.
        intervals: what the intervals of the cells are.
        note: in Markdown, what the rows do not say.
        runs: the single measurements that the rows summarize.
        part: which table, of a script with several.
        question: default: that of the script in `benchmarks/README.md`.
        seeds: default: those that the arguments name.
        command: default: the command line that was given; several are lines.

    Returns:
        The file, or None.

    Raises:
        ValueError: if there is no row, or a path of `code` does not exist.
    """
    target, rows = arguments.results, finite(list(rows))
    if target is None:
        return None
    script = Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix()
    paths = [script, *code]
    if missing := [path for path in paths if not (ROOT / path).exists()]:
        raise ValueError(f"Invalid value received for argument `code`. Expected paths of the repository. Got {missing}")
    if not rows:
        raise ValueError("Invalid value received for argument `rows`. Expected at least one row.")
    result = {
        "question": question or questions().get(script, ""),
        "command": command or command_of(arguments),
        "commit": target.commit,
        "dirty": target.dirty,
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "machine": {**machine(), "load": target.load},
        "seeds": seeds_of(arguments) if seeds is None else list(seeds),
        "settings": settings(arguments),
        "code": paths,
        "intervals": intervals,
        "columns": columns(rows),
        "rows": rows,
        "note": note,
        "runs": finite(list(runs)),
    }
    file = target.file(Path(script).stem, part)
    write(file, result)
    print(f"Written: {file}", file=sys.stderr)
    return file


def write(file: Path, result: dict[str, Any]) -> None:
    """Write a result with one line for each row and run, so that changes can be read."""
    lines = []
    for name, value in result.items():
        if name in ("columns", "rows", "runs") and value:
            items = ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value)
            lines.append(f" {json.dumps(name)}: [\n{items}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    temporary.replace(file)


def questions() -> dict[str, str]:
    """Return the question of each script, from `benchmarks/README.md`."""
    found: dict[str, str] = {}
    for line in Path(__file__).with_name("README.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| (.+?) \| `python (benchmarks/\w+\.py)", line)
        if row:
            found.setdefault(row[2], row[1])
    return found


def command_of(arguments: argparse.Namespace) -> str:
    """Return the command line without `--results`, with names in place of this machine's paths."""
    names = {str(value): name.upper() for name, value in vars(arguments).items() if _is_path(value)}
    words, tokens = ["python", Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix()], iter(sys.argv[1:])
    for token in tokens:
        if token == "--results":
            next(tokens)
        elif not token.startswith("--results="):
            flag, sign, value = token.partition("=")
            words.append(f"{flag}={names[value]}" if sign and value in names else names.get(token, token))
    return shlex.join(words)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all arguments but those that say where to write; this machine's paths by their names."""
    kept = {name: value for name, value in vars(arguments).items() if name not in INTERNAL}
    return {
        name: name.upper() if _is_path(value) else str(value) if isinstance(value, Path) else value
        for name, value in kept.items()
    }


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) and os.path.isabs(value)


def seeds_of(arguments: argparse.Namespace) -> list[int]:
    """Return the seeds that arguments of the usual names stand for."""
    given = getattr(arguments, "seeds", None)
    if isinstance(given, int):
        first = getattr(arguments, "first_seed", 0)
        return list(range(first, first + given))
    if given is not None:
        return [int(seed) for seed in (given.split(",") if isinstance(given, str) else given)]
    return [arguments.seed] if hasattr(arguments, "seed") else []


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that times and results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor, the number of its cores, and the threads that were asked for."""
    cpu = platform.processor() or platform.machine()
    if (about := Path("/proc/cpuinfo")).exists():
        cpu = (re.findall(r"model name\s*: (.+)", about.read_text()) or [cpu])[0]
    threads = {name: os.environ[name] for name in THREADS if name in os.environ}
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.system(), "threads": threads}


def git(*words: str) -> str | None:
    """Return git's answer about this repository, or None without one."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def load(file: Path) -> dict[str, Any]:
    """Read a result."""
    return json.loads(file.read_text(encoding="utf-8"))


def every() -> dict[str, dict[str, Any]]:
    """Return the tracked results by name."""
    return {file.stem: load(file) for file in sorted((ROOT / FOLDER).glob("*.json"))}
