"""push: publish a finished run, or an initialization, as a preset."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kerasnas import __version__, checks
from kerasnas.annotations import Log
from kerasnas.datasets.dataset import DATASETS
from kerasnas.deployment.predictions import finished
from kerasnas.export.classifier import load_classifier
from kerasnas.files import storage
from kerasnas.meta import ReptileInitializer
from kerasnas.reporting.card import card_text
from kerasnas.reporting.measures import task_in
from kerasnas.runs import trust
from kerasnas.runs.folder import RunFolder, write_config
from kerasnas.runs.preset_folders import (
    FILES,
    HUB,
    INITIALIZATION,
    address,
    check_preset,
    preset_folder,
    write_manifest,
)
from kerasnas.runs.record import RESULT, read_result
from kerasnas.runs.settings import Settings


@checks.arguments(run=checks.path, target=checks.text, license=checks.text, private=checks.boolean)
def push(
    run: str | os.PathLike,
    target: str,
    license: str | None = None,
    private: bool = False,
    log: Log = print,
) -> str:
    """Publish a finished run as a preset, on the Hugging Face Hub or in a folder; `kerasnas.load` reads it there.

    Network, genotype, results, settings and card are published, with paths cut to their last names and without modules
    to import. The report is not, as it shows samples of the data. All files are read back first.

    Args:
        run: the folder of a finished run, of an initialization, or of a preset.
        target: `hf://owner/name`, a repository that is created if missing; or a folder, which must not exist.
        license: the Hub's name of a license, such as `"apache-2.0"`. Defaults to None: no license.
        private: create a private repository. Defaults to False.
        log: called with the address. Defaults to `print`.

    Returns:
        Address of the commit, or the folder.

    Raises:
        FileNotFoundError: if the run is not finished.
        FileExistsError: if the folder exists.
        ConnectionError: if the Hub cannot be reached, or denies access.
        ModuleNotFoundError: if the extra `kerasnas[hub]` is needed.
    """
    source = preset_folder(run)
    if target.startswith(HUB):
        repository, revision = address(target)
        if revision is not None:
            raise ValueError(checks.invalid("target", "hf://owner/name, without a revision", target))
        from kerasnas.platforms import hub

        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary, "preset")
            _assemble(source, folder)
            known = _known_by(folder, repository.partition("/")[2])
            card = (folder / "card.md").read_text(encoding="utf-8")
            storage.write_text(folder / "README.md", f"{hub.front_matter(license=license, **known)}\n{card}")
            where = hub.publish(folder, repository, private, f"A preset of KerasNAS {__version__}")
    else:
        if Path(target).exists():
            raise FileExistsError(f"{target} exists. Choose a folder that does not.")
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        with storage.atomic_folder(target) as folder:
            _assemble(source, folder)
        where = target
    log(f'Published: {where}\nkerasnas.load("{target}") reads it.')
    return where


def _assemble(source: Path, folder: Path) -> None:
    """Write a run's preset to a folder and read it back."""
    folder.mkdir(exist_ok=True)
    initialization = (source / INITIALIZATION).exists()
    if not initialization:
        finished(source)
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    if initialization:
        (folder / "config.json").unlink(missing_ok=True)  # it has the paths of the data sets
        ReptileInitializer.load(folder)
    else:
        run = RunFolder.open(source)
        config = _without_paths(run.config)
        write_config(folder, config)
        record = read_result(source)
        command = RunFolder(Path("runs", source.resolve().name), config).command
        record = record.replace(settings=config.to_dict(), command=command)
        storage.write_json(folder / RESULT, record.to_dict())
        storage.write_text(folder / "card.md", card_text(record))
        load_classifier(folder)
    write_manifest(folder)
    check_preset(folder)


def _without_paths(config: Settings) -> Settings:
    """Return settings with the last names of paths, and without modules, trackers and machines."""
    values = config.to_dict()
    fields = {field.name: field.default for field in dataclasses.fields(config)}
    changed: dict[str, Any] = {name: fields[name] for name in ("imports", *trust.ELSEWHERE) if name in fields}
    for name in ("dataset", "initializer", "latency_table"):
        if values.get(name) and values[name] not in DATASETS:
            changed[name] = Path(values[name]).name
    if values.get("genotypes"):
        changed["genotypes"] = tuple(Path(path).name for path in values["genotypes"])
    return dataclasses.replace(config, **changed)


def _known_by(folder: Path, name: str) -> dict[str, Any]:
    """Return the Hub's metadata of a preset, except for its license."""
    tags = ["kerasnas", "neural-architecture-search"]
    if (folder / INITIALIZATION).exists():
        return {"name": name, "task": "", "tags": [*tags, "meta-learning"], "dataset": "", "metrics": {}}
    record, classifier = read_result(folder), load_classifier(folder)
    metric = task_in(record).metric
    return {
        "name": name,
        "task": classifier.modality.hub_tasks.get(classifier.task.name, ""),
        "tags": [*tags, record["genotype"]["space"]],
        "dataset": str(record["dataset"].get("name", "unnamed")),
        "metrics": {metric: record["searched"][f"test_{metric}"]},
    }
