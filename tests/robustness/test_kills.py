"""SIGKILL at random moments of all that may take long: begun again, it ends as if nothing had happened.

`KILLS=100 pytest -m slow -s tests/robustness/test_kills.py` prints the table of docs/robustness.md. Half of the kills
are at a moment drawn over the life of the process, half before an operation on a file drawn over all of them; every
third time the process that resumes is killed as well. A seed says when.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from comparing import compare

from kerasnas.datasets import stochastic_blocks
from kerasnas.datasets.graph_files import graph_arrays

HERE = Path(__file__).parent
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="/proc, fork and SIGKILL")]

SEED = 20
KILLS = int(os.environ.get("KILLS", 100))  # in all subjects together, at least
MAKE_IT = ("shortlist", "text", "series", "table", "graph", "search", "race", "pretrain")  # commands, and their folder
OTHERS = ("front_trial", "federation", "training", "report", "export", "trial", "search_trial", "meta_training")
SUBJECTS = (*MAKE_IT, *OTHERS)
AGAIN = 3  # of this many runs one is killed a second time
RUNS = -(-KILLS // len(SUBJECTS))  # of each subject
AT_END_OF_TRAINING = {"config.json", "genotype.json", "model.keras", "model.json", "search.json", "searched.json"}
MODULES = ("tuners", "kerasnas.cli", "kerasnas.methods", "kerasnas.deployment", "matplotlib.backends.backend_agg")
COLUMNS = (
    "killed",
    "life, s",
    "kills",
    "at a file",
    "complete",
    "bit-identical",
    "lost files",
    "left over",
    "again, s",
)


class Campaign:
    """Starts subjects, see `subjects.py`, and kills them.

    Args:
        forking: starts the process that forks others.
        place: the folder of everything.
    """

    def __init__(self, server, place):
        self.server, self.place, self.shared = server, place, place / "shared"
        self.shared.mkdir()
        self.rows = []
        rng = np.random.default_rng(0)
        for name, classes in (("tiny", 3), ("other", 5)):
            x, y = rng.random((64, 8, 8, 1)).astype("float32"), np.arange(64) % classes
            np.savez(self.shared / f"{name}.npz", x_train=x[:48], y_train=y[:48], x_test=x[48:], y_test=y[48:])
        y = np.arange(64) % 2
        words = np.array([f"{'good' if one else 'bad'} film number {index}" for index, one in enumerate(y)])
        waves = np.sin(np.arange(32) * (1 + y[:, None]) / 4)[..., None] + 0.1 * rng.normal(size=(64, 32, 1))
        rows = rng.normal(size=(64, 4)) + y[:, None]
        for name, x, kind in (("text", words, "texts"), ("series", waves, "signals"), ("table", rows, "tables")):
            parts = {"x_train": x[:48], "y_train": y[:48], "x_test": x[48:], "y_test": y[48:]}
            np.savez(self.shared / f"{name}.npz", **parts, kind=kind)
        np.savez(self.shared / "graph.npz", **graph_arrays(stochastic_blocks(nodes=60, classes=3)))

    def prepare(self, subject, folder):
        """What is there before the first process."""
        if subject == "report":  # as where the last training has ended
            kept = AT_END_OF_TRAINING | {"stages"}
            shutil.copytree(self.finished, folder, ignore=lambda _, names: set(names) - kept)
        elif subject == "export":
            shutil.copytree(self.finished, folder)
        elif subject == "training":
            assert (self.finished / "genotype.json").exists()  # it trains that
        elif subject not in MAKE_IT:
            folder.mkdir()

    @property
    def finished(self):
        """A finished run, which others begin from."""
        folder = self.shared / "search"
        if not folder.exists():
            _, code = self.run("search", folder)
            assert code == 0, self.log(folder)
        return folder

    def run(self, subject, folder, after=None, before=None):
        """Run, or kill `after` so many seconds or `before` an operation on files; return seconds and exit code."""
        env = {"SUBJECT": subject, "FOLDER": str(folder), "SHARED": str(self.shared), "COUNT": f"{folder}.count"}
        env["KILL_AT"] = str(-1 if before is None else before)
        start = time.monotonic()
        pid = self.server(env=env, log=f"{folder}.log")
        while (code := self.server(wait=pid)) is None:
            past = time.monotonic() - start
            if past > 300 or (after is not None and past >= after):
                os.kill(pid, signal.SIGKILL)
                assert past <= 300, f"{subject} hangs: {self.log(folder)}"
            time.sleep(0.005)
        return time.monotonic() - start, code

    def log(self, folder):
        lines = Path(f"{folder}.log").read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith(("I0000", "WARNING: All")))[-1500:]


@pytest.fixture(scope="module")
def campaign(forking, one_order, tmp_path_factory):
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    with forking(HERE / "subjects.py", *MODULES, PYTHONPATH=path, **one_order) as server:
        made = Campaign(server, tmp_path_factory.mktemp("kills"))
        yield made
    lines = [COLUMNS, ["---"] * len(COLUMNS), *made.rows, totals(made.rows)]
    print("\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def totals(rows):
    return ["all", f"{sum(row[1] for row in rows):.0f}", *(sum(row[i] for row in rows) for i in range(2, 8)), ""]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_killed_and_begun_again_ends_as_if_nothing_had_happened(subject, campaign):
    rng = np.random.default_rng([SEED, *subject.encode()])
    whole = campaign.place / f"{subject}-whole"
    campaign.prepare(subject, whole)
    life, code = campaign.run(subject, whole)
    assert code == 0, campaign.log(whole)
    operations = int(Path(f"{whole}.count").read_text())

    number, kills, at_files, complete, identical, lost, left, again, wrong = RUNS, 0, 0, 0, 0, 0, 0, [], []
    for index in range(number):
        folder, plan, code = campaign.place / f"{subject}-{index}", [], 0
        while not code:  # one that ended before its moment, on a machine that is less busy now, is begun again
            shutil.rmtree(folder, ignore_errors=True)
            campaign.prepare(subject, folder)
            share = (index // 2 + rng.random()) / ((number + 1) // 2)  # one of each part of the life
            plan = [{"before": int(share * operations)} if index % 2 else {"after": share * life}]
            spent, code = campaign.run(subject, folder, **plan[0])
            life = life if code else min(life, spent)
        if index % AGAIN == AGAIN - 1:
            plan.append({"before": int(rng.random() * operations)} if index % 2 else {"after": rng.random() * life})
        for how in [*plan[1:], {}]:
            if code != -signal.SIGKILL:
                break
            kills, at_files = kills + 1, at_files + (index % 2)
            seconds, code = campaign.run(subject, folder, **how)
            spent += seconds
        missing, different, more = compare(folder, whole)
        complete += code == 0 and not missing
        identical += code == 0 and not missing and not different
        lost, left = lost + len(missing), left + len(more)
        again.append(spent - life)
        if code or missing or different:
            said = campaign.log(folder) if code else ""
            wrong.append(f"killed {plan}: exit code {code}, lacks {missing}, differs in {different}. {said}")
        if more:
            wrong.append(f"killed {plan}: leaves {more}")
    row = [subject, round(life, 1), kills, at_files, complete, identical, lost, left, round(float(np.median(again)), 1)]
    campaign.rows.append(row)
    print(json.dumps(dict(zip(COLUMNS, row, strict=True))))
    assert not wrong, "\n".join(wrong)
