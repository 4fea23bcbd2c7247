"""Skeleton of the benchmarks: arguments, data files, threads, child processes, raw runs, statistics.

A script declares its question in its docstring and its settings as defaults; the skeleton makes the command line:

    arguments = skeleton.arguments(
        __doc__, "data", seeds=(3, "number of seeds"), dataset=one_of("cora", "citeseer"), fast=False
    )
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tracked

HIDDEN = argparse.SUPPRESS
DATA = {"type": Path, "required": True, "help": "folder with the tables in it or below it"}
ONE_THREAD = dict.fromkeys(tracked.THREADS, "1")


# Command line -----------------------------------------------------------------------------------------------
def arguments(doc: str | None, *positional: str, record: bool = True, **options: Any) -> Any:
    """Parse the command line of a script.

    Args:
        doc: the script's docstring.
        positional: names of positional arguments; a trailing `?` makes one optional.
        record: whether the script takes `--results`. Defaults to True.
        options: by name, a default, `(default, help)`, or the keywords of `add_argument`, for positional ones too. A
            type as the default stands for "of that type, None by default", False for a flag.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in positional:
        words = options.pop(name, {"type": Path})
        parser.add_argument(name.rstrip("?"), **words, **({"nargs": "?"} if name.endswith("?") else {}))
    for name, option in options.items():
        parser.add_argument(f"--{name}", **_keywords(option))
    if record:
        tracked.add_flag(parser)
    return parser.parse_args()


def _keywords(option: Any) -> dict[str, Any]:
    if isinstance(option, dict):
        return option
    default, *text = option if isinstance(option, tuple) else (option,)
    words = {"help": text[0]} if text else {}
    if default is False:
        return {"action": "store_true", **words}
    return {
        **words,
        **({"type": default} if isinstance(default, type) else {"type": type(default), "default": default}),
    }


def one_of(*choices: str, **words: Any) -> dict[str, Any]:
    """Declare an argument with a fixed set of values, of which the first is the default."""
    return {"choices": choices, "default": choices[0], **words}


def listed(names: Iterable[str], text: str = "comma-separated") -> tuple[str, str]:
    """Declare an argument of comma-separated names, all of them by default."""
    return ",".join(names), text


def names(text: str, known: Iterable[str] = ()) -> list[str]:
    """Split comma-separated names, which must be among the `known` ones if there are any."""
    given, known = [name for name in text.split(",") if name], list(known)
    if known and (unknown := sorted(set(given) - set(known))):
        raise SystemExit(f"Expected names among {', '.join(known)}. Received: {', '.join(unknown)}")
    return given


def numbers(text: str) -> list[int]:
    """Split comma-separated integers."""
    return [int(number) for number in text.split(",") if number]


def find(folder: str | Path, *patterns: str) -> Path:
    """Return the first file that matches one of the patterns in a folder or below it."""
    for pattern in patterns:
        if files := sorted(Path(folder).rglob(pattern)):
            return files[0]
    raise SystemExit(f"There is no {' and no '.join(patterns)} in or below {folder}.")


def save(path: Path, parts: Sequence[Any], **more: Any) -> str:
    """Write the arrays of training and test, and the names of classes if they follow, as `.npz`; return the path."""
    import numpy as np

    names = ("x_train", "y_train", "x_test", "y_test", "classes")
    np.savez(path, **dict(zip(names, parts, strict=False)), **more)
    return str(path)


