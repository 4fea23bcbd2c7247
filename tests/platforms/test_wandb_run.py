"""Weights & Biases without an account: with the real package."""

from pathlib import Path

import pytest

from kerasnas.platforms.wandb_run import WandbTracker


@pytest.mark.slow
def test_where_nobody_is_logged_in_the_run_stays_in_its_folder(tmp_path, monkeypatch, capfd):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    tracker = WandbTracker(tmp_path, "one", {"epochs": 3}, {})
    tracker.metrics("search", {"loss": 1.0}, 0)
    tracker.close("failed")
    (folder,) = Path(tmp_path, "wandb").glob("offline-run-*")
    assert folder.name.endswith(tracker.state["run"])
    assert not capfd.readouterr().out
