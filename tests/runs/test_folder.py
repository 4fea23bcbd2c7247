"""The folder of a run: created once, opened again, never overwritten."""

import json
import subprocess
import sys

import pytest

from kerasnas.files import leftovers
from kerasnas.methods import RaceConfig, SearchConfig, TrainingConfig
from kerasnas.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("kind", "config"),
    [("race", RaceConfig(seed=2, minutes=3)), ("search", SearchConfig(seed=3)), ("retrain", TrainingConfig(seed=4))],
)
def test_create_and_open(tmp_path, kind, config):
    created = RunFolder.create(tmp_path / "deep" / "run", config)
    opened = RunFolder.open(created.path)
    assert (opened.path, opened.method.name, opened.config) == (created.path, kind, config)
    assert type(opened.config) is type(config)
    record = json.loads((created.path / "config.json").read_text())
    assert (record["format"], record["version"]) == ("kerasnas.run", 2)


def test_empty_folder_is_taken(tmp_path):
    assert RunFolder.create(tmp_path, SearchConfig()).path == tmp_path


def fail(run, error, *begun):
    """Let a run fail after it has begun something."""
    with pytest.raises(type(error)), run.working():
        for name in begun:
            run.stages.checkpoints(name).mkdir(parents=True)
        raise error


def test_a_run_that_failed_before_anything_was_begun_leaves_the_reason_alone(tmp_path):
    run = RunFolder.create(tmp_path / "run", SearchConfig())
    fail(run, ValueError("No network is\nwithin the limits."))
    assert [file.name for file in run.path.iterdir()] == ["failed.json"]
    with pytest.raises(FileNotFoundError, match=r"it can be begun again here: No network is within the limits\."):
        RunFolder.open(run.path)
    assert RunFolder.create(run.path, RaceConfig()).method.name == "race"


@pytest.mark.parametrize("begin", [RunFolder.create, RunFolder.begin])
def test_a_run_that_failed_before_anything_was_finished_is_replaced(tmp_path, begin):
    run = RunFolder.create(tmp_path / "run", SearchConfig(learning_rate=1e9))
    fail(run, ArithmeticError("The loss stopped being finite."), "search")
    assert RunFolder.open(run.path).config.learning_rate == 1e9  # `resume` tries again, and says the same
    said = []
    again = begin(run.path, SearchConfig(), said.append)
    assert again == RunFolder.open(run.path) and again.config == SearchConfig()
    assert {file.name for file in run.path.iterdir()} == {"config.json"}
    assert said == [f"{run.path} held a run that failed before it found anything: these settings take its place."]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError(), RuntimeError("a defect")])
def test_a_run_that_another_attempt_may_finish_is_kept(tmp_path, error):
    run = RunFolder.create(tmp_path / "run", SearchConfig(seed=1))
    fail(run, error, "search")
    with pytest.raises(
        FileExistsError, match=r"already holds a run, which failed: .*Continue it with `kerasnas resume"
    ):
        RunFolder.create(run.path, SearchConfig(seed=2))
    with pytest.raises(ValueError, match="other settings"):
        RunFolder.begin(run.path, SearchConfig(seed=2))
    with RunFolder.open(run.path).working():
        assert not (run.path / "failed.json").exists()  # a new attempt


@pytest.mark.parametrize("finished", ["search", "race", "searched", "result"])
def test_finished_work_is_never_replaced(tmp_path, finished):
    run = RunFolder.create(tmp_path / "run", SearchConfig(seed=1))
    if finished == "result":
        (run.path / "result.json").write_text("{}")
    else:
        run.stages.finish(finished, {})
    fail(run, ValueError("of the report"))
    with pytest.raises(FileExistsError, match="already holds a run"):
        RunFolder.create(run.path, SearchConfig(seed=2))
    assert RunFolder.open(run.path).config.seed == 1


def test_a_run_at_work_is_not_replaced(tmp_path):
    """It may be a second attempt, which has not said yet that the first one is over."""
    run = RunFolder.create(tmp_path / "run", SearchConfig(seed=1))
    fail(run, ValueError("first"), "search")
    reason = (run.path / "failed.json").read_text()
    with run.working():
        (run.path / "failed.json").write_text(reason)
        with pytest.raises(BlockingIOError, match="Another process works in"):
            RunFolder.create(run.path, SearchConfig(seed=2))
    assert RunFolder.open(run.path).config.seed == 1


def test_missing_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        RunFolder.open(tmp_path / "nowhere")


