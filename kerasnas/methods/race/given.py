"""User's own candidates of a race: read, checked before anything is trained, and recorded in its folder."""

from __future__ import annotations

import re
from collections.abc import Callable

import keras

from kerasnas import checks, datasets
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.rebuilding import Rebuilt, read_given, read_network, write_given
from kerasnas.modalities.lookup import of_space
from kerasnas.runs.folder import GENOTYPE
from kerasnas.runs.method import Context
from kerasnas.spaces import SPACES


def given_networks(context: Context, excess: Callable[[keras.Model], str]) -> dict[str, Rebuilt]:
    """Return the networks that the setting `genotypes` names, by the name of their file or folder.

    They are recorded in the run's folder, so that a resumed race needs neither the files nor the folders.
    """
    config, data = context.settings, context.data
    found = context.keep(read_given)
    if found or not config.genotypes:
        return found
    for path in config.genotypes:
        try:
            network = _checked(path, config, data, excess)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"--genotypes={path}: {error}") from None
        except ValueError as error:
            raise ValueError(f"--genotypes={path}: {error}") from None
        same = next((name for name, other in found.items() if other.genotype == network.genotype), None)
        if same is None:
            found[_name(path, found)] = network
        elif found[same] != network:
            raise ValueError(
                f"--genotypes={path}: expected each genotype once. This is that of '{same}', in another size: give "
                "one of the two."
            )
    context.keep(write_given, found)
    return found


def _checked(path: str, config: RaceConfig, data: datasets.Dataset, excess: Callable[[keras.Model], str]) -> Rebuilt:
    """Return the network at `path`, which these data and the limits allow."""
    network = read_network(path, imports=config.imports)
    space = network.config.space
    if not data.modality.fits(SPACES[space]):
        taken = of_space(SPACES[space]).plural
        expected = f"expected a genotype of a space of {data.modality.plural}"
        raise ValueError(f"{expected}. Received one of {taken}, of space '{space}'.")
    problem = excess(network.build(data, config.seed))
    if problem:
        raise ValueError(f"this network {problem}.")
    return network


def _name(path: str, taken: dict[str, Rebuilt]) -> str:
    """Return the name of a file or a folder, as one that no other has and that can name a folder."""
    where = checks.path("genotypes", path).resolve()
    own = where.parent.name if where.name == GENOTYPE else where.name.removesuffix(".json")
    name = re.sub(r"[^\w.-]+", "_", own).lstrip(".") or "given"
    number = 1
    while (numbered := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return numbered
