"""TrialStore: the files of a search, whatever is damaged, and without any oracle."""

import itertools
import json
import shutil
import warnings

import pytest

from tests.tuners.persistence.damages import DAMAGES, flip
from tuners.persistence import json_files
from tuners.persistence.trial_store import TrialStore

KEYS = ("trial_id", "hyperparameters", "metrics", "score", "best_step", "status", "message")


def trial(number, status="COMPLETED"):
    """The content of a trial's file, and its entry."""
    score = number / 8 if status == "COMPLETED" else None
    values = {"units": number}
    state = dict(zip(KEYS, (str(number), {"values": values}, {}, score, 0, status, None), strict=True))
    metrics = {"val_accuracy": score} if status == "COMPLETED" else {}
    entry = {"status": status, "score": score, "best_step": 0, "values": values, "metrics": metrics}
    return state, entry


class Search:
    """A search that is nothing but what it writes."""

    def __init__(self, folder):
        self.store = TrialStore(folder)
        self.started, self.ended = [], []

    def state(self):
        running = [one for one in self.started if one not in self.ended]
        return {
            "hyperparameters": {},
            "start_order": list(self.started),
            "end_order": list(self.ended),
            "ongoing_trials": dict.fromkeys(["worker"] if running else [], *running),
        }

    def begin(self, number):
        self.started.append(str(number))
        self.store.record(str(number), *trial(number, "RUNNING"), worker="worker")
        self.store.save(self.state)

    def end(self, number, status="COMPLETED"):
        self.ended.append(str(number))
        self.store.record(str(number), *trial(number, status))
        self.store.save(self.state)

    def run(self, numbers):
        for number in numbers:
            self.begin(number)
            self.end(number)


@pytest.fixture
def search(tmp_path):
    return Search(tmp_path / "project")


def known(saved):
    """The results of a search: the state has them, or the events since, or the trials' own files."""
    found = {}
    for name, one in saved.trials.items():
        entry = one.entry or {}
        own = one.state or {}
        found[name] = entry.get("score") if entry.get("score") is not None else own.get("score")
    return found


def test_a_search_is_read_as_it_was_written(search):
    search.run(range(3))
    search.begin(3)
    saved = TrialStore(search.store.folder).read()
    assert known(saved) == {"0": 0.0, "1": 0.125, "2": 0.25, "3": None}
    started = [*saved.state["start_order"], *(event["trial"] for event in saved.events if event["tuner"] == "worker")]
    assert started == ["0", "1", "2", "3"]
    assert saved.events[-1]["tuner"] == "worker" and saved.trials["3"].entry["values"] == {"units": 3}


def test_nothing_is_there_at_first(search):
    assert not search.store.holds_search()
    assert search.store.read() == (None, [], {})
    search.begin(0)
    assert search.store.holds_search()


