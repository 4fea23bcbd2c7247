"""The store of stages: a record where a stage is finished, checkpoints where it is not."""

from kerasnas.files.stages import Stages


def test_a_stage_has_a_record_when_it_is_finished(tmp_path):
    stages = Stages(tmp_path / "new")
    assert stages.stage("search") is None and not stages.begun
    record = {"history": {"loss": [1.5, 0.1]}, "seconds": 2.0}
    assert stages.finish("search", record) == record
    assert Stages(tmp_path / "new").stage("search") == record and stages.begun


def test_a_finished_stage_removes_its_checkpoints(tmp_path):
    stages = Stages(tmp_path)
    for name in ("search", "searched"):
        stages.checkpoints(name).mkdir(parents=True)
        (stages.checkpoints(name) / "checkpoint-000001.npz").write_bytes(b"")
    assert stages.begun
    stages.finish("search", {})
    assert not stages.checkpoints("search").exists()
    assert stages.checkpoints("searched").exists()
