"""Progressive search: gradient searches in stages, each of which drops primitives and changes the supernet."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import checks
from kerasnas.callbacks.schedules import SkipDropoutSchedule
from kerasnas.genotypes import Genotype
from kerasnas.networks.skeleton import ChoiceTable, input_shape_for
from kerasnas.spaces.skeleton_space import SkeletonSpace
from kerasnas.trainers.bilevel import BilevelTrainer

WARMUP = 0.4  # share of the epochs of a stage in which the alphas are frozen: 10 of 25, as in both papers' code


@dataclasses.dataclass(frozen=True)
class SearchStage:
    """One stage of a progressive search.

    Args:
        primitives: share of the space's primitives that each edge has left, rounded up.
        depth: cells of its supernet, in those of the space, rounded. Defaults to 1.
        partial_channels: as for `kerasnas.networks.Supernet`. Defaults to None: the space's own.
        skip_dropout: as there, faded by `kerasnas.callbacks.SkipDropoutSchedule`. Defaults to 0.
    """

    primitives: float
    depth: float = 1.0
    partial_channels: int | None = None
    skip_dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class ProgressiveScheme:
    """The stages of a published method, and what goes with them.

    Args:
        stages: its stages, one after the other.
        relaxation: name of its relaxation.
        max_skips: as for `BilevelTrainer`.
        keeps_alphas: whether a stage begins with the alphas of the one before it.
    """

    stages: tuple[SearchStage, ...]
    relaxation: str
    max_skips: int | str | None
    keeps_alphas: bool


SCHEMES = {
    "p_darts": ProgressiveScheme(
        stages=(
            SearchStage(primitives=1),
            SearchStage(primitives=5 / 8, depth=11 / 5, skip_dropout=0.4),
            SearchStage(primitives=3 / 8, depth=17 / 5, skip_dropout=0.7),
        ),
        relaxation="softmax",
        max_skips="auto",
        keeps_alphas=False,
    ),
    "drnas": ProgressiveScheme(
        stages=(SearchStage(primitives=1, partial_channels=4), SearchStage(primitives=1 / 2, partial_channels=2)),
        relaxation="dirichlet",
        max_skips=None,
        keeps_alphas=True,
    ),
}
"""Name -> scheme, of P-DARTS and of DrNAS."""


class ProgressiveSearch:
    """Gradient searches in stages: after each, every edge drops its weakest primitives, and the supernet changes.

    In P-DARTS it becomes deeper, towards the depth of the final network; in DrNAS it mixes more of its channels. What
    a stage costs so stays about the same.

    Args:
        space: a space of cells, such as `kerasnas.DARTSSpace`; its `num_cells` are those of the first stage.
        input_shape, num_classes: as for `build_supernet`.
        scheme: `"p_darts"`, `"drnas"`, or a `ProgressiveScheme`. Defaults to `"p_darts"`.
        seed: of all supernets. Defaults to 0.
        options: further arguments of `BilevelTrainer`.

    Attributes:
        stage: index of the stage that is next.
        kept: kind of cell -> for each edge the primitives that it has left.

    Raises:
        ValueError: for an unknown scheme, for a space without cells or mixed channels where the scheme needs them, and
            if deeper supernets have kinds of cells that the first has not: three cells have all.

    Example:

    >>> from kerasnas.spaces import NASBench201Space
    >>> space = NASBench201Space(filters=4, num_cells=1)
    >>> search = ProgressiveSearch(space, input_shape=(8, 8, 1), num_classes=2, scheme="drnas")
    >>> x, y = np.random.default_rng(0).random((32, 8, 8, 1), "float32"), np.arange(32) % 2
    >>> histories = search.fit(x, y, epochs=1, batch_size=8, verbose=0)
    >>> len(histories), [len(names) for names in search.kept["cell"]]
    (2, [3, 3, 3, 3, 3, 3])
    >>> search.derive().space
    'nasbench201'

    Reference:
        Chen et al., "Progressive Differentiable Architecture Search", 2019 (arXiv 1904.12760), section 3.2; Chen et
        al., "DrNAS: Dirichlet Neural Architecture Search", 2021 (arXiv 2006.10355), section 3.3.

    Differences from the paper:
        - P-DARTS: stages have 5, 11 and 17 cells, and 8, 5 and 3 primitives, if the space has 5 and 8; of another space
          the same shares. Dropout after skips is that for CIFAR-10: 0, 0.4 and 0.7.
        - DrNAS: the network weights are drawn anew in its second stage, instead of widened; a quarter and half of the
          channels are mixed, as on NAS-Bench-201 (a sixth and a quarter for its CIFAR-10 search).
    """

    @checks.arguments(space=SkeletonSpace)
    def __init__(
        self,
        space: SkeletonSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        scheme: str | ProgressiveScheme = "p_darts",
        seed: int = 0,
        **options: Any,
    ):
        if not isinstance(scheme, ProgressiveScheme):
            scheme = SCHEMES[checks.one_of("scheme", scheme, SCHEMES)]
        self.space, self.input_shape = space, input_shape_for(space, input_shape)
        self.num_classes = checks.size("num_classes", num_classes)
        self.scheme, self.seed, self.options = scheme, checks.seed(seed), options
        if any(stage.depth != 1 for stage in self.stages) and "num_cells" not in space.sizes:
            raise ValueError(checks.invalid("space", "one with `num_cells`, as supernets become deeper", space.name))
        if any(stage.partial_channels for stage in self.stages) and not space.mixes_channels:
            raise ValueError(f"Space '{space.name}' has no setting `partial_channels`.")
        self.stage = 0
        self.kept: dict[str, list[list[str]]] = {}
        self._alphas: dict[str, np.ndarray] = {}
        self._last: BilevelTrainer | None = None

    @property
    def stages(self) -> tuple[SearchStage, ...]:
        """The stages of the scheme."""
        return self.scheme.stages

    @property
    def next_space(self) -> Any:
        """The space of the next stage, as deep as its supernet."""
        if self.stage == len(self.stages):
            raise RuntimeError(f"All {len(self.stages)} stages have ended. Make a new search to go on.")
        depth = self.stages[self.stage].depth
        return self.space if depth == 1 else self.space.resized(num_cells=round(depth * self.space.num_cells))

    def describe(self) -> str:
        """Return what the next stage is, in words."""
        space, stage = self.next_space, self.stages[self.stage]
        left = max(number_left(stage.primitives, table) for table in space.tables.values())
        mixed = f", 1/{stage.partial_channels} of the channels mixed" if stage.partial_channels else ""
        deep = f", {space.num_cells} cells" if stage.depth != 1 else ""
        return f"{left} primitives on each edge{mixed}{deep}"

    def build(self, epochs: int, relaxation: Any = None) -> BilevelTrainer:
        """Return the search of the next stage, not compiled.

        Args:
            epochs: that it will have.
            relaxation: as for `build_supernet`. Defaults to None: that of the scheme.
        """
        space, stage = self.next_space, self.stages[self.stage]
        if set(space.tables) != set(self.space.tables):
            raise ValueError(checks.invalid("num_cells", "at least 3, which have all kinds", self.space.num_cells))
        supernet = space.build_supernet(
            self.input_shape,
            self.num_classes,
            relaxation=self.scheme.relaxation if relaxation is None else relaxation,
            seed=self.seed,
            partial_channels=stage.partial_channels,
            kept=self.kept,
            skip_dropout=stage.skip_dropout,
        )
        if supernet.relaxation.paths is not None:
            raise ValueError(checks.invalid("relaxation", "one that computes every primitive", relaxation))
        for kind, alphas in self._alphas.items():
            supernet.alphas[kind].assign(alphas)
        own = {
            "architecture_warmup_epochs": self.warmup(epochs),
            "auxiliary_skip": 0,
            "curvature_ratio": None,
            "max_skips": self.scheme.max_skips,
        }
        return BilevelTrainer(supernet, **{**own, **self.options})

    def callbacks(self, epochs: int) -> list[keras.callbacks.Callback]:
        """Return the callbacks of the next stage, of so many epochs."""
        rate = self.stages[self.stage].skip_dropout
        return [SkipDropoutSchedule(rate, self.warmup(epochs))] if rate else []

    def warmup(self, epochs: int) -> int:
        """Return in how many of the epochs of a stage the alphas are frozen."""
        given = self.options.get("architecture_warmup_epochs")
        return int(WARMUP * epochs) if given is None else given

    def finish(self, weights: Mapping[str, Any], alphas: Mapping[str, Any]) -> None:
        """End the next stage, by its mixing weights and its alphas: drop what the one after it has no place for."""
        self.stage += 1
        if self.scheme.keeps_alphas:
            self._alphas = {kind: np.asarray(table) for kind, table in alphas.items()}
        if self.stage < len(self.stages):
            share = self.stages[self.stage].primitives
            self.kept = {
                kind: strongest(table, np.asarray(weights[kind]), share, self.kept.get(kind))
                for kind, table in self.space.tables.items()
            }

    def fit(
        self, x: Any, y: Any, epochs: int = 25, compile: Callable[[BilevelTrainer], None] | None = None, **fit: Any
    ) -> list[keras.callbacks.History]:
        """Search, stage by stage.

        Args:
            x, y: as for `BilevelTrainer.fit`.
            epochs: of each stage. Defaults to 25.
            compile: compiles the search of a stage. Defaults to None: `BilevelTrainer.compile` with its defaults.
            fit: further arguments of `BilevelTrainer.fit`.

        Returns:
            The history of each stage.
        """
        histories = []
        while self.stage < len(self.stages):
            search = self.build(checks.size("epochs", epochs))
            (compile or BilevelTrainer.compile)(search)
            own = {**fit, "callbacks": [*fit.get("callbacks", ()), *self.callbacks(epochs)]}
            histories.append(search.fit(x, y, epochs=epochs, **own))
            alphas = {kind: ops.convert_to_numpy(table) for kind, table in search.supernet.alphas.items()}
            self.finish(search.mixing_weights(), alphas)
            self._last = search
        return histories

    def derive(self) -> Genotype:
        """Return the genotype that the last stage points to; raise RuntimeError before its end."""
        if self._last is None or self.stage < len(self.stages):
            raise RuntimeError(f"Expected all {len(self.stages)} stages to be finished. Call `fit` first.")
        return self._last.derive()


def number_left(share: float, table: ChoiceTable) -> int:
    """Return how many primitives of a table are a share of them: rounded up, and one beside `none` at least."""
    return max(math.ceil(share * len(table.primitives)), min(2, len(table.primitives)))


def strongest(
    table: ChoiceTable, weights: np.ndarray, share: float, kept: Sequence[Sequence[str]] | None = None
) -> list[list[str]]:
    """Return for each edge the names of its strongest primitives.

    Args:
        table: edges and primitives.
        weights: mixing weights `(edges, primitives)`.
        share: of the primitives of the table that each edge has left.
        kept: those that it has had so far. Defaults to None: all.

    Example:

    >>> table = ChoiceTable(((0, 1),), ("none", "skip_connect", "sep_conv_3x3", "sep_conv_5x5"))
    >>> strongest(table, np.array([[0.4, 0.3, 0.1, 0.2]]), share=0.5)
    [['none', 'skip_connect']]
    """
    number, left = number_left(share, table), []
    for row, values in enumerate(weights):
        strength = dict(zip(table.primitives, values, strict=True))
        names = table.primitives if kept is None else kept[row]
        chosen = sorted(names, key=lambda name, strength=strength: -strength[name])[:number]  # type: ignore[misc]
        left.append([name for name in table.primitives if name in chosen])
    return left
