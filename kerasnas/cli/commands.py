"""The subcommands: their words, their flags, and what they run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas.cli.flags import define, describe, flag_of, given, settings

_METHOD = (
    "How to search: race, networks trained side by side within --minutes, of any space of images; gradient, with a "
    "supernet; or auto: a race, unless --space names a space that has a supernet."
)
_NO_FOLDER = ("time", "doctor")  # which leave nothing behind


class _Command:
    """A subcommand: its words, its flags, and the function that runs it.

    `settings` names the dataclasses of `kerasnas.pipeline` whose fields are flags; they are imported when needed. Where
    two have a field in common, the flag is that of the first. A `timed` command is also told how many seconds of its
    process have passed. `places` are the flags that may be given by their value alone, in this order.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        teaching: str,
        run: Callable[..., Any],
        *settings: str,
        timed: bool = False,
        places: tuple[str, ...] = (),
    ):
        self.places = places
        self.name, self.summary, self.teaching, self.settings = name, summary, teaching, settings
        self._run, self._timed = run, timed

    def run(self, values: flags.FlagValues, spent: float) -> None:
        if self._timed:
            self._run(values, spent)
        else:
            self._run(values)

    def complete(self, values: flags.FlagValues) -> None:
        """Choose the folder of a new search, if none is given.

        Raises:
            ValueError: if another command lacks its folder.
        """
        if "output_dir" not in values or values["output_dir"].value is not None or self.name == "plot":
            return
        if self.name != "search":
            raise ValueError(f"Missing flag --output_dir: the folder of the run. For example: {self._example()}")
        name = Path(values["dataset"].value).resolve().name.removesuffix(".npz") or "search"
        number = 1
        while (folder := Path("runs", f"{name}-{number}")).exists():
            number += 1
        values["output_dir"].value = str(folder)

    def _example(self) -> str:
        lines = (line.strip() for line in self.teaching.splitlines())
        return next((line for line in lines if line.startswith("kerasnas ")), f"kerasnas {self.name} runs/first")

    def flags(self) -> flags.FlagValues:
        values = flags.FlagValues()
        if self.name not in _NO_FOLDER:
            flags.DEFINE_string(
                "output_dir",
                None,
                "The folder of the run."
                + (" Default: runs/NAME-1, -2, ..., with the name of the dataset." if self.name == "search" else ""),
                flag_values=values,
                required=False,
            )
        if self.settings:
            from kerasnas import pipeline

            for name in self.settings:
                for field in dataclasses.fields(getattr(pipeline, name)):
                    if flag_of(field) not in values:
                        define(field, values)
                    elif (other := field.metadata["help"]) != (flag := values[flag_of(field)]).help:
                        default = ", ".join(field.default) if isinstance(field.default, tuple) else field.default
                        flag.help += f" In a gradient search: {other} There by default: {default}."
        if self.name == "search":
            flags.DEFINE_enum("method", "auto", ["auto", "race", "gradient"], _METHOD, flag_values=values)
        if self.name == "predict":
            flags.DEFINE_multi_string("images", [], "Image files, and folders of them.", flag_values=values)
            flags.DEFINE_enum(
                "format",
                "text",
                ["text", "csv", "json"],
                "Of what is printed; csv and json have the probability of every class.",
                flag_values=values,
            )
        if self.name == "evaluate":
            flags.DEFINE_string("dataset", "", "Labeled data, as for a search. Default: the run's.", flag_values=values)
        if self.name in ("retrain", "plot"):
            flags.DEFINE_string(
                "genotype",
                None,
                "A genotype.json, the folder of a run, or the name of a published one: DARTS_V1, DARTS_V2, "
                "PC_DARTS_CIFAR.",
                flag_values=values,
                required=self.name == "retrain",
            )
        return values

    def help(self) -> str:
        values, lines = self.flags(), [f"kerasnas {self.name}: {self.summary}", "", self.teaching]
        for title, names in self._groups(values).items():
            lines += ["", f"{title}:", *describe(values, names)]
        return "\n".join(lines)

    def _groups(self, values: Iterable[str]) -> dict[str, set[str]]:
        """The flags by what they are of, where there are several kinds of settings."""
        if len(self.settings) < 2:
            return {"Flags": set(values)}
        from kerasnas import pipeline

        first, second = (
            {flag_of(field) for field in dataclasses.fields(getattr(pipeline, name))} for name in self.settings
        )
        return {
            "Flags": (first & second) | (set(values) - first - second),
            "Flags of a race": first - second,
            "Flags of a gradient search": second - first,
        }


def _search(values: flags.FlagValues, spent: float) -> None:
    from kerasnas import pipeline

    config = settings(_search_settings(values), values)
    if isinstance(config, pipeline.SearchConfig):
        pipeline.make_space(config)
    kind = "race" if isinstance(config, pipeline.RaceConfig) else "search"
    with _discarding(pipeline.RunFolder.create(values["output_dir"].value, kind, config)) as path:
        pipeline.search(config, path, spent=spent)


