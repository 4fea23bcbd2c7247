"""The settings of each command: frozen dataclasses whose fields are the command line's flags."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from kerasnas.checks import invalid, nearest
from kerasnas.cost import COSTS
from kerasnas.datasets.folders import FITS
from kerasnas.datasets.fronts import SPLITS
from kerasnas.distribution.resolve import DISTRIBUTIONS
from kerasnas.networks.random_kernels import KERNELS
from kerasnas.platforms import TRACKERS
from kerasnas.registry import Registry
from kerasnas.relaxations import RELAXATIONS
from kerasnas.runs import plugins
from kerasnas.runs.executors import EXPECTED, is_executor
from kerasnas.search import HYPERGRADIENTS, STRATEGIES
from kerasnas.spaces import SPACES
from kerasnas.tasks import TASKS
from kerasnas.training.recipe import ALGORITHMS, AUGMENTATIONS

_LARGEST = sys.maxsize  # of a number: what can be indexed, and counted in steps and seconds
_TEMPERATURE = "one or two numbers above 0, comma-separated"
_IMPORT = (
    "Modules to import first, comma-separated, which register spaces, primitives or strategies of your own: names, or "
    "paths of .py files."
)

_SPACE_RACED = (
    "The space whose networks are raced, of images. With macro, well-known networks and variants of them take part; "
    "with any other, networks drawn at random. One that has a supernet is raced with --method=race."
)
_GENOTYPES = (
    "Networks of your own that take part, comma-separated: genotype files, or folders of runs (a gradient search, a "
    "race, a training), at the size that the run trained them at. They may be of any space of images, take part "
    "whatever --candidates says, and must be within the limits."
)

_DATASET = (
    "What to search on: a name (fashion_mnist_mini, fashion_mnist, cifar10; waveforms, generated signals for the space "
    "signals), the path of an .npz file with x_train, y_train, x_test, y_test (strings for texts; and kind, one of the "
    "words signals and audio, for these), a folder with one sub-folder of images for each class, or a .csv file that "
    "names images, or has a column of texts, and their labels; or an .npz file of a graph, whose nodes are classified."
)
_TASK = (
    "What is predicted: classification, one class of each sample; multilabel, any number of labels; regression, "
    "numbers; or auto, as the labels look."
)
_TARGET = (
    "The columns of a .csv file that are the labels, comma-separated. Default: all but the image, split and group."
)


_TEXT_COLUMN = (
    "The column of a .csv file that holds texts. Default: the one named text, sentence, review, comment or message, if "
    "none is named as one of images."
)
_TEXT_WORDS = "Most words of the vocabulary of texts: the most frequent ones of the training texts."
_TEXT_LENGTH = (
    "Words that a text is cut to, or filled up to. Default: as many as 98 % of the training texts have, 256 at most."
)
_TOKENS = "What texts are split into: words, characters, or auto, characters where there are next to no spaces."
_NGRAMS = (
    "Of texts: words, or characters, of the longest runs that a linear model beside the final network knows; 0 for no "
    "such model. Default: -1, 2 words or 4 characters."
)
_KERNELS = (
    "Of signals: number of features of random convolutional kernels, of which a linear model stands beside the final "
    "network, at least 84; 0 for no such model. Default: -1, 9996, fewer from 3000 signals on, and 0 with a limit of "
    "the cost."
)
_IMAGE_SIZE = (
    "Size of the images of a folder: N, HEIGHTxWIDTH, or auto, the most common size, but 64 along the longer side at "
    "most."
)
_IMAGE_FIT = (
    "How images of a folder that have another shape are brought to that size: stretch (distorted), crop (the center) "
    "or pad (all of it, between black bars). Predictions do the same."
)

_MINUTES = "Budget: minutes by the clock, for everything from the start to the report. Default: 5."
_CPU_MINUTES = "Budget: minutes of the processor, all threads together, in place of --minutes."
_SEED = "Seed of everything drawn at random. The same seed and steps give the same result."
_REMEMBER = (
    "Remember this search for later ones, and let earlier ones say which networks come first: how large the data are "
    "and how hard they look, every network that was compared and its curve, as text in `~/.cache/kerasnas` (or "
    "`$KERASNAS_HOME`); no sample, no path, no name. `kerasnas experience on` says it for every search. In a gradient "
    "search it is the shortlist that remembers, and that earlier networks take part in: one of 4 where --shortlist=0."
)
_NO_EXPERIENCE = "Use nothing that earlier searches left; nor is this one remembered, unless --remember says so."
_EXECUTOR = (
    "Where independent trainings run: local, this process; processes:N, so many processes of this machine, which share "
    "its cores; ray, a Ray cluster (that of RAY_ADDRESS, or one begun here); or ray://HOST:PORT."
)
_TRACKERS = (
    "Where settings, curves, plots and files of the run go too, comma-separated: tensorboard (in the run's folder), "
    "mlflow, wandb (offline, unless you are logged in); the last two need the extra of their name. One that fails is "
    "left out, and the run continues."
)


def pixel_size(text: str) -> tuple[int, int] | None:
    """`(height, width)` of a size as it is typed: `"32"` or `"48x64"`; None of `"auto"`.

    Example:

    >>> pixel_size("32"), pixel_size("48x64"), pixel_size("auto")
    ((32, 32), (48, 64), None)
    """
    if text == "auto":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and len(side) < 10 and int(side) > 0 for side in sides):
        raise ValueError(invalid("image_size", "auto, N or HEIGHTxWIDTH, in pixels", text, what="setting"))
    return int(sides[0]), int(sides[-1])


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) <= _LARGEST
    except ValueError:
        return False


def setting(
    default: Any,
    help: str,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    known: Registry | Iterable[str] | None = None,
    flag: str | None = None,
) -> Any:
    """A field of settings.

    Args:
        default: its value unless given; its type is the field's.
        help: a sentence for the command line.
        least: inclusive lower bound. Defaults to None.
        above, below: exclusive bounds. Default to None.
        known: the names that are right, read when a value is checked; an empty string passes. Defaults to None: any.
        flag: the name of the flag, where it is not the field's. Defaults to None.
    """
    metadata = {"help": help, "least": least, "above": above, "below": below, "known": known, "flag": flag}
    return dataclasses.field(default=default, metadata=metadata)


def flag_of(field: dataclasses.Field) -> str:
    """The name of the flag of a field."""
    return field.metadata["flag"] or field.name


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base of the settings of every command: checked as their fields say, and written as JSON.

    Raises:
        ValueError: for a setting of another type, or out of its range; and where modules to import fail.
    """

    def __post_init__(self) -> None:
        fields = dataclasses.fields(self)
        for field in fields:
            value = getattr(self, field.name)
            if isinstance(field.default, tuple):
                if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
                    raise ValueError(invalid(field.name, "a sequence of texts", value, what="setting"))
                texts = tuple(value)
                if not all(isinstance(text, (str, os.PathLike)) and str(text) for text in texts):
                    raise ValueError(invalid(field.name, "a sequence of names or texts", value, what="setting"))
                object.__setattr__(self, field.name, texts)
            elif isinstance(field.default, float) and isinstance(value, int) and not isinstance(value, bool):
                if abs(value) > _LARGEST:
                    raise ValueError(invalid(field.name, f"at most {_LARGEST}", value, what="setting"))
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not type(field.default):
                raise ValueError(invalid(field.name, type(field.default).__name__, value, what="setting"))
        if any(field.name == "imports" for field in fields):  # before any name is looked up
            object.__setattr__(self, "imports", plugins.load(self.imports))  # type: ignore[attr-defined]
        for field in fields:
            self._check_bounds(field)
            if field.metadata["known"] is not None:
                self._check_names(field)

    def _check_bounds(self, field: dataclasses.Field) -> None:
        value, bounds = getattr(self, field.name), {name: field.metadata[name] for name in ("least", "above", "below")}
        if all(bound is None for bound in bounds.values()):
            return
        least, above, below = bounds.values()
        right = -sys.maxsize <= value <= _LARGEST and not (
            (least is not None and value < least)
            or (above is not None and value <= above)
            or (below is not None and value >= below)
        )
        words = {"least": "at least", "above": "above", "below": "below"}
        given = [f"{words[name]} {bound}" for name, bound in bounds.items() if bound is not None]
        if value > _LARGEST:
            given.append(f"at most {_LARGEST}")
        self._check(field.name, right, " and ".join(given))

    def _check_names(self, field: dataclasses.Field) -> None:
        value, known = getattr(self, field.name), field.metadata["known"]
        for name in value if isinstance(value, tuple) else [value]:
            if not name and (name == field.default or isinstance(value, tuple)):
                continue
            if isinstance(known, Registry):
                known[name]
            elif name not in known:
                raise ValueError(invalid(field.name, "a known name", name, nearest(name, known), what="setting"))

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise ValueError(invalid(name, expected, getattr(self, name), what="setting"))

    def to_dict(self) -> dict[str, Any]:
        """The settings as a JSON-serializable mapping."""
        record = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in record.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Any:
        """The inverse of `to_dict`; an unknown setting is an error that names the nearest one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in record:
            if name not in known:
                raise ValueError(f"Unknown setting {name!r}. {nearest(name, known)}")
        return cls(**record)

    def changed(self) -> dict[str, Any]:
        """The settings that are not at their default."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def flags(self) -> list[str]:
        """The flags of the settings that are not at their default, as they are typed."""
        changed = self.changed()
        texts = {name: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for name, v in changed.items()}
        fields = dataclasses.fields(self)
        return [f"--{flag_of(field)}={texts[field.name]}" for field in fields if field.name in texts]


