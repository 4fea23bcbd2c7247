"""The adapter to Weights & Biases, the extra `kerasnas[wandb]`: a run of KerasNAS as one of its runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasnas.platforms import Tracker
from kerasnas.wording import missing_extra

try:
    import wandb
except ImportError as error:
    raise missing_extra("wandb", error) from None


class WandbTracker(Tracker):
    """A run in Weights & Biases: settings, curves, plots, the report, and the files of the run as an artifact.

    `WANDB_MODE`, `WANDB_PROJECT` and all its other variables apply. By default the project is `kerasnas`, and without a
    login the run stays in `folder`, from where `wandb sync` uploads it.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any], state: Mapping[str, Any]):
        known = "WANDB_MODE" in os.environ or wandb.login(prompt=False, verify=False)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "kerasnas",
            name=name,
            id=state.get("run"),
            resume="allow",
            dir=folder,
            mode=None if known else "offline",
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off", reinit="create_new"),
        )
        self.state = {"run": self._run.id}
        self._groups: set[str] = set()

    def metrics(self, group: str, values: Mapping[str, float], step: int) -> None:
        axis = f"{group}/step"  # each part of a run counts its own steps
        if group not in self._groups:
            self._groups.add(group)
            self._run.define_metric(f"{group}/*", step_metric=axis)
        self._run.log({axis: step, **{f"{group}/{name}": value for name, value in values.items()}})

    def result(self, values: Mapping[str, float], files: Sequence[Path]) -> None:
        self._run.summary.update({f"result/{name}": value for name, value in values.items()})
        shown: dict[str, Any] = {file.stem: wandb.Image(str(file)) for file in files if file.suffix == ".png"}
        shown |= {file.stem: wandb.Html(file.read_text(encoding="utf-8")) for file in files if file.suffix == ".html"}
        self._run.log(shown)
        artifact = wandb.Artifact(f"run-{self._run.id}", type="model")
        for file in files:
            artifact.add_file(str(file))
        self._run.log_artifact(artifact)

    def close(self, outcome: str) -> None:
        self._run.finish(exit_code=0 if outcome == "finished" else 1)
