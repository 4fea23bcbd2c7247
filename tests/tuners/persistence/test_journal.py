"""Journal: numbered events, a line each, of which a damaged one ends what is known."""

import pytest

from tuners.persistence import json_files
from tuners.persistence.trial_store import Journal


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "oracle.json")


def names(events):
    return [event["name"] for event in events]


def test_events_are_read_from_a_number_on(journal, tmp_path):
    for name in "abc":
        journal.add({"name": name}, durable=False)
    again = Journal(tmp_path / "oracle.json")
    assert journal.path.name == "oracle.events" and journal.length == 3
    assert names(again.since(0)) == ["a", "b", "c"] and names(again.since(2)) == ["c"] and again.since(3) == []


def test_new_events_have_higher_numbers_than_any_that_are_there(journal, tmp_path):
    """Also than those that were passed over: a number means one event for ever."""
    for name in "abc":
        journal.add({"name": name}, durable=False)
    lines = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    again = Journal(tmp_path / "oracle.json")
    assert names(again.since(0)) == ["a"] and again.number == 3
    again.add({"name": "d"}, durable=False)
    assert names(Journal(tmp_path / "oracle.json").since(2)) == ["c", "d"]


def test_events_of_before_the_last_state_are_kept_for_the_version_before_it(journal, tmp_path):
    journal.add({"name": "a"}, durable=False)
    journal.begin()
    assert journal.length == 0 and json_files.previous(journal.path).exists()
    journal.add({"name": "b"}, durable=False)
    assert names(Journal(tmp_path / "oracle.json").since(0)) == ["a", "b"]
    journal.begin()
    journal.begin()  # nothing happened between two states
    assert names(Journal(tmp_path / "oracle.json").since(1)) == ["b"]


def test_a_new_search_forgets_those_of_another(journal, tmp_path):
    journal.add({"name": "a"}, durable=False)
    journal.begin()
    journal.add({"name": "b"}, durable=False)
    journal.begin(overwrite=True)
    assert Journal(tmp_path / "oracle.json").since(0) == [] and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("damage", "known"),
    [
        (lambda text: b"", ""),
        (lambda text: text[: len(text) // 2], "a"),
        (lambda text: text[:-8], "ab"),
        (lambda text: text.replace(b'"b"', b'"x"'), "a"),
        (lambda text: text.replace(b'"b"', b'"\xff"'), "a"),
        (lambda text: text.replace(b'"b"', b'"b'), "a"),
        (lambda text: b"[]\n" + text, "abc"),
    ],
    ids=["empty", "half", "last line", "byte of a value", "byte that is no text", "byte of the JSON", "foreign line"],
)
def test_a_damaged_line_ends_what_is_known(damage, known, journal, tmp_path):
    for name in "abc":
        journal.add({"name": name}, durable=False)
    journal.path.write_bytes(damage(journal.path.read_bytes()))
    assert names(Journal(tmp_path / "oracle.json").since(0)) == list(known)


def test_a_missing_file_holds_no_events(journal):
    assert journal.since(0) == [] and journal.number == 0
    assert journal.since(7) == [] and journal.number == 7
