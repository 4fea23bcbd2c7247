"""The work of the subcommands, each with the values of its flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas.cli.command import Command
from kerasnas.cli.completion import script
from kerasnas.cli.flags import flag_of, given, settings


def search(values: flags.FlagValues, spent: float) -> None:
    """Search, by a race or by gradients."""
    from kerasnas import methods, runs

    config = settings(_search_settings(values), values)
    if isinstance(config, methods.SearchConfig):
        methods.make_space(config)
    progress = _progress(values)
    kind = runs.folder.kind_of(config)
    run = runs.RunFolder.create(values["output_dir"].value, kind, config, progress)
    methods.search(config, run.path, progress, spent)


def _search_settings(values: flags.FlagValues) -> type:
    """The settings of the method that the flags ask for.

    Raises:
        ValueError: for a flag that the method does not have, and for a gradient search of a space without a supernet.
    """
    from kerasnas.datasets.graph_files import is_graph_file
    from kerasnas.methods import GraphConfig, RaceConfig, SearchConfig
    from kerasnas.runs import plugins
    from kerasnas.spaces.base import has_supernet

    plugins.load(values["import"].value)  # before the name of a space is looked up
    space, method = values["space"], values["method"].value
    if space.value == "graphs" or (not space.present and is_graph_file(values["dataset"].value)):
        if method != "auto":
            raise ValueError(f"A graph has a search of its own, and no --method={method}. Leave out --method.")
        return _only(values, GraphConfig, (RaceConfig, SearchConfig), "a search on a graph", "Leave it out.")
    searched = space.present and has_supernet(space.value)
    if method == "gradient" and space.present and not searched:
        raise ValueError(f"Space '{space.value}' has no supernet for a gradient search. Race it: leave out --method.")
    if method == "auto":
        method = "gradient" if searched else "race"
    if method == "race":
        hint = "Leave out --method." if searched else "Add --space=darts, or another space with a supernet."
        return _only(values, RaceConfig, (SearchConfig, GraphConfig), "a race", hint)
    hint = "Add --method=race." if space.present else "Leave out --method."
    return _only(values, SearchConfig, (RaceConfig, GraphConfig), "none", hint)


def _only(values: flags.FlagValues, chosen: type, others: tuple[type, ...], words: str, hint: str) -> type:
    """`chosen`, if the flags that are given are its own.

    Raises:
        ValueError: for a flag of others.
    """
    of = {"RaceConfig": "a race", "SearchConfig": "a gradient search", "GraphConfig": "a search on a graph"}
    own = {flag_of(field) for field in dataclasses.fields(chosen)}
    for other in others:
        for name in sorted({flag_of(field) for field in dataclasses.fields(other)} - own):
            if values[name].present:
                hint = "Name the .npz file of a graph." if other.__name__ == "GraphConfig" else hint
                raise ValueError(f"--{name} is a flag of {of[other.__name__]}, and this is {words}. {hint}")
    return chosen


def _progress(values: flags.FlagValues) -> Any:
    """The progress that the run tells, by --progress and --quiet."""
    from kerasnas import runs

    return runs.Progress(values["progress"].value, values["quiet"].value)


def retrain(values: flags.FlagValues) -> None:
    """Train the network of a genotype."""
    from kerasnas import methods, runs

    name, own = values["genotype"].value, given(methods.TrainingConfig, values)
    runs.plugins.load(own.get("imports", ()))
    published = _published().get(name)
    found = methods.read_network(_existing(name), **own) if published is None else methods.fitting(published, **own)
    progress = _progress(values)
    run = runs.RunFolder.create(values["output_dir"].value, "retrain", found.config, progress)
    methods.retrain(found.config, run.path, found.genotype, progress)


def pretrain(values: flags.FlagValues, spent: float) -> None:
    """Learn an initialization."""
    from kerasnas import methods, runs

    config = settings(methods.PretrainingConfig, values)
    progress = _progress(values)
    run = runs.RunFolder.create(values["output_dir"].value, "pretrain", config, progress)
    methods.pretrain(config, run.path, progress, spent)


def resume(values: flags.FlagValues, spent: float) -> None:
    """Continue a run."""
    from kerasnas import methods

    methods.resume(values["output_dir"].value, _progress(values), spent, values["executor"].value or None)


def predict(values: flags.FlagValues) -> None:
    """Print the class of images, their labels, or their numbers."""
    from kerasnas import reporting
    from kerasnas.deployment import predictions as deployment

    if not values["images"].value:
        raise ValueError("Expected image files, or folders of them, after the folder of the run. Received: none")
    network = deployment.finished(values["output_dir"].value)
    predictions, failed = deployment.classify(network, values["images"].value)
    rows = [(str(one.path), one.probabilities) for one in predictions]
    print(reporting.predictions_text(rows, values["format"].value, network.task), end="")
    if failed:
        names = "; ".join(failed.values())
        raise ValueError(f"{len(failed)} of {len(failed) + len(predictions)} files could not be read: {names}")


def evaluate(values: flags.FlagValues) -> None:
    """Print accuracy and loss on labeled data."""
    from kerasnas import deployment, reporting

    print(reporting.evaluation_text(deployment.evaluate(values["output_dir"].value, values["dataset"].value)), end="")


def export(values: flags.FlagValues) -> None:
    """Write the network of a run for other runtimes."""
    from kerasnas import deployment

    names = values["format"].value or deployment.DEFAULT_FORMATS
    deployment.export(values["output_dir"].value, names, values["output"].value, values["dataset"].value)


def push(values: flags.FlagValues) -> None:
    """Publish a run as a preset."""
    from kerasnas import deployment

    target, license = values["target"].value, values["license"].value
    deployment.push(values["output_dir"].value, target, license, values["private"].value)


def monitor(values: flags.FlagValues) -> None:
    """Say whether new images drifted, and adapt the network."""
    import json

    from kerasnas import deployment

    as_json = values["format"].value == "json"
    try:
        minutes = float(values["minutes"].value)
    except ValueError:
        raise ValueError(f"Expected --minutes to be a number above 0. Received: {values['minutes'].value!r}") from None
    found = deployment.monitor(
        values["output_dir"].value,
        values["images"].value,
        values["labels"].value,
        values["adapt"].value,
        minutes,
        values["dataset"].value,
        log=(lambda line: None) if as_json else print,
    )
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))


def plot(values: flags.FlagValues) -> None:
    """Draw the plots of a run, or of a genotype."""
    from kerasnas import methods, runs

    folder = values["output_dir"].value
    if folder is None:
        raise ValueError("Missing flag --output_dir: the folder of a run, or where to put the plots of --genotype.")
    if values["genotype"].value is None:
        methods.plot(folder)
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in runs.plot_genotype(_genotype(values["genotype"].value), Path(folder)):
        print(path)


def time(values: flags.FlagValues) -> None:
    """Time a search step."""
    from kerasnas import diagnostics

    diagnostics.measure(settings(diagnostics.TimingConfig, values))


def compare(values: flags.FlagValues) -> None:
    """Compare strategies on a table."""
    from kerasnas import diagnostics

    diagnostics.compare(settings(diagnostics.ComparisonConfig, values), values["output_dir"].value)


def doctor(values: flags.FlagValues) -> None:
    """Examine this machine."""
    from kerasnas import diagnostics

    diagnostics.examine(settings(diagnostics.DoctorConfig, values))


def completion(values: flags.FlagValues, commands: Mapping[str, Command]) -> None:
    """Print the script of a shell."""
    print(script(values["shell"].value, commands), end="")


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
