"""Folder of a run: the settings that it was begun with."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasnas import __version__, checks
from kerasnas.annotations import Log
from kerasnas.datasets.dataset import DATASETS
from kerasnas.files import leftovers, storage, untrusted
from kerasnas.files.stages import Stages
from kerasnas.runs import trust
from kerasnas.runs.settings import METHODS, Settings, method_of

GENOTYPE = "genotype.json"
"""The file of the architecture."""
GIVEN = "given.json"
"""The file that records the user's own candidates of a race."""
TRACKING = "tracking"
"""The folder of what trackers keep of a run."""
FAILED = "failed.json"
"""The file that says why the last attempt failed: removed by the next."""
ERROR_LOG = "error.log"
"""The file with the traceback of an error that nobody expected; removed as well."""
_SETTLED = (ValueError, ArithmeticError)  # errors of settings and data: without others the run would fail again
_FORMAT, _VERSION = "kerasnas.run", 2


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A folder and the settings of the run in it. Made by `create`, `open` or `begin`.

    Attributes:
        path: the folder.
        config: the settings, of one of `METHODS`.
    """

    path: Path
    config: Settings

    @property
    def method(self) -> Any:
        """Method of the run."""
        return method_of(self.config)

    @property
    def stages(self) -> Stages:
        """Store of the run's stages."""
        return Stages(self.path)

    @classmethod
    def create(cls, path: str | os.PathLike, config: Settings, log: Log = print) -> RunFolder:
        """Begin a run in `path`, which is made when missing and must not hold another run.

        A run that failed by its settings or its data before a stage of it was finished is none: it is replaced.
        """
        path, config = checks.path("path", path), checks.instance("config", config, Settings)
        leftovers.remove(path)
        if (path / "config.json").exists():
            reason = failure_of(path).get("reason")
            if not _replaceable(path):
                raise FileExistsError(
                    f"{path} already holds a run{f', which failed: {reason}' if reason else '.'} Continue it with "
                    f"`kerasnas resume --output_dir={path}`, or choose another --output_dir."
                )
            with cls(path, config).held():
                _clear(path)
            log(f"{path} held a run that failed before it found anything: these settings take its place.")
        elif not is_free(path):
            raise FileExistsError(f"{path} exists and is not an empty folder. Choose another --output_dir.")

        try:
            path.mkdir(parents=True, exist_ok=True)
            write_config(path, config, os.getcwd())
        except OSError as error:
            raise type(error)(
                error.errno, f"Cannot write in {path}: {error.strerror}. Choose another --output_dir"
            ) from error
        return cls(path, config)

    @classmethod
    @checks.arguments(log=checks.function)
    def open(cls, path: str | os.PathLike, log: Log | None = None) -> RunFolder:
        """Open the run in `path`, and remove what killed processes left; `log` as for `read_config`."""
        path = checks.path("path", path)
        file = path / "config.json"
        if path.is_file():
            raise NotADirectoryError(f"{path} is a file. Expected the folder of a run, which has a config.json in it.")
        if not file.exists():
            reason = failure_of(path).get("reason")
            again = f" The last one failed before it found anything; corrected, it can be begun again here: {reason}"
            failed = again if reason else ""
            raise FileNotFoundError(f"{path} holds no run: there is no config.json in it.{failed}")
        leftovers.remove(path)
        return cls(path, read_config(file, log))

    @classmethod
    def begin(cls, path: str | os.PathLike, config: Settings, log: Log = print) -> RunFolder:
        """Open the run of these settings in `path`, or create it; arguments as for `create`."""
        if not Path(path, "config.json").exists():
            return cls.create(path, config, log)
        run = cls.open(path)
        there, here = ({"kind": one.method.name, **one.config.to_dict()} for one in (run, cls(run.path, config)))
        elsewhere = {name: here[name] for name in trust.ELSEWHERE if name in here}
        there |= elsewhere
        if _same_place(run.config, config):
            here["dataset"] = there["dataset"]
        if different := checks.differences(there, here):
            if _replaceable(run.path):
                return cls.create(path, config, log)
            raise ValueError(
                f"{path} holds a run with other settings: {'; '.join(different)}. Choose another folder, or continue "
                f"that run with `kerasnas.methods.resume({str(path)!r})`."
            )
        return cls(run.path, dataclasses.replace(run.config, **elsewhere))

    def on(self, executor: str) -> RunFolder:
        """Return the run, to be continued on another executor than it was begun with."""
        if not hasattr(self.config, "executor"):
            expected = f"nothing for {self.method.words}, which runs in one process"
            raise ValueError(checks.invalid("executor", expected, executor))
        return type(self)(self.path, dataclasses.replace(self.config, executor=executor))  # type: ignore[call-arg]

    @property
    def command(self) -> str:
        """Command that starts this run."""
        method = self.method
        return shlex.join(["kerasnas", method.command, *method.flags(self.config), f"--output_dir={self.path}"])

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A context in which no other process works in the folder, where the system has locks of files."""
        busy = f"Another process works in {self.path}. Wait for it, or choose another folder."
        with storage.locked(self.path / trust.CONFIG, busy):
            yield

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """A context in which a run is done, by no other process, and that records why it failed.

        After a failure before anything was begun the folder holds no run.
        """
        with self.held():
            for name in (FAILED, ERROR_LOG):
                (self.path / name).unlink(missing_ok=True)
            try:
                yield
            except Exception as error:
                with contextlib.suppress(OSError):  # of a full disk, say
                    if not (self.path / "result.json").exists():  # else only what is told of it failed
                        if not self.stages.begun:
                            _clear(self.path)
                        reason = " ".join(str(error).split()) or type(error).__name__
                        record = {"reason": reason, "settled": isinstance(error, _SETTLED)}
                        storage.write_json(self.path / FAILED, record)
                raise


def _clear(path: Path) -> None:
    """Remove a run of which nothing was finished."""
    for name in ("stages", "checkpoints", TRACKING):
        shutil.rmtree(path / name, ignore_errors=True)
    for name in (GENOTYPE, GIVEN, FAILED, ERROR_LOG, "config.json"):  # the last says that there is a run
        (path / name).unlink(missing_ok=True)


def is_free(path: Path) -> bool:
    """Return True if nothing is at `path`, or a folder that is empty or tells of a failure alone."""
    return not path.exists() or (path.is_dir() and not {file.name for file in path.iterdir()} - {FAILED, ERROR_LOG})


def _replaceable(path: Path) -> bool:
    """True if the run in a folder failed, would fail again, and finished nothing."""
    settled = failure_of(path).get("settled") is True
    return settled and not Stages(path).found and not (path / "result.json").exists()


def failure_of(path: Path) -> dict[str, Any]:
    """Return the record of the last attempt's failure; empty where there is none that can be read."""
    try:
        return untrusted.read_json(path / FAILED)
    except (OSError, ValueError):
        return {}


