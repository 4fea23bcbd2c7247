"""Several virtual devices on a machine with one, to try training on replicas."""

from __future__ import annotations

import keras

from kerasnas import checks


def split_cpu(count: int) -> None:
    """Split the CPU into `count` logical devices, before the backend's first computation in this process.

    Raises:
        ValueError: if `count` is not a positive integer.
        RuntimeError: if the backend has already computed something.
    """
    count = checks.size("count", count)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    else:
        import jax

        jax.config.update("jax_num_cpu_devices", count)
