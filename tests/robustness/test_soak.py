"""Hours of work in one process: memory, threads and open files do not grow.

`pytest -m slow -s tests/robustness/test_soak.py` prints the table of docs/robustness.md.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc")]

# What is done, how many parts it logs, how much memory may grow after the tenth, and threads that may come late: of a
# pool that is filled when it is needed.
KINDS = {
    "searches": (200, 0.02, 0),
    "supernet_trials": (50, 0.05, 0),
    "genotype_trials": (50, 0.05, 0),
    "reptile_steps": (50, 0.05, 0),
    "maml_steps": (50, 0.05, 0),
    "chief": (80, 0.05, 2),
}
COLUMNS = ("in one process", "MB, parts 11 to 20", "MB, last fifth", "growth", "threads", "files")


@pytest.fixture(scope="module")
def table():
    rows = []
    yield rows
    print("\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in [COLUMNS, ["---"] * len(COLUMNS), *rows]))


@pytest.mark.parametrize("kind", KINDS)
def test_memory_threads_and_files_do_not_grow(kind, tmp_path, table):
    parts, most, late = KINDS[kind]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, str(HERE / "soak.py"), kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line.removeprefix("SOAK ")) for line in done.stdout.splitlines() if line.startswith("SOAK")]
    assert len(told) == parts
    early, last = (list(zip(*rows, strict=True)) for rows in (told[10:20], told[-parts // 5 :]))
    sizes = [statistics.median(columns[0]) for columns in (early, last)]
    growth = sizes[1] / sizes[0] - 1
    (threads, threads_last), (tasks, tasks_last), (files, files_last) = (
        (max(one), max(other)) for one, other in zip(early[1:], last[1:], strict=True)
    )
    counts = [f"{threads} to {threads_last}, all {tasks} to {tasks_last}", f"{files} to {files_last}"]
    table.append([kind, f"{sizes[0]:.0f}", f"{sizes[1]:.0f}", f"{100 * growth:+.1f} %", *counts])
    print(table[-1])
    assert growth <= most, [round(row[0]) for row in told]
    assert threads_last <= threads + late and tasks_last <= tasks + late, told
    assert files_last <= files, told
