"""Comparing strategies on a table: the numbers, the files, and what is refused."""

import csv

import numpy as np
import pytest
from PIL import Image

from kerasnas import cli, search
from kerasnas.diagnostics import comparison as runner
from kerasnas.diagnostics.comparison import ComparisonConfig
from kerasnas.spaces.subset import SubsetSpace
from kerasnas.tabular import NASBench201


def config(**settings):
    return ComparisonConfig(**{"strategies": ("random",), "evaluations": 12, "seeds": 6, "workers": 1, **settings})


def test_curves_are_those_of_ask_and_tell():
    """Against a loop written out."""
    table = NASBench201.synthetic()
    comparison = runner.run_searches(config(strategies=("random", "evolution")), table)
    for name in ("random", "evolution"):
        strategy = search.STRATEGIES[name](table.space, seed=4)
        best, expected = -1.0, []
        for _ in range(12):
            genotype = strategy.ask()
            reward = table.query(genotype, epochs=12).valid
            strategy.tell(genotype, reward)
            if reward > best:
                best, result = reward, table.query(genotype, epochs=200).test
            expected.append(result)
        np.testing.assert_allclose(comparison.report[name][4], expected)
    assert comparison.best == table.column("test_200").max()


@pytest.mark.slow
def test_processes_change_nothing():
    table = NASBench201.synthetic()
    places = ({"workers": 1}, {"workers": 2}, {"workers": 0, "executor": "processes:2"})
    alone, together, again = (runner.run_searches(config(**place), table) for place in places)
    np.testing.assert_array_equal(alone.report["random"], again.report["random"])
    np.testing.assert_array_equal(alone.report["random"], together.report["random"])


def test_small_spaces_are_used_up():
    """A table of two rows: after two evaluations the best is known, and stays."""
    table = NASBench201.synthetic()
    cells = [table.space.encode(table.genotype(row)) for row in (7, 1234)]
    table.space = SubsetSpace(table.space, cells)
    values = runner.run_searches(config(evaluations=5, seeds=3), table).report["random"]
    signal, report = table.column("valid_12"), table.column("test_200")
    best = report[max((7, 1234), key=lambda row: signal[row])]
    np.testing.assert_array_equal(values[:, 1:], np.full((3, 4), best))


def test_command(tmp_path, capsys):
    flags = ["--strategies=random,evolution", "--evaluations=12", "--seeds=4", "--workers=1"]
    assert cli.main(["benchmark", *flags, f"--output_dir={tmp_path / 'compare'}"]) == 0
    out = capsys.readouterr().out
    assert "| strategy | 10 evaluations | 12 evaluations |" in out and "± " in out and "synthetic" in out
    rows = list(csv.DictReader((tmp_path / "compare" / "curves.csv").open()))
    assert [row["strategy"] for row in rows] == ["random"] * 12 + ["evolution"] * 12
    regrets = [float(row["mean_regret"]) for row in rows[:12]]
    assert all(regret >= 0 for regret in regrets)
    with Image.open(tmp_path / "compare" / "regret.png") as plot:
        assert plot.size[0] > 600 and len(set(plot.convert("L").getdata())) > 50


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--table=no_such.npz"], "there is no such file"),
        (["--strategies=evolutoin"], "Did you mean 'evolution'"),
        (["--signal=valid_13"], "Did you mean 'valid_12'"),
        (["--evaluations=0"], "at least 1"),
        (["--strategies="], "at least one"),
        (["--executor=ray:1"], "local, processes:N, ray or ray://HOST:PORT"),
        (["--executor=ray", "--workers=2"], "nothing with --executor"),
        (["--strategies=random,ehvi"], "expected those of one objective. Received: 'ehvi'"),
    ],
)
def test_refusals(flags, message, tmp_path, capsys):
    assert cli.main(["benchmark", *flags, f"--output_dir={tmp_path / 'compare'}"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "compare").exists()


def test_a_file_that_is_no_table(tmp_path, capsys):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    assert cli.main(["benchmark", f"--table={tmp_path / 'other.npz'}", f"--output_dir={tmp_path / 'compare'}"]) == 2
    err = capsys.readouterr().err
    assert "cannot be read as any known table" in err and "as NASBench201: " in err and "as NASBenchGraph: " in err
