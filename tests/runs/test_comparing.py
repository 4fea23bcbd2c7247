"""Runs beside each other: which is better on the same test samples, and what differs between them."""

import pytest

from kerasnas import cli
from tests.runs.test_overview import finish


@pytest.fixture
def runs(tmp_path):
    """Three runs on the same 40 samples, which answer 30, 29 and 18 of them right, and one on others."""
    every = ("good", 0.75, 30, "cat"), ("near", 0.725, 29, "cat"), ("bad", 0.45, 18, "cat"), ("else", 0.5, 20, "dog")
    for name, score, right, label in every:
        searched = {"test_accuracy": score, "latency_ms": 0.25}
        finish(tmp_path, name, searched=searched, settings={"minutes": 10 * score, "dataset": "pets/"})
        rows = [f"{sample},{label},{label if sample < right else 'cow'}" for sample in range(40)]
        (tmp_path / name / "predictions.csv").write_text("\n".join(["sample,label,predicted", *rows]) + "\n")
    return tmp_path


def compared(capsys, *paths):
    assert cli.main(["compare", *map(str, paths)]) == 0
    return capsys.readouterr().out.strip().split("\n\n")


def test_the_lead_is_paired_by_sample_and_settings_that_differ_are_shown(runs, capsys):
    """Of 40 differences 12 are 1: their standard error is sqrt(0.3 * 0.7 / 39) = 0.0734."""
    scores, settings, lead = compared(capsys, runs / "good", runs / "bad")
    assert [line.split()[1:3] for line in scores.splitlines()[1:]] == [["pets", "75.00"], ["pets", "45.00"]]
    assert [line.split() for line in settings.splitlines()[1:]] == [["minutes", "7.5", "4.5"]]
    assert "75.00 and 45.00 % of 40 common test samples" in lead
    assert lead.endswith("+30.00 points (95 % interval +15.62 to +44.38): ahead.")
    assert compared(capsys, runs / "bad", runs / "good")[-1].endswith("(95 % interval -44.38 to -15.62): behind.")
    assert compared(capsys, runs / "good", runs / "bad", runs / "near")[-1].endswith("no clear difference.")


def test_other_samples_are_not_compared(runs, capsys):
    assert "no test sample in common" in compared(capsys, runs / "good", runs / "else")[-1]
    (runs / "bad" / "predictions.csv").write_bytes(b"\xff\xfe,garbage\n")
    assert "no test sample in common" in compared(capsys, runs / "good", runs / "bad")[-1]
    (runs / "bad" / "predictions.csv").unlink()
    assert "no test sample in common" in compared(capsys, runs / "good", runs / "bad")[-1]


def test_a_run_that_is_not_finished_is_an_error_in_one_line(runs, capsys):
    (runs / "bad" / "result.json").unlink()
    assert cli.main(["compare", str(runs / "good"), str(runs / "bad")]) == 2
    message = capsys.readouterr().err
    assert "is not finished" in message and message.count("\n") == 1
