"""Settings of a gradient search, and of its step alone."""

from __future__ import annotations

import dataclasses
import sys

from kerasnas.cost import COSTS
from kerasnas.distribution.resolve import DISTRIBUTIONS
from kerasnas.methods.training_settings import TrainingConfig
from kerasnas.relaxations import RELAXATIONS
from kerasnas.runs.settings import Settings, setting
from kerasnas.runs.shared_settings import (
    DataSettings,
    ExperienceSettings,
    ImportSettings,
    SpaceSettings,
    TextSettings,
    executor_setting,
)
from kerasnas.search import HYPERGRADIENTS
from kerasnas.trainers.progressive import SCHEMES

_TWO = "one or two numbers above 0, comma-separated"


@dataclasses.dataclass(frozen=True)
class StepConfig(Settings, SpaceSettings, TextSettings, DataSettings, ImportSettings):
    """Settings that decide what one step of a search costs, and how many steps there are."""

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
        "epochs, but where paths are sampled; 0 for none.",
        least=0,
    )

    @property
    def space_sizes(self) -> dict[str, int]:
        """Size of the supernet, by the names that spaces give them."""
        return {"filters": self.filters, "num_cells": self.num_cells}

    @property
    def first_temperature(self) -> float | None:
        """Temperature of the relaxation at the start; None for the relaxation's own."""
        return None


@dataclasses.dataclass(frozen=True)
class SearchConfig(TrainingConfig, StepConfig, ExperienceSettings):
    """Settings of `kerasnas search`: a search, the training of its network, the comparison with random ones."""

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
    stages: str = setting(
        "",
        "Search in stages, which share the epochs, and after which every edge drops its weakest primitives: p_darts, "
        "whose supernet becomes deeper, or drnas, which mixes more of the channels. Default: one stage, with all.",
        known=SCHEMES,
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
    cost: str = setting("", "The cost to keep low: parameters, macs, latency. Default: none.", known=COSTS)
    cost_weight: float = setting(
        0.0, "How much a unit of the cost (a parameter, a MAC, a millisecond) adds to the loss.", least=0
    )
    cost_target: float = setting(0.0, "Maximum cost of the network, a hard limit. Default: any.", least=0)
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
        "Weights and alphas that the supernet starts from: the folder of a meta-learned initialization of the same "
        "space (`ReptileInitializer.save`), or none.",
    )
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
    executor: str = executor_setting("local", "The shortlist and the random genotypes do.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(
            "max_skips",
            self.max_skips in ("auto", "any") or (self.max_skips.isdecimal() and len(self.max_skips) < 10),
            "auto, any or a number",
        )
        self._check("temperature", len(self.temperature) <= 2 and all(map(_positive, self.temperature)), _TWO)
        steps = [int(text) if text.isdecimal() and len(text) < 10 else 0 for text in self.shortlist_steps]
        rising = bool(steps) and steps[0] > 0 and steps == sorted(set(steps))
        self._check("shortlist_steps", rising, "numbers above 0, rising, comma-separated")
        if self.stages:
            for name in ("partial_channels", "edge_normalization", "initializer", "temperature"):
                self._check(name, name not in self.changed(), "no value of its own with --stages")
            number = len(SCHEMES[self.stages].stages)
            self._check("epochs", self.epochs >= number, f"at least {number} with --stages={self.stages}")
        if self.latency_target_ms:
            self._check("cost", self.cost in ("", "latency"), "latency, or nothing, with --latency_target_ms")
            self._check("cost_target", not self.cost_target, "nothing with --latency_target_ms")
        elif not self.cost:
            for name in ("cost_weight", "cost_target", "latency_table"):
                self._check(name, not getattr(self, name), "nothing without --cost")

    space_sizes = StepConfig.space_sizes  # of the supernet; the final network has others

    @property
    def searches(self) -> dict[str, int]:
        """Epochs of each search, by the name of its stage in a run: equal shares, or one more in the first ones."""
        if not self.stages:
            return {"search": self.epochs}
        number = len(SCHEMES[self.stages].stages)
        return {f"search-{index + 1}": (self.epochs + number - 1 - index) // number for index in range(number)}

    @property
    def cells_to_choose(self) -> int | None:
        return self.retrain_cells

    @property
    def first_temperature(self) -> float | None:
        return float(self.temperature[0]) if self.temperature else None

    @property
    def cost_limit(self) -> float:
        return self.latency_target_ms or self.cost_target


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) <= sys.maxsize
    except ValueError:
        return False
