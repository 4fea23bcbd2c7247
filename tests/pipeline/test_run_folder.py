"""The folder of a run: created once, opened again, never overwritten."""

import json

import pytest

from kerasnas.pipeline import RunFolder, SearchConfig, TrainingConfig


@pytest.mark.parametrize(("kind", "config"), [("search", SearchConfig(seed=3)), ("retrain", TrainingConfig(seed=4))])
def test_create_and_open(tmp_path, kind, config):
    created = RunFolder.create(tmp_path / "deep" / "run", kind, config)
    opened = RunFolder.open(created.path)
    assert (opened.path, opened.kind, opened.config) == (created.path, kind, config)
    assert type(opened.config) is type(config)
    record = json.loads((created.path / "config.json").read_text())
    assert (record["format"], record["version"]) == ("kerasnas.run", 1)


def test_empty_folder_is_taken(tmp_path):
    assert RunFolder.create(tmp_path, "search", SearchConfig()).path == tmp_path


def test_second_run_is_refused(tmp_path):
    RunFolder.create(tmp_path, "search", SearchConfig(seed=1))
    with pytest.raises(FileExistsError, match="already holds a run"):
        RunFolder.create(tmp_path, "search", SearchConfig(seed=2))
    assert RunFolder.open(tmp_path).config.seed == 1


def test_stage_is_there_when_finished(tmp_path):
    folder = RunFolder.create(tmp_path, "search", SearchConfig())
    assert folder.stage("search") is None
    record = {"history": {"loss": [1.5, 0.1]}, "seconds": 2.0}
    assert folder.finish_stage("search", record) == record
    assert RunFolder.open(tmp_path).stage("search") == record


def test_finished_stage_drops_its_checkpoints(tmp_path):
    folder = RunFolder.create(tmp_path, "search", SearchConfig())
    for stage in ("search", "searched"):
        folder.checkpoints(stage).mkdir(parents=True)
        (folder.checkpoints(stage) / "checkpoint-000001.npz").write_bytes(b"")
    folder.finish_stage("search", {})
    assert not folder.checkpoints("search").exists()
    assert folder.checkpoints("searched").exists()


def test_discard_takes_back_only_what_has_not_begun(tmp_path):
    folder = RunFolder.create(tmp_path / "unused", "search", SearchConfig())
    folder.discard()
    assert list(folder.path.iterdir()) == []
    RunFolder.create(folder.path, "search", SearchConfig())

    begun = RunFolder.create(tmp_path / "begun", "search", SearchConfig())
    begun.checkpoints("search").mkdir(parents=True)
    begun.discard()
    assert RunFolder.open(begun.path).config == SearchConfig()


def test_missing_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        RunFolder.open(tmp_path / "nowhere")