@dataclasses.dataclass(frozen=True)
class SpaceConfig(Settings):
    """The settings of every command that builds networks: the data, and the space."""

    imports: tuple[str, ...] = setting((), _IMPORT, flag="import")
    dataset: str = setting("fashion_mnist_mini", _DATASET)
    image_size: str = setting("auto", _IMAGE_SIZE)
    image_fit: str = setting("stretch", _IMAGE_FIT, known=FITS)
    task: str = setting("auto", _TASK, known=("auto", *TASKS))
    target: tuple[str, ...] = setting((), _TARGET)
    text_column: str = setting("", _TEXT_COLUMN)
    text_words: int = setting(20_000, _TEXT_WORDS, least=1)
    text_length: int = setting(0, _TEXT_LENGTH, least=0)
    tokens: str = setting("auto", _TOKENS, known=("auto", *SPLITS))
    space: str = setting("darts", "The search space.", known=SPACES)
    num_nodes: int = setting(3, "Intermediate nodes of a cell.", least=1)
    primitives: tuple[str, ...] = setting((), "Candidate operations, comma-separated. Default: the space's own.")
    sparse: bool = setting(
        False,
        "Leave out the edges on which no primitive reaches the threshold of the relaxation: FairDARTS, with "
        "--relaxation=sigmoid.",
    )
    stem_strides: int = setting(2, "1, or 2 to let the stem halve the image: a quarter of the work.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        pixel_size(self.image_size)

    @classmethod
    def suited(cls, **given: Any) -> Any:
        """Settings with the defaults of their space, its `defaults`, for those that are not given.

        Example:

        >>> TrainingConfig.suited(space="text").retrain_cells, TrainingConfig.suited(space="darts").retrain_cells
        (1, 3)
        """
        plugins.load(given.get("imports", ()))
        space = given.get("space", "darts")
        own = getattr(SPACES[space], "defaults", {}) if space in SPACES else {}
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{**{name: value for name, value in own.items() if name in known}, **given})


