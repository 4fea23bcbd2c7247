"""Networks that exist as a genotype file, or as the folder of a run: with the settings that build them again."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from kerasnas import checks, datasets
from kerasnas.files import untrusted
from kerasnas.genotypes import Genotype, as_entry, of_entry
from kerasnas.methods.assembly import make_space
from kerasnas.methods.final_training import network_sizes
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.runs import trust
from kerasnas.runs.folder import GENOTYPE, GIVEN, RunFolder
from kerasnas.spaces import SPACES
from kerasnas.wording import nearest

_MOST_DEPTH = 32  # up to which the space of a genotype without a run is tried


@dataclasses.dataclass(frozen=True)
class Rebuilt:
    """A genotype, and the settings that `kerasnas retrain` builds its network by."""

    genotype: Genotype
    config: TrainingConfig

    def build(self, data: datasets.Dataset, seed: int = 0) -> keras.Model:
        """Return the network, for samples like those of `data`; not compiled.

        Raises:
            ValueError: if there is none of this genotype in the space, or the samples are too small for it.
        """
        space = make_space(self.config, data)
        sizes = network_sizes(self.config, space)
        return space.build_network(self.genotype, data.input_shape, data.num_classes, seed=seed, **sizes)

    def to_dict(self) -> dict[str, Any]:
        """Both as a JSON-serializable mapping."""
        return {"genotype": as_entry(self.genotype), "settings": self.config.to_dict()}

    @classmethod
    @checks.reading("record", "what `to_dict` returns")
    def from_dict(cls, record: dict[str, Any], file: Path | None = None) -> Rebuilt:
        """Return the inverse of `to_dict`; `file` as for the settings' `from_dict`."""
        genotype = of_entry(record["genotype"])
        return cls(genotype, TrainingConfig.from_dict(record["settings"], file))


def read_network(path: str | os.PathLike, **settings: Any) -> Rebuilt:
    """Return the network of a genotype file, or of the folder of a run: a search, a race, a training, a tuner's trial.

    The size is that which the run trained its network at. A file says none, nor does a trial: then it is that of
    `kerasnas retrain`, with as many nodes and as deep as the genotype is.

    Args:
        path: of the file, or of the folder.
        settings: fields of `TrainingConfig`, in place of what follows from the path; imports are added.

    Raises:
        FileNotFoundError: if there is no such file, or the folder has no genotype.
        ValueError: if it is no genotype, or none of a registered space.
    """
    path = checks.path("path", path)
    if not path.exists():
        raise FileNotFoundError(f"Expected a genotype file, or the folder of a run. Received: {path}{_beside(path)}")
    if not path.is_dir():
        return fitting(Genotype.load(path), **settings)
    begun = (path / "config.json").exists()
    if not (path / GENOTYPE).exists():
        if begun:
            raise FileNotFoundError(
                f"The run in {path} has no {GENOTYPE} yet. Continue it with `kerasnas resume --output_dir={path}`."
            )
        raise FileNotFoundError(
            f"Expected a genotype file, or the folder of a run, with a {GENOTYPE} in it. Received: {path}"
        )
    genotype = Genotype.load(path / GENOTYPE)
    return _of_run(RunFolder.open(path), genotype, settings) if begun else fitting(genotype, **settings)


def fitting(genotype: Genotype, **settings: Any) -> Rebuilt:
    """`genotype` with the settings of its space, its number of nodes and its depth; `settings` as for `read_network`.

    Raises:
        TypeError: if `genotype` is none.
        ValueError: if it is of no registered space, or of none with these settings.
    """
    checks.instance("genotype", genotype, Genotype, "a `kerasnas.Genotype`")
    config = TrainingConfig.suited(**{"space": genotype.space, **settings})
    problem = None
    for changed in _variants(genotype, config, settings):
        own = dataclasses.replace(config, **changed)
        try:
            make_space(own).validate(genotype)
        except ValueError as error:
            problem = problem or error
        else:
            return Rebuilt(genotype, own)
    assert problem is not None  # there is at least one variant
    raise problem


def _variants(genotype: Genotype, config: TrainingConfig, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Settings that a genotype may imply and `settings` lack: the number of nodes, then the depth."""
    factory = SPACES[config.space]
    taken, nodes = inspect.signature(factory).parameters, {}
    if "num_nodes" in taken and "num_nodes" not in settings:
        nodes = {"num_nodes": len({edge.target for edge in genotype.cells[0][1]})}
    yield nodes
    if getattr(factory, "depth", "num_cells") in taken and "retrain_cells" not in settings:
        yield from ({**nodes, "retrain_cells": depth} for depth in range(1, 1 + _MOST_DEPTH))


def _of_run(run: RunFolder, genotype: Genotype, settings: dict[str, Any]) -> Rebuilt:
    """The network that a run trained, by its settings; one of the user's own, by the settings that came with it."""
    given = next((one.config for one in read_given(run.path).values() if one.genotype == genotype), None)
    own = run.method.network_settings(run.config if given is None else given)
    own |= {"space": genotype.space} if genotype.space in SPACES else {}  # a race finds the one that suits its data
    imports = (*own.pop("imports"), *settings.get("imports", ()))
    rebuilt = TrainingConfig.suited(**{**own, **settings, "imports": tuple(dict.fromkeys(imports))})
    make_space(rebuilt).validate(genotype)
    return Rebuilt(genotype, rebuilt)


def _beside(path: Path) -> str:
    """Return the end of an error message: the nearest of the genotypes and runs beside a path that is not there."""
    folder = path.parent
    if not folder.is_dir():
        return f". There is no folder {folder} either."
    known = [one.name for one in folder.iterdir() if one.suffix == ".json" or (one / GENOTYPE).exists()]
    return f". {nearest(path.name, known)}" if known else f". There is no genotype in {folder.resolve()}."


def read_given(folder: Path) -> dict[str, Rebuilt]:
    """Return the user's own candidates of the race in a folder, by name, as `GIVEN` there records them."""
    file = folder / GIVEN
    if not file.exists():
        return {}
    try:
        return {name: Rebuilt.from_dict(one, file) for name, one in untrusted.read_json(file).items()}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is malformed: {error}") from None


def write_given(folder: Path, networks: Mapping[str, Rebuilt]) -> None:
    """Inverse of `read_given`."""
    record = {name: network.to_dict() for name, network in networks.items()}
    trust.write(folder / GIVEN, record, {name for network in networks.values() for name in network.config.changed()})
