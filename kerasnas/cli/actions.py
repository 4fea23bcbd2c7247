"""Work of the subcommands, each with the values of its flags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags

from kerasnas import checks
from kerasnas.cli.command import Command
from kerasnas.cli.completion import script
from kerasnas.cli.flags import flag_of, given, settings
from kerasnas.other_tools import answer_in_flags


def search(values: flags.FlagValues, spent: float) -> None:
    """Search, by the method that the flags ask for."""
    from kerasnas import methods

    method = _search_method(values)
    config = settings(method.settings, values)
    method.check(config)
    methods.search(config, *_created(config, values), spent)


def method_options() -> tuple[str, ...]:
    """The values of `--method`."""
    from kerasnas.methods import search_methods

    return ("auto", *(method.option for method in search_methods() if method.option))


def _search_method(values: flags.FlagValues) -> Any:
    """Return the method that the flags ask for."""
    from kerasnas.methods import search_methods

    space = values["space"].value if values["space"].present else None
    option, dataset = values["method"].value, values["dataset"].value
    known = search_methods()
    method = suited = next(method for method in reversed(known) if method.suits(space, dataset))
    if option != "auto":
        if not suited.option:
            words = f"{suited.words[0].upper()}{suited.words[1:]}"
            raise ValueError(f"{words} has no --method={option}. Leave out --method.")
        method = next(method for method in known if method.option == option)
        method.check_space(space)
    own = {flag_of(field) for field in dataclasses.fields(method.settings)}
    for other in known:
        for name in sorted({flag_of(field) for field in dataclasses.fields(other.settings)} - own):
            if values[name].present:
                hint = (
                    "Leave out --method." if method is not suited else other.way if method.option else "Leave it out."
                )
                answer = f" {answer_in_flags(name)}".rstrip()
                raise ValueError(f"--{name} is a flag of {other.words}, and this is {method.words}. {hint}{answer}")
    return method


def _progress(values: flags.FlagValues) -> Any:
    """Return the progress that the run tells, by --progress and --quiet."""
    from kerasnas import runs

    return runs.Progress(values["progress"].value, values["quiet"].value)


def _created(config: Any, values: flags.FlagValues) -> tuple[Path, Any]:
    """Begin a run in the folder of the flags, which must hold no other one; return the folder, and the progress."""
    from kerasnas import runs

    progress = _progress(values)
    return runs.folder.RunFolder.create(values["output_dir"].value, config, progress).path, progress


def retrain(values: flags.FlagValues) -> None:
    """Train the network of a genotype."""
    from kerasnas import methods
    from kerasnas.methods.rebuilding import fitting, read_network

    name, own = values["genotype"].value, given(methods.TrainingConfig, values)
    published = _published().get(name)
    found = read_network(_existing(name), **own) if published is None else fitting(published, **own)
    folder, progress = _created(found.config, values)
    methods.retrain(found.config, folder, found.genotype, progress)


def pretrain(values: flags.FlagValues, spent: float) -> None:
    """Learn an initialization."""
    from kerasnas.methods.pretraining import PretrainingConfig
    from kerasnas.methods.running import pretrain

    config = settings(PretrainingConfig, values)
    pretrain(config, *_created(config, values), spent)


def resume(values: flags.FlagValues, spent: float) -> None:
    """Continue a run."""
    from kerasnas import methods

    methods.resume(values["output_dir"].value, _progress(values), spent, values["executor"].value or None)


def predict(values: flags.FlagValues) -> None:
    """Print the class of images, their labels, or their numbers."""
    from kerasnas.deployment import predictions as deployment
    from kerasnas.deployment.explaining import explain
    from kerasnas.files import storage
    from kerasnas.reporting.explanations import explanations_page
    from kerasnas.reporting.predictions import predictions_text

    if not values["images"].value:
        raise ValueError("Expected image files, or folders of them, after the folder of the run. Received: none")
    network = deployment.finished(values["output_dir"].value)
    names, samples, failed = network.modality.from_paths(values["images"].value, network.reading)
    predictions = deployment.predictions_of(network, names, samples)
    rows = [(str(one.path), one.probabilities) for one in predictions]
    print(predictions_text(rows, values["format"].value, network.task), end="")
    if values["explain"].value:
        page = explanations_page(explain(network, names, samples), network.task)
        place = Path(values["explain"].value)
        place.parent.mkdir(parents=True, exist_ok=True)
        storage.write_text(place, page)
    if failed:
        reasons = "; ".join(failed.values())
        raise ValueError(f"{len(failed)} of {len(failed) + len(predictions)} files could not be read: {reasons}")


def evaluate(values: flags.FlagValues) -> None:
    """Print accuracy and loss on labeled data."""
    from kerasnas import deployment
    from kerasnas.reporting.predictions import evaluation_text

    print(evaluation_text(deployment.evaluate(values["output_dir"].value, values["dataset"].value)), end="")


def leaderboard(values: flags.FlagValues) -> None:
    """Print the candidates of runs."""
    from kerasnas.runs import overview

    print(overview.leaderboard(values["runs"].value))


def compare(values: flags.FlagValues) -> None:
    """Print how runs compare."""
    from kerasnas.runs import comparing

    print(comparing.compare(values["runs"].value))


def list_runs(values: flags.FlagValues) -> None:
    """Print the runs in a folder."""
    from kerasnas.runs import overview

    print(overview.list_runs(values["folder"].value))


def serve(values: flags.FlagValues) -> None:
    """Answer predictions over HTTP, or write what a container does."""
    from kerasnas.deployment import serving

    folder = values["output_dir"].value
    if values["dockerfile"].value:
        print(serving.write_dockerfile(folder))
        return
    host, port, megabytes = (values[name].value for name in ("host", "port", "megabytes"))
    serving.serve(folder, host, port, megabytes, log=partial(print, flush=True))


def export(values: flags.FlagValues) -> None:
    """Write the network of a run for other runtimes."""
    from kerasnas.deployment import exporting

    names = values["format"].value or exporting.DEFAULT_FORMATS
    exporting.export(values["output_dir"].value, names, values["output"].value, values["dataset"].value)


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
    found = deployment.monitor(
        values["output_dir"].value,
        values["images"].value,
        values["labels"].value,
        values["adapt"].value,
        values["minutes"].value,
        values["dataset"].value,
        log=(lambda line: None) if as_json else print,
    )
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))


def report(values: flags.FlagValues) -> None:
    """Write the report of a run again."""
    from kerasnas.methods.running import report

    report(values["output_dir"].value)


def plot(values: flags.FlagValues) -> None:
    """Draw the plots of a genotype."""
    from kerasnas.runs.record import plot_genotype

    genotype, folder = _genotype(values["genotype"].value), checks.path("output_dir", values["output_dir"].value)
    folder.mkdir(parents=True, exist_ok=True)
    for path in plot_genotype(genotype, folder):
        print(path)


def time(values: flags.FlagValues) -> None:
    """Time a search step, or its operations."""
    from kerasnas.diagnostics import step_rooflines, step_timing

    config = settings(step_timing.TimingConfig, values)
    (step_rooflines if config.roofline else step_timing).measure(config)


def benchmark(values: flags.FlagValues) -> None:
    """Compare strategies on a table."""
    from kerasnas.diagnostics import comparison

    comparison.compare(settings(comparison.ComparisonConfig, values), values["output_dir"].value)


def doctor(values: flags.FlagValues) -> None:
    """Examine this machine."""
    from kerasnas.diagnostics import doctor

    doctor.examine(settings(doctor.DoctorConfig, values))


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
