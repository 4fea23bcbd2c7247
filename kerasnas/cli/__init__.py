"""The command line: one subcommand a function, absl flags made from the settings' dataclass."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes are not the user's business
# TensorFlow turns oneDNN's kernels on by itself for some CPUs only; on others a search step takes 1.75 times as long.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_FAILED, _INTERRUPTED = 2, 130


class _Command:
    """A subcommand: its words, its flags, and the function that runs it.

    `settings` names the dataclass of `kerasnas.pipeline` whose fields are flags; it is imported when they are needed.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        teaching: str,
        run: Callable[[flags.FlagValues], Any],
        settings: str | None = None,
    ):
        self.name, self.summary, self.teaching, self.run, self.settings = name, summary, teaching, run, settings

    def flags(self) -> flags.FlagValues:
        values = flags.FlagValues()
        if self.name not in ("benchmark", "doctor"):  # which leave nothing behind
            flags.DEFINE_string(
                "output_dir", None, "The folder of the run.", flag_values=values, required=self.name != "plot"
            )
        if self.settings is not None:
            from kerasnas import pipeline

            for field in dataclasses.fields(getattr(pipeline, self.settings)):
                _define(field, values)
        if self.name in ("retrain", "plot"):
            flags.DEFINE_string(
                "genotype",
                None,
                "A genotype.json, or the name of a published one: DARTS_V1, DARTS_V2, PC_DARTS_CIFAR.",
                flag_values=values,
                required=self.name == "retrain",
            )
        return values

    def help(self) -> str:
        values = self.flags()
        lines = [f"kerasnas {self.name}: {self.summary}", "", self.teaching, "", "Flags:"]
        for name in sorted(set(values), key=lambda name: (name != "output_dir", name)):
            flag = values[name]
            default = "" if flag.default in (None, "", []) else f" Default: {_text(flag.default)}."
            lines += [f"  --{name}", f"      {flag.help}{default}"]
        return "\n".join(lines)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _define(field: dataclasses.Field, values: flags.FlagValues) -> None:
    makers: dict[type, Callable] = {
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
        tuple: flags.DEFINE_list,
    }
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    makers[type(field.default)](field.name, default, field.metadata["help"], flag_values=values)


def _settings(config: type, values: flags.FlagValues) -> Any:
    return config(**{field.name: values[field.name].value for field in dataclasses.fields(config)})


