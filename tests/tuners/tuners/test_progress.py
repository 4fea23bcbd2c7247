"""The table of a search's progress."""

from tuners.tuners.progress import ProgressTable


def test_a_failed_trial_has_a_row_that_says_why_as_wide_as_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    table = ProgressTable("val_accuracy", 1)
    table.row("3", "failed: " + "x" * 200, None, 0.25, 700.0)
    header, row = capsys.readouterr().out.splitlines()
    assert len(row) == len(header) == 89 and "failed: xxx" in row
    assert "- " in row and "0.2500" in row and "11 min 40 s" in row


def test_a_silent_table_prints_nothing(capsys):
    table = ProgressTable("val_accuracy", 0)
    table.row("1", "filters 4", 0.5, 0.5, 2.0)
    table.say("words")
    assert capsys.readouterr().out == ""
