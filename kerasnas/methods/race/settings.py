"""Settings of a race."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from kerasnas import checks
from kerasnas.cost.board import Board
from kerasnas.modalities.augmentations import AUGMENTATIONS
from kerasnas.modalities.lookup import of_space
from kerasnas.modalities.token_vectors import STARTS as VECTORS
from kerasnas.networks.precision import AUTO, PRECISIONS
from kerasnas.runs.settings import Settings, setting
from kerasnas.runs.shared_settings import (
    BudgetSettings,
    DataSettings,
    ExperienceSettings,
    ImportSettings,
    RunSettings,
    TextSettings,
    executor_setting,
)
from kerasnas.spaces import SPACES
from kerasnas.starts import STARTS
from kerasnas.starts.saved import is_saved


def _weight_texts(given: Any) -> Any:
    """Return weights of classes as scikit-learn has them, `"balanced"` or a mapping, as texts; others as they are."""
    if isinstance(given, Mapping):
        return tuple(f"{name}={checks.number('class_weight', weight, least=0)!r}" for name, weight in given.items())
    return () if given is None else (given,) if isinstance(given, str) else given


def _is_weight(text: str) -> bool:
    name, _, weight = str(text).rpartition("=")
    try:
        return bool(name) and 0 <= float(weight) < math.inf
    except ValueError:
        return False


@dataclasses.dataclass(frozen=True)
class RaceConfig(Settings, RunSettings, ExperienceSettings, BudgetSettings, TextSettings, DataSettings, ImportSettings):
    """Settings of `kerasnas search` by a race: whole networks, within a budget of time."""

    retired = ("teach",)

    space: str = setting(
        "macro",
        "The space whose networks are raced; by default the one that suits the data. With macro, of images and "
        "signals, well-known networks and variants of them take part; of others, their references and random networks. "
        "One that has a supernet is raced with --method=race.",
        known=SPACES,
    )
    genotypes: tuple[str, ...] = setting(
        (),
        "Networks of your own that take part, comma-separated: genotype files, or folders of runs (a gradient search, "
        "a race, a training), at the size that the run trained them at. They may be of any space of images, take part "
        "whatever --candidates says, and must be within the limits.",
    )
    metric: str = setting(
        "auto",
        "Metric that networks are compared by and the result is stated by: accuracy, balanced_accuracy, f1, roc_auc or "
        "log_loss of classes; f1 or roc_auc of labels; r2, mae or rmse of numbers; d2, mae or rmse of counts; or "
        "auto, the first of these.",
    )
    class_weight: tuple[str, ...] = setting(
        (),
        "Weight of each class in training and in comparisons: balanced, the inverse of its frequency, or NAME=WEIGHT, "
        "comma-separated; others have 1.",
        right=lambda texts: texts == ("balanced",) or all(map(_is_weight, texts)),
        expected="balanced, or NAME=WEIGHT, with weights of at least 0",
    )
    candidates: int = setting(
        12,
        "Maximum number of candidates; fewer if the budget is short, and your own in any case. 1 for no race.",
        least=1,
    )
    ensemble: int = setting(
        5,
        "Maximum number of trainings of the winner, whose networks become one: a training more for each 2,500 steps, "
        "or 20 epochs if these are more, that the budget has room for. The network takes so many times as long to "
        "predict. 1 for a single network, as it always is with limits, and beside linear models or trees.",
        least=1,
    )
    augment: tuple[str, ...] = setting(
        ("auto",),
        "Augmentations of the training data, comma-separated: shift, zoom, flip, flip_vertical, rotate, cutout, "
        "color_jitter, drop_rows, drop_columns. auto: shift, and those of the flips, turns and zoom (by up to a fifth) "
        "after which a network recognizes images as well as new ones; of grids, flips and turns alone; where rows or "
        "columns are letters, drop_rows or drop_columns. Empty: none.",
        known=(*AUGMENTATIONS, "auto"),
    )
    test_time_augmentation: bool = setting(
        True,
        "Whether the network answers the mean over two to eight views of each image: those flips and turns that the "
        "augmentations have, and shifts by a pixel. It takes so many times as long to predict, and is about a point "
        "more accurate. With limits it never does.",
    )
    validation_split: float = setting(
        0.2,
        "Share of the training data that networks are compared on; the winner is trained on all. By default, of fewer "
        "than 200 samples 40 are held out, or half.",
        above=0,
        below=1,
    )
    max_parameters: int = setting(0, "Maximum number of parameters of the network. Default: any.", least=0)
    max_macs: int = setting(0, "Maximum number of multiply-adds for one sample. Default: any.", least=0)
    max_flash_kb: float = setting(
        0.0,
        "Maximum flash on a microcontroller, in kB: of the network in 8-bit integers, as --format=c exports it. "
        "Default: any.",
        least=0,
    )
    max_ram_kb: float = setting(
        0.0,
        "Maximum memory on a microcontroller, in kB: of the arena that its interpreter computes in. Default: any.",
        least=0,
    )
    latency_target_ms: float = setting(
        0.0,
        "Maximum latency for one image, in milliseconds: by LiteRT, in float32 on one thread of this machine, or that "
        "predicted for --board. Default: any.",
        least=0,
    )
    board: str = setting(
        "",
        "A microcontroller, whose flash and memory are limits: one of the bundled boards, or a file `.json`. Default: "
        "none.",
    )
    initializer: str = setting(
        "auto",
        "Pretrained weights: auto (all bundled ones that fit the data), none, a name, a folder or hf://owner/name. The "
        "same network with random weights takes part too, as a control.",
    )
    starts: str = setting(
        "auto",
        "Pretrained networks of other sources that take part, tuned or as they are, comma-separated: auto (all whose "
        "weights are installed or cached; nothing is downloaded), none, names, `.keras` files of yours, or presets of "
        "KerasHub, such as kerashub:resnet_18_imagenet.",
    )
    optimizer: str = setting(
        AUTO,
        "What networks learn by: muon, whose steps turn filters of convolutions in all directions alike, sgd, with "
        "momentum, or auto: muon below a thousand samples. Those of texts, and pretrained ones of other sources, learn "
        "by adam.",
        known=(AUTO, "muon", "sgd"),
    )
    precision: str = setting(
        AUTO,
        "In which networks are computed while they train: float32, bfloat16, or auto: bfloat16 where that makes a step "
        "of the first network faster. The model that results is float32.",
        known=PRECISIONS,
    )
    executor: str = executor_setting("local", "The trainings of the candidates do, all but the last one of the winner.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_weight", _weight_texts(self.class_weight))
        super().__post_init__()
        self._check("cpu_minutes", not (self.minutes and self.cpu_minutes), "nothing with --minutes")
        self._check("executor", not self.cpu_minutes or self.executor == "local", "local, with --cpu_minutes")
        known = (*STARTS, *VECTORS)
        unknown = [name for name in self.start_names if not is_saved(name) and name not in known]
        expected = f"auto, none, a `.keras` file, kerashub:PRESET, or names among {', '.join(STARTS)}"
        self._check("starts", not unknown, expected)
        alone = "none" not in self.start_names or len(self.start_names) == 1
        self._check("starts", alone, "none alone, or what takes part")
        alone = "auto" not in self.augment or len(self.augment) == 1
        self._check("augment", alone, "auto alone, or names of augmentations")
        if self.board and not self.board.endswith(".json"):  # a file is read when a run begins
            Board.named(self.board)
        self._check("space", bool(of_space(SPACES[self.space]).race_space), "a space whose networks can be raced")

    @property
    def start_names(self) -> tuple[str, ...]:
        """Names of the pretrained networks that take part."""
        return tuple(name.strip() for name in self.starts.split(",") if name.strip())

    @property
    def on_board(self) -> Board | None:
        """The board that networks have to run on, if any.

        Raises:
            ValueError: if there is none of this name, or its cycles are not known and a latency is asked for.
        """
        if not self.board:
            return None
        board = Board.named(self.board)
        timed = bool(board.cycles) or not self.latency_target_ms
        self._check("board", timed, "a board whose cycles are known, with --latency_target_ms")
        return board

    @property
    def vectors(self) -> str:
        return next((name for name in self.start_names if name in VECTORS), "none")
