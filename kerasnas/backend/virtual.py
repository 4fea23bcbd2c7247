"""Several devices on a machine that has one, to try out what runs on replicas."""

from __future__ import annotations

import keras


def split_cpu(count: int) -> None:
    """Make the CPU `count` devices. Only before the backend's first computation in this process.

    Args:
        count: number of devices.

    Raises:
        RuntimeError: if the backend was at work before.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    else:
        import jax

        jax.config.update("jax_num_cpu_devices", count)
