"""Progress: what a run tells while it works, as lines, and on a terminal as one bar with the time that is left."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import keras

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.constraints import Satisfies
from kerasnas.reporting.tables import duration

MODES = ("auto", "bar", "lines", "none")
_NOTHING: Callable[[], str] = str  # returns ""
State = tuple[float, float | None]
"""The share of a run that is done, and the seconds that are left, None where nothing is known of them."""
_EVERY = 0.5  # seconds between two drawings of the bar
_SILENCE = 28.0  # seconds without a line until one reports progress: a log is never silent for half a minute
_STREAM = Satisfies(lambda value: all(hasattr(value, name) for name in ("write", "flush", "isatty")), "a text stream")


class Progress:
    """Progress of a run: called with a line, it is a `log` of `kerasnas.methods.search` and its siblings.

    Args:
        mode: `"bar"`: lines, and below them one bar for everything, with the time left; where `stream` is no terminal,
            lines alone. `"lines"`. `"none"`: only what came out, at the end. `"auto"` (the default) is `"bar"`.
        quiet: True for nothing at all. Defaults to False.
        stream: what it is written to. Defaults to None: standard output.

    Raises:
        ValueError: for another mode.

    Attributes:
        verbosity: the `verbose` of Keras' `fit` that goes with it: 2 with lines, else 0.

    Example:

        kerasnas.methods.resume("runs/first", log=kerasnas.runs.Progress("lines"))
    """

    @checks.arguments(mode=checks.known(*MODES), quiet=checks.boolean, stream=_STREAM)
    def __init__(self, mode: str = "auto", quiet: bool = False, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        terminal = self.stream.isatty()
        self.bar = mode in ("auto", "bar") and terminal and not quiet
        self.lines, self.quiet = mode != "none" and not quiet, quiet
        self.verbosity = 2 if self.lines and not self.bar else 0
        self._lock, self._drawn, self._written = threading.Lock(), "", time.monotonic()
        self._phase, self._work = "", _NOTHING

    def __call__(self, line: str) -> None:
        """Tell a line."""
        if self.lines:
            self._write(line)

    @checks.arguments(text=checks.text)
    def conclude(self, text: str) -> None:
        """Tell what came out: in every mode, unless quiet."""
        if not self.quiet:
            self._write(text)

    @checks.arguments(name=checks.name, work=checks.function)
    def phase(self, name: str, work: Callable[[], str] = _NOTHING) -> None:
        """Name the phase that starts, for the bar and the lines that break a silence.

        Args:
            name: of the phase.
            work: returns what is in training and its latest loss, called from another thread; `""` hides it. Defaults
                to a function that returns `""`.
        """
        self._phase, self._work = name, work

    @contextlib.contextmanager
    def following(self, state: Callable[[], State]) -> Iterator[None]:
        """A context in which the bar shows `state()` twice a second; without a bar, a line breaks every silence.

        A thread reads the state; the work itself spends nothing on it.
        """
        if not self.lines:
            yield
            return
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(_EVERY if self.bar else self._patience()):
                if self.bar:
                    width = shutil.get_terminal_size().columns - 1
                    with self._lock:
                        self._draw(bar_text(*state(), self._work() or self._phase, width))
                elif not self._patience():
                    self._write(line_text(*state(), self._work() or self._phase))

        thread = threading.Thread(target=follow, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._lock:
                self._draw("")

    def _patience(self) -> float:
        """Return the seconds until the silence has lasted too long."""
        return max(0.0, self._written + _SILENCE - time.monotonic())

    def _write(self, text: str) -> None:
        with self._lock:
            drawn = self._drawn
            self._draw("")
            self._print(text)
            self._draw(drawn)
            self._written = time.monotonic()

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def _draw(self, text: str) -> None:
        if text == self._drawn:
            return
        self.stream.write("\r" + text.ljust(len(self._drawn)) + ("" if text else "\r"))
        self.stream.flush()
        self._drawn = text


def bar_text(share: float, left: float | None, phase: str = "", width: int = 79) -> str:
    """A bar of one line.

    Example:

    >>> print(bar_text(0.43, 170, "training", 60))
    [========            ]  43 %  2 min 50 s left  training
    """
    words = "".join(f"  {part}" for part in (_left(left), phase) if part)
    length = max(5, min(20, width - len(words) - 9))
    share = min(1.0, max(0.0, share))
    filled = int(length * share)
    return f"[{'=' * filled}{' ' * (length - filled)}] {100 * share:3.0f} %{words}"[:width]


def line_text(share: float, left: float | None, phase: str = "") -> str:
    """Return the line that breaks a silence.

    Example:

    >>> print(line_text(0.43, 170, "cnn, 1,200 steps, loss 0.412"))
      43 % done, 2 min 50 s left: cnn, 1,200 steps, loss 0.412
    """
    done = ", ".join(filter(None, (f"{100 * min(1.0, share):.0f} % done", _left(left))))
    return f"  {done}{phase and f': {phase}'}"


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds) if seconds >= 60 else f'{seconds:.0f} s'} left"


class EpochCount:
    """Share of a run of several trainings that is done, and the time left, by what an epoch of each kind took.

    Args:
        epochs: name of a training -> its epochs, in their order. Trainings of one kind, which take as long for an
            epoch, have one name up to the first dash: `"random-1"`, `"random-2"`.
        log: told how much time is left, when the first epoch of each kind has been measured. Defaults to nothing.
        clock: returns seconds. Defaults to `time.perf_counter`.
        watch: called at the end of each epoch, with the name of the training, its logs and the epoch. Defaults to
            nothing.
    """

    def __init__(
        self,
        epochs: Mapping[str, int],
        log: Log = lambda line: None,
        clock: Callable[[], float] = time.perf_counter,
        watch: Callable[[str, Mapping[str, Any], int], Any] = lambda name, logs, epoch: None,
    ):
        self.epochs, self.log, self.clock, self.watch = dict(epochs), log, clock, watch
        self._done = dict.fromkeys(epochs, 0.0)
        self._seconds: dict[str, float] = {}  # of an epoch, by the kind of training
        self.latest: tuple[str, int, Mapping[str, Any]] = ("", 0, {})  # training, epoch, logs

    def callback(self, name: str) -> keras.callbacks.Callback:
        """A callback for the training of this name."""
        return _Counting(self, name)

    def at_work(self) -> str:
        """Describe the training at work: its epoch, its latest loss; `""` before its first step."""
        name, epoch, logs = self.latest
        if "loss" not in logs:
            return ""
        return f"{name.partition('-')[0]}, epoch {epoch + 1} of {self.epochs[name]}, loss {float(logs['loss']):.3f}"

    def finish(self, name: str) -> None:
        """Count the training of this name as done: such as one of an earlier process."""
        self._done[name] = float(self.epochs[name])

    def reach(self, name: str, epoch: float, seconds: float | None = None) -> None:
        """Count so many epochs of a training, the last of which took so many seconds."""
        self._done[name] = epoch
        kind = name.partition("-")[0]
        if seconds is None:
            return
        first = kind not in self._seconds
        self._seconds[kind] = seconds  # the latest: the first has the tracing of the step in it
        left = self.state()[1]
        if first and left:
            self.log(f"  at most about {duration(left)} left for everything")

    def state(self) -> State:
        """The share that is done, and the seconds left; a kind not yet measured counts as the mean of others."""
        measured = self._seconds
        usual = sum(measured.values()) / len(measured) if measured else 1.0
        done = left = 0.0
        for name, epochs in self.epochs.items():
            seconds = measured.get(name.partition("-")[0], usual)
            done += seconds * self._done[name]
            left += seconds * (epochs - self._done[name])
        return done / (done + left), left if measured else None


class _Counting(keras.callbacks.Callback):
    def __init__(self, count: EpochCount, name: str):
        super().__init__()
        self.count, self.name = count, name
        self.epoch, self.start = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch, self.start = epoch, self.count.clock()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.count.latest = self.name, self.epoch, logs or {}
        if steps := self.params.get("steps"):
            self.count.reach(self.name, self.epoch + min(1.0, (batch + 1) / steps))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.count.reach(self.name, epoch + 1, self.count.clock() - self.start)
        self.count.watch(self.name, logs or {}, epoch)


def progress_of(log: Log) -> Progress:
    """`log` itself, if it is a `Progress`, else one that hands its lines on to it."""
    return log if isinstance(log, Progress) else _Lines(log)


class _Lines(Progress):
    """Lines for any function, with Keras' own bars on a terminal."""

    def __init__(self, log: Log):
        super().__init__("lines")
        self._log = log
        self.verbosity = 1 if self.stream.isatty() else 2

    def _print(self, text: str) -> None:
        self._log(text)