def _search_settings(values: flags.FlagValues) -> type:
    """The settings of the method that the flags ask for.

    Raises:
        ValueError: for a flag that the method does not have, and for a gradient search of a space without a supernet.
    """
    from kerasnas.pipeline import RaceConfig, SearchConfig, plugins
    from kerasnas.spaces import has_supernet

    plugins.load(values["import"].value)  # before the name of a space is looked up
    space, method = values["space"], values["method"].value
    searched = space.present and has_supernet(space.value)
    if method == "gradient" and space.present and not searched:
        raise ValueError(f"Space '{space.value}' has no supernet for a gradient search. Race it: leave out --method.")
    if method == "auto":
        method = "gradient" if searched else "race"
    chosen, other = (RaceConfig, SearchConfig) if method == "race" else (SearchConfig, RaceConfig)
    own, others = ({flag_of(field) for field in dataclasses.fields(config)} for config in (chosen, other))
    if method == "race":
        hint = "Leave out --method." if searched else "Add --space=darts, or another space with a supernet."
    else:
        hint = "Add --method=race." if space.present else "Leave out --method."
    for name in sorted(others - own):
        if values[name].present:
            is_of = "a gradient search" if method == "race" else "a race"
            raise ValueError(
                f"--{name} is a flag of {is_of}, and this is {'a race' if method == 'race' else 'none'}. {hint}"
            )
    return chosen


