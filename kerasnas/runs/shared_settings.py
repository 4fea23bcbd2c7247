"""Settings that several commands have: the data, the space, the budget, experience, seed and trackers."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasnas.modalities.base import TextLimits
from kerasnas.modalities.decoding import FITS
from kerasnas.modalities.fronts import SPLITS
from kerasnas.platforms import TRACKERS
from kerasnas.racing.budget import Budget
from kerasnas.runs import plugins
from kerasnas.runs.executors import EXPECTED, is_executor
from kerasnas.runs.settings import setting
from kerasnas.spaces import SPACES
from kerasnas.tasks.known import TaskNames
from kerasnas.wording import invalid

DATASET = (
    "What to search on: a name (fashion_mnist_mini, fashion_mnist, cifar10; waveforms, generated signals for the space "
    "signals), the path of an .npz file with x_train, y_train, x_test, y_test (strings for texts; and kind, one of the "
    "words signals and audio, for these), a folder with one sub-folder of images or sounds for each class, or a "
    ".csv file that names such files, or has a column of texts, and their labels; a .ts file of series; or an .npz "
    "file of a graph, whose nodes are classified."
)
EXECUTOR = (
    "Where independent trainings run: local, this process; processes:N, this many processes of this machine, which "
    "share its cores; ray, a Ray cluster (that of RAY_ADDRESS, or a new one here); or ray://HOST:PORT."
)
DEFAULT_MINUTES = 5.0


def pixel_size(text: str) -> tuple[int, int] | None:
    """`(height, width)` of a size as it is typed, `"32"` or `"48x64"`; None for `"auto"`.

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


def executor_setting(default: str, words: str, right: Any = is_executor) -> Any:
    """Return the setting `executor` with this default; `words` say which trainings it runs."""
    return setting(default, f"{EXECUTOR} {words}", right=right, expected=EXPECTED)


