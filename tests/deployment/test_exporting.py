"""The export of a finished run: its files, its table in report and card, and every way to go wrong."""

import dataclasses
import functools
import json
import shutil

import keras
import numpy as np
import pytest

from kerasnas import ImageClassifier, deployment
from kerasnas.deployment import exporting
from kerasnas.export import formats
from kerasnas.export.formats import FORMATS
from kerasnas.reporting.predictions import exports_text
from tests.kit import finished_run

GENOTYPE = {"format": "kerasnas.genotype", "version": 1, "space": "toy", "cells": {"normal": [["skip_connect", 0, 2]]}}


@pytest.fixture
def run(tmp_path):
    """A finished run of a network of random weights."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 6, 6, 1), np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "data.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(inputs)))
    network = keras.Model(inputs, logits)
    folder = finished_run(tmp_path / "run", network, ("0", "1", "2"), 255, dataset=tmp_path / "data.npz")
    record = {"genotype": GENOTYPE, "searched": {"test_accuracy": 0.5}, "dataset": {"name": "data"}, "settings": {}}
    record |= {"random": []}
    (folder / "result.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


@pytest.fixture(autouse=True)
def converted_once(written, monkeypatch):
    """The network of `run` is the same in each test: what a format writes of it is copied from then on."""

    def write(kind, classifier, path, samples):
        if not (written / kind.path).exists():
            kind.write(classifier, written / kind.path, samples)
        if path.is_dir():
            shutil.copytree(written / kind.path, path, dirs_exist_ok=True)
        else:
            shutil.copyfile(written / kind.path, path)

    for name in ("litert", "savedmodel"):
        kind = FORMATS[name]
        monkeypatch.setitem(FORMATS, name, dataclasses.replace(kind, write=functools.partial(write, kind)))


def exports(run):
    return json.loads((run / "result.json").read_text())["exports"]


@pytest.mark.usefixtures("eagerly")
def test_command_and_later_exports_which_join_the_earlier_ones(run, told, monkeypatch):
    header, first, second, note = told("export", run, "--format=litert").splitlines()[1:]
    assert header.split()[:4] == ["file", "format", "size", "latency"]
    assert [line.split()[0] for line in (first, second)] == ["model.keras", "model.tflite"]
    assert "on 20 samples of the test data" in note and "cores" in note
    found = exports(run)
    assert found["samples"] == 20 and [one["format"] for one in found["files"]] == ["keras", "litert"]
    for page in ("card.md", "report.html"):
        text = (run / page).read_text()
        assert "Files for other runtimes" in text and "on 20 samples of the test data" in text
        assert "model.tflite" in text and "100.0 %" in text
    for one in found["files"]:
        assert one["bytes"] == (run / one["file"]).stat().st_size
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]
    deployment.export(run, ["savedmodel"], log=lambda line: None)
    assert [one["format"] for one in exports(run)["files"]] == ["keras", "savedmodel", "litert"]
    monkeypatch.setattr(exporting, "device_name", lambda: "another machine")
    deployment.export(run, ["savedmodel"], log=lambda line: None)  # numbers of two machines in one table would mislead
    assert [one["format"] for one in exports(run)["files"]] == ["keras", "savedmodel"]


def test_images_come_from_all_of_the_test_data_in_the_scale_of_the_model(run, monkeypatch):
    seen = {}

    def spy(classifier, name, folder, x, calibration):
        seen.update(x=x, calibration=calibration)
        raise ValueError("seen")

    monkeypatch.setattr(exporting, "export_classifier", spy)
    with pytest.raises(ValueError, match="seen"):
        deployment.export(run, "litert", samples=3, log=lambda line: None)
    with np.load(run.parent / "data.npz") as arrays:
        np.testing.assert_allclose(seen["x"], arrays["x_test"][[0, 9, 19]], rtol=1e-5)
        np.testing.assert_allclose(seen["calibration"], arrays["x_train"], rtol=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_what_was_written_before_a_failure_is_recorded(run, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no kernel")

    monkeypatch.setitem(FORMATS, "litert", dataclasses.replace(FORMATS["litert"], write=broken))
    with pytest.raises(ValueError, match="cannot be exported as LiteRT, float32: no kernel"):
        deployment.export(run, ["savedmodel", "litert"], log=lambda line: None)
    assert [one["format"] for one in exports(run)["files"]] == ["keras", "savedmodel"]
    assert {path.name for path in run.iterdir()} >= {"savedmodel"} and not (run / "model.tflite").exists()


@pytest.mark.usefixtures("eagerly")
def test_another_folder(run, tmp_path, fails, told):
    (tmp_path / "data.npz").rename(tmp_path / "moved.npz")
    assert "data.npz" in fails("export", run, "--format=litert")
    release = tmp_path / "new" / "release"
    told("export", run, "--format=litert", f"--dataset={tmp_path / 'moved.npz'}", f"--output={release}")
    assert [path.name for path in release.iterdir()] == ["model.tflite"]
    assert not (run / "model.tflite").exists() and "model.tflite" in (run / "card.md").read_text()


def test_bad_input(run, tmp_path, fails, monkeypatch):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    assert "--format=litter: unknown format 'litter'. Did you mean 'litert'" in fails("export", run, "--format=litter")
    with monkeypatch.context() as patch:
        patch.setattr(formats.importlib.util, "find_spec", lambda name: None)
        assert "pip install 'kerasnas[export]'" in fails("export", run, "--format=litert,onnx")
    (tmp_path / "file").write_text("mine")
    assert "file is a file. Expected a folder to write to" in fails("export", run, f"--output={tmp_path / 'file'}")
    assert "file is a file. Expected the folder of a run" in fails("export", tmp_path / "file")
    assert "holds no run" in fails("export", tmp_path / "nothing")
    assert "Missing flag --output_dir" in fails("export")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    (run / "model.keras").unlink()
    assert "no model.keras in it" in fails("export", run)
    (run / "result.json").unlink()
    assert "is not finished" in fails("export", run)


@pytest.mark.parametrize(("same", "said"), [(0.95, False), (0.94, True)])
def test_a_file_that_answers_otherwise_is_named_with_what_to_do(same, said):
    file = {"format": "c", "title": "C", "file": "c", "bytes": 9, "latency_ms": 0.1, "threads": 1, "memory": 9}
    found = {"machine": "-", "samples": 50, "files": [{**file, "agreement": same, "difference": 0.1}]}
    text = exports_text({"searched": {}, "exports": found})
    assert (
        f"c answers {100 * (1 - same):.0f} % of the samples otherwise" in text and "Use another format" in text
    ) == said


@pytest.mark.slow
def test_a_classifier_exports_itself(run, tmp_path):
    (tmp_path / "home").mkdir()
    run.rename(tmp_path / "home" / "run")
    x = np.zeros((4, 6, 6, 1), np.uint8)
    labels = {"classes": ["0", "1", "2"], "labels": np.arange(3)}
    np.savez(tmp_path / "home" / "data.npz", x_train=x, y_train=[0, 1, 2, 0], x_test=x, y_test=[0, 1, 2, 0], **labels)
    lines = []
    with pytest.raises(ValueError, match="Call `fit` first"):
        ImageClassifier().export()
    classifier = ImageClassifier.load(tmp_path / "home")
    classifier.log = lines.append
    found = classifier.export(["litert"], tmp_path / "phone")
    assert [one["format"] for one in found["files"]] == ["keras", "litert"] and found["samples"] == 4
    assert (tmp_path / "phone" / "model.tflite").exists() and "LiteRT" in lines[-1]
