"""The command line: one subcommand a function, absl flags made from the settings' dataclass."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from kerasnas.cli.commands import COMMANDS
from kerasnas.cli.failures import how_to_resume, in_one_line
from kerasnas.cli.flags import parse
from kerasnas.cli.quiet import quieten
from kerasnas.cli.terminal import Terminal
from kerasnas.other_tools import answer_in_flags
from kerasnas.wording import nearest, printable

# TensorFlow turns oneDNN's kernels on by itself for some CPUs only; on others a search step takes 1.75 times as long.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_FAILED, _INTERRUPTED = 2, 130


def usage() -> str:
    """Return the text of `kerasnas` without a command."""
    width = max(map(len, COMMANDS))
    lines = ["KerasNAS: neural architecture search for Keras.", "", "Usage: kerasnas COMMAND --flag=value ...", ""]
    lines += [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "Try `kerasnas search --help`, or start right away: kerasnas search --output_dir=runs/first"]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 done, 2 an error (reported in one line), 130 interrupted."""
    _open_closed_streams()
    with contextlib.redirect_stdout(Terminal(sys.stdout)) as terminal:
        try:
            return _run(argv)
        finally:
            terminal.flush()


def _run(argv: Sequence[str] | None) -> int:
    """Run a command, its output on standard output as that is."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) == 2 and arguments[0] == "help":  # `kerasnas help search`
        arguments = [arguments[1], "--help"]
    if not arguments or arguments[0] in ("help", "--help", "-h"):
        print(usage())
        return 0
    name, *rest = arguments
    if name in ("--version", "-V"):
        from kerasnas import __version__

        print(__version__)
        return 0
    if name not in COMMANDS:
        if os.path.exists(name):
            return _fail(f"Expected a command before '{name}'. Write: kerasnas search {name} --minutes=5")
        return _fail(f"Unknown command '{name}'. {answer_in_flags(name) or nearest(name, COMMANDS)}")
    command = COMMANDS[name]
    if asked := {"--help", "-h", "--help=all", "--helpfull"} & set(rest):
        print(command.help(everything=bool(asked & {"--help=all", "--helpfull"})))
        return 0
    folder, values = None, None
    try:
        with _terminating():
            if argv is None and name != "completion":  # which imports no TensorFlow
                quieten()
            values = command.flags(rest)
            parse(values, name, rest, command.places)
            command.complete(values)
            folder = values["output_dir"].value if "output_dir" in values else None
            # Importing TensorFlow is part of a budget, where this process is the command's own.
            spent = {"spent": time.process_time() if argv is None else 0.0} if command.timed else {}
            command.action(values, **spent)
    except KeyboardInterrupt:
        print(f"\nInterrupted.{how_to_resume(folder)}", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 (nobody but its author reads a traceback: it is written to a file)
        return _fail(in_one_line(error, arguments, values, folder))
    return 0


def _open_closed_streams() -> None:
    """Open what the caller closed (`2>&-`), so that no file takes its number; errors then go to standard output."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(number)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (to the end of the process)


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str) -> int:
    print(f"kerasnas: {printable(message)}", file=sys.stderr)
    return _FAILED