@dataclasses.dataclass(frozen=True)
class StepConfig(SpaceConfig):
    """The settings that decide what one step of a search costs, and how many steps there are."""

    filters: int = setting(8, "Filters of the first cells of the supernet.", least=1)
    num_cells: int = setting(3, "Number of cells of the supernet.", least=1)
    epochs: int = setting(12, "Epochs of the search.", least=1)
    batch_size: int = setting(32, "Batch size of the search, of the weights' half and of the alphas' half.", least=1)
    validation_split: float = setting(0.5, "Share of the training data that moves the alphas.", above=0, below=1)
    hypergradient: str = setting(
        "first_order",
        "How the gradient with respect to the alphas is computed: first_order; unrolled, the exact second order for "
        "about three times the work; or finite_difference, the published approximation of it.",
        known=HYPERGRADIENTS,
    )
    relaxation: str = setting(
        "",
        "How the choice is made soft: softmax (DARTS), gumbel (GDAS), binary_gates (ProxylessNAS), sigmoid "
        "(FairDARTS), dirichlet (DrNAS). Default: the space's own, softmax for cells and binary_gates for chains.",
        known=RELAXATIONS,
    )
    partial_channels: int = setting(
        1, "Reciprocal of the share of the channels that is mixed; 4 for PC-DARTS.", least=1
    )
    edge_normalization: bool = setting(False, "Give each edge a weight of its own, as in PC-DARTS.")
    architecture_warmup_epochs: int = setting(3, "Guard: epochs in which the alphas are frozen.", least=0)
    auxiliary_skip: float = setting(
        1.0,
        "Guard: weight of a skip connection beside every edge at the start of the search, which decays to 0 over its "
        "epochs; 0 for none.",
        least=0,
    )


