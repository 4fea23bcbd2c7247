"""The settings of a run: dataclasses whose fields are the command line's flags."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from kerasnas.checks import nearest
from kerasnas.cost import COSTS
from kerasnas.distribution import DISTRIBUTIONS
from kerasnas.relaxations import RELAXATIONS
from kerasnas.spaces import SPACES, SearchSpace

_TEMPERATURE = "one or two numbers above 0, comma-separated"


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _setting(default: Any, help: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the settings of every command can do: be checked, and be written as JSON.

    Raises:
        ValueError: for a setting of another type.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, tuple):
                object.__setattr__(self, field.name, tuple(value))
            elif isinstance(field.default, float) and isinstance(value, int):
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not type(field.default):
                raise ValueError(
                    f"Invalid value received for setting `{field.name}`. "
                    f"Expected {type(field.default).__name__}. Received: {value!r}"
                )

    def _check(self, name: str, right: bool, expected: str) -> None:
        if not right:
            raise ValueError(
                f"Invalid value received for setting `{name}`. Expected {expected}. Received: {getattr(self, name)!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON knows them."""
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


@dataclasses.dataclass(frozen=True)
class SpaceConfig(Settings):
    """What every command asks: the data, and what may be built for them.

    Raises:
        ValueError: for a setting outside its range.
    """

    dataset: str = _setting(
        "fashion_mnist_mini",
        "What to search on: a name (fashion_mnist_mini, fashion_mnist, cifar10; waveforms, generated signals for the "
        "space signals), the path of an .npz file with x_train, y_train, x_test, y_test (and kind, the word signals, "
        "for signals), or a folder with one sub-folder of images for each class.",
    )
    space: str = _setting("darts", "The search space.")
    num_nodes: int = _setting(3, "Intermediate nodes of a cell.")
    primitives: tuple[str, ...] = _setting((), "Candidate operations, comma-separated. Default: the space's own.")
    stem_strides: int = _setting(2, "1, or 2 to let the stem halve the image: a quarter of the work.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("num_nodes", self.num_nodes >= 1, "at least 1")


@dataclasses.dataclass(frozen=True)
class StepConfig(SpaceConfig):
    """What one step of a search costs, and how many steps there are.

    Raises:
        ValueError: for a setting outside its range.
    """

    filters: int = _setting(8, "Filters of the first cells of the supernet.")
    num_cells: int = _setting(3, "Number of cells of the supernet.")
    epochs: int = _setting(12, "Epochs of the search.")
    batch_size: int = _setting(32, "Batch size of the search, of the weights' half and of the alphas' half.")
    validation_split: float = _setting(0.5, "Share of the training data that moves the alphas.")
    hypergradient: str = _setting(
        "first_order",
        "How the gradient by the alphas is computed: first_order; unrolled, the exact second order for about three "
        "times the work; or finite_difference, the published approximation of it.",
    )
    relaxation: str = _setting(
        "",
        "How the choice is made soft: softmax (DARTS), gumbel (GDAS), binary_gates (ProxylessNAS), sigmoid "
        "(FairDARTS), dirichlet (DrNAS). Default: the space's own, softmax for cells and binary_gates for chains.",
    )
    partial_channels: int = _setting(1, "Reciprocal of the share of the channels that is mixed; 4 for PC-DARTS.")
    edge_normalization: bool = _setting(False, "Whether each edge has a weight of its own, as in PC-DARTS.")
    architecture_warmup_epochs: int = _setting(3, "Guard: epochs in which the alphas rest.")
    auxiliary_skip: float = _setting(
        1.0, "Guard: weight of a skip connection beside every edge during the search; 0 for none."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.relaxation:
            RELAXATIONS[self.relaxation]
        for name in ("filters", "num_cells", "epochs", "batch_size"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("validation_split", 0 < self.validation_split < 1, "a number strictly between 0 and 1")
        for name in ("architecture_warmup_epochs", "auxiliary_skip"):
            self._check(name, getattr(self, name) >= 0, "at least 0")
        self._check("partial_channels", self.partial_channels >= 1, "at least 1")


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(StepConfig):
    """A measurement of the search step.

    Raises:
        ValueError: for a setting outside its range.
    """

    steps: int = _setting(10, "How many steps are timed, after a first one that is not like the others.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("steps", self.steps >= 1, "at least 1")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(SpaceConfig):
    """How a discrete network is trained from scratch.

    Raises:
        ValueError: for a setting outside its range.
    """

    retrain_filters: int = _setting(18, "Filters of the first cells of the final network.")
    retrain_cells: int = _setting(3, "Number of cells of the final network.")
    retrain_epochs: int = _setting(13, "Epochs of training for each discrete network.")
    retrain_batch_size: int = _setting(64, "Batch size of that training.")
    retrain_learning_rate: float = _setting(0.1, "Its first learning rate; a cosine takes it to 0.")
    drop_path: float = _setting(0.0, "Drop-path probability of the last cell, from 0 up to below 1.")
    augment: tuple[str, ...] = _setting(
        ("shift", "flip"),
        "What is done to training images, comma-separated: shift (by up to 2 pixels), flip (left-right; not for "
        "digits or letters), cutout (a square of a quarter of the side). Empty for nothing. To signals: shift (by up "
        "to 2 steps) or nothing; by default, shift.",
    )
    seed: int = _setting(0, "Seed of everything drawn at random. The same seed gives the same result.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("retrain_filters", "retrain_cells", "retrain_epochs", "retrain_batch_size"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("retrain_learning_rate", self.retrain_learning_rate > 0, "above 0")
        self._check("drop_path", 0 <= self.drop_path < 1, "at least 0, below 1")
        self._check("seed", self.seed >= 0, "at least 0")
        for name in self.augment:
            if name not in ("shift", "flip", "cutout"):
                raise ValueError(f"Unknown augmentation {name!r}. {nearest(name, ['shift', 'flip', 'cutout'])}")


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig, StepConfig):
    """A search, the training of what it finds, and the comparison with random genotypes.

    Raises:
        ValueError: for a setting outside its range.
    """

    learning_rate: float = _setting(0.1, "First learning rate of the network weights; a cosine takes it to 0.001.")
    architecture_learning_rate: float = _setting(
        0.15,
        "First learning rate (Adam) of the alphas; a cosine takes it to 0. A search of hours wants the paper's 0.0003.",
    )
    temperature: tuple[str, ...] = _setting(
        (),
        "Temperature of the relaxation, softmax or gumbel; two numbers, comma-separated, for a linear schedule from "
        "the first epoch to the last (GDAS: 10,0.1). Default: the relaxation's own.",
    )
    max_skips: str = _setting(
        "auto", "Guard: most skip connections in a derived cell: auto (a quarter of its edges), a number, or any."
    )
    curvature_ratio: float = _setting(
        0.25,
        "Guard: the search stops where the curvature of the validation loss by the alphas has grown to more than the "
        "reciprocal of this; 0 for no such stop. It needs ten epochs after the warm-up.",
    )
    cost: str = _setting("", "What the found network must be sparing of: parameters, macs, latency. Default: nothing.")
    cost_weight: float = _setting(
        0.0, "How much a unit of the cost (a parameter, a MAC, a millisecond) adds to the loss."
    )
    cost_target: float = _setting(0.0, "The most that the found network may cost, a hard limit. Default: any.")
    cost_form: str = _setting(
        "add",
        "How it enters the loss. add: loss + cost_weight * cost; multiply: loss * (cost / cost_target) ** cost_weight.",
    )
    latency_target_ms: float = _setting(0.0, "The same as --cost=latency with this --cost_target.")
    latency_table: str = _setting("", "A latency table measured before on this device. Default: it is measured.")
    random_genotypes: int = _setting(3, "How many random genotypes are trained for comparison.")
    strategy: str = _setting(
        "auto",
        "What the search runs on: auto, cpu, gpu (all that are visible) or tpu; batch sizes are of all replicas "
        "together. Final networks are trained on one device.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [name for name in DISTRIBUTIONS if name != "multi_worker"]
        if self.strategy not in names:
            raise ValueError(
                f"Invalid value received for setting `strategy`. {nearest(self.strategy, names)}; several machines "
                f"search through Python alone, with `resolve_strategy`. Received: {self.strategy!r}"
            )
        for name in ("curvature_ratio", "cost_weight", "cost_target", "latency_target_ms"):
            self._check(name, getattr(self, name) >= 0, "at least 0")
        self._check("max_skips", self.max_skips in ("auto", "any") or self.max_skips.isdigit(), "auto, any or a number")
        self._check("cost_form", self.cost_form in ("add", "multiply"), "add or multiply")
        self._check("temperature", len(self.temperature) <= 2 and all(map(_positive, self.temperature)), _TEMPERATURE)
        if self.cost:
            COSTS[self.cost]
        if self.latency_target_ms:
            self._check("cost", self.cost in ("", "latency"), "latency, or nothing, with --latency_target_ms")
            self._check("cost_target", not self.cost_target, "nothing with --latency_target_ms")
        elif not self.cost:
            for name in ("cost_weight", "cost_target", "latency_table"):
                self._check(name, not getattr(self, name), "nothing without --cost")
        for name in ("learning_rate", "architecture_learning_rate"):
            self._check(name, getattr(self, name) > 0, "above 0")
        self._check("random_genotypes", self.random_genotypes >= 0, "at least 0")


@dataclasses.dataclass(frozen=True)
class StrategyBenchConfig(Settings):
    """A comparison of black-box strategies on a table of published results.

    Raises:
        ValueError: for a setting outside its range.
    """

    table: str = _setting(
        "synthetic",
        "The .npz file of a table (NAS-Bench-201, NAS-Bench-101, NAS-Bench-Graph), or synthetic: a made-up one.",
    )
    dataset: str = _setting("", "Data set of a table that has several. Default: its first.")
    strategies: tuple[str, ...] = _setting(
        ("random", "evolution", "reinforce", "local_search", "predictor"), "Strategies to compare, comma-separated."
    )
    evaluations: int = _setting(100, "Architectures that each search may evaluate.")
    seeds: int = _setting(500, "Searches of each strategy, with the seeds 0, 1, 2, ...")
    signal: str = _setting("", "Column that is searched on. Default: validation accuracy after the fewest epochs.")
    report: str = _setting("", "Column of the result. Default: test accuracy after the most epochs.")
    workers: int = _setting(0, "Processes. Default: one for each core.")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("evaluations", "seeds"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("workers", self.workers >= 0, "at least 0")
        self._check("strategies", len(self.strategies) >= 1, "at least one")


def make_space(config: StepConfig | TrainingConfig) -> SearchSpace:
    """The search space that the settings describe.

    Raises:
        ValueError: for unknown names, and where the final network has cells that the search does not choose.
    """
    if isinstance(config, StepConfig):
        filters, num_cells = config.filters, config.num_cells
    else:
        filters, num_cells = config.retrain_filters, config.retrain_cells
    sizes = {"filters": filters, "num_cells": num_cells}
    space = _make(config, sizes)
    if isinstance(config, SearchConfig) and hasattr(space, "kinds"):
        needed = _make(config, {**sizes, "num_cells": config.retrain_cells}).kinds  # type: ignore[attr-defined]
        if missing := [kind for kind in needed if kind not in space.kinds]:
            raise ValueError(
                f"A network of retrain_cells={config.retrain_cells} has {missing[0]} cells, which a search with "
                f"num_cells={num_cells} does not choose. Set num_cells to at least 3, or retrain_cells to below 3."
            )
    return space


def _make(config: SpaceConfig, sizes: dict[str, int]) -> SearchSpace:
    """The space of the settings' name, given those settings that it takes; one that it does not take must be unset."""
    factory = SPACES[config.space]
    taken = inspect.signature(factory).parameters
    arguments: dict[str, Any] = {**sizes, "num_nodes": config.num_nodes, "stem_strides": config.stem_strides}
    if config.space == "proxyless":  # a chain's stages have layers instead of cells
        arguments["num_layers"] = arguments.pop("num_cells")
    if config.primitives:
        arguments["primitives"] = config.primitives
    for name in set(config.changed()) & set(arguments) - set(taken):
        raise ValueError(f"Space '{config.space}' has no setting `{name}`. It takes: {', '.join(taken)}")
    return factory(**{name: value for name, value in arguments.items() if name in taken})
