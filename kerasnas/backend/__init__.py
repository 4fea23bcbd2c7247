"""The only rooms that name a backend. Import the functions from here; Keras' backend picks the module."""

import keras

if keras.backend.backend() == "tensorflow":
    from kerasnas.backend.tensorflow import (
        TrainStep,
        all_reduce,
        batch_norm,
        devices,
        traced_once,
        value_and_grad,
        values,
    )
elif keras.backend.backend() == "jax":
    from kerasnas.backend.jax import (  # type: ignore[assignment]
        TrainStep,
        all_reduce,
        batch_norm,
        devices,
        traced_once,
        value_and_grad,
        values,
    )
else:
    raise ImportError(
        f"KerasNAS runs on Keras' TensorFlow and JAX backends. Received: KERAS_BACKEND='{keras.backend.backend()}'"
    )

__all__ = ["TrainStep", "all_reduce", "batch_norm", "devices", "traced_once", "value_and_grad", "values"]