@dataclasses.dataclass(frozen=True)
class TimingConfig(StepConfig):
    """The settings of `kerasnas time`: a measurement of the search step."""

    steps: int = setting(10, "Number of steps that are timed, after a first one that is not like the others.", least=1)


@dataclasses.dataclass(frozen=True)
class TrainingConfig(SpaceConfig):
    """The settings of `kerasnas retrain`: the training of a discrete network from scratch."""

    retrain_filters: int = setting(
        18,
        "Filters of the first cells of the final network; without a supernet, by default what suits the data.",
        least=1,
    )
    retrain_cells: int = setting(3, "Number of cells of the final network.", least=1)
    retrain_epochs: int = setting(13, "Epochs of training for each discrete network.", least=1)
    retrain_batch_size: int = setting(64, "Batch size of that training.", least=1)
    retrain_learning_rate: float = setting(0.1, "Its initial learning rate; a cosine takes it to 0.", above=0)
    optimizer: str = setting(
        "sgd",
        "What network weights learn by, in the training and in a search before it: sgd, with momentum, or adam.",
        known=ALGORITHMS,
    )
    drop_path: float = setting(0.0, "Drop-path probability of the last cell, from 0 up to below 1.", least=0, below=1)
    ngrams: int = setting(-1, _NGRAMS, least=-1)
    kernels: int = setting(-1, _KERNELS, least=-1)
    augment: tuple[str, ...] = setting(
        ("shift", "flip"),
        "What is done to training images, comma-separated: shift (by up to 2 pixels), flip (left-right; not for "
        "digits or letters), cutout (a square of a quarter of the side). Empty for nothing. To signals: shift (by up "
        "to 2 steps) or nothing; by default, shift. To texts: drop_words (each unknown in one of five cases) or "
        "nothing; by default, drop_words.",
        known=AUGMENTATIONS,
    )
    seed: int = setting(0, "Seed of everything drawn at random. The same seed gives the same result.", least=0)
    trackers: tuple[str, ...] = setting((), _TRACKERS, known=tuple(TRACKERS), flag="log")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("kernels", self.kernels < 1 or self.kernels >= KERNELS, f"-1, 0, or at least {KERNELS}")


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig, StepConfig):
    """The settings of `kerasnas search`: a search, the training of its network, the comparison with random ones."""

    learning_rate: float = setting(
        0.1, "Initial learning rate of the network weights; a cosine takes it to 0.001.", above=0
    )
    architecture_learning_rate: float = setting(
        0.0,
        "Learning rate (Adam) of the alphas after the warm-up; a cosine takes it to 0. 0 for one that fits the number "
        "of steps: 0.15 for 200, 0.03 for 1,000, the paper's 0.0003 for a search of days.",
        least=0,
    )
    temperature: tuple[str, ...] = setting(
        (),
        "Temperature of the relaxation, softmax or gumbel; two numbers, comma-separated, for a linear schedule from "
        "the first epoch to the last (GDAS: 10,0.1). Default: the relaxation's own.",
    )
    max_skips: str = setting(
        "auto", "Guard: most skip connections in a derived cell: auto (a quarter of its edges), a number, or any."
    )
    curvature_ratio: float = setting(
        0.25,
        "Guard: the search stops where the curvature of the validation loss with respect to the alphas has grown to "
        "more than the reciprocal of this; 0 for no such stop. It needs ten epochs after the warm-up, and is off with "
        "fewer, as by default.",
        least=0,
    )
    cost: str = setting("", "What the network should save: parameters, macs, latency. Default: nothing.", known=COSTS)
    cost_weight: float = setting(
        0.0, "How much a unit of the cost (a parameter, a MAC, a millisecond) adds to the loss.", least=0
    )
    cost_target: float = setting(0.0, "The most that the network may cost, a hard limit. Default: any.", least=0)
    cost_form: str = setting(
        "add",
        "How it enters the loss. add: loss + cost_weight * cost; multiply: loss * (cost / cost_target) ** cost_weight.",
        known=("add", "multiply"),
    )
    latency_target_ms: float = setting(0.0, "The same as --cost=latency with this --cost_target.", least=0)
    latency_table: str = setting("", "A latency table measured before on this device. Default: it is measured.")
    shortlist: int = setting(
        6,
        "Number of networks, the derived one and others near it, that are trained for a short time and compared on the "
        "alphas' share of the data; the best is taken. 0 for the derived one.",
        least=0,
    )
    shortlist_steps: tuple[str, ...] = setting(
        ("400", "1200"),
        "Steps of these trainings, comma-separated: of all, then of the better third, from scratch each time. None "
        "takes more epochs than the final training.",
    )
    initializer: str = setting(
        "none",
        "Weights and alphas that the supernet begins from: the folder of a meta-learned initialization of the same "
        "space (`ReptileInitializer.save`), or none.",
    )
    remember: bool = setting(False, _REMEMBER)
    no_experience: bool = setting(False, _NO_EXPERIENCE)
    random_genotypes: int = setting(
        3,
        "Number of random genotypes, of those that this search could have returned, that are trained for comparison.",
        least=0,
    )
    distribution: str = setting(
        "auto",
        "What the search runs on: auto, cpu, gpu (all that are visible) or tpu; batch sizes are of all replicas "
        "together; several machines search through Python alone, with `resolve_strategy`. Final networks are trained "
        "on one device.",
        known=tuple(name for name in DISTRIBUTIONS if name != "multi_worker"),
    )
    executor: str = setting("local", f"{_EXECUTOR} It is the shortlist and the random genotypes that do.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("executor", is_executor(self.executor), EXPECTED)
        self._check(
            "max_skips",
            self.max_skips in ("auto", "any") or (self.max_skips.isdecimal() and len(self.max_skips) < 10),
            "auto, any or a number",
        )
        self._check("temperature", len(self.temperature) <= 2 and all(map(_positive, self.temperature)), _TEMPERATURE)
        steps = [int(text) if text.isdecimal() and len(text) < 10 else 0 for text in self.shortlist_steps]
        rising = bool(steps) and steps[0] > 0 and steps == sorted(set(steps))
        self._check("shortlist_steps", rising, "numbers above 0, rising, comma-separated")
        if self.latency_target_ms:
            self._check("cost", self.cost in ("", "latency"), "latency, or nothing, with --latency_target_ms")
            self._check("cost_target", not self.cost_target, "nothing with --latency_target_ms")
        elif not self.cost:
            for name in ("cost_weight", "cost_target", "latency_table"):
                self._check(name, not getattr(self, name), "nothing without --cost")


@dataclasses.dataclass(frozen=True)
class RaceConfig(Settings):
    """The settings of `kerasnas search` by a race: whole networks, within a budget of time."""

    imports: tuple[str, ...] = setting((), _IMPORT, flag="import")
    dataset: str = setting("fashion_mnist_mini", _DATASET)
    image_size: str = setting("auto", _IMAGE_SIZE)
    image_fit: str = setting("stretch", _IMAGE_FIT, known=FITS)
    task: str = setting("auto", _TASK, known=("auto", *TASKS))
    target: tuple[str, ...] = setting((), _TARGET)
    space: str = setting("macro", _SPACE_RACED, known=SPACES)
    genotypes: tuple[str, ...] = setting((), _GENOTYPES)
    minutes: float = setting(0.0, _MINUTES, least=0)
    cpu_minutes: float = setting(0.0, _CPU_MINUTES, least=0)
    candidates: int = setting(
        12,
        "Most networks that take part; as many do as the budget affords, and your own in any case. 1 for no race.",
        least=1,
    )
    ensemble: int = setting(
        1,
        "Networks that the result is the ensemble of: the best of the race, which share the rest of the budget; fewer "
        "where the others are hopeless. Limits hold for all of them together. Default: 1, a single network.",
        least=1,
    )
    augment: tuple[str, ...] = setting(
        ("auto",),
        "What is done to training images, comma-separated: shift, flip, flip_vertical, rotate, cutout, "
        "color_jitter. auto: shift, those of the flips and turns after which a network recognizes held-out images as "
        "well as before, and, where there is time to try, flip, cutout or color_jitter if it helps; of grids, those "
        "flips and turns alone. Empty for nothing.",
        known=(*AUGMENTATIONS, "auto"),
    )
    validation_split: float = setting(
        0.2, "Share of the training data that networks are compared on; the winner is trained on all.", above=0, below=1
    )
    max_parameters: int = setting(0, "The most parameters that the network may have. Default: any.", least=0)
    latency_target_ms: float = setting(
        0.0, "The most milliseconds that it may take for one image, measured here. Default: any.", least=0
    )
    initializer: str = setting(
        "auto",
        "Where networks may begin: auto, from every learned initialization that comes along and fits the data; none; "
        "the name of one; the folder of one of your own, or hf://owner/name. The same network with drawn weights is in "
        "the race too.",
    )
    remember: bool = setting(False, _REMEMBER)
    no_experience: bool = setting(False, _NO_EXPERIENCE)
    seed: int = setting(0, _SEED, least=0)
    executor: str = setting("local", f"{_EXECUTOR} It is the candidates' trainings that do, all but the winner's last.")
    trackers: tuple[str, ...] = setting((), _TRACKERS, known=tuple(TRACKERS), flag="log")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("cpu_minutes", not (self.minutes and self.cpu_minutes), "nothing with --minutes")
        self._check("executor", is_executor(self.executor), EXPECTED)
        self._check("executor", not self.cpu_minutes or self.executor == "local", "local, with --cpu_minutes")
        pixel_size(self.image_size)
        alone = "auto" not in self.augment or len(self.augment) == 1
        self._check("augment", alone, "auto alone, or names of augmentations")
        self._check("ensemble", self.ensemble <= self.candidates, f"at most as many as candidates={self.candidates}")
        images = getattr(SPACES[self.space], "inputs", "image") == "image"
        self._check(
            "space", images, "a space of images in a race; signals and texts have a gradient search, without --method"
        )


@dataclasses.dataclass(frozen=True)
class GraphConfig(Settings):
    """The settings of `kerasnas search` on a graph, whose nodes are classified."""

    imports: tuple[str, ...] = setting((), _IMPORT, flag="import")
    dataset: str = setting("", _DATASET)
    space: str = setting("graphs", "The search space.", known=("graphs",))
    minutes: float = setting(0.0, _MINUTES, least=0)
    cpu_minutes: float = setting(0.0, _CPU_MINUTES, least=0)
    evaluations: int = setting(
        60, "Of a graph: networks that are tried at most; fewer where the budget ends first.", least=1
    )
    members: int = setting(10, "Of a graph: networks, the best ones, whose probabilities are averaged.", least=1)
    seed: int = setting(0, _SEED, least=0)
    trackers: tuple[str, ...] = setting((), _TRACKERS, known=tuple(TRACKERS), flag="log")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("cpu_minutes", not (self.minutes and self.cpu_minutes), "nothing with --minutes")


@dataclasses.dataclass(frozen=True)
class PretrainingConfig(Settings):
    """The settings of `kerasnas pretrain`: one network that learns several data sets, for later races to begin from."""

    datasets: tuple[str, ...] = setting((), "The data sets, comma-separated: names, `.npz` files, folders of images.")
    network: str = setting(
        "vgg_3x3", "The network: one of those with names in the races of the macro space, such as residual_pool."
    )
    minutes: float = setting(20.0, "Minutes by the clock.", above=0)
    seed: int = setting(0, "Seed of everything drawn at random.", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("datasets", len(self.datasets) >= 1, "at least one data set")


@dataclasses.dataclass(frozen=True)
class ComparisonConfig(Settings):
    """The settings of `kerasnas compare`: black-box strategies on a table of published results."""

    imports: tuple[str, ...] = setting((), _IMPORT, flag="import")
    table: str = setting(
        "synthetic",
        "The .npz file of a table (NAS-Bench-201, -101 or -Graph, NATS-Bench's sizes), or synthetic: a made-up one.",
    )
    dataset: str = setting("", "Data set of a table that has several. Default: its first.")
    strategies: tuple[str, ...] = setting(
        ("random", "evolution", "reinforce", "local_search", "predictor"),
        "Strategies to compare, comma-separated.",
        known=STRATEGIES,
    )
    evaluations: int = setting(100, "Architectures that each search may evaluate.", least=1)
    seeds: int = setting(500, "Searches of each strategy, with the seeds 0, 1, 2, ...", least=1)
    signal: str = setting("", "Column that is searched on. Default: validation accuracy after the fewest epochs.")
    report: str = setting("", "Column of the result. Default: test accuracy after the most epochs.")
    workers: int = setting(0, "Processes. Default: one for each core.", least=0)
    executor: str = setting("", f"{_EXECUTOR} Default: as many processes as --workers says.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("executor", not self.executor or is_executor(self.executor), EXPECTED)
        self._check("workers", not (self.workers and self.executor), "nothing with --executor")
        self._check("strategies", len(self.strategies) >= 1, "at least one")
