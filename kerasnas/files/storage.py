"""Files and folders that are complete or absent: atomic writes, and checkpoints with a fallback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.files import leftovers, untrusted

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]


def cache_folder(cache_dir: str | os.PathLike | None = None) -> Path:
    """The folder for downloads: `cache_dir`, else the environment's `KERASNAS_HOME`, else `~/.cache/kerasnas`."""
    if cache_dir is not None:
        return checks.path("cache_dir", cache_dir)
    return checks.path("KERASNAS_HOME", os.environ.get("KERASNAS_HOME") or "~/.cache/kerasnas")


@contextlib.contextmanager
def locked(path: str | os.PathLike, busy: str = "") -> Iterator[None]:
    """A context that one process at a time is in, for each lock file `path`, where the system has locks.

    The file stays: whoever removed it would let two in. Others wait, or raise a BlockingIOError with the words `busy`.

    Example:

    >>> import tempfile
    >>> with locked(Path(tempfile.mkdtemp()) / "a.lock"):
    ...     print("alone")
    alone
    """
    with open(checks.path("path", path), "a", encoding="utf-8") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise BlockingIOError(busy) from None
        except OSError:  # a file system without locks
            pass
        yield


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it replaces `path`, on failure it is removed.

    A reader sees the old file or the new one, never a part: the content is flushed to the disk
    before the rename, so that this also holds after a kill or a power cut. The permissions are those that `open` gives:
    of the file that is replaced, else what the umask of the process allows. What a killed process leaves behind is
    removed by `leftovers.remove`. A link stays, and what it points to is replaced. Without `durable` nothing is
    flushed, which saves milliseconds: the file survives a kill, not a power cut.

    Raises:
        FileExistsError: if a folder, a device, a pipe or a socket is there: a rename would destroy all but the first.
    """
    path = _target(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is a folder, a device, a pipe or a socket, not a regular file. Name another.")
    # The suffix stays last, since Keras, NumPy and matplotlib choose the format by it.
    temporary = leftovers.name_temporary(path.parent, path.stem[:40], path.suffix)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less what the umask takes away
    try:
        yield temporary
        if durable:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        _keep_mode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`, on failure it is removed.

    A folder that is there already is moved aside first and removed last, so that no reader sees a mixture of both. Of a
    process that is killed between the two, `leftovers.remove` puts the new folder into its place. Permissions and links
    as for `atomic_path`.
    """
    path = _target(path)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file, where a folder is to be written. Move it away first.")
    place = leftovers.name_temporary(path.parent, path.name)
    place.mkdir()
    temporary, before = place / leftovers.NEW, place / leftovers.BEFORE
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb") as opened:
                    os.fsync(opened.fileno())
        if path.exists():
            _keep_mode(path, temporary)
            os.replace(path, before)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _target(path: str | os.PathLike) -> Path:
    """Return the path that a writer of `path` replaces: of a link, where it leads."""
    path = checks.path("path", path)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _keep_mode(path: Path, temporary: Path) -> None:
    """Give what replaces `path` its permissions, where there is one, and where the file system has any."""
    with contextlib.suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8; what is not Unicode, as in file names of old archives, escaped."""
    checks.instance("text", text, str)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `value` to `path` atomically, as indented JSON."""
    write_text(path, _to_json("value", value, indent=2) + "\n")


def _to_json(argument: str, value: Any, **options: Any) -> str:
    try:
        return json.dumps(value, **options)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(checks.invalid(argument, "a JSON-serializable value", value, f"({error})")) from error


class CheckpointStore:
    """Numbered checkpoints in a folder: the last `keep` are kept, and a damaged one falls back to the one before.

    A checkpoint is one `.npz` of arrays and a JSON record; nothing is pickled, and every byte is
    covered by the checksums of the zip format.

    Args:
        folder: folder of the checkpoints; created when missing.
        keep: number of checkpoints to keep. Defaults to 2.
        log: called with one line when a damaged checkpoint is skipped. Defaults to `print`.

    Example:

    >>> import tempfile
    >>> store = CheckpointStore(tempfile.mkdtemp())
    >>> store.save(3, {"a": np.arange(2)}, {"note": "third"})
    >>> step, arrays, record = store.load_latest()
    >>> step, arrays["a"].tolist(), record
    (3, [0, 1], {'note': 'third'})
    """

    _RECORD = "__record__"

    def __init__(self, folder: str | os.PathLike, keep: int = 2, log: Log = print):
        self.folder = checks.path("folder", folder)
        self.keep = checks.integer("keep", keep, 1)
        self.log = checks.function("log", log)

    def _files(self) -> list[Path]:
        names = self.folder.glob("checkpoint-*.npz")
        return sorted(names, key=lambda path: (len(path.name), path.name))  # a seventh digit sorts after six

    def save(self, step: int, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
        """Write checkpoint `step` atomically, then delete the oldest beyond `keep`."""
        step = checks.integer("step", step, 0)
        checks.instance("arrays", arrays, Mapping, "a mapping from names to arrays")
        checks.instance("record", record, Mapping, "a JSON-serializable mapping")
        for name, array in arrays.items():
            checks.instance("arrays", name, str, "names of arrays")
            if _holds_objects(array):
                expected = "a mapping to arrays of numbers"
                raise ValueError(checks.invalid("arrays", expected, array, f"It is the value of '{name}'."))
        encoded = np.frombuffer(_to_json("record", record).encode(), dtype=np.uint8)
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.folder / f"checkpoint-{step:06d}.npz") as temporary:
            np.savez(temporary, **{**arrays, self._RECORD: encoded})  # type: ignore[arg-type]
        for old in self._files()[: -self.keep]:
            old.unlink(missing_ok=True)

    def remove(self, step: int) -> None:
        """Remove checkpoint `step`, if it is there."""
        (self.folder / f"checkpoint-{checks.integer('step', step, 0):06d}.npz").unlink(missing_ok=True)

    def load_latest(self) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
        """Load the newest complete checkpoint as (step, arrays, record), or None when there is none."""
        leftovers.remove(self.folder)
        for path in reversed(self._files()):
            try:
                arrays = untrusted.read_arrays(path)
                record = untrusted.parse_json(arrays.pop(self._RECORD).tobytes(), dict)
            except (OSError, ValueError, KeyError) as error:
                self.log(f"Checkpoint {path.name} is damaged ({error}); falling back to the one before it.")
                continue
            return int(path.stem.rsplit("-", 1)[1]), arrays, record
        return None


def _holds_objects(array: Any) -> bool:
    try:
        return np.asarray(array).dtype.hasobject
    except (TypeError, ValueError):  # rows of several lengths
        return True
