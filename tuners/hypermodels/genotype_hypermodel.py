"""GenotypeHyperModel: a search space as KerasTuner hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner

from kerasnas import checks
from kerasnas.genotypes import Genotype
from kerasnas.spaces import SearchSpace
from kerasnas.tasks import Task
from kerasnas.tasks.known import CLASSIFICATION
from tuners.hypermodels.checked_hypermodel import TUNED, TunedFit, require_compiled


class GenotypeHyperModel(TunedFit):
    """Any search space as KerasTuner hyperparameters: one `Choice` for each choice of the space.

    Every tuner of KerasTuner (RandomSearch, BayesianOptimization, Hyperband) then searches the space;
    what it builds are discrete networks of standard Keras layers.

    Args:
        space: the search space.
        input_shape: `(height, width, channels)` of one image.
        num_classes: number of classes.
        compile: function that compiles the model it is given, `(model, hp) -> None`. Defaults to Adam at a
            tuned learning rate (1e-4 to 1e-2), with loss and metrics of the task.
        batch_size: one number, or several to choose from. Defaults to None: `search`'s.
        epochs: likewise. Defaults to None; a multi-fidelity oracle sets them itself.
        name: as for `keras_tuner.HyperModel`.
        task: what the networks predict. Defaults to classification: sparse categorical cross-entropy from logits,
            accuracy.
        kwargs: for the space's `build_network`.

    Raises:
        TypeError: if `space` is not a search space.
        ValueError: if `input_shape` is not a shape, or `num_classes` not a number of classes.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=2, num_nodes=1)
    >>> hypermodel = GenotypeHyperModel(space, input_shape=(8, 8, 1), num_classes=3)
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> hypermodel.build(hp).output_shape
    (None, 3)
    >>> hypermodel.genotype(hp).space
    'darts'
    """

    @checks.arguments(**TUNED, compile=checks.function)
    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        compile: Callable[[keras.Model, Any], Any] | None = None,
        batch_size: int | Sequence[int] | None = None,
        epochs: int | Sequence[int] | None = None,
        name: str | None = None,
        task: Task = CLASSIFICATION,
        **kwargs: Any,
    ):
        super().__init__(space, input_shape, num_classes, batch_size, epochs, name, task)
        self.compile, self.kwargs = compile, kwargs

    def genotype(self, hp: keras_tuner.HyperParameters) -> Genotype:
        """Return the genotype of the hyperparameters; declares them where they are new."""
        return self.space.genotype(
            {name: hp.Choice(name, list(options), ordered=False) for name, options in self.space.choices.items()}
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = self.space.build_network(self.genotype(hp), self.input_shape, self.num_classes, **self.kwargs)
        if not isinstance(model, keras.Model):
            return require_compiled(model, f"`build_network` of space '{self.space.name}'")
        if self.compile is not None:
            self.compile(model, hp)
            return require_compiled(model, "The function given as `compile`")
        rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
        model.compile(
            keras.optimizers.Adam(rate),
            self.task.loss(),
            metrics=self.task.metrics(),
            jit_compile=False,  # XLA's depthwise convolutions are far slower on a CPU
        )
        return model
