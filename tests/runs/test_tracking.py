"""A run that is told to TensorBoard, MLflow and Weights & Biases: with the real packages, read back with their own."""

import dataclasses
import functools
import json
import struct
from pathlib import Path

import keras
import pytest
import wandb
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

from kerasnas import methods
from kerasnas.methods import RaceConfig, SearchConfig
from kerasnas.platforms import TRACKERS
from kerasnas.racing.race import stage
from kerasnas.runs import tracking
from kerasnas.runs.folder import RunFolder
from tests.kit import TINY, save_noise, untraced

NAMES = tuple(TRACKERS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with data in it, MLflow's store and W&B without an account."""
    folder = tmp_path_factory.mktemp("place")
    save_noise(folder / "tiny.npz", 32, 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("WANDB_MODE", "offline")
        for name in ("MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def finished(place):
    """A search that was interrupted in its training, and resumed."""
    settings = SearchConfig(dataset="tiny.npz", trackers=NAMES, **{**TINY, "retrain_epochs": 2})

    def interrupt(line):
        if line.startswith("Training the found"):
            raise KeyboardInterrupt

    with untraced(), pytest.raises(KeyboardInterrupt):
        methods.search(settings, place / "run", interrupt)
    assert mlflow_run_of("run").info.status == "KILLED"
    lines = []
    with untraced():
        result = methods.search(settings, place / "run", lines.append)
    assert not [line for line in lines if "continues without" in line]
    return place / "run", result


def mlflow_run_of(name):
    client = MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("kerasnas").experiment_id], f"run_name = '{name}'")
    return found


def wandb_records(folder):
    """The records of every process, in their order: a file of them is a log of LevelDB, behind seven bytes."""
    found = []
    for file in sorted((folder / "tracking" / "wandb").glob("offline-run-*/*.wandb")):
        content, place, parts = file.read_bytes(), 7, []
        while len(content) - place > 7:
            if (left := 2**15 - place % 2**15) < 7:  # the end of a block, in which no header fits
                place += left
                continue
            _, size, kind = struct.unpack("<IHB", content[place : place + 7])
            parts.append(content[place + 7 : place + 7 + size])
            place += 7 + size
            if kind in (1, 4):  # a whole record, or the last part of one
                found.append(wandb_internal_pb2.Record.FromString(b"".join(parts)))
                parts = []
    return found


def history(records):
    """The value of each name at each step, of the records of W&B."""
    rows = [{item.nested_key[0] or item.key: item.value_json for item in one.history.item} for one in records]
    return [{name: json.loads(value) for name, value in row.items()} for row in rows if row]


@pytest.mark.slow
def test_mlflow_has_settings_curves_results_and_files_in_one_run(place, finished):
    folder, result = finished
    run = mlflow_run_of("run")
    assert run.info.status == "FINISHED" and run.info.run_name == "run"
    assert run.data.params["retrain_epochs"] == "2" and run.data.params["space"] == "darts"
    for name in ("test_accuracy", "test_loss", "parameters", "latency_ms"):
        assert run.data.metrics[f"result/{name}"] == result["searched"][name]
    client = MlflowClient()
    for group, curve in (("search", result["search"]["history"]), ("searched", result["searched"]["history"])):
        found = client.get_metric_history(run.info.run_id, f"{group}/loss")
        assert [(one.step, one.value) for one in found] == list(enumerate(curve["loss"]))
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"model.keras", "genotype.json", "report.html", "card.md", "cell_reduce.png"} <= files
    copy = client.download_artifacts(run.info.run_id, "model.keras", str(place))
    assert Path(copy).read_bytes() == (folder / "model.keras").read_bytes()


@pytest.mark.slow
def test_wandb_has_them_too_and_continues_its_run(finished):
    folder, result = finished
    records = wandb_records(folder)
    begun = [one.run for one in records if one.HasField("run")]
    assert len({one.run_id for one in begun}) == 1 and {one.project for one in begun} == {"kerasnas"}
    config = {item.key: json.loads(item.value_json) for item in begun[0].config.update}
    assert config["retrain_epochs"] == 2 and config["trackers"] == list(NAMES)
    losses = [row["searched/loss"] for row in history(records) if "searched/loss" in row]
    assert losses == pytest.approx(result["searched"]["history"]["loss"])
    assert [row["searched/step"] for row in history(records) if "searched/step" in row] == [0, 1]
    shown = {name.split(".")[0] for row in history(records) for name in row}
    assert {"cell_reduce", "report"} <= shown
    (artifact,) = [one.request.log_artifact.artifact for one in records if one.request.HasField("log_artifact")] or [
        one.artifact for one in records if one.HasField("artifact")
    ]
    assert {"model.keras", "genotype.json"} <= {entry.path for entry in artifact.manifest.contents}
    assert wandb.run is None  # nothing of the user's own is touched