# Threads and processes --------------------------------------------------------------------------------------
def prepare(intra: int = 0, inter: int | None = None, quiet: int = 2) -> None:
    """Set TensorFlow up as the command line does, before it is asked for a device.

    Args:
        intra: threads of an operation; 0 for TensorFlow's own choice.
        inter: operations at a time. Defaults to `intra`.
        quiet: TensorFlow's minimum log level.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", str(quiet))
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if intra or inter:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(intra)
        tf.config.threading.set_inter_op_parallelism_threads(intra if inter is None else inter)


def child(script: str | Path, *words: Any, python: str = sys.executable, **environment: str) -> dict[str, Any] | None:
    """Run a script in a process of its own; return the JSON on its last line, or None after printing its error."""
    command = [python, str(script), *map(str, words)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def search(folder: str | Path, *flags: str) -> dict[str, Any]:
    """Run `kerasnas search` in a process of its own; return the record of the run."""
    command = [sys.executable, "-m", "kerasnas", "search", f"--output_dir={folder}", *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path(folder, "result.json").read_text())


def log(*words: Any) -> None:
    """Print progress to standard error."""
    print(*words, file=sys.stderr, flush=True)


class Runs:
    """File of the single measurements of a script, one JSON line each; measured runs are not repeated.

    Args:
        path: the file; its folder is created.
        keys: fields that identify a run.
    """

    def __init__(self, path: str | Path, *keys: str):
        self.path, self.keys = Path(path), keys
        self.path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def records(self) -> list[dict[str, Any]]:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]

    def has(self, *values: Any) -> bool:
        """Return whether a run with these values of `keys` is in the file."""
        return values in {tuple(record.get(key) for key in self.keys) for record in self.records}

    def add(self, record: dict[str, Any]) -> None:
        """Print a record and append it to the file."""
        line = json.dumps(record)
        print(line, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def measure(
        self, script: str | Path, words: Sequence[Any], missing: Iterable[Sequence[Any]], processes: int
    ) -> None:
        """Run a script with `--one=...` for each measurement that is missing, in processes of one thread; add them.

        Args:
            script: the file that is run.
            words: its arguments beside `--one`.
            missing: the parts of `--one`, of each.
            processes: how many run at once.
        """
        environment = {**ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}

        def run(one: Sequence[Any]) -> dict[str, Any] | None:
            return child(script, *words, f"--one={','.join(map(str, one))}", **environment)

        with ThreadPoolExecutor(processes) as pool:
            for record in pool.map(run, missing):
                if record is not None:
                    self.add(record)


# Training ---------------------------------------------------------------------------------------------------
def train_until(model: Any, batches: Any, end: float, rate: float = 1e-3, loss: Any = None, **options: Any) -> Any:
    """Train by `fit` until the process has used `end` seconds: Adam, its rate annealed to 0 by a cosine of the time."""
    import keras
    import numpy as np

    start = time.process_time()

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            part = min(1.0, (time.process_time() - start) / max(end - start, 1e-9))
            self.model.optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * part)))

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = time.process_time() >= end

    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, **options), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(batches, epochs=100_000, shuffle=False, verbose=0, callbacks=[Clock()])
    return model


# Statistics -------------------------------------------------------------------------------------------------
def spread(values: Sequence[float], digits: int = 1, sign: str = "", groups: Sequence[Any] | None = None) -> str:
    """Format the mean and its 95 % interval; see `kerasnas.intervals.mean_interval`.

    >>> spread([80, 90]), spread([80]), spread([1, 3, 5, 7], 2, "+", ["a", "a", "b", "b"])
    ('85.0 ± 63.5', '80.0', '+4.00 ± 25.41')
    """
    from kerasnas.intervals import mean_interval

    mean, reach = mean_interval(values, groups)
    return f"{mean:{sign}.{digits}f}" + (f" ± {reach:.{digits}f}" if math.isfinite(reach) else "")


def welch(first: Any, second: Any) -> Any:
    """Return the lead of the mean of `first` in standard errors, over the first axis of arrays."""
    import numpy as np

    error = np.sqrt(first.var(axis=0, ddof=1) / len(first) + second.var(axis=0, ddof=1) / len(second))
    return (first.mean(axis=0) - second.mean(axis=0)) / np.maximum(error, 1e-12)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the rank correlation; ties share their mean rank, and a constant has none.

    >>> round(spearman([1, 2, 3, 4], [10, 20, 20, 40]), 4)
    0.9487
    """
    from scipy import stats

    constant = len(set(first)) < 2 or len(set(second)) < 2
    return 0.0 if constant else float(stats.spearmanr(first, second).statistic)
