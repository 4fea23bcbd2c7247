"""`compile` and `fit` of a bilevel search: Keras' interface to two levels and two halves of data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasnas import checks
from kerasnas.annotations import Tensor
from kerasnas.backend.keras_internals import loss_tracker
from kerasnas.callbacks.checkpoints import FollowEpochs
from kerasnas.callbacks.monitor import ArchitectureMonitor
from kerasnas.callbacks.schedules import ArchitectureWarmup, CosineSchedule
from kerasnas.callbacks.stopping import NonFiniteGuard
from kerasnas.datasets.batches import PairedBatches
from kerasnas.distribution.scope import check_global_batch, replicas_of, scope_of
from kerasnas.modalities.lookup import of_space
from kerasnas.tasks.known import task_of_loss
from kerasnas.trainers import arguments
from kerasnas.trainers.alpha_rate import PAPERS_RATE, rate_for
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.compiling import (
    batch_size_of,
    build_metrics,
    check_compiled,
    compile_trainer,
    default_loss,
    default_metrics,
    num_classes_of,
    papers_cosine,
    sample_shape_of,
    validation_metric,
)
from kerasnas.trainers.data_split import batch_spec, class_weight_table, pair_halves, steps_of
from kerasnas.trainers.gradients import BilevelGradients
from kerasnas.trainers.guarded_search import SearchGuards


class BilevelFit(BilevelGradients):
    """Keras' interface of `BilevelTrainer`."""

    train_function: Any
    _guards: SearchGuards
    _validation_loss: Any = None
    _validation_metrics: Any = ()
    _initial_learning_rate: float | None = None
    _default_alphas = False

    @property
    def num_classes(self) -> int | None:
        """Number of classes of the supernet, None if it does not say."""
        return num_classes_of(self.supernet)

    def update_metrics(self, data: Any, training: Any, validation: Any) -> dict[str, Any]:
        """Update all metrics with the (loss, predictions) of both halves; return their values."""
        (x, y, sample_weight), (x_val, y_val, sample_weight_val) = map(keras.utils.unpack_x_y_sample_weight, data)
        (loss, predictions), (loss_val, predictions_val) = training, validation
        loss_tracker(self).update_state(loss, sample_weight=batch_size_of(x))
        self._validation_loss.update_state(loss_val, sample_weight=batch_size_of(x_val))
        for metric in self._validation_metrics:
            metric.update_state(y_val, predictions_val, sample_weight=sample_weight_val)
        return self.compute_metrics(x, y, predictions, sample_weight=sample_weight)

    @checks.arguments(
        **arguments.COMPILE,
        architecture_optimizer=arguments.optimizer,
        learning_rate=checks.positive,
        auto_scale_loss=checks.boolean,
    )
    def compile(
        self,
        optimizer: Any = None,
        architecture_optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        learning_rate: float = 0.025,
        jit_compile: bool | str | None = None,
        auto_scale_loss: bool = True,
        **kwargs: Any,
    ) -> None:
        """Set optimizers, loss and metrics; defaults are the paper's.

        Args:
            optimizer: for the network weights. Defaults to SGD at `learning_rate`, annealed to 0.001 by a cosine over
                the epochs of `fit`, momentum 0.9, global gradient norm clipped at 5. A `BilevelOptimizer` holds both.
            architecture_optimizer: for the alphas. Defaults to Adam, betas 0.5 and 0.999, at a rate that fits the
                number of steps of `fit`, annealed to 0 by a cosine: `kerasnas.trainers.alpha_rate`.
            loss: Defaults to sparse categorical cross-entropy from logits.
            metrics: list of metrics; each is reported for both halves, as `name` and `val_name`. Defaults to
            `["accuracy"]`.
            learning_rate: first rate of the default optimizer. Defaults to 0.025.
            jit_compile: whether to compile with XLA. Defaults to None: False on TensorFlow, where XLA's depthwise
                convolutions are 17 to 120 times slower on a CPU (set it to True on a TPU), and True on JAX, which would
                run operation by operation without it.
            auto_scale_loss: whether the loss of each level gets its own dynamic scale if the supernet's policy is
                `mixed_float16`. Defaults to True.
            kwargs: as for `keras.Model.compile`.

        Raises:
            ValueError: if the hypergradient is of second order and `optimizer` is not SGD, or if optimizers or metrics
                were made outside the strategy's scope.
        """
        self._initial_learning_rate = learning_rate if optimizer is None else None
        self._default_alphas = architecture_optimizer is None and not isinstance(optimizer, BilevelOptimizer)

        def both() -> BilevelOptimizer:
            first, second, pair = optimizer, architecture_optimizer, optimizer
            if not isinstance(optimizer, BilevelOptimizer):
                if first is None:
                    first = keras.optimizers.SGD(learning_rate, momentum=0.9, global_clipnorm=5.0)
                if second is None:
                    second = keras.optimizers.Adam(PAPERS_RATE, beta_1=0.5, beta_2=0.999)
                pair = BilevelOptimizer(first, second)
            scaled = auto_scale_loss and self.supernet.dtype_policy.name == "mixed_float16"
            return pair.with_loss_scaling() if scaled else pair

        loss, metrics = default_loss(loss), default_metrics(metrics)
        with scope_of(self):
            if self._validation_metrics:
                self._validation_metrics.clear()  # or Keras would still report those of an earlier `compile`
            if self._validation_loss is None:
                self._validation_loss = keras.metrics.Mean(name="val_loss")
            self._validation_metrics = [validation_metric(metric, loss) for metric in metrics]
        # Keras would scale the loss of both levels by one factor.
        compile_trainer(self, super().compile, None, both, loss, metrics, jit_compile, auto_scale_loss=False, **kwargs)
        self._inner_step()  # raises if one is needed and there is none

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if not config:
            return {}
        defaults = {"initial_learning_rate": self._initial_learning_rate, "default_alphas": self._default_alphas}
        return {**config, **defaults}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        initial, alphas = config.pop("initial_learning_rate"), config.pop("default_alphas")
        self.compile(**config, auto_scale_loss=False)  # the optimizers have their scales
        # The cosines of default optimizers continue.
        self._initial_learning_rate, self._default_alphas = initial, alphas

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Build metrics from the training batch of a pair: Keras expects `(x, y)`."""
        if data_batch is None and iterator is not None:
            for _, _, batches in iterator:
                data_batch = batches[0] if isinstance(batches, list | tuple) else next(batches)
                break
        if isinstance(data_batch, tuple) and isinstance(data_batch[0], tuple | list):
            data_batch = data_batch[0]
        super()._symbolic_build(data_batch=data_batch)

    @checks.arguments(**arguments.SEARCH_FIT, class_weight=Mapping)
    def fit(
        self,
        x: Tensor = None,
        y: Tensor = None,
        batch_size: int | None = None,
        epochs: int = 50,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float | None = None,
        validation_data: Any = None,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Tensor = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        augment: Callable | None = None,
        seed: int = 0,
    ) -> keras.callbacks.History:
        """Search. `loss` and metrics are of the training half, `val_...` of the half that moves the alphas.

        Args:
            x: images `(n, height, width, channels)`, or a `tf.data.Dataset`, a Keras `PyDataset` or a generator of
                batches, or without `validation_data` of pairs of batches `((x, y), (x_val, y_val))`. Integer images
                from 0 to 255 are scaled to `x / 255`, with a warning.
            y: labels, with arrays.
            batch_size: with arrays; of either half, over all replicas together. Defaults to 64, or to the size of the
                smaller half if that is less.
            epochs: epoch at which the search ends. Defaults to 50.
            verbose: as in Keras.
            callbacks: as in Keras.
            validation_split: with arrays: fraction of every class that goes to the alphas. Defaults to 0.5, unless
                `validation_data` is given.
            validation_data: moves the alphas instead: `(x, y)`, or a dataset of the kind of `x`. Not the test set: the
                architecture is fitted to it.
            class_weight: class index -> weight in the training loss.
            sample_weight: with arrays: weight of each sample in the training loss.
            initial_epoch: epoch at which to start. With arrays, the order of the data is a function of `seed` and the
                epoch, so that a resumed search reads the same data as an uninterrupted one.
            steps_per_epoch: as in Keras; arrays and `PyDataset`s are read repeatedly, so that every epoch has this many
                steps. Defaults to one pass over `x`.
            validation_steps: number of batches of the alphas' half that an epoch uses, repeatedly, since each step
                takes one. Defaults to all.
            augment: with arrays: `(batch, rng) -> batch` for the training images.
            seed: seed of the split and of the order of the data.

        Returns:
            Keras' `History`, with `alpha_entropy` (nats, the mean over edges) and `skips` (edges of the derived
            genotype that are skip connections) in addition to losses and metrics.

        Raises:
            ValueError: for data that cannot be searched on; states what was expected.
            NonFiniteError: when a loss stops being finite; the state of the epoch's start is restored.
        """
        check_compiled(self, "fit")
        data = pair_halves(
            x,
            y,
            validation_data,
            validation_split,
            batch_size=batch_size,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            augment=augment,
            seed=seed,
            input_shape=sample_shape_of(self.supernet),
            num_classes=self.num_classes,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            replicas=replicas_of(self),
            task=task_of_loss(self.loss, y),
            modality=None if (space := getattr(self.supernet, "space", None)) is None else of_space(space),
        )
        if isinstance(data, PairedBatches):  # an epoch of it has these steps
            steps_per_epoch = None
        added: list[keras.callbacks.Callback]
        added, frozen = self._own_warmup(epochs, callbacks)
        total = epochs
        size, label_shape = batch_spec(data)
        self._set_constants(class_weight, size if y is not None else None)
        check_global_batch("batch_size", size, replicas_of(self))
        if label_shape is not None and self.num_classes:
            build_metrics(self, (None, *label_shape), (None, self.num_classes))
        added += [ArchitectureMonitor(), NonFiniteGuard()]
        guards, epochs = self._guards.callbacks(data, initial_epoch, epochs, frozen)
        added += guards
        quiet: Any = contextlib.nullcontext()
        if hasattr(data, "set_epoch"):  # the order of the data is a function of the epoch
            follow = FollowEpochs(data, callbacks)
            added.append(follow)
            quiet = follow.quiet()
        if self._initial_learning_rate is not None:
            added.append(papers_cosine(self._initial_learning_rate))
        if self._default_alphas:
            rate = rate_for(total - frozen, steps_of(data, steps_per_epoch))
            added.append(CosineSchedule(rate, frozen=frozen, alphas=True))
        with quiet:
            return super().fit(
                data,
                epochs=epochs,
                verbose=verbose,
                callbacks=[*added, *(callbacks or [])],
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                shuffle=False,
            )

    def _own_warmup(
        self, epochs: int, callbacks: Sequence[keras.callbacks.Callback] | None
    ) -> tuple[list[keras.callbacks.Callback], int]:
        """Return the callback that freezes the alphas, unless `callbacks` has one, and its number of epochs.

        The step's graph is traced again if it lacks that phase.
        """
        given = [callback for callback in callbacks or [] if isinstance(callback, ArchitectureWarmup)]
        warmups = given or [ArchitectureWarmup(self.architecture_warmup.length(epochs))]
        frozen = max(warmup.epochs for warmup in warmups)
        needed = frozen > 0
        if needed != self.architecture_warmup.needed:
            self.architecture_warmup.needed, self.train_function = needed, None
        return ([], frozen) if given else (warmups, frozen)

    def _set_constants(self, class_weight: Mapping[int, float] | None, batch_size: int | None) -> None:
        """Set constants of the step's graph, which is traced again if they change."""
        table = None if class_weight is None else class_weight_table(class_weight, self.num_classes)
        if (table, batch_size) != (self._class_weight, self._batch_size):
            self._class_weight, self._batch_size = table, batch_size
            self.train_function = None
