"""BilevelTrainer: differentiable architecture search as a Keras model with `fit`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnas import callbacks as callbacks_module
from kerasnas.backend import TrainStep
from kerasnas.backend.keras_internals import build_metrics, loss_tracker
from kerasnas.distribution import check_global_batch, check_scope, replicas_of, scope_of
from kerasnas.primitives.normalization import synchronize_batch_norm
from kerasnas.trainers.bilevel_optimizer import BilevelOptimizer
from kerasnas.trainers.data_split import batch_spec, pair_halves
from kerasnas.trainers.gradients import BilevelGradients
from kerasnas.trainers.guarded_search import GuardedSearch
from kerasnas.trainers.hypergradients import HYPERGRADIENTS
from kerasnas.trainers.metrics import batch_size_of, validation_metric

MINIMUM_LEARNING_RATE = 0.001  # where the paper's cosine ends


@keras.saving.register_keras_serializable(package="kerasnas")
class BilevelTrainer(TrainStep, GuardedSearch, BilevelGradients):
    """Searches an architecture by gradient: alphas on one half of the data, network weights on the other.

    Every training step first moves the architecture parameters down the validation loss, then the
    network weights down the training loss. It is a Keras model: `fit`, callbacks, metrics, `evaluate`
    and saving work as everywhere in Keras.

    Args:
        supernet: any Keras model with architecture parameters: of a space's `build_supernet`, or your
            own with `MixedOp` layers in it.
        hypergradient: how the gradient by the alphas is computed: `"first_order"`; `"unrolled"`, the second-order form
            to use (exact, for about three times the work); `"finite_difference"`, the published approximation of it;
            or a function as in `kerasnas.trainers.hypergradients`. Defaults to `"first_order"`.
        weight_decay: L2 coefficient of the network weights, added to their gradient. Defaults to 3e-4.
        architecture_weight_decay: the same for the alphas. Defaults to 1e-3.
        objective: what the alphas minimise on the validation half: a function `(loss, supernet) -> loss`, such as a
            `CostObjective`. What is reported as `val_loss` stays the loss. Defaults to None: the loss itself.
        architecture_warmup_epochs: guard: the alphas rest for so many epochs, 0 for none. Defaults to None: a
            quarter of those of `fit`.
        auxiliary_skip: guard: weight of a skip connection beside every edge of stride 1, as in DARTS-, but constant, so
            that the choice need not provide what training needs; 0 for none. Defaults to 1.
        max_skips: guard: most skip connections that `derive` leaves in each kind of cell; None for any number.
            Defaults to `"auto"`, a quarter of the edges that a cell keeps: 2 of 8, as in P-DARTS.
        curvature_ratio: guard: the search ends, and the alphas go back, where the curvature of the validation loss by
            them has grown to more than `1 / curvature_ratio` times; see `kerasnas.callbacks.CurvatureStop`. None for
            no such stop. It needs ten epochs after the warm-up and a relaxation that computes every primitive.
            Defaults to 0.25.
        synchronized_batch_norm: on several replicas: whether batch norm uses the statistics of the global batch, so
            that a search is that of one device, instead of each replica's. It costs a sum over the replicas for each
            batch norm, forward and backward. Not with a relaxation that samples paths. Defaults to False.

    Raises:
        ValueError: if the supernet has no architecture parameters, for an unknown hypergradient, for a negative decay
            or warm-up, or if the supernet was built under another `tf.distribute` strategy.

    Example:

    >>> from kerasnas.spaces import DARTSSpace
    >>> space = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "max_pool_3x3"])
    >>> search = BilevelTrainer(space.build_supernet(input_shape=(8, 8, 1), num_classes=2))
    >>> search.compile(metrics=["accuracy"])
    >>> x, y = np.random.default_rng(0).random((32, 8, 8, 1), "float32"), np.arange(32) % 2
    >>> history = search.fit(x, y, batch_size=8, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'alpha_entropy', 'loss', 'skips', 'val_accuracy', 'val_loss']
    >>> search.derive()["reduce"]  # doctest: +ELLIPSIS
    (Edge(primitive=...

    Reference:
        Liu et al., "DARTS: Differentiable Architecture Search", 2019 (arXiv 1806.09055), algorithm 1.
    """

    def __init__(
        self,
        supernet: keras.Model,
        hypergradient: str | Callable = "first_order",
        weight_decay: float = 3e-4,
        architecture_weight_decay: float = 1e-3,
        objective: Callable | None = None,
        architecture_warmup_epochs: int | None = None,
        auxiliary_skip: float = 1.0,
        max_skips: int | str | None = "auto",
        curvature_ratio: float | None = 0.25,
        synchronized_batch_norm: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        numbers = {
            "weight_decay": weight_decay,
            "architecture_weight_decay": architecture_weight_decay,
            "architecture_warmup_epochs": architecture_warmup_epochs or 0,
        }
        for argument, value in numbers.items():
            if value < 0:
                raise ValueError(
                    f"Invalid value received for argument `{argument}`. Expected at least 0. Received: {value}"
                )
        self.supernet = supernet
        self.hypergradient = hypergradient
        self._hypergradient = HYPERGRADIENTS[hypergradient] if isinstance(hypergradient, str) else hypergradient
        self.weight_decay, self.architecture_weight_decay = weight_decay, architecture_weight_decay
        self.objective = objective
        self.architecture_warmup_epochs = architecture_warmup_epochs
        self._rests = bool(architecture_warmup_epochs)
        # 1 while the alphas learn, 0 in the warm-up: a variable, so that the phases share one graph.
        self.architecture_active = self.add_weight(
            name="architecture_active", shape=(), initializer="ones", trainable=False, aggregation="only_first_replica"
        )
        self._initial_learning_rate: float | None = None
        if not supernet.built:
            raise ValueError("Expected a built supernet. Call it on a batch, or `build` it, before the search.")
        if not self.architecture_parameters:
            raise ValueError(
                "Expected a supernet with architecture parameters: of a space's `build_supernet`, or with a "
                f"`kerasnas.MixedOp` layer in it. Received: {supernet.name} without any"
            )
        check_scope(self, supernet.variables, f"The supernet '{supernet.name}'")
        self.synchronized_batch_norm = synchronized_batch_norm
        if synchronized_batch_norm:
            if hasattr(getattr(supernet, "relaxation", None), "paths") and replicas_of(self) > 1:
                raise ValueError(
                    "Invalid value received for argument `synchronized_batch_norm`. Expected False with the relaxation "
                    f"{type(supernet.relaxation).__name__}, which samples paths: replicas cannot add up statistics in "
                    "a branch of a graph. Received: True"
                )
            synchronize_batch_norm(supernet)
        self.set_guards(auxiliary_skip, max_skips, curvature_ratio)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.supernet(inputs, training=training)

    def update_metrics(self, data: Any, training: Any, validation: Any) -> dict[str, Any]:
        """Update all metrics with the (loss, predictions) of both halves; return their values."""
        (x, y, sample_weight), (x_val, y_val, sample_weight_val) = map(keras.utils.unpack_x_y_sample_weight, data)
        (loss, predictions), (loss_val, predictions_val) = training, validation
        loss_tracker(self).update_state(loss, sample_weight=batch_size_of(x))
        self._validation_loss.update_state(loss_val, sample_weight=batch_size_of(x_val))
        for metric in self._validation_metrics:
            metric.update_state(y_val, predictions_val, sample_weight=sample_weight_val)
        return self.compute_metrics(x, y, predictions, sample_weight=sample_weight)

    # Keras' interface --------------------------------------------------------------------------------
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
        """Set optimizers, loss and metrics; everything left out is the paper's.

        Args:
            optimizer: for the network weights. Defaults to SGD at `learning_rate`, annealed to 0.001 by a cosine over
                the epochs of `fit`, momentum 0.9, global gradient norm clipped at 5. A `BilevelOptimizer`
                holds both.
            architecture_optimizer: for the alphas. Defaults to Adam at 3e-4, betas 0.5 and 0.999.
            loss: Defaults to sparse categorical cross-entropy from logits.
            metrics: list of metrics; each is reported for both halves, as `name` and `val_name`.
                Defaults to `["accuracy"]`.
            learning_rate: first one of the default optimizer. Defaults to 0.025.
            jit_compile: whether to compile with XLA. None stands for False on TensorFlow, where XLA's depthwise
                convolutions are 17 to 120 times slower on a CPU (set it to True on a TPU), and for True on JAX, which
                would run operation by operation without it. Defaults to None.
            auto_scale_loss: whether the loss of each level is scaled, dynamically and by itself, where the supernet's
                policy is `mixed_float16`. Defaults to True.
            kwargs: as for `keras.Model.compile`.

        Raises:
            ValueError: if the hypergradient is of second order and `optimizer` is not SGD, or if optimizers or metrics
                were made outside the strategy's scope.
        """
        with scope_of(self):
            self._compile(
                optimizer, architecture_optimizer, loss, metrics, learning_rate, jit_compile, auto_scale_loss, **kwargs
            )
        check_scope(self, self.optimizer.variables, "An optimizer")
        own = [metric for metric in metrics or [] if isinstance(metric, keras.metrics.Metric)]
        check_scope(self, [variable for metric in own for variable in metric.variables], "A metric")

    def _compile(
        self,
        optimizer: Any,
        architecture_optimizer: Any,
        loss: Any,
        metrics: Any,
        learning_rate: float,
        jit_compile: bool | str | None,
        auto_scale_loss: bool,
        **kwargs: Any,
    ) -> None:
        self._initial_learning_rate = learning_rate if optimizer is None else None
        if not isinstance(optimizer, BilevelOptimizer):
            if optimizer is None:
                optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9, global_clipnorm=5.0)
            if architecture_optimizer is None:
                architecture_optimizer = keras.optimizers.Adam(3e-4, beta_1=0.5, beta_2=0.999)
            optimizer = BilevelOptimizer(optimizer, architecture_optimizer)
        if auto_scale_loss and self.supernet.dtype_policy.name == "mixed_float16":
            optimizer = optimizer.with_loss_scaling()
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metrics = ["accuracy"] if metrics is None else list(metrics)
        self._validation_loss = keras.metrics.Mean(name="val_loss")
        self._validation_metrics = [validation_metric(metric, loss) for metric in metrics]
        if jit_compile is None:
            jit_compile = keras.backend.backend() == "jax" and not kwargs.get("run_eagerly")
        # Keras would scale the loss of both levels by one factor.
        kwargs |= {"jit_compile": jit_compile, "auto_scale_loss": False}
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)
        self.optimizer.build(self.trainable_variables)
        self._inner_step()  # raises where there is none and one is needed

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return {**config, "initial_learning_rate": self._initial_learning_rate} if config else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = keras.saving.deserialize_keras_object(config)
        initial = config.pop("initial_learning_rate")
        self.compile(**config, auto_scale_loss=False)  # the optimizers have their scales
        self._initial_learning_rate = initial  # the cosine goes on where the default optimizer has one

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Keras builds metrics from a batch `(x, y)`; of a pair of batches that is the training one."""
        if data_batch is None and iterator is not None:
            for _, _, batches in iterator:
                data_batch = batches[0] if isinstance(batches, list | tuple) else next(batches)
                break
        if isinstance(data_batch, tuple) and isinstance(data_batch[0], tuple | list):
            data_batch = data_batch[0]
        super()._symbolic_build(data_batch=data_batch)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int = 64,
        epochs: int = 50,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float | None = None,
        validation_data: Any = None,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        augment: Callable | None = None,
        seed: int = 0,
    ) -> keras.callbacks.History:
        """Search. `loss` and metrics are of the training half, `val_...` of the half that moves the alphas.

        Args:
            x: images `(n, height, width, channels)`, or a `tf.data.Dataset` or Keras `PyDataset` of batches.
            y: labels, with arrays.
            batch_size: with arrays; of either half, over all replicas together. Defaults to 64.
            epochs: epoch at which the search ends. Defaults to 50.
            verbose: as in Keras.
            callbacks: as in Keras.
            validation_split: with arrays: the share of every class that goes to the alphas. Defaults to 0.5,
                unless `validation_data` is given.
            validation_data: what moves the alphas instead: `(x, y)`, or a dataset of the kind of `x`.
            class_weight: class index -> weight in the training loss.
            sample_weight: with arrays: weight of each sample in the training loss.
            initial_epoch: epoch at which to start. With arrays, the order of the data is a function of
                `seed` and the epoch, so a resumed search reads what an uninterrupted one would have.
            steps_per_epoch: as in Keras.
            augment: with arrays: `(batch, rng) -> batch` for the training images.
            seed: seed of the split and of the order of the data.

        Returns:
            Keras' `History`, with `alpha_entropy` (nats, the mean over edges) and `skips` (edges of the
            derived genotype that are skip connections) beside losses and metrics.

        Raises:
            ValueError: for data that cannot be searched on; the message says what was expected.
            NonFiniteError: when a loss stops being finite; the state of the epoch's start is restored.
        """
        if not self.compiled:
            raise ValueError("Call `compile()` before `fit()`.")
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
            input_shape=self.input_image_shape,
            num_classes=self.num_classes,
        )
        warmup = self.warmup(epochs)
        self._set_constants(class_weight, batch_size if y is not None else None, warmup > 0)
        size, label_shape = batch_spec(data)
        check_global_batch("batch_size", size, replicas_of(self))
        if label_shape is not None:
            self._build_metrics(label_shape)
        own: list[keras.callbacks.Callback] = [
            callbacks_module.ArchitectureWarmup(warmup),
            callbacks_module.ArchitectureMonitor(),
            callbacks_module.NonFiniteGuard(),
        ]
        guards, epochs = self.guards(data, initial_epoch, epochs)
        own += guards
        follow = contextlib.nullcontext()
        if hasattr(data, "set_epoch"):  # the order of the data is a function of the epoch
            own.append(callbacks_module.FollowEpochs(data, callbacks))
            follow = own[-1].quiet()
        if self._initial_learning_rate is not None:
            minimum = min(MINIMUM_LEARNING_RATE, self._initial_learning_rate)
            own.append(callbacks_module.CosineSchedule(self._initial_learning_rate, minimum))
        with follow:
            return super().fit(
                data,
                epochs=epochs,
                verbose=verbose,
                callbacks=[*own, *(callbacks or [])],
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                shuffle=False,
            )

    def _set_constants(self, class_weight: Mapping[int, float] | None, batch_size: int | None, rests: bool) -> None:
        """Constants of the step's graph: it is traced again where they change."""
        table = None
        if class_weight is not None:
            size = max(self.num_classes or 0, 1 + max(class_weight))
            table = [float(class_weight.get(label, 1.0)) for label in range(size)]
        if (table, batch_size, rests) != (self._class_weight, self._batch_size, self._rests):
            self._class_weight, self._batch_size, self._rests = table, batch_size, rests
            self.train_function = None

    def _build_metrics(self, label_shape: tuple[int, ...]) -> None:
        """Make the metrics before the first step: made in it, their variables have TensorFlow trace it twice."""
        if self.num_classes:
            labels, predictions = keras.KerasTensor((None, *label_shape)), keras.KerasTensor((None, self.num_classes))
            with scope_of(self):
                build_metrics(self, labels, predictions)

    def activate_architecture(self, learns: bool) -> None:
        """Have the alphas learn, or rest, from the next step on."""
        self.architecture_active.assign(float(learns))
        if replicas_of(self) > 1 and self._resting is learns:
            self._resting = not learns
            self.make_train_function(force=True)

    @property
    def input_image_shape(self) -> tuple[int, ...] | None:
        """`(height, width, channels)` that the supernet expects, where it says."""
        shape = getattr(self.supernet, "image_shape", None) or getattr(self.supernet, "input_shape", (None,))[1:]
        return None if not shape or None in shape else tuple(shape)

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the supernet, where it says."""
        classes = getattr(self.supernet, "num_classes", None)
        return getattr(self.supernet, "output_shape", (None,))[-1] if classes is None else classes

    def mixing_weights(self) -> dict[str, np.ndarray]:
        """The relaxed choices as they stand: name -> weights `(edges, primitives)`."""
        if hasattr(self.supernet, "mixing_weights"):
            return self.supernet.mixing_weights()
        return {
            variable.path: ops.convert_to_numpy(ops.softmax(ops.convert_to_tensor(variable)))
            for variable in self.architecture_parameters
        }

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "supernet": keras.saving.serialize_keras_object(self.supernet),
            "hypergradient": self.hypergradient,
            "weight_decay": self.weight_decay,
            "architecture_weight_decay": self.architecture_weight_decay,
            "objective": keras.saving.serialize_keras_object(self.objective),
            "architecture_warmup_epochs": self.architecture_warmup_epochs,
            "synchronized_batch_norm": self.synchronized_batch_norm,
            **self.guards_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> BilevelTrainer:
        supernet = keras.saving.deserialize_keras_object(config["supernet"], custom_objects=custom_objects)
        objective = keras.saving.deserialize_keras_object(config.get("objective"), custom_objects=custom_objects)
        return cls(**{**config, "supernet": supernet, "objective": objective})