def test_the_state_is_written_after_a_share_of_the_trials(search):
    """All of it takes longer the more trials there are: the time of a trial must not."""
    written = []
    for number in range(200):
        search.run([number])
        state = json.loads((search.store.folder / "oracle.json").read_text())
        written.append(len(state["end_order"]))
    states = sorted(set(written))
    assert states[0] <= 1 and len(states) < 15
    assert all(after - before <= max(10, after // 4 + 1) for before, after in itertools.pairwise(states))
    assert known(TrialStore(search.store.folder).read()) == {str(number): number / 8 for number in range(200)}


@pytest.mark.parametrize("status", ["FAILED", "INVALID"])
def test_a_failure_is_written_at_once(status, search):
    search.run(range(2))
    search.begin(2)
    state, entry = trial(2, "FAILED")
    entry["status"] = "FAILED" if status == "FAILED" else "RUNNING"  # one that is run again
    search.store.record("2", {**state, "status": status}, entry)
    assert search.store.save(search.state)
    assert json_files.read(search.store.folder / "oracle.json")["ledger"]["2"]["status"] == entry["status"]


def test_the_end_of_a_search_is_written_whole(search):
    search.run(range(2))
    assert search.store.journal.length and not search.store.save(search.state)
    assert search.store.save(search.state, whole=True) and search.store.journal.length == 0
    assert not search.store.save(search.state, whole=True)  # nothing has happened since


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A search that was killed in its 25th trial: state, journal, and a version before each."""
    search = Search(tmp_path_factory.mktemp("store") / "project")
    search.run(range(24))
    search.begin(24)
    names = {path.relative_to(search.store.folder).as_posix() for path in search.store.folder.rglob("*.*")}
    assert {"oracle.json", "oracle.previous.json", "oracle.events", "oracle.previous.events"} <= names
    assert {"trial_3/trial.json", "trial_3/trial.previous.json", "trial_24/trial.json"} <= names
    return search.store.folder


@pytest.mark.parametrize("damage", [*DAMAGES.values(), flip(0.5)], ids=[*DAMAGES, "a byte"])
@pytest.mark.parametrize(
    "names",
    [
        ["oracle.json"],
        ["oracle.previous.json"],
        ["oracle.json", "oracle.previous.json"],
        ["oracle.events"],
        ["oracle.previous.events"],
        ["oracle.events", "oracle.previous.events"],
        ["trial_3/trial.json"],
        ["trial_3/trial.json", "trial_3/trial.previous.json"],
        ["trial_23/trial.json"],
        ["trial_23/trial.json", "trial_23/trial.previous.json"],
        ["trial_24/trial.json"],
        ["oracle.json", "oracle.events", "trial_3/trial.previous.json"],
    ],
    ids=" and ".join,
)
def test_no_result_is_lost_by_damage(names, damage, project, tmp_path):
    """Each result stands in two files at least, of which each has a version before."""
    folder = shutil.copytree(project, tmp_path / "project")
    for name in names:
        damage(folder / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = TrialStore(folder).read()
    found = known(saved)
    assert {name: found[name] for name in map(str, range(24))} == {str(number): number / 8 for number in range(24)}
    for one in saved.trials.values():
        assert one.state is not None or one.entry["values"] is not None


def test_a_trial_that_cannot_be_read_and_has_no_result_is_run_again(search):
    search.run(range(2))
    path = search.store.folder / "trial_2" / "trial.json"
    path.parent.mkdir()
    path.write_text("{")
    with pytest.warns(UserWarning) as caught:
        saved = TrialStore(search.store.folder).read()
    assert list(saved.trials) == ["0", "1"]
    assert any("Trial 2 had no result yet and cannot be read: it is run again" in str(one.message) for one in caught)


def test_events_of_another_kind_end_what_is_known(search):
    """As of a later version: what follows one that is not understood may depend on it."""
    search.run(range(2))
    number = search.store.journal.number
    search.store.journal.add({"what": "has never been heard of"})
    search.run([2])
    saved = TrialStore(search.store.folder).read()
    assert all(event["number"] < number for event in saved.events)
    assert known(saved)["2"] == 0.25  # by its own file


def test_foreign_folders_are_left_alone(search):
    (search.store.folder / "trial_of_mine").mkdir(parents=True)
    (search.store.folder / "trial_of_mine" / "trial.json").write_text("{}")
    assert not search.store.holds_search() and search.store.read().trials == {}


def test_a_new_search_forgets_the_files_of_another(search):
    """Files that were not read are not this search's: the events of both would be taken for one."""
    search.run(range(3))
    other = Search(search.store.folder)
    other.begin(0)
    saved = TrialStore(search.store.folder).read()
    assert saved.state["start_order"] == ["0"] and saved.events == []


def test_a_full_disk_is_said_once_and_nothing_is_lost(search, monkeypatch):
    search.run(range(2))
    full = []
    real = json_files.encode

    def encode(value):
        if full:
            raise OSError(28, "No space left on device")
        return real(value)

    monkeypatch.setattr(json_files, "encode", encode)
    full.append(True)
    with pytest.warns(UserWarning, match="could not be written") as caught:
        search.run([2])
        search.run([3])
    assert len(caught) == 1 and "its 2 finished trials are in memory" in str(caught[0].message)
    full.clear()
    with pytest.warns(UserWarning, match="could be written again: nothing is lost") as caught:
        search.run([4])
    assert len(caught) == 1
    saved = TrialStore(search.store.folder).read()
    assert known(saved) == {str(number): number / 8 for number in range(5)}
    assert all(one.state["status"] == "COMPLETED" for one in saved.trials.values())
