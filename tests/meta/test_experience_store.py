"""The store of experience: consent, lines that are damaged or of a newer version, several processes at once."""

import json
import multiprocessing

import pytest

from kerasnas.meta import ExperienceStore
from tests.meta.test_race_experience import A, B, C, race

NEWER = json.dumps({"format": "kerasnas.experience", "version": 99})


@pytest.fixture
def store(tmp_path):
    return ExperienceStore(tmp_path / "home")


def winners(store):
    return [one.winner for one in store.read()[0]]


def test_nothing_is_there_before_something_is_said(store):
    assert store.read() == ([], []) and not store.consent and not store.path.parent.exists()
    store.set_consent(True)
    assert ExperienceStore(store.path.parent).consent and not store.path.exists()
    store.set_consent(False)
    assert not store.consent
    for text in ("{", "[]", '{"remember": "yes"}', ""):  # never silently
        (store.path.parent / "experience.json").write_text(text)
        assert not store.consent


def test_the_home_is_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path))
    assert ExperienceStore().path == tmp_path / "experience.jsonl"


def test_lines_are_added_listed_and_forgotten(store):
    for one in (race(A, B), race(B, A), race(C, A)):
        store.append(one)
    assert winners(store) == [A, B, C] and len(store.path.read_text().splitlines()) == 3
    assert store.forget(2).winner == B
    assert winners(store) == [A, C]
    for wrong in (0, 3, -1, True, "1"):
        with pytest.raises(ValueError, match="from 1 to 2"):
            store.forget(wrong)
    store.forget(1)
    store.forget(1)
    with pytest.raises(ValueError, match="There is none yet"):
        store.forget(1)


def test_a_damaged_line_is_skipped_and_kept(store):
    store.append(race(A, B))
    with open(store.path, "ab") as file:
        file.write(b'\xff{"damaged\n\n' + race(B, A).to_line().encode()[:50])  # the last one of a killed process
    store.append(race(C, A))
    found, notes = store.read()
    assert [one.winner for one in found] == [A, C]
    assert [("line 2" in notes[0]), ("line 4" in notes[1]), len(notes)] == [True, True, 2]
    store.forget(1)
    assert winners(store) == [C]
    assert b'\xff{"damaged' in store.path.read_bytes() and len(store.read()[1]) == 2


def test_a_newer_version_is_neither_used_nor_changed(store, tmp_path):
    store.append(race(A, B))
    with open(store.path, "a") as file:
        file.write(NEWER + "\n")
    before = store.path.read_bytes()
    other = ExperienceStore(tmp_path / "other")
    other.append(race(B, A))
    steps = (store.read, lambda: store.append(race(C, A)), lambda: store.forget(1), lambda: store.merge(other.path))
    for step in (*steps, lambda: other.merge(store.path)):
        with pytest.raises(ValueError, match=r"version 99 .*upgrade KerasNAS"):
            step()
    assert store.path.read_bytes() == before and winners(other) == [B]


def test_merge_adds_each_once_and_needs_a_store(store, tmp_path):
    other = ExperienceStore(tmp_path / "other")
    store.append(race(A, B))
    for one in (race(A, B), race(B, A), race(B, A), race(C, A)):
        other.append(one)
    with open(other.path, "a") as file:
        file.write("damaged\n")
    added, notes = store.merge(other.path)
    assert added == 2 and winners(store) == [A, B, C] and "line 5" in notes[0]
    assert store.merge(other.path)[0] == 0
    wrong = tmp_path / "readme.txt"
    wrong.write_text("no store\n")
    before = store.path.read_bytes()
    with pytest.raises(ValueError, match=r"readme\.txt holds no experience"):
        store.merge(wrong)
    with pytest.raises(FileNotFoundError):
        store.merge(tmp_path / "nothing")
    assert store.path.read_bytes() == before
    wrong.write_text("")
    assert store.merge(wrong) == (0, [])


def write(folder, name, number, forgetting):
    store = ExperienceStore(folder)
    for _ in range(number):
        store.append(race(name, C))
        if forgetting:
            store.forget(1)


@pytest.mark.slow
def test_two_processes_write_at_once(store):
    """One adds, the other adds and removes, which writes the file again: no line is lost, none is torn."""
    context, number = multiprocessing.get_context("fork"), 20
    store.append(race(C, A))
    jobs = [context.Process(target=write, args=(store.path.parent, name, number, name == A)) for name in (A, B)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0]
    found, notes = store.read()
    assert len(found) == 1 + number and notes == []
