"""Functions that differ between TensorFlow and JAX. Internal: Keras' backend picks the module they come from."""

import keras

if keras.backend.backend() == "tensorflow":
    from kerasnas.backend.tensorflow import (
        OUT_OF_MEMORY,
        batch_norm,
        checked_rows,
        devices,
        exact_second_order,
        first_order_only,
        many_networks,
        map_tasks,
        shared_trace,
        split_cpu,
        value_and_grad,
        values,
    )
    from kerasnas.backend.tensorflow_depthwise import depthwise_conv
    from kerasnas.backend.tensorflow_fused import folded_calls, fused_call
    from kerasnas.backend.tensorflow_internals import traced_once
    from kerasnas.backend.tensorflow_lite import lite_call
    from kerasnas.backend.tensorflow_recording import recorded_operations, use_one_core
    from kerasnas.backend.tensorflow_replicas import all_reduce, replicas, share, unscaled
    from kerasnas.backend.tensorflow_steps import MetaStep, SharedStep, TrainStep
elif keras.backend.backend() == "jax":
    from kerasnas.backend.jax import (  # type: ignore[assignment]
        OUT_OF_MEMORY,
        MetaStep,
        SharedStep,
        TrainStep,
        all_reduce,
        batch_norm,
        checked_rows,
        depthwise_conv,
        devices,
        exact_second_order,
        first_order_only,
        folded_calls,
        fused_call,
        lite_call,
        many_networks,
        map_tasks,
        replicas,
        share,
        shared_trace,
        split_cpu,
        traced_once,
        unscaled,
        use_one_core,
        value_and_grad,
        values,
    )
else:
    raise ImportError(
        f"KerasNAS runs on Keras' TensorFlow and JAX backends. Received: KERAS_BACKEND='{keras.backend.backend()}'"
    )
