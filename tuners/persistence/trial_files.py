"""Files of a trial: the plan they were made with, removal, and full disks."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
from keras_tuner.errors import FatalRuntimeError

from tuners.persistence import json_files


def keep_plan(folder: Path, plan: Mapping[str, Any]) -> bool:
    """Record what a folder's files are made with; remove those of another plan, and return True then."""
    plan, path = json.loads(json.dumps(plan)), folder / "plan.json"
    previous = json_files.read(path) if path.exists() else None
    other = previous is not None and previous != plan
    if other:
        clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if previous != plan:
        json_files.write(path, plan)
    return other


def clear(folder: Path) -> None:
    """Remove all of a trial's files but KerasTuner's own."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("trial"):
            path.unlink()


@contextlib.contextmanager
def disk_of(folder: Path) -> Iterator[None]:
    """End the search when the disk is full and leave all files, instead of failing one trial after another."""
    try:
        yield
    except OSError as error:
        # HDF5 and zip writers raise an OSError without an errno, with the words alone.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) and "No space left" not in str(error):
            raise
        raise FatalRuntimeError(
            f"The disk of {folder} is full ({error}). What is finished is kept, and so is the last checkpoint of what "
            "is not. Make room and start the same program again: it resumes where it was."
        ) from error


def release() -> None:
    """Release earlier models: a search of a hundred trials then needs no more memory than one."""
    keras.utils.clear_session(free_memory=False)
    gc.collect()
