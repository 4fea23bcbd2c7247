"""Limits of messages between chief and workers: names and numbers are checked on arrival, at both ends."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasnas import checks

# Names of metadata; the service's messages stay as they are.
TUNER, BESIDE = "kerasnas-tuner", "kerasnas-beside-bin"
LARGEST_CALL = 4 << 20  # bytes of a message to the chief
LARGEST_ANSWER = 64 << 20  # and of one to a worker, such as all trials with their hyperparameters
LARGEST_METADATA = 32 << 10
LONGEST_TEXT = 3000  # bytes of a traceback, the last ones

_TRIAL = re.compile(r"[0-9]{1,20}")
_WORKER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_FILES = ("oracle", "search", "certificate")  # next to which a worker's own file lies
_LONGEST_NAME = 500
_MOST_TRIALS = 1_000_000
_ENDS = (TrialStatus.COMPLETED, TrialStatus.INVALID, TrialStatus.FAILED)


def trial_name(value: Any) -> str:
    """Return `value` if it is the number of a trial, as the oracles here make them: it becomes part of paths.

    Example:

    >>> trial_name("x/../../elsewhere")
    Traceback (most recent call last):
        ...
    ValueError: Invalid value received for argument `trial_id`. Expected a number of up to 20 digits. \
Received: 'x/../../elsewhere'
    """
    if not isinstance(value, str) or _TRIAL.fullmatch(value) is None:
        raise ValueError(checks.invalid("trial_id", "a number of up to 20 digits", value))
    return value


def worker_name(value: Any, argument: str = "tuner_id", what: str = "argument") -> str:
    """Return `value` if it can be the name of a worker, which becomes part of paths too.

    `argument` and its noun `what` are for the message of the ValueError.

    Example:

    >>> worker_name("worker-1")
    'worker-1'
    """
    if not isinstance(value, str) or _WORKER.fullmatch(value) is None:
        expected = "a name of up to 100 letters, digits and `.`, `_`, `-`, not starting with one of the last two"
        raise ValueError(checks.invalid(argument, expected, value, what=what))
    if value.split(".")[0] in _FILES:
        expected = f"a name other than those of the project's files, {', '.join(_FILES)}"
        raise ValueError(checks.invalid(argument, expected, value, what=what))
    return value


def check_call(call: Any) -> None:
    """Raise ValueError if a message to the chief contains anything that must not reach the oracle."""
    kind = type(call).__name__
    if kind == "CreateTrialRequest":
        worker_name(call.tuner_id)
    elif kind in ("GetTrialRequest", "UpdateTrialRequest"):
        trial_name(call.trial_id)
        _check_names("metrics", getattr(call, "metrics", ()))
    elif kind == "UpdateSpaceRequest":
        _check_hyperparameters(_parsed("hyperparameters", keras_tuner.HyperParameters, call.hyperparameters))
    elif kind == "EndTrialRequest":
        trial_name(call.trial.trial_id)
        trial = _parsed("trial", Trial, call.trial)
        checks.one_of("status", trial.status, _ENDS)
        _check_hyperparameters(trial.hyperparameters)
    elif kind == "GetBestTrialsRequest":
        checks.integer("num_trials", call.num_trials, 0, _MOST_TRIALS)


def check_answer(answer: Any) -> None:
    """Raise ValueError unless the trials in a message to a worker have numbers."""
    trials = [answer.trial] if hasattr(answer, "trial") else getattr(answer, "trials", ())
    for trial in trials:
        trial_name(trial.trial_id)


def read_beside(text: bytes | None) -> dict[str, Any]:
    """Read what a worker sends in addition to a message: `message`, a text or None, and `fatal`; else ValueError.

    Example:

    >>> read_beside(b'{"message": "out of memory"}')
    {'message': 'out of memory'}
    """
    try:
        metadata = {} if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The metadata of the call are not JSON: {error}") from None
    known: Mapping[str, Any] = {"message": (str, type(None)), "fatal": bool}
    if not isinstance(metadata, dict) or not all(isinstance(metadata[name], known.get(name, ())) for name in metadata):
        raise ValueError(checks.invalid("beside", "an object with `message` and `fatal`", metadata, what="metadata"))
    return metadata


def shortened(text: str) -> str:
    """Return the end of a text that fits the metadata of a message.

    Example:

    >>> len(shortened("ü" * 5000))
    1500
    """
    return text.encode("utf-8", "replace")[-LONGEST_TEXT:].decode("utf-8", "ignore")


def _parsed(argument: str, kind: Any, message: Any) -> Any:
    try:
        return kind.from_proto(message)
    except Exception as error:  # noqa: BLE001  KerasTuner raises many kinds
        raise ValueError(f"Invalid value received for argument `{argument}`. It cannot be read: {error!r}") from None


def _check_hyperparameters(hyperparameters: keras_tuner.HyperParameters) -> None:
    _check_names("hyperparameters", [*hyperparameters.values, *(one.name for one in hyperparameters.space)])
    numbers = [value for one in hyperparameters.space for value in one.get_config().values()]
    for value in [*hyperparameters.values.values(), *numbers]:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(checks.invalid("hyperparameters", "finite numbers", value))


def _check_names(argument: str, names: Iterable[str]) -> None:
    for name in names:
        if not 0 < len(name) <= _LONGEST_NAME:
            raise ValueError(checks.invalid(argument, f"names of 1 to {_LONGEST_NAME} characters", name))