@dataclasses.dataclass(frozen=True)
class ImportSettings:
    """Modules of the user's own."""

    imports: tuple[str, ...] = setting(
        (),
        "Modules to import first, comma-separated, which register spaces, primitives or strategies of your own: names, "
        "or paths of .py files.",
        flag="import",
    )


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Data and the task."""

    dataset: str = setting("fashion_mnist_mini", DATASET)
    image_size: str = setting(
        "auto",
        "Size of the images of a folder: N, HEIGHTxWIDTH, or auto, the most common size, but 64 along the longer side "
        "at most.",
        right=lambda text: pixel_size(text) is None or True,
    )
    image_fit: str = setting(
        "stretch",
        "How images of a folder that have another shape are brought to that size: stretch (distorted), crop (the "
        "center) or pad (all of it, between black bars). Predictions do the same.",
        known=FITS,
    )
    task: str = setting(
        "auto",
        "What is predicted: classification, one class of each sample; multilabel, any number of labels; regression, "
        "numbers; counts, whole numbers of events; or auto, as the labels look.",
        known=TaskNames(),
    )
    target: tuple[str, ...] = setting(
        (), "The columns of a .csv file that are the labels, comma-separated. Default: all but image, split and group."
    )
    strict: bool = setting(
        False,
        "Refuse data with faults, such as test samples that are copies of training samples, before anything is "
        "trained. Default: the log and the report name them.",
    )

    @property
    def reading(self) -> dict[str, Any]:
        """Arguments of `datasets.load` after the first."""
        size = pixel_size(self.image_size)
        return {"task": self.task, "target": self.target, "image_size": size, "image_fit": self.image_fit}


@dataclasses.dataclass(frozen=True)
class TextSettings:
    """Limits of texts, and the column that holds them."""

    text_column: str = setting(
        "",
        "The column of a .csv file that holds texts. Default: the one named text, sentence, review, comment or "
        "message, unless a column names images.",
    )
    text_words: int = setting(
        20_000, "Maximum size of the vocabulary of texts: the most frequent words of the training texts.", least=1
    )
    text_length: int = setting(
        0,
        "Words that a text is cut to, or padded to. Default: as many as 98 % of the training texts have, 256 at most.",
        least=0,
    )
    tokens: str = setting(
        "auto",
        "What texts are split into: words, characters, or auto, characters where there are next to no spaces.",
        known=("auto", *SPLITS),
    )

    @property
    def reading(self) -> dict[str, Any]:
        """Arguments of `datasets.load` after the first, those of texts among them."""
        limits = TextLimits(self.text_words, self.text_length, self.tokens, self.vectors)
        read = super().reading  # type: ignore[misc]  # of `DataSettings`, which follows among the bases
        return {**read, "limits": limits, "text_column": self.text_column}

    @property
    def vectors(self) -> str:
        """Pretrained vectors of words, as `TextLimits.starts` has them."""
        return "none"


@dataclasses.dataclass(frozen=True)
class SpaceSettings:
    """Space, of every command that builds the networks of a space."""

    space: str = setting("darts", "The search space.", known=SPACES)
    num_nodes: int = setting(3, "Intermediate nodes of a cell.", least=1)
    primitives: tuple[str, ...] = setting((), "Candidate operations, comma-separated. Default: the space's own.")
    sparse: bool = setting(
        False,
        "Leave out the edges on which no primitive reaches the threshold of the relaxation: FairDARTS, with "
        "--relaxation=sigmoid.",
    )
    stem_strides: int = setting(2, "1, or 2 to let the stem halve the image: a quarter of the work.", least=1)

    @property
    def cells_to_choose(self) -> int | None:
        """Number of cells of a final network, each kind of which has to be chosen; None outside of a search."""
        return None

    @classmethod
    def suited(cls, **given: Any) -> Any:
        """Settings with the defaults of their space, its `defaults`, for those that are not given.

        Example:

        >>> from kerasnas.methods import TrainingConfig
        >>> TrainingConfig.suited(space="text").retrain_cells, TrainingConfig.suited(space="darts").retrain_cells
        (1, 3)
        """
        plugins.load(given.get("imports", ()))
        space = given.get("space", "darts")
        defaults = getattr(SPACES[space], "defaults", {}) if space in SPACES else {}
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{**{name: value for name, value in defaults.items() if name in known}, **given})


@dataclasses.dataclass(frozen=True)
class BudgetSettings:
    """A budget of time."""

    minutes: float = setting(
        0.0, "Budget: wall-clock minutes for everything from the start to the report. Default: 5.", least=0
    )
    cpu_minutes: float = setting(
        0.0, "Budget: minutes of CPU time, all threads together, in place of --minutes.", least=0
    )

    def budget(self, spent: float = 0.0) -> Budget:
        """Return the budget, of which `spent` seconds are spent."""
        if self.cpu_minutes:
            return Budget(self.cpu_minutes, cpu=True, spent=spent)
        return Budget(self.minutes or DEFAULT_MINUTES, spent=spent)


@dataclasses.dataclass(frozen=True)
class ExperienceSettings:
    """Consent to use earlier searches, and to be remembered by later ones."""

    remember: bool = setting(
        False,
        "Remember this search for later ones, and let earlier ones say which networks come first: how large the data "
        "are and how hard they look, every network that was compared and its curve, as text in `~/.cache/kerasnas` (or "
        "`$KERASNAS_HOME`); no sample, no path, no name. `kerasnas experience on` says it for every search. In a "
        "gradient search it is the shortlist that remembers, and that earlier networks take part in: one of 4 where "
        "--shortlist=0.",
    )
    no_experience: bool = setting(
        False, "Use nothing that earlier searches left; nor is this one remembered, unless --remember says so."
    )


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Seed and trackers."""

    seed: int = setting(0, "Seed of everything drawn at random. The same seed and steps give the same result.", least=0)
    trackers: tuple[str, ...] = setting(
        (),
        "Where settings, curves, plots and files of the run go too, comma-separated: tensorboard (in the run's "
        "folder), mlflow, wandb (offline, unless you are logged in); the last two need the extra of their name. One "
        "that fails is left out, and the run continues.",
        known=tuple(TRACKERS),
        flag="log",
    )
