"""Training stage: a discrete network trained from its last checkpoint, evaluated, recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.callbacks import TrainingCheckpoint
from kerasnas.callbacks.stopping import NonFiniteGuard
from kerasnas.companions import base as companions
from kerasnas.companions.joining import Beside
from kerasnas.cost.counting import parameters
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.files.stages import Stages
from kerasnas.genotypes import Genotype, as_entry
from kerasnas.modalities.augmentations import Augmentation
from kerasnas.modalities.lazy_images import predicted
from kerasnas.modalities.lookup import of_space
from kerasnas.networks.fused import fused
from kerasnas.spaces import SearchSpace
from kerasnas.training import loop as training_loop
from kerasnas.training.recipe import TrainingRecipe

Arrays = tuple[Any, Any]


class NetworkTraining:
    """Training of a space's discrete networks from scratch, all by one recipe.

    Batch norm is computed by the fused kernel meanwhile (`kerasnas.networks.fused`). The network that the recipe
    compiles, callbacks see and `model.keras` holds is the one of standard layers throughout.
    """

    @checks.arguments(space=SearchSpace, input_shape=checks.shape, num_classes=checks.size, recipe=TrainingRecipe)
    def __init__(
        self,
        space: SearchSpace,
        input_shape: tuple[int, ...],
        num_classes: int,
        recipe: TrainingRecipe | None = None,
    ):
        self.space, self.input_shape, self.num_classes = space, tuple(input_shape), num_classes
        self.recipe = TrainingRecipe() if recipe is None else recipe

    def build(self, genotype: Genotype, steps: int, seed: int = 0) -> keras.Model:
        """Return the network of `genotype`, compiled for a training of `steps` steps."""
        options: dict[str, Any] = {"seed": seed, **self.recipe.options}
        model = self.space.build_network(genotype, self.input_shape, self.num_classes, **options)
        return self.recipe.compile_network(model, steps)

    def reported(self, data: Arrays) -> list[str]:
        """The names of the loss and the metrics of a trained network; found with two samples of `data`, in no graph."""
        model = self.build(self.space.sample(np.random.default_rng(0)), 1)
        model.run_eagerly = True
        found = model.evaluate(data[0][:2], data[1][:2], verbose=0, return_dict=True)
        return list({**found, **self._further(model, (data[0][:2], data[1][:2]))})

    def _beside(self, seed: int) -> companions.Companion | None:
        """Return the kind of linear models that stand beside the network."""
        modality = of_space(self.space)
        size = getattr(self.recipe, modality.companion_setting) if modality.companion_setting else 0
        return modality.companion(size, seed, self.space.padded, self.recipe.front)

    def _further(self, model: keras.Model, data: Arrays) -> dict[str, float]:
        """Return the metrics of the task that are no means over batches; none of a classification."""
        task = self.recipe.task
        if task.metric_is_mean:
            return {}
        outputs = predicted(model, data[0], training_loop.EVALUATION_BATCH)
        return task.evaluation(task.answers(outputs), np.asarray(data[1]))

    def run(
        self,
        stages: Stages,
        name: str,
        genotype: Genotype,
        data: Arrays,
        held_out: Arrays,
        seed: int = 0,
        evaluated_on: str = "test",
        validate: bool = False,
        keep_model: Callable[[keras.Model], Any] | None = None,
        describe: Callable[[keras.Model], dict[str, Any]] | None = None,
        augment: Augmentation | None = None,
        callbacks: Callable[[], Sequence[keras.callbacks.Callback]] = tuple,
        verbose: int = 0,
        scope: contextlib.AbstractContextManager | None = None,
        keep: int = 2,
        log: Log = print,
    ) -> dict[str, Any]:
        """Train the network of `genotype` as stage `name`, unless it is finished; return the stage's record.

        Args:
            stages: the store of the folder.
            name: of the stage.
            genotype: the architecture.
            data: `(x, y)` to train on.
            held_out: `(x, y)` that the trained network is evaluated on, once, at the end.
            seed: of initial weights, order and augmentation. Defaults to 0.
            evaluated_on: what `held_out` is, and what the names of its metrics begin with: `"test"` (the default) or
                `"val"`.
            validate: evaluate on `held_out` after each epoch too. Defaults to False.
            keep_model: called with the trained network. Defaults to None.
            describe: function that returns further entries of the record, given the trained network. Defaults to None.
            augment: in place of the recipe's. Defaults to None.
            callbacks: function that makes further callbacks. Defaults to none.
            verbose: as for Keras' `fit`. Defaults to 0.
            scope: context in which the network is built, of a distribution strategy. Defaults to None.
            keep: how many checkpoints are held. Defaults to 2.
            log: called with a line where the training resumes. Defaults to `print`.

        Returns:
            `{"test_loss", "test_accuracy", ..., "parameters", "seconds", "history", "genotype"}`; parameters are the
            trainable ones; seconds those of all processes of the stage, without what one that was killed did after its
            last checkpoint.

        Raises:
            NonFiniteError: if the loss stops being finite.
        """
        finished = stages.stage(name)
        if finished is not None:
            return finished
        checkpoint = TrainingCheckpoint(stages.checkpoints(name), keep, log)  # its clock starts now
        recipe = self.recipe
        kind = self._beside(seed)
        parts = companions.held_out(recipe.task, data[1], seed) if kind is not None else None
        learned = data if parts is None else (data[0][parts[0]], data[1][parts[0]])
        size = min(recipe.batch_size, len(learned[0]))
        if size < recipe.batch_size and size > 1:
            size -= size % 2  # oneDNN's gradient of 1x1 convolutions with strides has ended the process on odd ones
        batches = ArrayBatches(*learned, size, seed=seed, augment=augment or recipe.augment)
        with scope if scope is not None else contextlib.nullcontext():
            model = self.build(genotype, len(batches) * recipe.epochs, seed)
            training_loop.prepare(model, batches)
            epoch = resume_epoch(checkpoint, model, log)
        with fused(model):  # it remains the standard network; see there
            if epoch < recipe.epochs:
                training_loop.fit(
                    model,
                    batches,
                    recipe.epochs,
                    epoch,
                    validation_data=held_out if validate else None,
                    callbacks=[NonFiniteGuard(), *callbacks(), checkpoint],
                    verbose=verbose,
                )
            beside: dict[str, Any] = {}
            if kind is not None and parts is not None:
                linear = Beside(kind, data, parts, recipe.task, self.num_classes)
                beside["linear"] = linear.weigh(model, training_loop.EVALUATION_BATCH, log)
                model = recipe.compile_network(linear.joined(model, beside["linear"]["weights"]), 1)
            values = model.evaluate(*held_out, batch_size=training_loop.EVALUATION_BATCH, verbose=0, return_dict=True)
            values = {**values, **self._further(model, held_out)}
        if keep_model is not None:
            keep_model(model)
        record = {
            **{f"{evaluated_on}_{metric}": float(value) for metric, value in values.items()},
            "parameters": parameters(model),
            "seconds": checkpoint.seconds,
            "history": checkpoint.history,
            "genotype": as_entry(genotype),
            **beside,
            **(describe(model) if describe is not None else {}),
        }
        return stages.finish(name, record)


def resume_epoch(checkpoint: TrainingCheckpoint, model: keras.Model, log: Log) -> int:
    """Restore `model` from its last checkpoint, and say so; return the epoch to continue with."""
    epoch = checkpoint.restore(model)
    if epoch:
        log(f"  resuming after epoch {epoch}")
    return epoch
