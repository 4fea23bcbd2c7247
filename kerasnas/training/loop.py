"""Training of a compiled network on batches of arrays, as by Keras' `fit`, which costs more around each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasnas.backend.keras_internals import build_metrics
from kerasnas.datasets.batches import ArrayBatches
from kerasnas.distribution.scope import replicas_of

EVALUATION_BATCH = 250


def prepare(model: keras.Model, batches: ArrayBatches) -> None:
    """Make the variables of the optimizer and the metrics of `model` now, so that its first step is traced once.

    TensorFlow traces a function again if the first trace made variables: of a DARTS network, two seconds.
    """
    model.optimizer.build(model.trainable_variables)
    outputs = getattr(model, "output", None)
    if outputs is not None:
        build_metrics(model, keras.KerasTensor((None, *batches.y.shape[1:]), str(batches.y.dtype)), outputs)


def stepper(model: keras.Model) -> Callable[[tuple[Any, ...]], Mapping[str, Any]]:
    """A function that takes one step on a batch, and returns the means of the metrics since they were last reset.

    On JAX, where the state is moved for each step, those of the step alone.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda batch: model.train_on_batch(*batch, return_dict=True)
    model.make_train_function()
    # Not `train_on_batch`: it forgets what the metrics have counted before.
    return lambda batch: model.train_function(iter([batch]))


def fit(
    model: keras.Model,
    batches: ArrayBatches,
    epochs: int,
    initial_epoch: int = 0,
    validation_data: Any = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: Any = 0,
) -> None:
    """Train `model` on `batches`, each given to the step's one traced function as the array that it is.

    Callbacks, logs and metrics are as with `model.fit(batches, shuffle=False, ...)`. That puts a generator, a queue
    and a `tf.data` pipeline between the arrays and the step, which takes 2 ms a step: half of the step of a small
    network. It is still used where it is needed: under a distribution strategy, where it shares a batch among the
    replicas, and on JAX, where it keeps the state on the device between steps.
    """
    if replicas_of(model) > 1 or keras.backend.backend() != "tensorflow":
        follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.set_epoch(epoch))
        model.fit(
            batches,
            epochs=epochs,
            initial_epoch=initial_epoch,
            shuffle=False,
            verbose=verbose,
            validation_data=validation_data,
            validation_batch_size=EVALUATION_BATCH,
            callbacks=[follow, *callbacks],
        )
        return
    hooks = keras.callbacks.CallbackList(
        list(callbacks),
        add_history=True,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=len(batches),
    )
    model.stop_training = False
    take = stepper(model)
    hooks.on_train_begin()
    logs: Mapping[str, Any] = {}
    for epoch in range(initial_epoch, epochs):
        batches.set_epoch(epoch)
        model.reset_metrics()
        hooks.on_epoch_begin(epoch)
        for step in range(len(batches)):
            hooks.on_train_batch_begin(step)
            logs = take(batches[step])
            hooks.on_train_batch_end(step, logs)
            if model.stop_training:
                break
        logs = {name: float(value) for name, value in logs.items()}
        if validation_data is not None:
            values = model.evaluate(*validation_data, EVALUATION_BATCH, verbose=0, return_dict=True, callbacks=hooks)
            logs = {**logs, **{f"val_{name}": value for name, value in values.items()}}
        hooks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    model.optimizer.finalize_variable_values(model.trainable_variables)
    hooks.on_train_end(logs)
