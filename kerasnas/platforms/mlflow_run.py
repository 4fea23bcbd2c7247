"""The adapter to MLflow, the extra `kerasnas[mlflow]`: a run of KerasNAS as a run of MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasnas.platforms import Tracker
from kerasnas.wording import missing_extra

try:
    import sqlalchemy  # noqa: F401 (MLflow's own store, a file of SQLite, imports it late)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
except ImportError as error:
    raise missing_extra("mlflow", error) from None

_LONGEST, _MOST = 6000, 100  # MLflow's limits: characters of a parameter, and parameters per call
_OUTCOMES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MlflowTracker(Tracker):
    """A run in MLflow: settings as parameters, curves and results as metrics, files as artifacts.

    Its store is that of `MLFLOW_TRACKING_URI`, by default the working folder, and its experiment
    `MLFLOW_EXPERIMENT_NAME`, by default `kerasnas`.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any], state: Mapping[str, Any]):
        self._client = MlflowClient(tracking_uri=state.get("uri"))
        if state:
            self._run = state["run"]
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._run = self._begin(name, settings)
        uri = self._client.tracking_uri
        # A server's address may contain a password, and is left to the environment.
        self.state = {"run": self._run, **({"uri": uri} if uri.startswith("sqlite:") else {})}

    def _begin(self, name: str, settings: Mapping[str, Any]) -> str:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "kerasnas"
        known = self._client.get_experiment_by_name(experiment)
        number = self._client.create_experiment(experiment) if known is None else known.experiment_id
        run = self._client.create_run(number, run_name=name).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in settings.items()]
        for first in range(0, len(params), _MOST):
            self._client.log_batch(run, params=params[first : first + _MOST])
        return run

    def metrics(self, group: str, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        named = {re.sub(r"[^\w\-./ ]", "_", f"{group}/{name}"): value for name, value in values.items()}
        self._client.log_batch(self._run, metrics=[Metric(name, value, now, step) for name, value in named.items()])

    def result(self, values: Mapping[str, float], files: Sequence[Path]) -> None:
        self.metrics("result", values, 0)
        for file in files:
            self._client.log_artifact(self._run, str(file))

    def close(self, outcome: str) -> None:
        self._client.set_terminated(self._run, _OUTCOMES[outcome])
