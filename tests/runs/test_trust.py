"""Settings in a folder are data; a run that this user started here continues without naming its modules again."""

import dataclasses
import json
import os
import shutil
import sys

import numpy as np
import pytest

from kerasnas import cli, methods
from kerasnas.files import storage
from kerasnas.methods import RaceConfig, TrainingConfig
from kerasnas.methods.rebuilding import Rebuilt, read_given, write_given
from kerasnas.runs import trust
from kerasnas.runs.folder import RunFolder
from kerasnas.spaces import MacroSpace


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that counts how often it is imported, forgotten again by `forget`."""
    monkeypatch.setenv("KERASNAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "module_of_a_run.py"
    file.write_text("from pathlib import Path\nPath(__file__).with_suffix('.log').open('a').write('x')\n")
    yield file
    sys.modules.pop(file.stem, None)


def imports_of(module):
    """How often it was imported, and forget it, as another process has."""
    sys.modules.pop(module.stem, None)
    log = module.with_suffix(".log")
    return len(log.read_text()) if log.exists() else 0


@pytest.fixture
def run(module, tmp_path):
    """A run that another process of this user started."""
    made = RunFolder.create(tmp_path / "run", RaceConfig(imports=(str(module),), trackers=("mlflow",), executor="ray"))
    assert imports_of(module) == 1
    return made


def refused(folder, module):
    before = imports_of(module)
    with pytest.raises(ValueError, match=rf"wants to import {module}\. If it is yours, name it: --import={module} "):
        RunFolder.open(folder)
    return imports_of(module) == before


def test_an_own_run_is_continued_without_naming_anything(run, module):
    assert RunFolder.open(run.path).config == run.config
    assert imports_of(module) == 2


def test_a_copy_of_a_folder_is_no_own_run(run, module, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    assert refused(tmp_path / "copy", module)
    shutil.rmtree(run.path)
    shutil.move(tmp_path / "copy", run.path)
    assert RunFolder.open(run.path).config == run.config  # the same bytes at the same place


def test_another_folder_at_the_place_of_an_own_run_is_none(run, module):
    """It may have all that a reader of the first one can guess, but for its secret."""
    record = json.loads((run.path / "config.json").read_text())
    storage.write_json(run.path / "config.json", {**record, "secret": "0" * 32})
    assert refused(run.path, module)
    storage.write_json(run.path / "config.json", record)
    assert RunFolder.open(run.path).config == run.config


def test_a_run_of_another_user_or_without_a_home_is_no_own_run(run, module, tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "_user", lambda: os.getuid() + 1)
    shutil.copyfile(next((tmp_path / "home").iterdir()), tmp_path / "home" / f"started-{os.getuid() + 1}.txt")
    assert refused(run.path, module)
    monkeypatch.undo()
    monkeypatch.setenv("KERASNAS_HOME", str(module))  # a file
    assert refused(RunFolder.create(tmp_path / "other", RaceConfig(imports=(str(module),))).path, module)


def test_a_run_that_is_killed_while_it_starts_is_absent_or_owned(module, tmp_path, monkeypatch):
    def killed(path, text):
        (tmp_path / "run" / "config.json").write_text(text)
        raise KeyboardInterrupt

    monkeypatch.setattr(storage, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        RunFolder.create(tmp_path / "run", RaceConfig(imports=(str(module),)))
    imports_of(module)
    assert RunFolder.open(tmp_path / "run").config.imports == (str(module),)


def test_a_module_that_is_named_may_lie_elsewhere(run, module, tmp_path, capsys):
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "there").mkdir()
    moved = shutil.move(module, tmp_path / "there")
    assert cli.main(["evaluate", f"--import={moved}", f"--output_dir={tmp_path / 'copy'}"]) == 2
    assert "is not finished" in capsys.readouterr().err
    assert RunFolder.open(tmp_path / "copy").config.imports == (str(moved),)
    sys.modules.pop(module.stem)


def test_a_run_of_somebody_else_computes_here_and_logs_to_nobody(tmp_path):
    own = RunFolder.create(tmp_path / "own", RaceConfig(executor="ray://head:10001", trackers=("mlflow",)))
    assert RunFolder.open(own.path).config == own.config
    shutil.copytree(own.path, tmp_path / "copy")
    lines = []
    copy = RunFolder.open(tmp_path / "copy", lines.append)
    assert copy.config == RaceConfig()
    assert lines == [
        "This run was started elsewhere, so it is continued without --log=mlflow --executor=ray://head:10001."
    ]
    assert RunFolder.begin(copy.path, own.config).config == own.config  # named here
    storage.write_json(tmp_path / "plain.json", {})
    assert trust.admit({"executor": "processes:2", "seed": 3}, tmp_path / "plain.json") == {
        "executor": "processes:2",
        "seed": 3,
    }


def test_candidates_of_an_own_race_are_read_with_their_modules(module, tmp_path):
    genotype = MacroSpace().sample(np.random.default_rng(0))
    config = TrainingConfig(space="macro", imports=(str(module),))
    folder = RunFolder.create(tmp_path / "run", RaceConfig()).path
    write_given(folder, {"mine": Rebuilt(genotype, config)})
    imports_of(module)
    assert read_given(folder)["mine"].config == config and imports_of(module) == 2
    (folder / "given.json").write_text((folder / "given.json").read_text() + "\n")
    with pytest.raises(ValueError, match="wants to import"):
        read_given(folder)


def test_settings_from_data_import_nothing(module):
    record = dataclasses.asdict(RaceConfig()) | {"imports": [str(module)]}
    with pytest.raises(ValueError, match="wants to import"):
        methods.RaceConfig.from_dict(record)
    assert imports_of(module) == 0