def _retrain(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    name, own = values["genotype"].value, given(pipeline.TrainingConfig, values)
    pipeline.plugins.load(own.get("imports", ()))
    published = _published().get(name)
    found = pipeline.read_network(_existing(name), **own) if published is None else pipeline.fitting(published, **own)
    with _discarding(pipeline.RunFolder.create(values["output_dir"].value, "retrain", found.config)) as path:
        pipeline.retrain(found.config, path, found.genotype)


@contextlib.contextmanager
def _discarding(run: Any) -> Iterator[Path]:
    """After a failure before any work was done, the same --output_dir can be used again."""
    try:
        yield run.path
    except (OSError, ValueError):
        run.discard()
        raise


def _resume(values: flags.FlagValues, spent: float) -> None:
    from kerasnas import pipeline

    pipeline.resume(values["output_dir"].value, spent=spent)


def _predict(values: flags.FlagValues) -> None:
    from kerasnas import pipeline, reporting

    if not values["images"].value:
        raise ValueError("Expected image files, or folders of them, after the folder of the run. Received: none")
    predictions, failed = pipeline.predict(values["output_dir"].value, values["images"].value)
    rows = [(str(one.path), one.probabilities) for one in predictions]
    print(reporting.predictions_text(rows, values["format"].value), end="")
    if failed:
        names = "; ".join(failed.values())
        raise ValueError(f"{len(failed)} of {len(failed) + len(predictions)} files could not be read: {names}")


def _evaluate(values: flags.FlagValues) -> None:
    from kerasnas import pipeline, reporting

    print(reporting.evaluation_text(pipeline.evaluate(values["output_dir"].value, values["dataset"].value)), end="")


def _plot(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    folder = values["output_dir"].value
    if folder is None:
        raise ValueError("Missing flag --output_dir: the folder of a run, or where to put the plots of --genotype.")
    if values["genotype"].value is None:
        pipeline.plot(folder)
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in pipeline.plot_genotype(_genotype(values["genotype"].value), Path(folder)):
        print(path)


def _time(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.measure(settings(pipeline.TimingConfig, values))


def _compare(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.compare(settings(pipeline.ComparisonConfig, values), values["output_dir"].value)


def _doctor(values: flags.FlagValues) -> None:
    from kerasnas import pipeline

    pipeline.examine(settings(pipeline.DoctorConfig, values))


def _genotype(name: str) -> Any:
    from kerasnas.genotypes import Genotype

    if name in _published():
        return _published()[name]
    path = _existing(name)
    return Genotype.load(path / "genotype.json" if path.is_dir() else path)


def _published() -> dict[str, Any]:
    from kerasnas import genotypes

    return {key: value for key, value in vars(genotypes).items() if isinstance(value, genotypes.Genotype)}


def _existing(name: str) -> Path:
    if not Path(name).exists():
        known = sorted(_published())
        raise FileNotFoundError(f"--genotype={name} is neither a file, a folder nor a published genotype: {known}")
    return Path(name)


RENAMED = {"bench": "compare", "benchmark": "time"}
"""Old name of a command -> its name: an error names the new one."""

COMMANDS = {
    command.name: command
    for command in (
        _Command(
            "search",
            "find the best network for your data in the time you give, and train it.",
            "Networks of many shapes, well-known ones among them, are trained side by side; those that promise least\n"
            "drop out, and the best one is trained on with the rest of the time, on all of the data.\n"
            "\n"
            "    kerasnas search --output_dir=runs/first\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --output_dir=runs/mine\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --max_parameters=100000 --output_dir=runs/small\n"
            "\n"
            "Networks of your own take part with --genotypes: genotype files, or folders of runs, of any space.\n"
            "\n"
            "    kerasnas search --dataset=my_images/ --minutes=10 --genotypes=runs/cells --output_dir=runs/against\n"
            "    kerasnas search --import=my_networks.py --space=my_networks --output_dir=runs/own_networks\n"
            "\n"
            "With the name of a space of cells or chains, a gradient search instead (DARTS): a supernet holds every\n"
            "candidate at once, gradient descent moves its weights on one half of the training data and the choice\n"
            "between candidates on the other; the network found is trained from scratch beside random ones.\n"
            "\n"
            "    kerasnas search --space=darts --dataset=my_images/ --epochs=15 --output_dir=runs/cells\n"
            "    kerasnas search --import=my_spaces.py --space=mine --output_dir=runs/own\n"
            "\n"
            "The folder then holds model.keras (plain Keras), genotype.json, report.html, card.md, history.csv,\n"
            "config.json and plots. Stop it whenever you like: `kerasnas resume` continues where it was.",
            _search,
            "RaceConfig",
            "SearchConfig",
            timed=True,
        ),
        _Command(
            "retrain",
            "train the network of a genotype from scratch.",
            "    kerasnas retrain --genotype=runs/first/genotype.json --retrain_epochs=40 --output_dir=runs/longer\n"
            "    kerasnas retrain --genotype=runs/first --retrain_epochs=40 --output_dir=runs/as_wide_as_there\n"
            "    kerasnas retrain --genotype=DARTS_V2 --dataset=cifar10 --output_dir=runs/darts_v2\n"
            "\n"
            "Without --space and --num_nodes, they are the genotype's; of the folder of a run, the size is the run's.",
            _retrain,
            "TrainingConfig",
        ),
        _Command(
            "resume",
            "continue a run that was interrupted, by Ctrl-C, a kill or a power cut.",
            "The result is that of an uninterrupted run, to the bit where TensorFlow sums in one order.\n\n"
            "    kerasnas resume runs/first",
            _resume,
            timed=True,
            places=("output_dir",),
        ),
        _Command(
            "predict",
            "tell the class of images with the network of a run.",
            "    kerasnas predict runs/first photo.png\n"
            "    kerasnas predict runs/first photos/ --format=csv\n"
            "\n"
            "Prints the class of each image and its probability. Images are turned upright, and resized to the size\n"
            "that the network was trained on. A file that cannot be read is named, and the exit status is 2.",
            _predict,
            places=("output_dir", "images"),
        ),
        _Command(
            "evaluate",
            "evaluate the network of a run on labeled data.",
            "    kerasnas evaluate runs/first\n"
            "    kerasnas evaluate runs/first --dataset=new_images/\n"
            "\n"
            "Prints accuracy and loss on the test part of the data, with 95 % intervals, and the accuracy of each\n"
            "class, the worst first.",
            _evaluate,
            places=("output_dir",),
        ),
        _Command(
            "plot",
            "draw the plots of a run, or of a genotype, again.",
            "    kerasnas plot runs/first\n    kerasnas plot --genotype=DARTS_V2 --output_dir=plots",
            _plot,
            places=("output_dir",),
        ),
        _Command(
            "compare",
            "compare black-box strategies on a table of published results.",
            "    kerasnas compare --output_dir=runs/compare\n"
            "    kerasnas compare --table=nasbench201.npz --dataset=cifar100 --evaluations=100 --seeds=500 \\\n"
            "        --strategies=random,evolution,predictor --output_dir=runs/compare\n"
            "\n"
            "A table holds the accuracy of every architecture of a space, so that a search takes milliseconds and can\n"
            "be repeated with hundreds of seeds. Prints mean and standard deviation, and writes curves.csv and\n"
            "regret.png. Without --table the accuracies are made up: they show how it works, and nothing else.",
            _compare,
            "ComparisonConfig",
        ),
        _Command(
            "time",
            "time a search step on this machine, and tell what a search would take.",
            "    kerasnas time\n"
            "    kerasnas time --filters=16 --num_cells=8 --dataset=my_images/ --epochs=50\n"
            "\n"
            "Takes a minute or so, on a machine that does nothing else. Of the dataset only the size of the images,\n"
            "their number and that of the classes matter. It prints, and writes no file.",
            _time,
            "TimingConfig",
        ),
        _Command(
            "doctor",
            "examine this machine: what a search would run on, and whether it computes what it should.",
            "    kerasnas doctor\n"
            "    kerasnas doctor --distribution=gpu\n"
            "    KERAS_BACKEND=jax kerasnas doctor\n"
            "\n"
            "Prints versions, devices and the distribution; takes some steps of a tiny search, without XLA and\n"
            "compiled, and compares the two; and compares a search on two replicas, made of the CPU, with one on one\n"
            "device. Takes about a minute, and writes no file. The exit status is 0 where all checks passed, else 2:\n"
            "then put all that it printed into a bug report.",
            _doctor,
            "DoctorConfig",
        ),
    )
}
