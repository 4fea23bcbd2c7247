"""The record of a run: its typed parts, what is required of it, and records that earlier versions wrote."""

import json
from pathlib import Path

import pytest

import kerasnas
from kerasnas.records import VERSION, Record
from kerasnas.reporting.card import card_text
from kerasnas.runs.record import read_result

ROOT = Path(__file__).parents[1]
EARLIER = [ROOT / "kerasnas/runs/shelf/fashion_mnist_mini", ROOT / "saved_models/fashion_mnist_mini"]


@pytest.mark.parametrize("folder", EARLIER, ids=lambda folder: folder.parts[-2])
def test_records_of_earlier_versions_are_read_and_keep_their_entries(folder):
    entries = json.loads((folder / "result.json").read_text())
    assert "version" not in entries  # which came later
    record = read_result(folder)
    assert record.to_dict() == entries and dict(record) == entries
    assert (record.dataset.name, record.dataset.test_examples) == ("fashion_mnist_mini", 1000)
    assert record.searched.parameters == entries["searched"]["parameters"]
    assert record.metric("accuracy") == entries["searched"]["test_accuracy"]
    assert record.race.contestants[record.race.winner].outcome == "winner" and len(record.race.compared) > 1
    assert record.genotype == kerasnas.Genotype.load(folder / "genotype.json")
    assert (record.random, record.shortlist, record.cost, record.mixture, record.exports) == (
        (),
        None,
        None,
        None,
        None,
    )
    assert "it won a race" in card_text(record)


def test_metrics_are_of_the_data_that_networks_were_evaluated_on():
    network = {"val_accuracy": 0.5, "test_accuracy": 0.25}
    record = Record({"searched": network, "random": [{"val_accuracy": 0.75}], "evaluated_on": "val"})
    assert (record.split, record.metric("accuracy"), record.metric("loss")) == ("validation", 0.5, None)
    assert record.metric("accuracy", record.random[0]) == 0.75
    assert Record({"searched": network}).metric("accuracy") == 0.25


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "`result`. Expected a mapping"),
        ({}, "Missing: 'searched'"),
        ({"searched": {}, "version": VERSION + 1}, f"version {VERSION}, or earlier. Received: {VERSION + 1}"),
        ({"searched": {}, "version": True}, "Received: True"),
    ],
)
def test_what_is_no_record(entries, words):
    with pytest.raises(ValueError) as caught:
        Record(entries)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("part", "entries", "words"),
    [
        ("race", {"winner": "a"}, "part `race` of a record. Missing: 'contestants'"),
        ("race", {"winner": "a", "contestants": {"a": {}}}, "part `race.a` of a record. Missing: 'kind'"),
        ("mixture", [1], "a mapping as its part `mixture`. Received: [1]"),
        ("exports", {"files": []}, "Missing: 'samples', 'machine'"),
    ],
)
def test_a_damaged_part_is_named(part, entries, words):
    record = Record({"searched": {}, part: entries})
    with pytest.raises(ValueError) as caught:
        getattr(record, part)
    assert words in str(caught.value)


def test_entries_of_other_versions_are_kept():
    record = Record({"searched": {"new": 1}, "race": {"winner": "a", "contestants": {}, "new": 2}, "new": 3})
    changed = record.replace(command="kerasnas search")
    assert changed["new"] == 3 and changed.race.winner == "a" and changed.command == "kerasnas search"
    assert changed.to_dict() == {**record, "command": "kerasnas search"} and record.command == ""
