"""Filter of the notes that TensorFlow writes to the terminal as it starts."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys

# Infos and warnings of TensorFlow's C++ code, and its messages about absent GPUs and fallbacks.
_NOISE = re.compile(
    rb"^[IW]\d{4} [\d:.]+ +\d+ [\w./]+:\d+\] |^WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|^To enable the following instructions: |^[EW]\d{4} .* (cuda_\w+|cuda\w*_stub|gpu_\w+|cuInit)\.cc:\d+\] "
    rb"|^INFO: Created TensorFlow Lite |^fully_quantize: \d"  # of the converter to LiteRT
    rb"|^E\d{4} .* util\.cc:\d+\] oneDNN supports DT_BOOL only "
    rb"|^\d{4}-\d\d-\d\d [\d:.]+: [IW] tensorflow/"
)


def quieten() -> None:
    """Keep notes and warnings of TensorFlow's C++ code off standard error, from here to the end of this process.

    They are written before TensorFlow reads its log level. Errors and Python's output pass. Does nothing if the
    user has set `TF_CPP_MIN_LOG_LEVEL` or closed standard error, and on systems without `fork`.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or sys.stderr is None or not hasattr(os, "fork"):
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    sys.stderr.flush()
    terminal = os.dup(2)
    reading, writing = os.pipe()
    if os.fork() == 0:  # in a process of its own, the last lines are shown even after a crash
        _filter(reading, writing, terminal)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, errors="backslashreplace")


def _filter(reading: int, writing: int, terminal: int) -> None:
    """Forward lines except noise until the last writer closes; never returns."""
    try:
        os.close(writing)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the end of the other process is the end of this one
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        with os.fdopen(reading, "rb", buffering=0) as lines:
            rest = b""
            while chunk := lines.read(65536):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if not _NOISE.match(line):
                        os.write(terminal, line + b"\n")
            if rest and not _NOISE.match(rest):
                os.write(terminal, rest)
    finally:
        os._exit(0)
