"""Presets: those that come along, folders, and a Hub of this machine that the Hub's own client talks to."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import ModelCard, constants
from huggingface_hub.repocard import metadata_load
from PIL import Image

import kerasnas
from kerasnas import deployment, methods
from kerasnas.meta.shelf import initializer_names, load_initializer
from kerasnas.methods import TrainingConfig
from kerasnas.runs.preset_folders import FILES, MANIFEST, check_preset, write_manifest
from tests.kit import GENOTYPE_OF_ONE, TINY_TRAINING, untraced
from tests.kit import stripes as images
from tests.platforms.hub_server import local_hub

ROOT = Path(__file__).parents[2]
SHELF = ROOT / "kerasnas" / "runs" / "shelf"
NAME = "fashion_mnist_mini"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished training on data in a folder that nobody else needs to know of."""
    folder = tmp_path_factory.mktemp("secret")
    (x, names), (x_test, names_test) = images(60, 0), images(30, 1)
    classes, y = np.unique(names, return_inverse=True)
    y_test = np.searchsorted(classes, names_test)
    np.savez(folder / "rows.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test, classes=classes)
    settings = TrainingConfig(dataset=str(folder / "rows.npz"), **{**TINY_TRAINING, "retrain_batch_size": 60})
    with untraced():
        methods.retrain(settings, folder / "run", GENOTYPE_OF_ONE, log=lambda line: None)
    return folder / "run"


@pytest.fixture
def hub(tmp_path):
    with local_hub(tmp_path / "cache") as server:
        yield server


@pytest.fixture
def copied(tmp_path):
    """A preset in a folder of its own, that may be damaged."""
    return Path(shutil.copytree(SHELF / NAME, tmp_path / "copied"))


def test_the_shelf_is_that_of_the_saved_models_and_of_the_initializations():
    names = kerasnas.presets()
    assert set(names) == {NAME, *initializer_names()} and all(names.values())
    check_preset(SHELF / NAME)
    for file in (ROOT / "saved_models" / NAME).iterdir():
        assert file.read_bytes() == (SHELF / NAME / file.name).read_bytes(), file


@pytest.mark.usefixtures("eagerly")
def test_a_network_is_put_to_use(tmp_path):
    preset = kerasnas.load(NAME)
    data = kerasnas.datasets.load(NAME)
    assert preset.classes == data.classes and str(preset) == f"{NAME}: {kerasnas.presets()[NAME]}"
    raw = data.raw("test")[:200]
    right = preset.predict(raw) == np.array(data.classes)[data.y_test[:200]]
    assert right.mean() == pytest.approx(preset.result["searched"]["test_accuracy"], abs=0.05)
    Image.fromarray(raw[0, ..., 0].astype("uint8")).save(tmp_path / "one.png")
    assert list(preset.predict(tmp_path / "one.png")) == list(preset.predict(raw[:1]))
    assert preset.genotype.space == "macro" and preset.card.startswith("# Model card")
    with pytest.raises(ValueError, match=r"for `\.model`, and no initialization"):
        preset.initializer  # noqa: B018


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_commands_write_nothing_into_a_preset(copied, tmp_path, told, monkeypatch):
    """Of those that export, `test_an_exported_preset_is_a_copy`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(20):
        Image.new("L", (28, 28), 10 * number).save(f"photos/{number}.png")
    before = contents(copied)
    said = told("report", "copied"), told("monitor", "copied", "photos"), told("resume", copied)
    assert contents(copied) == before and kerasnas.load(copied).classes
    assert (tmp_path / "copied-1" / "report.html").exists() and (tmp_path / "copied-2" / "drift.npz").exists()
    assert "The preset is copied to copied-1, as a run." in said[0]
    assert told("predict", tmp_path / "copied-1", "photos/1.png")


@pytest.mark.slow
def test_an_exported_preset_is_a_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exported = deployment.export(NAME, ["savedmodel"], samples=20, log=lambda line: None)
    assert exported["files"][1]["agreement"] == 1.0 and (tmp_path / NAME / exported["files"][1]["file"]).exists()
    assert json.loads((tmp_path / NAME / "result.json").read_text())["exports"] == exported
    check_preset(SHELF / NAME)
    with pytest.raises(FileExistsError, match="exists"):
        deployment.export(SHELF / NAME, ["savedmodel"], NAME)


@pytest.mark.usefixtures("eagerly")
def test_a_run_is_pushed_to_the_hub_and_read_from_there(run, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    where = deployment.push(run, "hf://somebody/rows", license="apache-2.0", log=said.append)
    files = hub.repositories["somebody/rows"]
    assert set(files) == {*FILES, MANIFEST, "README.md"} - {"initializer.json", "policy.npz", "learner.npz"}
    assert where == f"{hub.url}/somebody/rows/commit/{hub.commit('somebody/rows')}" and "hf://somebody/rows" in said[0]
    text = b"".join(files[name] for name in files if name != "model.keras").decode()
    assert "secret" not in text and "directory" not in json.loads(files["config.json"])

    x, _ = images(9, 1)
    own = kerasnas.load(run)
    preset = kerasnas.load(f"hf://somebody/rows@{hub.commit('somebody/rows')}")
    assert preset.folder.is_relative_to(tmp_path / "cache")
    np.testing.assert_array_equal(preset.predict(x[..., None]), own.predict(x[..., None]))
    assert kerasnas.load("hf://somebody/rows").folder == preset.folder
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as HF_HUB_OFFLINE=1 sets it
    huggingface_hub.close_session()
    assert kerasnas.load("hf://somebody/rows").genotype == own.genotype and len(hub.asked) == asked
    huggingface_hub.close_session()


@pytest.mark.slow
def test_the_card_has_what_the_hub_reads(run, hub, tmp_path):
    deployment.push(run, "hf://somebody/rows", license="apache-2.0", log=lambda line: None)
    (tmp_path / "README.md").write_bytes(hub.repositories["somebody/rows"]["README.md"])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "keras" and card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "image-classification" and "kerasnas" in card.data.tags
    (result,) = card.data.eval_results
    own = kerasnas.load(run).result
    assert (result.metric_type, result.metric_value) == ("accuracy", own["searched"]["test_accuracy"])
    assert metadata_load(tmp_path / "README.md")["model-index"][0]["name"] == "rows"
    assert card.text.strip().startswith("# Model card")
    card.validate()
    assert ("POST", "/api/validate-yaml") in hub.asked


@pytest.mark.usefixtures("eagerly")
def test_what_is_no_preset_is_named(hub, monkeypatch):
    hub.repositories["somebody/else"] = {"README.md": b"# A model", "pytorch_model.bin": b"\x80\x04"}
    for name, error, words in (
        ("hf://somebody/else", ValueError, "is no preset: there is no preset.json in it"),
        ("hf://somebody/none", FileNotFoundError, "no repository somebody/none on the Hub, or it is private"),
        ("hf://somebody/else@v9", FileNotFoundError, "has no revision 'v9'"),
        ("hf://somebody", ValueError, "Expected hf://owner/name"),
        ("hf://-x/..a", ValueError, "."),
        ("fashion_mnist_mni", ValueError, f"Did you mean '{NAME}'"),
        ("nowhere/at/all", ValueError, "Known: "),
        (ROOT / "tests", ValueError, "the folder of a finished run"),
    ):
        with pytest.raises(error, match=words):
            kerasnas.load(name)
    assert not [path for _, path in hub.asked if "pytorch_model" in path]  # it is not even downloaded
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(ConnectionError, match=r"somebody/rows cannot be published on the Hub: .*401"):
        deployment.push(NAME, "hf://somebody/rows", log=lambda line: None)
    with pytest.raises(ValueError, match="without a revision"):
        deployment.push(NAME, "hf://somebody/rows@v2")


def test_a_hub_that_is_not_there(tmp_path):
    with local_hub(tmp_path) as server:
        server.shutdown()
        server.server_close()
        with pytest.raises(ConnectionError, match=r"The files of somebody/rows cannot be had from the Hub"):
            kerasnas.load("hf://somebody/rows")


def write(folder, name, change):
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "model.keras").write_bytes((f / "model.keras").read_bytes()[:-1]), "model.keras has not the"),
        (lambda f: (f / "card.md").unlink(), "lacks its file card.md"),
        (lambda f: (f / "policy.npz").write_bytes(b"PK"), "policy.npz has not the size and checksum"),
        (lambda f: (f / MANIFEST).write_text("[]"), "malformed"),
        (lambda f: write(f, MANIFEST, lambda value: value.update(version=2)), "is of version 2"),
        (lambda f: write(f, MANIFEST, lambda value: value.update(files=[])), "is no manifest"),
        (lambda f: write(f, MANIFEST, lambda value: value["files"].update({"../x": {}})), r"not known: '\.\./x'"),
        (lambda f: write(f, "config.json", lambda v: v["settings"].update(imports=["antigravity"])), "config.json has"),
    ],
)
def test_damaged_presets(damage, words, copied):
    damage(copied)
    with pytest.raises(ValueError, match=words):
        kerasnas.load(copied)


def test_no_preset_imports_a_module(copied, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_a_stranger.py").write_text("raise SystemExit")
    write(copied, "config.json", lambda value: value["settings"].update(imports=["of_a_stranger"]))
    write_manifest(copied)  # its checksums are right
    assert kerasnas.load(copied).classes
    with pytest.raises(ValueError, match=r"wants to import of_a_stranger\. If it is yours, name it: --import=of_a_str"):
        deployment.evaluate(copied)


def test_pushed_to_a_folder(run, tmp_path):
    deployment.push(run, str(tmp_path / "shelf" / "rows"), log=lambda line: None)
    check_preset(tmp_path / "shelf" / "rows")
    assert not (tmp_path / "shelf" / "rows" / "report.html").exists()
    with pytest.raises(FileExistsError, match="Choose a folder that does not"):
        deployment.push(run, str(tmp_path / "shelf" / "rows"))
    deployment.push("images_vgg_3x3", str(tmp_path / "start"), log=lambda line: None)
    assert kerasnas.load(tmp_path / "start").is_initialization
    with pytest.raises(FileNotFoundError, match="holds no run"):
        deployment.push(tmp_path, str(tmp_path / "other"))


@pytest.mark.slow
def test_an_initialization_is_that_of_the_shelf():
    preset = kerasnas.load("images_vgg_3x3")
    own = load_initializer("images_vgg_3x3")
    assert preset.initializer.description == own.description
    assert kerasnas.load(ROOT / "saved_models" / "omniglot_maml").initializer.description["learner"] == "MAML"
    with pytest.raises(ValueError, match=r"for `\.initializer`, and no network"):
        preset.model  # noqa: B018


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_commands_take_a_preset(tmp_path, told, fails, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (28, 28), 90).save("one.png")
    assert "one.png" in told("predict", NAME, "one.png")
    assert f"Did you mean '{NAME}'?" in fails("predict", "fashion_mnst_mini", "one.png")
    assert told("push", NAME, "mine") and kerasnas.load("mine").classes == kerasnas.load(NAME).classes
