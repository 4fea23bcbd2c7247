"""The adapter to Ray, the extra `kerasnas[ray]`: evaluations as Ray tasks, on this machine or a cluster."""

from __future__ import annotations

import contextlib
import itertools
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kerasnas import checks
from kerasnas.executors import Executor
from kerasnas.executors.base import Function, lost, sent_once
from kerasnas.wording import missing_extra

try:
    import grpc  # Ray's client speaks it
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise missing_extra("ray", error) from None

_CLIENT = "ray://"
_held: dict[str, tuple[Function, Any]] = {}  # in a worker: function and shared value of its last task


class RayExecutor(Executor):
    """Evaluations as tasks of Ray, which places them, retries those of lost workers and nodes, and uses new nodes.

    Args:
        address: `"ray://HOST:PORT"` of a cluster's client server. Defaults to `""`: the cluster that this process is
            connected to, that of `RAY_ADDRESS`, one started by `ray start` here, or else one of this machine alone.
        retries: how often a task whose worker is lost is run again. Defaults to 3.
        setup: called in a worker before its first task. Defaults to None.
        num_cpus: cores, and threads, of each task. Defaults to 1.
        num_gpus: GPUs of each task. Defaults to None: 1 if the cluster has any.
        seconds: timeout for a cluster to reply. Defaults to 30.

    Raises:
        ConnectionError: if no cluster answers at the address.

    Example:

        with RayExecutor("ray://head:10001", num_cpus=4) as executor:
            accuracies = executor.map(train, genotypes, shared=data)  # train(data, genotype) -> accuracy
    """

    def __init__(
        self,
        address: str = "",
        retries: int = 3,
        setup: Callable[[], Any] | None = None,
        num_cpus: float = 1.0,
        num_gpus: float | None = None,
        seconds: float = 30.0,
    ):
        host = checks.instance("address", address, str).removeprefix(_CLIENT)
        if address and (host == address or not host.rpartition(":")[2].isdecimal()):
            raise ValueError(checks.invalid("address", f"{_CLIENT}HOST:PORT, or nothing", address))
        self.retries = checks.integer("retries", retries, 0)
        self.setup = checks.optional(checks.function, "setup", setup)
        self.num_cpus = checks.number("num_cpus", num_cpus, above=0)
        checks.optional(checks.number, "num_gpus", num_gpus, 0)
        seconds = checks.number("seconds", seconds, above=0)
        self._connected = not ray.is_initialized()
        if self._connected:
            if address:
                _await_answer(address, host, seconds)
            quiet: dict[str, Any] = {} if address else {"include_dashboard": False}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # Ray's tips
                ray.init(address or None, log_to_driver=False, logging_level=logging.ERROR, **quiet)
        self.num_gpus = min(1.0, ray.cluster_resources().get("GPU", 0.0)) if num_gpus is None else num_gpus

    @property
    def workers(self) -> int:  # type: ignore[override]  # nodes come and go
        """Number of tasks that the cluster has room for now."""
        resources = ray.cluster_resources()
        room = resources.get("CPU", 0.0) / self.num_cpus
        if self.num_gpus:
            room = min(room, resources.get("GPU", 0.0) / self.num_gpus)
        return max(1, int(room))

    def completed(self, function: Function, items: Iterable[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        checks.function("function", function)
        job = sent_once(self, function, shared, lambda *both: [ray.put(both)])  # in a list, Ray does not resolve it
        each = str(max(1, int(self.num_cpus)))
        task = ray.remote(_run).options(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            max_retries=self.retries,
            runtime_env={"env_vars": {"TF_NUM_INTRAOP_THREADS": each, "TF_NUM_INTEROP_THREADS": each}},
        )
        numbered = zip(itertools.count(), items, strict=False)
        running: dict[Any, tuple[int, Any]] = {}
        try:
            while True:
                for number, item in itertools.islice(numbered, max(0, self.workers - len(running))):
                    running[task.remote(self.setup, job, item)] = number, item
                if not running:
                    return
                for reference in ray.wait(list(running))[0]:
                    number, item = running.pop(reference)
                    yield number, self._result(reference, number, item)
        finally:
            for reference in running:  # nobody will read their results
                with contextlib.suppress(RayError):
                    ray.cancel(reference, force=True)

    def _result(self, reference: Any, number: int, item: Any) -> Any:
        try:
            return ray.get(reference)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            cause.add_note(f"Raised by item {number} in a worker:\n{error}")
            raise cause from None
        except RayError as error:
            raise lost(number, item, self.retries + 1, f"by {type(error).__name__}") from error

    def close(self) -> None:
        """Leave the cluster, if this executor joined it; one of this machine alone ends."""
        if self._connected:
            self._connected = False
            ray.shutdown()


def _run(setup: Callable[[], Any] | None, job: list[Any], item: Any) -> Any:
    (reference,) = job
    if reference.hex() not in _held:
        if setup is not None:
            setup()
        _held.clear()
        _held[reference.hex()] = ray.get(reference)
    function, shared = _held[reference.hex()]
    return function(shared, item)


def _await_answer(address: str, host: str, seconds: float) -> None:
    with grpc.insecure_channel(host) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            raise ConnectionError(
                f"No Ray cluster answers at {address} within {seconds:g} s. Expected the address and the port of its "
                "client server, 10001 by default, on the head node after `ray start --head`."
            ) from None
