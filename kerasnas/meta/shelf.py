"""The shelf: learned initializations bundled with the package, loaded by name, and others loaded by folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kerasnas import checks
from kerasnas.files import untrusted
from kerasnas.meta.initializer import RECORD, ReptileInitializer

FOLDER = Path(__file__).parent / "initializers"
"""One folder for each initialization."""


def initializer_names() -> tuple[str, ...]:
    """Return the names of the bundled initializations."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob(f"*/{RECORD}")))


def initializer_record(name: str) -> dict[str, Any]:
    """Return the description of a bundled initialization; its weights are not read.

    Example:

    >>> initializer_record("images_vgg_3x3")["network"]
    'vgg_3x3'
    """
    return untrusted.read_json(FOLDER / name / RECORD)


@checks.arguments(name_or_folder=checks.path)
def load_initializer(name_or_folder: str | os.PathLike) -> ReptileInitializer:
    """Load a bundled initialization by name (which takes precedence), or any other by its folder.

    Raises:
        ValueError: if there is neither, or the files are damaged; names the nearest name.

    Example:

    >>> load_initializer("images_vgg_3x3").description["network"]
    'vgg_3x3'
    """
    text, names = os.fspath(name_or_folder), initializer_names()
    if text in names:
        return ReptileInitializer.load(FOLDER / text)
    if (Path(text) / RECORD).is_file():
        return ReptileInitializer.load(text)
    expected = f"a name on the shelf, or a folder with {RECORD}"
    raise ValueError(checks.invalid("initializer", expected, text, checks.nearest(text, names)))
