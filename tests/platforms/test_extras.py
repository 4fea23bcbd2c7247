"""An adapter whose package is not there names the extra."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [
        ("optuna_study", "optuna", "optuna"),
        ("ray_tune", "ray.tune.search", "ray"),
        ("ray_executor", "ray", "ray"),
        ("ray_executor", "grpc", "ray"),
        ("mlflow_run", "mlflow", "mlflow"),
        ("mlflow_run", "sqlalchemy", "mlflow"),
        ("wandb_run", "wandb", "wandb"),
        ("hub", "huggingface_hub", "hub"),
    ],
)
def test_the_extra_is_named(adapter, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"kerasnas.platforms.{adapter}", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'kerasnas\[{extra}\]'"):
        importlib.import_module(f"kerasnas.platforms.{adapter}")
