"""SupernetHyperModel: a differentiable search and its settings as KerasTuner hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from kerasnas import checks
from kerasnas.relaxations import RELAXATIONS
from kerasnas.search import HYPERGRADIENTS, BilevelTrainer
from kerasnas.spaces import SearchSpace, SkeletonSpace
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from tuners.hypermodels.checked_hypermodel import TUNED, TunedFit, sizes

Rate = float | tuple[float, float]


def rate_or_range(argument: str, value: Any) -> Rate:
    """Return `value` if it is a positive number, or two that ascend."""
    low, high = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, math.inf)
    if not isinstance(low, (int, float)) or not 0 < low < high:
        raise ValueError(checks.invalid(argument, "a positive number, or two that ascend", value))
    return value


class SupernetHyperModel(TunedFit):
    """Supernet of a space and how it is searched, as hyperparameters; a trial is one differentiable search.

    One value is fixed, several are tuned. `build` returns a compiled `kerasnas.BilevelTrainer`: its `val_accuracy` is
    that on the data that the alphas learn from, and its `derive()` the genotype that was found.

    Args:
        space, input_shape, num_classes, batch_size, epochs, name, task: as for `GenotypeHyperModel`.
        filters: of the supernet; one number, or several to choose from. Defaults to None: the space's.
        num_cells: likewise. Defaults to None: the space's.
        relaxation: name of the relaxation, or several. Defaults to None: the space's own, for most the softmax.
        hypergradient: name of the hypergradient, or several. Defaults to `"first_order"`.
        learning_rate: first one of the network weights, or the two ends of a range, tuned on a logarithmic scale.
            Defaults to `(0.01, 0.1)`.
        architecture_learning_rate: of the alphas, constant over the search, or the two ends of a range. Defaults to
            None, which is not tuned: the rate that fits the number of steps of the search, annealed to 0
            (`kerasnas.trainers.alpha_rate`).
        supernet_options: further arguments of the space's `build_supernet`. Defaults to None.
        trainer_options: further arguments of `BilevelTrainer`, such as `objective`. Defaults to None.
        compile_options: further arguments of `BilevelTrainer.compile`, such as `metrics`. Defaults to None.

    Raises:
        ValueError: for an invalid shape or number of classes, an unknown relaxation or hypergradient, rates that are
            not positive and ascending, and a number of cells whose networks have other kinds of cell than the space's.
        TypeError: if `space` is not a search space, and for sizes with one whose sizes are fixed.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> hypermodel = SupernetHyperModel(space, (8, 8, 1), 2, filters=[2, 4], batch_size=[8, 16])
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> hypermodel.declare_hyperparameters(hp)
    >>> sorted(hp.values)
    ['batch_size', 'filters', 'learning_rate']
    >>> type(hypermodel.build(hp)).__name__
    'BilevelTrainer'
    """

    @checks.arguments(
        **TUNED,
        filters=sizes,
        num_cells=sizes,
        learning_rate=rate_or_range,
        architecture_learning_rate=rate_or_range,
        supernet_options=checks.mapping,
        trainer_options=checks.mapping,
        compile_options=checks.mapping,
    )
    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        filters: int | Sequence[int] | None = None,
        num_cells: int | Sequence[int] | None = None,
        relaxation: str | Sequence[str] | None = None,
        hypergradient: str | Sequence[str] = "first_order",
        learning_rate: Rate = (0.01, 0.1),
        architecture_learning_rate: Rate | None = None,
        batch_size: int | Sequence[int] | None = None,
        epochs: int | Sequence[int] | None = None,
        supernet_options: Mapping[str, Any] | None = None,
        trainer_options: Mapping[str, Any] | None = None,
        compile_options: Mapping[str, Any] | None = None,
        name: str | None = None,
        task: Task = CLASSIFICATION,
    ):
        super().__init__(space, input_shape, num_classes, batch_size, epochs, name, task)
        self.filters, self.num_cells, self.relaxation = filters, num_cells, relaxation
        self.hypergradient = hypergradient
        self.learning_rate, self.architecture_learning_rate = learning_rate, architecture_learning_rate
        self.supernet_options = dict(supernet_options or {})
        self.trainer_options, self.compile_options = dict(trainer_options or {}), dict(compile_options or {})
        self._check_sizes()
        for argument, known in (("relaxation", RELAXATIONS), ("hypergradient", HYPERGRADIENTS)):
            given = getattr(self, argument)
            checks.optional(checks.instance, argument, given, (str, list, tuple), "a name, or several")
            for one in [given] if isinstance(given, str) else given or []:
                checks.one_of(argument, one, known)

    def _check_sizes(self) -> None:
        """Raise unless the space has supernets of all these sizes, whose genotypes are its own."""
        for argument in ("filters", "num_cells"):
            given = getattr(self, argument)
            for one in [given] if isinstance(given, int) else given or []:
                checks.instance("space", self.space, SkeletonSpace, f"one of which `{argument}` can be changed")
                other = self.space.resized(**{argument: one})  # type: ignore[attr-defined]
                if other.choices != self.space.choices:
                    expected = f"sizes with the choices of the space, such as '{next(iter(self.space.choices))}'"
                    raise ValueError(checks.invalid(argument, expected, given))

    def settings(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Return the settings of the hyperparameters, by name; declares them where they are new."""
        settings = {}
        for name in ("filters", "num_cells", "relaxation", "hypergradient"):
            if (given := getattr(self, name)) is not None:
                settings[name] = given if isinstance(given, (int, str)) else hp.Choice(name, list(given))
        for name, usual in (("learning_rate", 0.025), ("architecture_learning_rate", 3e-4)):
            rate = getattr(self, name)
            if isinstance(rate, (tuple, list)):
                low, high = map(float, rate)
                settings[name] = hp.Float(name, low, high, sampling="log", default=min(max(usual, low), high))
            elif rate is not None:
                settings[name] = float(rate)
        return settings

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        super().declare_hyperparameters(hp)
        self.settings(hp)

    def build_supernet(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build the supernet of the hyperparameters."""
        settings = self.settings(hp)
        sizes = {name: settings[name] for name in ("filters", "num_cells") if name in settings}
        space = self.space.resized(**sizes) if isinstance(self.space, SkeletonSpace) else self.space
        options = dict(self.supernet_options)
        if "relaxation" in settings:
            options["relaxation"] = settings["relaxation"]
        return space.build_supernet(self.input_shape, self.num_classes, **options)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        settings = self.settings(hp)
        search = BilevelTrainer(
            self.build_supernet(hp), **{**self.trainer_options, "hypergradient": settings["hypergradient"]}
        )
        options: dict[str, Any] = {"learning_rate": settings["learning_rate"]}
        options |= {"loss": self.task.loss(), "metrics": self.task.metrics()}
        if "architecture_learning_rate" in settings:
            rate = settings["architecture_learning_rate"]
            options["architecture_optimizer"] = keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.999)
        search.compile(**{**options, **self.compile_options})
        return search