def test_begin_opens_the_run_of_the_same_settings_alone(tmp_path):
    first = RunFolder.begin(tmp_path / "run", SearchConfig(seed=1))
    assert RunFolder.begin(tmp_path / "run", SearchConfig(seed=1)) == first
    with pytest.raises(ValueError, match=r"a run with other settings: seed: 1 there, 2 here"):
        RunFolder.begin(tmp_path / "run", SearchConfig(seed=2))
    with pytest.raises(ValueError, match=r"kind: 'search' there, 'retrain' here"):
        RunFolder.begin(tmp_path / "run", TrainingConfig(seed=1))


def test_another_executor_is_no_other_run(tmp_path):
    RunFolder.begin(tmp_path / "run", SearchConfig(seed=1, executor="ray"))
    again = RunFolder.begin(tmp_path / "run", SearchConfig(seed=1, executor="processes:2"))
    assert again.config == SearchConfig(seed=1, executor="processes:2")
    assert RunFolder.open(tmp_path / "run").on("local").config == SearchConfig(seed=1)
    with pytest.raises(ValueError, match="`executor`"):
        again.on("processes")
    with pytest.raises(ValueError, match=r"`executor`\. Expected nothing for a training"):
        RunFolder.create(tmp_path / "other", TrainingConfig()).on("ray")


def test_command_of_a_run(tmp_path):
    config = SearchConfig(imports=("json",), augment=(), temperature=("10", "0.1"), seed=2)
    command = RunFolder.create(tmp_path / "run", config).command
    flags = "--import=json --seed=2 --augment= --temperature=10,0.1"
    assert command == f"kerasnas search --method=gradient {flags} --output_dir={tmp_path / 'run'}"
    command = RunFolder.create(tmp_path / "chain", SearchConfig(space="proxyless")).command
    assert command == f"kerasnas search --space=proxyless --output_dir={tmp_path / 'chain'}"
    command = RunFolder.create(tmp_path / "race", RaceConfig(minutes=2, augment=())).command
    assert command == f"kerasnas search --minutes=2.0 --augment= --output_dir={tmp_path / 'race'}"
    command = RunFolder.create(tmp_path / "cells", RaceConfig(space="darts", genotypes=("a", "b"))).command
    flags = "--method=race --space=darts --genotypes=a,b"  # by --space alone it would be a gradient search
    assert command == f"kerasnas search {flags} --output_dir={tmp_path / 'cells'}"
    command = RunFolder.create(tmp_path / "graphs", RaceConfig(space="nasbench101")).command
    assert command == f"kerasnas search --space=nasbench101 --output_dir={tmp_path / 'graphs'}"


def test_data_of_a_relative_path_are_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "my data").mkdir()
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create(tmp_path / "run", SearchConfig(dataset="my data"))
    assert "'--dataset=my data'" in run.command  # as a shell reads it
    assert RunFolder.open("run").config.dataset == "my data"
    monkeypatch.chdir("/")
    assert RunFolder.open(tmp_path / "run").config.dataset == str(tmp_path / "my data")
    same = SearchConfig(dataset=str(tmp_path / "my data"))
    assert RunFolder.begin(tmp_path / "run", same).config.dataset == str(tmp_path / "my data")
    with pytest.raises(ValueError, match="other settings"):
        RunFolder.begin(tmp_path / "run", SearchConfig(dataset="cifar10"))


def test_a_second_process_is_refused(tmp_path):
    run = RunFolder.create(tmp_path / "run", SearchConfig())
    code = (
        "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(1, flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(run.path / "config.json")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "1\n"
    with pytest.raises(BlockingIOError, match="Another process works in"), run.held():
        pass
    other.communicate("\n", timeout=30)
    with run.held():  # free again
        pass


@pytest.mark.parametrize("place", [".", "checkpoints/searched", "stages"])
def test_opening_a_run_removes_what_a_killed_process_left(tmp_path, place):
    run = RunFolder.create(tmp_path / "run", SearchConfig())
    folder = run.path / place
    folder.mkdir(parents=True, exist_ok=True)
    whole = [path for path in folder.iterdir() if path.is_file()]
    mine = leftovers.name_temporary(folder, "model", ".keras")
    first, second, process, *rest = mine.name.rpartition("~")[0], *mine.name.rpartition("~")[2].split(".")
    left = folder / f"{first}~{second}.{process}.1.{rest[-2]}.keras"  # of a process that started earlier
    for path in (mine, left):
        path.write_bytes(b"part")
    RunFolder.open(run.path)
    assert {path for path in folder.iterdir() if path.is_file()} == {*whole, mine}