def _search(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    config = _settings(pipeline.SearchConfig, values)
    pipeline.make_space(config)
    folder = pipeline.RunFolder.create(values["output_dir"].value, "search", config)
    with _discarding(folder):
        pipeline.search(folder)


def _retrain(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    genotype = _genotype(values["genotype"].value)
    if not values["num_nodes"].present:  # the genotype says it
        values["num_nodes"].value = len({edge.target for edge in genotype.cells[0][1]})
    config = _settings(pipeline.TrainingConfig, values)
    pipeline.make_space(config).validate(genotype)
    folder = pipeline.RunFolder.create(values["output_dir"].value, "retrain", config)
    with _discarding(folder):
        genotype.save(folder.path / "genotype.json")
        pipeline.retrain(folder)


@contextlib.contextmanager
def _discarding(folder: Any) -> Iterator[None]:
    """After a failure before any work was done, the same --output_dir can be used again."""
    try:
        yield
    except (OSError, ValueError):
        folder.discard()
        raise


def _resume(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.resume(pipeline.RunFolder.open(values["output_dir"].value))


def _plot(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    folder = values["output_dir"].value
    if folder is None:
        raise ValueError("Missing flag --output_dir: the folder of a run, or where to put pictures of --genotype.")
    if values["genotype"].value is None:
        pipeline.plot(pipeline.RunFolder.open(folder))
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in pipeline.plot_genotype(_genotype(values["genotype"].value), Path(folder)):
        print(path)


def _benchmark(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.measure(_settings(pipeline.BenchmarkConfig, values))


def _bench(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.bench(_settings(pipeline.StrategyBenchConfig, values), values["output_dir"].value)


def _doctor(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.examine(_settings(pipeline.DoctorConfig, values))


def _genotype(name: str) -> Any:
    from kerasnas import genotypes

    published = {key: value for key, value in vars(genotypes).items() if isinstance(value, genotypes.Genotype)}
    if name in published:
        return published[name]
    if not Path(name).exists():
        raise FileNotFoundError(f"--genotype={name} is neither a file nor a published genotype: {sorted(published)}")
    return genotypes.Genotype.load(name)


COMMANDS = {
    command.name: command
    for command in (
        _Command(
            "search",
            "search an architecture, train it, and compare it with random ones.",
            "A supernet holds every candidate at once; gradient descent moves its weights on one half of the\n"
            "training data and the choice between candidates on the other (DARTS). The strongest candidates\n"
            "make the final network, which is then trained from scratch beside random ones of the same space.\n"
            "\n"
            "    kerasnas search --output_dir=runs/first\n"
            "    kerasnas search --dataset=my_images/ --epochs=15 --output_dir=runs/mine\n"
            "\n"
            "The folder then holds model.keras (plain Keras), genotype.json, report.html, card.md, history.csv,\n"
            "config.json and pictures. Stop it whenever you like: `kerasnas resume` goes on where it was.",
            _search,
            "SearchConfig",
        ),
        _Command(
            "retrain",
            "train the network of a genotype from scratch.",
            "    kerasnas retrain --genotype=runs/first/genotype.json --retrain_epochs=40 --output_dir=runs/longer\n"
            "    kerasnas retrain --genotype=DARTS_V2 --dataset=cifar10 --output_dir=runs/darts_v2\n"
            "\n"
            "Without --num_nodes, the number of nodes is the genotype's.",
            _retrain,
            "TrainingConfig",
        ),
        _Command(
            "resume",
            "go on with a run that was interrupted, by Ctrl-C, a kill or a power cut.",
            "The result is that of an uninterrupted run, to the bit where TensorFlow sums in one order.\n\n"
            "    kerasnas resume --output_dir=runs/first",
            _resume,
        ),
        _Command(
            "plot",
            "draw the pictures of a run, or of a genotype, again.",
            "    kerasnas plot --output_dir=runs/first\n    kerasnas plot --genotype=DARTS_V2 --output_dir=pictures",
            _plot,
        ),
        _Command(
            "bench",
            "compare black-box strategies on a table of published results.",
            "    kerasnas bench --output_dir=runs/bench\n"
            "    kerasnas bench --table=nasbench201.npz --dataset=cifar100 --strategies=random,evolution,predictor \\\n"
            "        --evaluations=100 --seeds=500 --output_dir=runs/bench\n"
            "\n"
            "A table holds the accuracy of every architecture of a space, so that a search takes milliseconds and can\n"
            "be repeated with hundreds of seeds. Prints mean and standard deviation, and writes curves.csv and\n"
            "regret.png. Without --table the accuracies are made up: they show how it works, and nothing else.",
            _bench,
            "StrategyBenchConfig",
        ),
        _Command(
            "benchmark",
            "measure the search step on this machine, and tell what a search would take.",
            "    kerasnas benchmark\n"
            "    kerasnas benchmark --filters=16 --num_cells=8 --dataset=my_images/ --epochs=50\n"
            "\n"
            "Takes a minute or so, on a machine that does nothing else. Of the dataset only the size of the images,\n"
            "their number and that of the classes matter. It prints, and writes no file.",
            _benchmark,
            "BenchmarkConfig",
        ),
        _Command(
            "doctor",
            "examine this machine: what a search would run on, and whether it computes what it should.",
            "    kerasnas doctor\n"
            "    kerasnas doctor --strategy=gpu\n"
            "    KERAS_BACKEND=jax kerasnas doctor\n"
            "\n"
            "Prints versions, devices and the strategy; takes some steps of a tiny search, without XLA and compiled,\n"
            "and compares the two; and compares a search on two replicas, made of the CPU, with one on one device.\n"
            "Takes about a minute, and writes no file. The exit status is 0 where all checks passed, else 2: then put\n"
            "all that it printed into a bug report.",
            _doctor,
            "DoctorConfig",
        ),
    )
}


def usage() -> str:
    """What `kerasnas` says without a command."""
    width = max(map(len, COMMANDS))
    lines = ["KerasNAS: neural architecture search for Keras.", "", "Usage: kerasnas COMMAND --flag=value ...", ""]
    lines += [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "Try `kerasnas search --help`, or begin at once: kerasnas search --output_dir=runs/first"]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 done, 2 an error (told in one line), 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("help", "--help", "-h"):
        print(usage())
        return 0
    name, *rest = arguments
    if name == "--version":
        from kerasnas import __version__

        print(__version__)
        return 0
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        return _fail(f"Unknown command '{name}'.{hint} Known: {', '.join(COMMANDS)}")
    command = COMMANDS[name]
    if {"--help", "-h", "--helpfull"} & set(rest):
        print(command.help())
        return 0
    folder = None
    try:
        with _terminating():
            values = command.flags()
            extra = values([f"kerasnas {name}", *rest])[1:]
            if extra:
                return _fail(f"Unexpected argument '{extra[0]}'. Flags are written --name=value.")
            folder = values["output_dir"].value if "output_dir" in values else None
            command.run(values)
    except KeyboardInterrupt:
        print(f"\nInterrupted.{_hint(folder)}", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        message = str(error)
        if error.errno == errno.ENOSPC:
            message += f". The disk is full; all that was finished is safe. Free some space.{_hint(folder)}"
        return _fail(message)
    except (flags.Error, ValueError, ArithmeticError) as error:
        return _fail(str(error))
    return 0


def _hint(folder: str | None) -> str:
    """How to go on with the run in `folder`, if one has begun there."""
    begun = folder is not None and (Path(folder) / "config.json").exists()
    return f" Go on with: kerasnas resume --output_dir={folder}" if begun else ""


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    print(f"kerasnas: {message}", file=sys.stderr)
    return _FAILED


if __name__ == "__main__":
    sys.exit(main())
