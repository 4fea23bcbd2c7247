"""Learned starts of a race: which initializations fit its data, and the networks that begin from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnas import datasets
from kerasnas.annotations import Log
from kerasnas.genotypes import Genotype
from kerasnas.intervals import paired_difference
from kerasnas.meta import ReptileInitializer, warm_start
from kerasnas.meta.shelf import initializer_names, initializer_record, load_initializer
from kerasnas.methods.race.limits import Build
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.modalities.decoding import LONGEST
from kerasnas.modalities.lazy_images import predicted
from kerasnas.modalities.lookup import of_record, of_space
from kerasnas.primitives.parts import QUARTERS
from kerasnas.racing.portfolio import named_networks
from kerasnas.runs.preset_folders import HUB, preset_folder
from kerasnas.spaces import MacroSpace, SearchSpace
from kerasnas.starts import STARTS, AdaptationSpace, available_starts
from kerasnas.starts.base import StartError, start
from kerasnas.starts.heads import COMPARED, HEADS, Head
from kerasnas.starts.saved import is_saved, register_saved
from kerasnas.starts.space import SIZES
from kerasnas.tasks.splits import spread_rows

AUTO, NONE = "auto", "none"
_LEAST, _MOST, _PIXELS = 60, 500, 1_250_000  # samples that a linear model is fitted to; pixels of all of them
_SURE = 2.0  # standard errors by which it has to be ahead
_BATCH = 100


def find_start(
    config: RaceConfig,
    space: SearchSpace,
    data: datasets.Dataset,
    build: Build,
    log: Log,
    allowed: Callable[[Genotype], bool],
) -> tuple[str, Genotype] | None:
    """Return the name of an initialization, or of its folder, and the network that begins from it; None without one.

    Of the bundled initializations, the largest whose network is within the limits, learned from such samples; or from
    others, where a linear model of what it sees of these, frozen, is better beyond doubt: spectrograms come as
    images, too.
    """
    asked = config.initializer not in (AUTO, NONE)
    name = Path(config.initializer).resolve().name if asked else config.initializer
    if name == AUTO:
        name = _bundled(space, data, allowed, log)
    if name == NONE:
        return None
    initializer = initializer_of(config, name)
    try:
        genotype = _network(space, initializer.description)
        warm_start(build(genotype), initializer)
    except ValueError as error:
        if asked:
            raise ValueError(f"The initialization {config.initializer} does not fit {data.name}. {error}") from None
        log(f"The pretrained weights {name} are skipped; they do not fit {data.name}. {error}")
        return None
    return (name, genotype) if allowed(genotype) else None


def find_part_starts(
    config: RaceConfig, space: SearchSpace, data: datasets.Dataset, build: Build
) -> dict[Genotype, str]:
    """Return networks of divided images, and the name of the initialization that what their parts pass begins from.

    Of the bundled initializations, those that learned from such samples; or the one that is asked for.
    """
    if config.initializer == NONE or not isinstance(space, MacroSpace):
        return {}
    pairs = ((space.undivided(one), one) for one in named_networks(space).values())
    divided, found = {whole: one for whole, one in pairs if whole != one}, dict[Genotype, str]()
    for name, made in _described(config).items() if divided else ():
        try:
            network = divided.get(_network(space, made))
            if network is not None and of_record(made).name == data.modality.name:
                warm_start(build(network), initializer_of(config, name))
                found[network] = name
        except ValueError:  # it is of another network or space, which the first network is told of
            continue
    return found


def _described(config: RaceConfig) -> dict[str, Any]:
    """Return the descriptions of the initializations that the settings leave, by name."""
    if config.initializer == AUTO:
        return {name: initializer_record(name) for name in initializer_names()}
    name = Path(config.initializer).resolve().name
    return {name: initializer_of(config, name).description}


def initializer_of(config: RaceConfig, name: str) -> ReptileInitializer:
    """Return the initialization of a name of `find_start`."""
    asked = name if config.initializer == AUTO else config.initializer
    return load_initializer(preset_folder(asked) if asked.startswith(HUB) else asked)


def longest_side(config: RaceConfig) -> int:
    """Return the longest side that images of a folder are read at: larger where pretrained networks can see them."""
    names = config.start_names
    return SIZES[-1] if names != (NONE,) and (names != (AUTO,) or available_starts()) else LONGEST


def seen_shape(config: RaceConfig, data: datasets.Dataset, adaptations: AdaptationSpace | None) -> tuple[int, ...]:
    """Return the shape of samples as networks with drawn weights see them.

    Beside pretrained networks, which resize images themselves, they see small ones, unless the user gives a size: at
    224 pixels they would learn next to nothing in minutes.
    """
    shape = data.input_shape
    if adaptations is None or config.image_size != "auto" or max(shape[:2]) <= LONGEST:
        return shape
    return (*(max(1, round(side * LONGEST / max(shape[:2]))) for side in shape[:2]), *shape[2:])


def find_adaptations(config: RaceConfig, data: datasets.Dataset, log: Log) -> AdaptationSpace | None:
    """Return the space of networks made from pretrained ones; None where none is here, asked for or able to see."""
    if config.start_names == (NONE,) or not data.modality.adaptable:
        return None
    here = available_starts()
    asked = tuple(register_saved(name) if is_saved(name) else name for name in config.start_names if name != AUTO)
    for name in asked:
        one = start(name)
        if not one.available():
            if not one.downloads:
                raise StartError(f"The weights of {one.title} are not here. Get them: {one.hint}")
            log(f"The weights of {one.title} are downloaded, from {one.source}.")
        one.build(SIZES[0])  # what cannot be read, or is no such network, is an error before the race
    names = tuple(dict.fromkeys((*asked, *(here if AUTO in config.start_names else ()))))
    if not names:
        hints = sorted({start(name).hint for name in STARTS if not start(name).downloads})
        log(f"No pretrained network is here. Get one: {'; or '.join(hints)}; or name one of {', '.join(STARTS)}.")
        return None
    if data.input_shape[-1] not in (1, 3):
        log(f"No pretrained network sees {data.modality.plural} of {data.input_shape[-1]} channels.")
        return None
    heads = (*HEADS, COMPARED) if QUARTERS in data.divisions else HEADS
    return AdaptationSpace.for_data(data.input_shape, data.num_classes, len(data.x_train), starts=names, heads=heads)


def _bundled(space: SearchSpace, data: datasets.Dataset, allowed: Callable[[Genotype], bool], log: Log) -> str:
    """Return the name of the bundled initialization of `find_start`; `"none"` without one."""
    known, fitting = named_networks(space), dict[str, str]()  # kind of samples that they learned -> the largest
    records = {name: initializer_record(name) for name in initializer_names()}
    for name, made in sorted(records.items(), key=lambda one: -one[1]["parameters"]):
        if made["space"] == space.name and made["network"] in known and allowed(known[made["network"]]):
            fitting.setdefault(of_record(made).name, name)
    own = fitting.pop(data.modality.name if data.modality.name in fitting else of_space(space).name, NONE)
    asked = own != NONE and fitting and data.input_shape[-1] == 1  # spectrograms have no colors
    if not asked or len(data.x_train) < _LEAST:
        return own
    return _best({name: known[records[name]["network"]] for name in (own, *fitting.values())}, space, data, log)


def _best(networks: dict[str, Genotype], space: SearchSpace, data: datasets.Dataset, log: Log) -> str:
    """Return the name of the first of some initializations, each with its network, or of a surely better one."""
    most = max(_LEAST, min(_MOST, _PIXELS // math.prod(data.input_shape)))  # fewer of large ones
    own, rows = next(iter(networks)), spread_rows(len(data.x_train), most)
    try:
        scores = {name: _scores(space, network, name, data, rows) for name, network in networks.items()}
    except ValueError:  # too small for its stages, as will be said of `own`
        return own
    merits = {name: float(found.mean()) for name, found in scores.items()}
    best = max(merits, key=lambda name: merits[name])
    ahead, error = paired_difference(scores[best], scores[own])
    chosen = best if ahead > _SURE * error else own
    others = ", ".join(f"{name} {data.task.show_score(merit)}" for name, merit in merits.items() if name != chosen)
    said = data.task.score_in_words(merits[chosen], f"{len(rows)} {data.modality.plural}, each left out")
    log(f"Linear models of what pretrained weights see: {chosen} {said}; {others}.")
    return chosen


def _scores(space: SearchSpace, genotype: Genotype, start: str, data: datasets.Dataset, rows: np.ndarray) -> np.ndarray:
    """Return the scores of some samples, each left out of ridge regression on the frozen features of a start."""
    model = space.build_network(genotype, data.input_shape, data.num_classes)
    warm_start(model, load_initializer(start))
    reader = keras.Model(model.input, model.layers[-1].input)
    reader.compile(jit_compile=False)
    x, y, *weights = data.training(rows)
    head = Head.fitted(predicted(reader, x, _BATCH), y, data.task, data.num_classes, *weights)
    return data.task.metric_scores(head.left_out, y, *weights)


def _network(space: SearchSpace, made: Mapping[str, Any]) -> Genotype:
    """Return the network of the space that has the name of the one that was learned, as its description says."""
    if made.get("space") != space.name or "network" not in made:
        raise ValueError(f"It is of space '{made.get('space')}', the race of '{space.name}'.")
    known = named_networks(space)
    if made["network"] not in known:
        raise ValueError(f"Its network {made['network']!r} does not exist for images of this size.")
    return known[made["network"]]