def write_config(path: Path, config: Settings, directory: str | None = None) -> None:
    """Write the settings of a run to `config.json` in a folder."""
    record = {"format": _FORMAT, "version": _VERSION, "kerasnas_version": __version__, "kind": method_of(config).name}
    own = {} if directory is None else {"directory": directory, "secret": secrets.token_hex(16)}
    trust.write(path / trust.CONFIG, {**record, **own, "settings": config.to_dict()}, config.changed() if own else ())


@checks.arguments(log=checks.function)
def read_config(file: str | os.PathLike, log: Log | None = None) -> Settings:
    """Read the settings of a run from its `config.json`, as `trust.admit` does, which logs what it leaves out."""
    file = checks.path("file", file)
    record = untrusted.read_json(file, object)
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ValueError(f'{file} is not the configuration of a run: it lacks "format": "{_FORMAT}".')
    version = record.get("version")
    if type(version) is not int or version != _VERSION:
        raise ValueError(
            f"{file} was written by KerasNAS {record.get('kerasnas_version')} in version {version} of the format; "
            f"this KerasNAS reads version {_VERSION}. Upgrade KerasNAS to continue it."
        )
    try:
        settings: Any = trust.admit(record.get("settings"), file, log)  # it may register the method
        method = METHODS[record.get("kind")]()  # type: ignore[index]
        config = method.settings.from_dict(settings, file)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{file}: {error}") from None
    if (directory := record.get("directory")) is None:
        return config
    placed = {name: _placed(directory, getattr(config, name)) for name in method.data}
    return dataclasses.replace(config, **placed)


def _placed(directory: str, data: Any) -> Any:
    """A data set, or several, of a run that was started in `directory`, as found from here."""
    return tuple(_place(directory, name) for name in data) if isinstance(data, tuple) else _place(directory, data)


def _place(directory: str, dataset: str) -> str:
    if not dataset or dataset in DATASETS or Path(dataset).exists():
        return dataset
    place = Path(directory, dataset)
    return str(place) if place.exists() else dataset


def _same_place(one: Settings, other: Settings) -> bool:
    """True if both settings name the same data on disk."""
    paths = [getattr(config, "dataset", "") for config in (one, other)]
    return all(path and Path(path).exists() for path in paths) and Path(paths[0]).samefile(paths[1])
