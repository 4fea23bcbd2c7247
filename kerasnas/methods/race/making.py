"""From the settings of a race to its candidates, their networks and the race itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import keras

from kerasnas import checks, datasets
from kerasnas.annotations import Log
from kerasnas.companions.base import Companion
from kerasnas.executors import Executor
from kerasnas.executors.base import Local
from kerasnas.genotypes import Genotype
from kerasnas.meta import ReptileInitializer, warm_start
from kerasnas.methods.assembly import divisions_of, make_space
from kerasnas.methods.race.candidates import Candidates
from kerasnas.methods.race.given import given_networks
from kerasnas.methods.race.limits import Within, exceeding, limits
from kerasnas.methods.race.settings import RaceConfig
from kerasnas.methods.race.starts import find_adaptations, initializer_of, seen_shape
from kerasnas.methods.rebuilding import Rebuilt
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.modalities.images import letters_in
from kerasnas.networks.precision import AUTO
from kerasnas.primitives.parts import LINES
from kerasnas.racing.portfolio import widest
from kerasnas.racing.race.field import Small
from kerasnas.racing.race.stage import Race
from kerasnas.racing.symmetries import SYMMETRIES
from kerasnas.runs.method import Context
from kerasnas.spaces import SPACES, SearchSpace
from kerasnas.starts import STARTS, AdaptationSpace
from kerasnas.starts.adapted import resized
from kerasnas.starts.probes import Prober
from kerasnas.tasks.splits import split_samples
from kerasnas.training.recipe import TrainingRecipe

# Chosen on CIFAR-10, traffic signs, blood cells and Fashion-MNIST, not on what docs/results/images.md reports.
RECIPE = TrainingRecipe(learning_rate=0.1, weight_decay=5e-3, label_smoothing=0.1)
_MUON = 1000  # samples, below which networks learn by it: with more, in five minutes, it shows no gain over SGD
_SUITED = ("algorithm", "learning_rate", "weight_decay")  # of a recipe, that a space may have its own of
_LETTER_EPOCHS = 100  # after which networks of letters learn no more: then they begin again, on all images
_LEAST, _MOST_SMALL = 8, 16  # pixels of the sides of images in heats
_MOST_VALIDATION = 2000  # samples: more do not separate candidates better, and cost time
_LEAST_VALIDATION = 40  # samples, unless the user says how many: fewer tell nothing


@dataclasses.dataclass(frozen=True)
class Networks:
    """Genotype -> its compiled network, in any process.

    Args:
        spaces: of all but the user's own, by name.
        input_shape, num_classes: of the data.
        seed: of initial weights.
        recipe: that compiles them.
        own: genotype -> a network of the user's own.
        data: that these are built for, or None where there are none.
        seen: shape of the samples as networks of drawn weights see them.
    """

    spaces: Mapping[str, SearchSpace]
    input_shape: tuple[int, ...]
    num_classes: int
    seed: int
    recipe: TrainingRecipe
    own: Mapping[Genotype, Rebuilt]
    data: datasets.Dataset | None
    seen: tuple[int, ...]

    def __call__(self, genotype: Genotype) -> keras.Model:
        if self.data is not None and genotype in self.own:
            model = self.own[genotype].build(self.data, self.seed)
        else:
            space = self.spaces[genotype.space]
            seen = self.input_shape if space.resizes else self.seen
            model = space.build_network(genotype, seen, self.num_classes, seed=self.seed)
            if seen != self.input_shape:
                inputs = keras.Input(self.input_shape)
                model = keras.Model(inputs, model(resized(inputs, *seen[:2])))
        return self.recipe_of(genotype).compile_network(model, None)

    def recipe_of(self, genotype: Genotype) -> TrainingRecipe:
        """Return the recipe, as it suits the space of a genotype."""
        suited = self.spaces[genotype.space].defaults if genotype.space in self.spaces else {}
        return dataclasses.replace(self.recipe, **{name: suited[name] for name in _SUITED if name in suited})


def make_race(context: Context, executor: Executor | None = None) -> Race:
    """Return the race of the settings, in this process or on an executor."""
    data, log = context.data, context.progress
    config = with_space(context.settings, data)
    assert context.budget is not None  # every race has one
    adaptations = find_adaptations(config, data, log)
    seen = seen_shape(config, data, adaptations)
    space = make_space(TrainingConfig.suited(imports=config.imports, space=config.space), data, seen)
    given = given_networks(context, lambda model: exceeding(config, data)(model))
    own = {network.genotype: network for network in given.values()}
    learned, held = _split(config, data, log)
    most, share, parts = breadth(config, data)
    if parts:
        ways = " or ".join(parts).replace("_", " ")
        log(f"The {data.modality.plural} may better be read by {ways}: networks for that race first.")
    prober = None
    if adaptations is not None and (prober := _prober(config, data, adaptations, log)):
        adaptations = prober.space
    spaces = {one.name: one for one in (space, adaptations) if one is not None}
    space = spaces[space.name]  # with --space=adaptation, the one of the starts that were asked for
    recipe = _recipe(config, data)
    build = Networks(spaces, data.input_shape, data.num_classes, config.seed, recipe, own, data if own else None, seen)
    return Race(
        context.stages,
        context.budget,
        Candidates(context, Within(config, space, data, build), build, given),
        build,
        learned,
        held,
        data.num_classes,
        augment=_augmentations(config, data),
        seed=config.seed,
        most=most + (len(given) if parts else 0),
        trainings=1 if limits(config) else config.ensemble,
        log=log,
        initialize=partial(_initialize, prober, cache(partial(initializer_of, config))),
        task=data.task,
        tolerant=space.tolerant and not set(parts) & set(LINES),  # a shifted line is another line
        executor=executor or Local(),
        watch=context.tracking.metrics,
        baseline=f"{data.modality.value}s" if data.modality.baseline else "",
        most_epochs=_LETTER_EPOCHS if _letters(config, data) else data.modality.most_epochs,
        share=share,
        samples=data.modality.plural + ("" if data.weights is None else " by weight"),
        prober=prober,
        precision=config.precision,
        small=_small(build) if space.tolerant and len(seen) == 3 and not parts else None,
        duel=bool(parts),
        views=config.test_time_augmentation and not limits(config) and len(seen) == 3,
        test_samples=len(data.x_test),
    )


def _initialize(
    prober: Prober | None, read: Callable[[str], ReptileInitializer], name: str, model: keras.Model, *samples: Any
) -> None:
    """Begin a network with the weights of a name: of a pretrained network of other sources, or of an initializer."""
    if prober is not None and name in STARTS:
        prober.begin(model, name, *samples)
    else:
        warm_start(model, read(name))


def _split(config: RaceConfig, data: datasets.Dataset, log: Log) -> tuple[Any, Any]:
    """Return the training samples to learn from, and those that networks are compared on."""
    held_out = _held_out(config, len(data.x_train))
    # With groups, the score has to be that of groups which the network has not seen.
    first, second = split_samples(data.task, data.y_train, held_out, config.seed, data.groups)
    learned, held = data.training(first), data.training(second)
    if not all(part.any() for part in (*learned[2:], *held[2:])):
        raise ValueError("The samples to learn from, or those held out, weigh nothing. Give more of them a weight.")
    if line := data.task.unmeasured(data.y_train[second], data.classes, f"held-out {data.modality.plural}"):
        log(line)
    return learned, held


def _recipe(config: RaceConfig, data: datasets.Dataset) -> TrainingRecipe:
    """Return how networks are compiled, by the optimizer of the settings or the one that suits so many samples."""
    suited = "muon" if len(data.x_train) < _MUON else "sgd"
    algorithm = suited if config.optimizer == AUTO else config.optimizer
    return dataclasses.replace(RECIPE, task=data.task, algorithm=algorithm)


def _prober(config: RaceConfig, data: datasets.Dataset, space: AdaptationSpace, log: Log) -> Prober | None:
    """Return what tries pretrained networks, those within the limits; None where there are none, which is logged."""
    prober = Prober(space, data.input_shape, data.num_classes, data.task)
    if problem := _limited(config, data, prober):
        log(f"No pretrained network takes part: the smallest {problem}.")
        return None
    return prober


def _small(build: Networks) -> Small | None:
    """Return the networks of heats, which see images at half the size, 16 pixels at most; None for small images."""
    height, width, channels = build.seen
    if min(height, width) < 2 * _LEAST:
        return None
    factor = max(2.0, max(height, width) / _MOST_SMALL)
    seen = (max(_LEAST, round(height / factor)), max(_LEAST, round(width / factor)), channels)
    return Small(dataclasses.replace(build, seen=seen), height * width / (seen[0] * seen[1]))


def _held_out(config: RaceConfig, samples: int) -> float:
    """Return the share of so many samples that networks are compared on: half of few, unless the user says."""
    share = min(config.validation_split, _MOST_VALIDATION / samples)
    if "validation_split" in config.changed():
        return share
    return max(share, min(0.5, _LEAST_VALIDATION / samples))


def _limited(config: RaceConfig, data: datasets.Dataset, prober: Prober) -> str:
    """Leave a prober the starts and the sizes of images that are within the limits of the settings.

    Returns:
        By how much the smallest networks exceed them; empty where some are within.
    """
    if not limits(config):
        return ""
    space = prober.space
    excess = {name: exceeding(config, data) for name in space.starts}
    smallest, *larger = sorted(space.sizes_of_images)
    found = {name: excess[name](prober.network(name, smallest)) for name in space.starts}
    starts = [name for name in found if not found[name]]
    if not starts:
        return min(found.values(), key=len)

    def fits(size: int) -> bool:
        return not any(excess[name](prober.network(name, size)) for name in starts)

    largest = widest(larger[::-1], fits) or smallest
    sizes = [size for size in space.sizes_of_images if size <= largest]
    prober.space = type(space).from_config(space.get_config() | {"starts": starts, "sizes": sizes})
    return ""


def breadth(config: RaceConfig, data: datasets.Dataset) -> tuple[int, float, tuple[str, ...]]:
    """Return how many candidates race at most, the share of the budget of all but the first, and the divisions.

    Where images may be read by their parts, the first network races against one for each of these divisions, for longer
    than usual and without heats: on AddNIST, the latter leads from the 300th step on, and by far from the 600th. A
    share of 0 is `race_share`.
    """
    if config.candidates > 1 and (divisions := divisions_of(config.space, data)):
        return min(config.candidates, 1 + len(divisions)), 0.4, divisions
    return config.candidates, data.modality.race_share, ()


def with_space(config: RaceConfig, data: datasets.Dataset) -> RaceConfig:
    """Return the settings with the space that suits the data, unless they name one."""
    own = data.modality
    if "space" in config.changed() or not own.race_space:
        return config
    return dataclasses.replace(config, space=own.suited_space(data.front, limited=bool(limits(config))))


def companion_of(config: RaceConfig, data: datasets.Dataset) -> Companion | None:
    """Return the kind of linear models that join the winner of a race on such data; None where there is none.

    There is none with limits on the network, which would not count it.
    """
    if limits(config):
        return None
    size = data.modality.companion_size(data.front, len(data.x_train), limited=False)
    padded = getattr(SPACES[with_space(config, data).space], "padded", False)
    return data.modality.companion(size, config.seed, padded, data.front, divisions_of(config.space, data))


def _letters(config: RaceConfig, data: datasets.Dataset) -> list[str]:
    """Return the divisions into words and letters that networks of the space can make; empty for other images."""
    return letters_in(divisions_of(config.space, data))


def _augmentations(config: RaceConfig, data: datasets.Dataset) -> tuple[str, ...] | None:
    """Return the augmentations of the settings; None to find out which the data allow.

    Of images whose rows, or whose columns, are letters, some of these are left out.
    """
    known = data.modality.augmentations
    if config.augment == ("auto",):
        if letters := _letters(config, data):
            return (f"drop_{letters[-1]}",)
        return None if set(SYMMETRIES) <= set(known) else known
    if unfit := [name for name in config.augment if name not in known]:
        expected = f"{', '.join(known) or 'nothing'}, for the {data.modality.plural} of {data.name}"
        raise ValueError(checks.invalid("augment", expected, ", ".join(unfit), what="setting"))
    return config.augment
