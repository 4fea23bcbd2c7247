"""`tf.distribute` strategies by name, with the reason for the choice."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import keras

from kerasnas import checks
from kerasnas.annotations import Log
from kerasnas.distribution.cluster import await_peers, has_several_workers, read_cluster

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

DISTRIBUTIONS = ("auto", "cpu", "gpu", "tpu", "multi_worker")


def resolve_strategy(strategy: Any = "auto", timeout: float = 120.0, log: Log | None = print) -> tf.distribute.Strategy:
    """Return the named `tf.distribute` strategy. Build the supernet and the trainer, and compile, in its `scope()`.

    Call it before any other use of TensorFlow: devices and workers are set up once per process.

    Args:
        strategy: the devices to run on. Defaults to `"auto"`.
            `"auto"`: the workers of TF_CONFIG if it names several, else TPUs, else GPUs, else the CPU.
            `"cpu"`: the CPU; a replica on each of its logical devices, if several were configured.
            `"gpu"`: all visible GPUs of this machine; hide others with CUDA_VISIBLE_DEVICES.
            `"tpu"`: the TPU named in TPU_NAME, or this machine's; connected and initialized here.
            `"multi_worker"`: the workers of TF_CONFIG, each with its GPUs, or its CPU.
            A `tf.distribute.Strategy` is returned unchanged.
        timeout: with several workers, seconds to wait for the others. Defaults to 120.
        log: called with one line that states the choice and its reason. Defaults to `print`; None for silence.

    Returns:
        A `tf.distribute.Strategy`. On one device it is TensorFlow's default one, without overhead.

    Raises:
        TypeError: if `log` cannot be called.
        ValueError: for an unknown name, a strategy that Keras cannot train under, a malformed TF_CONFIG, or a negative
            `timeout`.
        RuntimeError: if there is no such device, or TensorFlow is already initialized; states what to do.
        ClusterError: if a worker does not answer in time; names it.

    Example:

    >>> strategy = resolve_strategy("cpu")
    Strategy: one device, the CPU ("cpu").
    >>> with strategy.scope():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Strategies are TensorFlow's. On JAX, call keras.distribution.set_distribution("
            "keras.distribution.DataParallel()) before the model is built. Received: KERAS_BACKEND="
            f"'{keras.backend.backend()}'"
        )
    timeout, log = checks.number("timeout", timeout, least=0), checks.optional(checks.function, "log", log)
    if isinstance(strategy, tf.distribute.Strategy):
        resolved, reason = _checked(strategy), "as given"
    elif strategy == "auto":
        resolved, reason = _automatic(timeout)
    elif isinstance(strategy, str) and strategy in DISTRIBUTIONS:
        makers: dict[str, Callable] = {"cpu": _cpu, "gpu": _gpu, "tpu": _tpu}
        resolved = makers[strategy]() if strategy in makers else _multi_worker(timeout)
        reason = f'"{strategy}"'
    else:
        expected, hint = "a name or a `tf.distribute.Strategy`", checks.nearest(strategy, DISTRIBUTIONS)
        raise ValueError(checks.invalid("strategy", expected, strategy, hint))
    if log is not None:
        log(f"Strategy: {describe(resolved)} ({reason}).")
    return resolved


def describe(strategy: tf.distribute.Strategy) -> str:
    """Describe the devices of a strategy in a few words.

    Example:

    >>> describe(tf.distribute.MirroredStrategy(["CPU:0"]))
    'one device, the CPU'
    """
    checks.instance("strategy", strategy, tf.distribute.Strategy, "a `tf.distribute.Strategy`")
    try:
        on_gpu = any("GPU" in device for device in strategy.extended.worker_devices)
    except RuntimeError:  # TensorFlow's default strategy names no device
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
    kind = "TPU core" if _is_tpu(strategy) else "GPU" if on_gpu else "CPU"
    replicas, workers = strategy.num_replicas_in_sync, count_workers(strategy)
    if workers > 1:
        return f"{workers} workers with {replicas // workers} {kind} each, {replicas} replicas in all"
    if replicas == 1:
        return f"one device, the {kind}"
    return f"{replicas} replicas, each on a {kind}{' device' if kind == 'CPU' else ''}"


def count_workers(strategy: tf.distribute.Strategy) -> int:
    """Return the number of processes that train together."""
    resolver = strategy.cluster_resolver
    if resolver is None or _is_tpu(strategy):
        return 1
    spec = resolver.cluster_spec().as_dict()
    return max(1, sum(len(spec.get(role, [])) for role in ("chief", "worker")))


def _automatic(timeout: float) -> tuple[tf.distribute.Strategy, str]:
    if has_several_workers():
        return _multi_worker(timeout), '"auto": TF_CONFIG names several workers'
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return _tpu(), '"auto": there is a TPU'
    gpus = len(tf.config.list_logical_devices("GPU"))
    if gpus:
        return _gpu(), f'"auto": {gpus} GPU{"s" if gpus > 1 else ""} on this machine'
    return _cpu(), '"auto": no TF_CONFIG, TPU or GPU'


def _cpu() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("CPU")
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if tf.config.list_physical_devices("GPU"):
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.get_strategy()


def _gpu() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU")
    if not devices:
        raise RuntimeError(
            "There is no GPU that TensorFlow can use. Expected one in tf.config.list_physical_devices('GPU'): check "
            "`nvidia-smi`, CUDA_VISIBLE_DEVICES, and that TensorFlow was installed as `tensorflow[and-cuda]`; "
            "strategy='auto' falls back to the CPU."
        )
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise RuntimeError(
            "There is no TPU that TensorFlow can use. On a TPU machine install `tensorflow-tpu`, whose last version "
            "is 2.20 (plain `tensorflow` does not support TPUs), and set TPU_NAME unless it is the machine's own. "
            "If that is not possible, as on Colab, run the same search with KERAS_BACKEND=jax. "
            f"TensorFlow {tf.__version__} reported: {str(error).splitlines()[0][:200]}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _multi_worker(timeout: float) -> tf.distribute.Strategy:
    cluster = read_cluster()
    await_peers(cluster, timeout)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise RuntimeError(
            "The workers must be connected before TensorFlow does anything else in this process: call "
            f"`resolve_strategy` at its start. TensorFlow reported: {error}"
        ) from error


def _checked(strategy: tf.distribute.Strategy) -> tf.distribute.Strategy:
    if isinstance(strategy, tf.distribute.ParameterServerStrategy | tf.distribute.experimental.CentralStorageStrategy):
        expected = "MirroredStrategy, MultiWorkerMirroredStrategy, OneDeviceStrategy or TPUStrategy"
        hint = f"Keras 3 does not train under {type(strategy).__name__}"
        raise ValueError(checks.invalid("strategy", expected, strategy, hint))
    return strategy


def _is_tpu(strategy: tf.distribute.Strategy) -> bool:
    return isinstance(strategy, tf.distribute.TPUStrategy)
