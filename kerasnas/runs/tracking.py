"""Tracking: what a run tells TensorBoard, MLflow or Weights & Biases, none of which can end it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import keras

from kerasnas import __version__
from kerasnas.annotations import Log
from kerasnas.files import storage, untrusted
from kerasnas.platforms import Tracker, load_tracker
from kerasnas.runs import trust
from kerasnas.runs.folder import TRACKING, RunFolder
from kerasnas.wording import first_line

_TRACKED = "tracked.json"
_FILES = (
    *("config.json", "result.json", "genotype.json", "history.csv", "model.keras", "model.json", "card.md"),
    "report.html",
)


class Tracking:
    """Trackers of a run. One that fails is told of in a line, and left out from there on.

    Their own files, and which run of theirs this one is, are in `tracking` of the run's folder: a later process
    continues the same one.

    Args:
        run: the run, whose setting `trackers` names them.
        log: told of failures.
        ended: True of a run that is finished: only trackers that have not heard of it are made. Defaults to False.

    Raises:
        ModuleNotFoundError: if the package of one is not there and nothing of the run is done yet; names the extra.
    """

    def __init__(self, run: RunFolder, log: Log, ended: bool = False):
        self._run, self._log, self._folder = run, log, run.path / TRACKING
        self._trackers: dict[str, Tracker] = {}
        names: tuple[str, ...] = tuple(dict.fromkeys(getattr(run.config, "trackers", ())))
        self._tracked = self._read() if names and trust.owned(run.path / trust.CONFIG) else {}
        for name in names:
            if ended and self._tracked.get(name, {}).get("told"):
                continue
            if not run.stages.begun:  # where nothing is lost by an error
                load_tracker(name)
            with self._guarded(name):
                self._begin(name)

    def _read(self) -> dict[str, Any]:
        try:
            return untrusted.read_json(self._folder / _TRACKED)
        except (OSError, ValueError):  # there is none, or it is damaged: other runs of the trackers
            return {}

    def _begin(self, name: str) -> None:
        self._folder.mkdir(exist_ok=True)
        settings = {"kerasnas": __version__, "kind": self._run.method.name, **self._run.config.to_dict()}
        before = self._tracked.get(name, {})
        made = load_tracker(name)(self._folder, self._run.path.resolve().name, settings, before.get("state", {}))
        self._trackers[name] = made
        self._note(name, told=False)

    def _note(self, name: str, told: bool) -> None:
        self._tracked[name] = {"state": self._trackers[name].state, "told": told}
        storage.write_json(self._folder / _TRACKED, self._tracked)

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """A context whose errors are told in a line, and end this tracker alone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (of another library, which may talk to a server: the run continues)
            self._trackers.pop(name, None)
            self._log(f"The run continues without {name}, which failed: {first_line(error)}")

    def _each(self, tell: Callable[[str, Tracker], Any]) -> None:
        for name, tracker in list(self._trackers.items()):
            with self._guarded(name):
                tell(name, tracker)

    def metrics(self, group: str, values: Mapping[str, Any], step: int) -> None:
        """Tell the numbers among `values`, of a part of the run at one of its steps."""
        if self._trackers and (numbers := _numbers(values)):
            self._each(lambda name, tracker: tracker.metrics(group, numbers, step))

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the trackers' callbacks for a gradient search, which cannot end it."""
        found: list[keras.callbacks.Callback] = []

        def take(name: str, tracker: Tracker) -> None:
            found.extend(_Guarded(callback, partial(self._guarded, name)) for callback in tracker.callbacks())

        self._each(take)
        return found

    def result(self, record: Mapping[str, Any]) -> None:
        """Tell what came out, by the record of the finished run: its numbers, and the files in its folder."""
        numbers, path = _numbers(record["searched"]), self._run.path
        files = [*(path / name for name in _FILES if (path / name).exists()), *sorted(path.glob("*.png"))]

        def tell(name: str, tracker: Tracker) -> None:
            tracker.result(numbers, files)
            self._note(name, told=True)

        self._each(tell)

    def close(self, outcome: str) -> None:
        """End this process' part of the tracked runs."""
        self._each(lambda name, tracker: tracker.close(outcome))
        self._trackers = {}


@contextlib.contextmanager
def tracked(run: RunFolder, log: Log) -> Iterator[Tracking]:
    """A context with the trackers of a run, which are told how it ended."""
    tracking = Tracking(run, log, ended=(run.path / "result.json").exists())
    outcome = "failed"
    try:
        yield tracking
        outcome = "finished"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        tracking.close(outcome)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers among `values`."""
    found = {
        name: float(value)
        for name, value in values.items()
        if type(value) in (int, float) or getattr(value, "shape", None) == ()
    }
    return {name: number for name, number in found.items() if math.isfinite(number)}


class _Guarded(keras.callbacks.Callback):
    """A callback of a tracker, each of whose errors is told, and is its last."""

    def __init__(self, callback: keras.callbacks.Callback, guarded: Callable[[], Any]):
        super().__init__()
        self._callback, self._guarding, self._fine = callback, guarded, True

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._callback.set_model(model)

    def _do(self, work: Callable[[], Any]) -> None:
        if self._fine:
            self._fine = False
            with self._guarding():
                work()
                self._fine = True

    def on_train_begin(self, logs: Any = None) -> None:
        self._do(lambda: self._callback.on_train_begin(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._do(lambda: self._callback.on_epoch_end(epoch, logs))

    def on_train_end(self, logs: Any = None) -> None:
        self._do(lambda: self._callback.on_train_end(logs))