@pytest.mark.slow
def test_tensorboard_has_curves_alphas_plots_and_texts(finished):
    folder, _ = finished
    events = EventAccumulator(str(folder / "tracking" / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"search/loss", "searched/loss", "result/test_accuracy", "settings", "genotype"} <= {*tags["tensors"]}
    assert len(events.Tensors("searched/loss")) == 2 and "plots/cell_reduce" in tags["images"]
    assert (folder / "tracking" / "tensorboard" / "architecture").is_dir()


def test_one_that_fails_is_told_in_a_line_and_hears_of_the_result_later(tmp_path, monkeypatch):
    heard, lines = [], []

    class Fake:
        def __init__(self, name, folder, run, settings, state):
            self.name, self.state = name, {"run": run, "before": dict(state)}
            assert settings["epochs"] == 1 and folder == tmp_path / "run" / "tracking"

        def metrics(self, group, values, step):
            if self.name == "wandb":
                raise ConnectionError("the server is gone\nTraceback ...")
            heard.append((self.name, group, values, step))

        def result(self, values, files):
            heard.append((self.name, values, [file.name for file in files], self.state["before"]))

        def callbacks(self):
            return [keras.callbacks.LambdaCallback(on_epoch_end=full)] if self.name == "tensorboard" else []

        def close(self, outcome):
            heard.append((self.name, outcome))

    def full(epoch, logs):
        raise OSError("No space left on device")

    monkeypatch.setattr(tracking, "load_tracker", lambda name: functools.partial(Fake, name))
    run = RunFolder.create(tmp_path / "run", SearchConfig(trackers=("wandb", "mlflow", "tensorboard"), **TINY))
    record = {"searched": {"test_loss": 0.25, "genotype": {}}}
    with tracking.tracked(run, lines.append) as own:
        (callback,) = own.callbacks()
        for epoch in range(2):  # its first error is its last
            callback.on_epoch_end(epoch)
        own.metrics("search", {"loss": 1.0, "words": "no number"}, 0)
        own.metrics("search", {"loss": 0.5}, 1)
        own.result(record)
    assert lines == [
        "The run continues without tensorboard, which failed: No space left on device",
        "The run continues without wandb, which failed: the server is gone",
    ]
    told = {"test_loss": 0.25}
    assert heard[:2] == [("mlflow", "search", {"loss": 1.0}, 0), ("mlflow", "search", {"loss": 0.5}, 1)]
    assert heard[2:] == [("mlflow", told, ["config.json"], {}), ("mlflow", "finished")]
    for _ in range(2):  # it is told once, as the run that it was
        tracking.Tracking(run, lines.append, ended=True).result(record)
    later = [(name, told, ["config.json"], {"run": "run", "before": {}}) for name in ("wandb", "tensorboard")]
    assert heard[4:] == later and len(lines) == 2


@pytest.mark.slow
def test_a_race_tells_every_network_as_it_is_trained(place, monkeypatch):
    monkeypatch.setattr(stage, "first_steps", lambda seconds: 5)
    monkeypatch.setattr(stage, "FINISH_SECONDS", 0.5)
    settings = RaceConfig(dataset="tiny.npz", cpu_minutes=0.15, candidates=1, trackers=("mlflow",), initializer="none")
    result = methods.search(settings, place / "race", lambda line: None)
    run = mlflow_run_of("race")
    winner = result["race"]["winner"]
    rung = result["race"]["contestants"][winner]["rungs"][-1]
    assert run.data.metrics[f"race/{winner}/val_accuracy"] == rung["accuracy"]
    (last,) = MlflowClient().get_metric_history(run.info.run_id, f"searched/{winner}/loss")[-1:]
    assert (last.step, last.value) == (result["searched"]["steps"], result["searched"]["history"]["loss"][-1])


def test_names_and_packages_that_are_not_there(place, monkeypatch):
    with pytest.raises(ValueError, match=r"`trackers`.*'mlfow'.*Did you mean 'mlflow'"):
        SearchConfig(trackers=("mlfow",))
    settings = SearchConfig(dataset="tiny.npz", trackers=("wandb",), **TINY)
    with monkeypatch.context() as patch, pytest.raises(ModuleNotFoundError, match=r"kerasnas\[wandb\]"):
        patch.setattr(tracking, "load_tracker", missing)
        methods.search(settings, place / "missing", lambda line: None)
    with pytest.raises(ValueError, match="nowhere"):
        methods.search(dataclasses.replace(settings, dataset="nowhere", trackers=("tensorboard",)), place / "missing")
    run = RunFolder.create(place / "missing", settings)  # neither failure left a run, or its trackers
    run.stages.finish("search", {})
    lines = []
    monkeypatch.setattr(tracking, "load_tracker", missing)
    tracking.Tracking(run, lines.append).close("finished")  # work that is done is not lost
    assert len(lines) == 1 and "kerasnas[wandb]" in lines[0]


def missing(name):
    raise ModuleNotFoundError(f"This needs the extra: pip install 'kerasnas[{name}]'")
