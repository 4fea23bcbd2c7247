"""`compile` of every trainer: defaults, made under the strategy's scope, and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasnas.annotations import Tensor
from kerasnas.backend import keras_internals
from kerasnas.callbacks.schedules import CosineSchedule
from kerasnas.distribution.scope import check_scope, scope_of

MINIMUM_LEARNING_RATE = 0.001  # final rate of the papers' cosines


def default_loss(loss: Any) -> Any:
    """Return `loss`, by default sparse categorical cross-entropy from logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss is None else loss


def default_metrics(metrics: Any) -> list[Any]:
    """Return `metrics` as a list, by default the accuracy."""
    return ["accuracy"] if metrics is None else list(metrics)


def compile_trainer(
    trainer: keras.Model,
    keras_compile: Callable[..., None],
    optimizer: Any,
    default: Callable[[], Any],
    loss: Any,
    metrics: Sequence[Any],
    jit_compile: bool | str | None,
    **kwargs: Any,
) -> None:
    """Compile `trainer` under the scope of its strategy and build its optimizer.

    `keras_compile` is its `super().compile`; `default` makes the optimizer if `optimizer` is None.
    `jit_compile=None` means True on JAX, unless run eagerly, and False elsewhere: XLA's depthwise convolutions are slow
    on a CPU. Raises ValueError if the optimizer or a metric was made outside the strategy's scope.
    """
    if jit_compile is None:
        jit_compile = keras.backend.backend() == "jax" and not kwargs.get("run_eagerly")
    with scope_of(trainer):
        optimizer = default() if optimizer is None else optimizer
        keras_compile(optimizer=optimizer, loss=loss, metrics=list(metrics), jit_compile=jit_compile, **kwargs)
        trainer.optimizer.build(trainer.trainable_variables)
    check_scope(trainer, trainer.optimizer.variables, "An optimizer")
    made = [metric for metric in metrics if isinstance(metric, keras.metrics.Metric)]
    check_scope(trainer, [variable for metric in made for variable in metric.variables], "A metric")


def check_compiled(trainer: keras.Model, caller: str) -> None:
    """Raise ValueError if `compile` was not called before the method `caller`."""
    if not trainer.compiled:
        raise ValueError(f"Call `compile()` before `{caller}()`.")


def build_metrics(trainer: keras.Model, label_shape: Sequence[int | None], output_shape: Sequence[int | None]) -> None:
    """Build the compiled metrics before the first step, in which TensorFlow would trace it twice for their variables.

    The shapes are those of a batch, with None for its size.
    """
    with scope_of(trainer):
        keras_internals.build_metrics(
            trainer, keras.KerasTensor(tuple(label_shape)), keras.KerasTensor(tuple(output_shape))
        )


def papers_cosine(initial: float) -> CosineSchedule:
    """Return the schedule of a default optimizer: a cosine from `initial` to 0.001, as in DARTS and ENAS."""
    return CosineSchedule(initial, min(MINIMUM_LEARNING_RATE, initial))


def sample_shape_of(model: keras.Model) -> tuple[int, ...] | None:
    """Return the shape of one sample that `model` expects, None if unknown."""
    shape = getattr(model, "image_shape", None) or getattr(model, "input_shape", (None,))[1:]
    return None if not shape or None in shape else tuple(shape)


def num_classes_of(model: keras.Model) -> int | None:
    """Return the number of classes of `model`, None if unknown."""
    classes = getattr(model, "num_classes", None)
    return getattr(model, "output_shape", (None,))[-1] if classes is None else classes


def batch_size_of(x: Tensor) -> Any:
    """Return the number of samples of a batch."""
    return ops.shape(keras.tree.flatten(x)[0])[0]  # a user's model may have several inputs


def validation_metric(metric: Any, loss: Any) -> keras.metrics.Metric:
    """Return a copy of `metric` for the validation half, named `val_...`."""
    if isinstance(metric, str) and metric in ("accuracy", "acc"):
        kind = loss if isinstance(loss, str) else type(loss).__name__
        kind = kind.replace("_", "").lower()
        if "sparse" in kind:
            return keras.metrics.SparseCategoricalAccuracy(name="val_accuracy")
        if "binary" in kind:
            return keras.metrics.BinaryAccuracy(name="val_accuracy")
        return keras.metrics.CategoricalAccuracy(name="val_accuracy")
    given = keras.metrics.get(metric)
    if isinstance(given, keras.metrics.Metric):
        return type(given).from_config({**given.get_config(), "name": f"val_{given.name}"})
    return keras.metrics.MeanMetricWrapper(given, name=f"val_{given.__name__}")
