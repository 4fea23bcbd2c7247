"""Presets: finished networks and initializations by a name, a folder, or the address of a repository of the Hub."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.files import storage, untrusted
from kerasnas.meta import shelf
from kerasnas.meta.shelf import initializer_names
from kerasnas.reporting.measures import task_in
from kerasnas.runs.record import RESULT, read_result

HUB = "hf://"
MANIFEST = "preset.json"
"""The file that says which files a preset consists of, their sizes and checksums."""
INITIALIZATION = "initializer.json"
FILES = (
    *("model.keras", "model.json", "genotype.json", RESULT, "config.json", "card.md"),
    *(INITIALIZATION, "policy.npz", "learner.npz"),
)
"""The files that a preset may have: no other is downloaded, or uploaded."""
_SHELF = Path(__file__).parent / "shelf"
_FORMAT, _VERSION = "kerasnas.preset", 1
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def presets() -> dict[str, str]:
    """Return the presets that come with the package: name -> a line on each.

    Example:

    >>> for name, line in presets().items():
    ...     print(f"{name}: {line}")
    fashion_mnist_mini: a network of space macro with 123,610 parameters, test accuracy 0.9230 on fashion_mnist_mini
    images_conv_tiny: an initialization, conv_deep_w0.125, learned from 7 data sets
    images_vgg_3x3: an initialization, vgg_3x3, learned from 7 data sets
    images_vgg_halved: an initialization, vgg_halved, learned from 7 data sets
    images_vgg_narrow: an initialization, vgg_3x3_w0.25, learned from 7 data sets
    images_vgg_shallow: an initialization, vgg_shallow_w0.25, learned from 7 data sets
    images_vgg_small: an initialization, vgg_shallow_w0.1875, learned from 7 data sets
    sounds_vgg_3x3: an initialization, vgg_3x3, learned from synthesized words
    """
    return {name: described(folder) for name, folder in sorted(_folders().items())}


def _folders() -> dict[str, Path]:
    own = {path.parent.name: path.parent for path in _SHELF.glob(f"*/{MANIFEST}")}
    return {**{name: shelf.FOLDER / name for name in initializer_names()}, **own}


@checks.reading("folder", "a preset with the whole record of its run")
def described(folder: Path) -> str:
    """A line on the preset in a folder."""
    if (folder / INITIALIZATION).exists():
        record = untrusted.read_json(folder / INITIALIZATION)
        made = record.get("network") or record.get("learner") or "a network"
        several = [*(record.get("datasets") or {})]
        source = f"{len(several)} data sets" if len(several) > 1 else next(iter(several), "other data")
        return f"an initialization, {made}, learned from {source}"
    record = read_result(folder)
    searched, task, data = record["searched"], task_in(record), record["dataset"]
    return (
        f"a network of space {record['genotype']['space']} with {searched['parameters']:,} parameters, test "
        f"{task.words} {searched[f'test_{task.metric}']:.4f} on {data.get('name', 'its data')}"
    )


def preset_folder(name_or_folder: str | os.PathLike) -> Path:
    """Return the folder of a run or of a preset."""
    text = os.fspath(name_or_folder)
    if isinstance(text, str) and text.startswith(HUB):
        return _fetched(text)
    folder = checks.path("folder", name_or_folder)
    if folder.exists():
        if (folder / MANIFEST).is_file():
            check_preset(folder)
        return folder
    if text in (known := _folders()):
        return known[text]
    hint = checks.nearest(text, known)
    if len(folder.parts) == 1 and hint.startswith("Did"):
        raise FileNotFoundError(f"There is neither a folder nor a preset '{text}'. {hint}")
    return folder


def as_run(folder: str | os.PathLike, log: Log, target: str | os.PathLike | None = None) -> Path:
    """Return the folder of a run, to be written to: a preset is copied to `target`, and its own files stay as they are.

    `target` must not exist. Defaults to None: the preset's name here, with a number if that is taken.
    """
    source = preset_folder(folder)
    if not (source / MANIFEST).exists():
        return source
    place, number = Path(source.name if target is None else target), 0
    while target is None and place.exists():
        number += 1
        place = Path(f"{source.name}-{number}")
    if place.exists():
        raise FileExistsError(f"{place} exists. Choose another --output, a new folder that the preset is copied to.")
    place.parent.mkdir(parents=True, exist_ok=True)
    with storage.atomic_folder(place) as copy:
        for name in FILES:
            if (source / name).exists():
                shutil.copyfile(source / name, copy / name)
    log(f"The preset is copied to {place}, as a run.")
    return place


def address(text: str) -> tuple[str, str | None]:
    """Return the repository of an address of the Hub, and its revision.

    Example:

    >>> address("hf://somebody/leaves@v2")
    ('somebody/leaves', 'v2')
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(checks.invalid("address", "hf://owner/name, or hf://owner/name@revision", text))
    return match["repository"], match["revision"]


def _fetched(text: str) -> Path:
    repository, revision = address(text)
    from kerasnas.platforms import hub

    folder = hub.fetch(repository, revision, (MANIFEST, *FILES))
    if not (folder / MANIFEST).exists():
        raise ValueError(f"{text} is no preset: there is no {MANIFEST} in it (`kerasnas push` makes it).")
    check_preset(folder)
    return folder


def write_manifest(folder: Path) -> None:
    """Write the manifest of the files in a folder."""
    files = {name: _sum(folder / name) for name in FILES if (folder / name).exists()}
    storage.write_json(folder / MANIFEST, {"format": _FORMAT, "version": _VERSION, "files": files})


def check_preset(folder: Path) -> None:
    """Raise ValueError unless a folder has the files that its manifest says, and nothing else that would be read."""
    record = untrusted.read_json(folder / MANIFEST)
    files: Any = record.get("files")
    if record.get("format") != _FORMAT or not isinstance(files, dict) or not files:
        raise ValueError(f'{folder / MANIFEST} is no manifest of a preset: it lacks "format": "{_FORMAT}", or files.')
    if record.get("version") != _VERSION:
        raise ValueError(f"{folder / MANIFEST} is of version {record.get('version')}; this KerasNAS reads {_VERSION}.")
    for name in {*files, *(name for name in FILES if (folder / name).exists())}:
        if name not in FILES:
            raise ValueError(f"The preset in {folder} has a file that is not known: {name!r}.")
        if not (folder / name).is_file():
            raise ValueError(f"The preset in {folder} lacks its file {name}.")
        if _sum(folder / name) != files.get(name):
            raise ValueError(f"The preset in {folder} is damaged: {name} has not the size and checksum of {MANIFEST}.")


def _sum(file: Path) -> dict[str, Any]:
    untrusted.check_regular(file)
    with open(file, "rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}
