"""Cluster of a multi-worker search, read from TF_CONFIG, and its workers reached before training starts."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any, NamedTuple

from kerasnas import checks
from kerasnas.files import untrusted

EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
ROLES = ("chief", "worker")  # of processes that train; workers are numbered in this order
PAUSE = 0.2  # seconds between two attempts to reach a peer: a start takes seconds, so no faster


class ClusterError(RuntimeError):
    """Raised if a worker of the cluster does not answer."""


class Cluster(NamedTuple):
    """Workers of a search: `host:port` of each, the chief first, and this process's own index among them."""

    addresses: tuple[str, ...]
    own: int

    @property
    def peers(self) -> tuple[str, ...]:
        """Addresses of the other workers."""
        return tuple(address for place, address in enumerate(self.addresses) if place != self.own)


def has_several_workers() -> bool:
    """Return True if TF_CONFIG describes several workers; raises ValueError if it is malformed."""
    return bool(os.environ.get("TF_CONFIG", "").strip()) and len(read_cluster().addresses) > 1


def read_cluster() -> Cluster:
    """Read the cluster that TF_CONFIG describes, with every address and the position of this process validated.

    Raises:
        ValueError: if it is missing or malformed; states what was expected, with an example.
    """
    text = os.environ.get("TF_CONFIG", "")

    def wrong(expected: str, received: Any) -> ValueError:
        hint = f"Set it for each worker, with its own index, such as TF_CONFIG='{EXAMPLE}'"
        return ValueError(checks.invalid("TF_CONFIG", expected, received, hint, what="environment variable"))

    if not text.strip():
        raise wrong("the workers of the cluster and the task of this process, as JSON", text)
    try:
        config = untrusted.parse_json(text)
    except ValueError as error:
        raise wrong(f"JSON ({error})", text) from None
    cluster = config.get("cluster") if isinstance(config, dict) else None
    task = config.get("task") if isinstance(config, dict) else None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise wrong("an object with `cluster` and `task`, both objects", text)
    for role in (*cluster, task.get("type")):
        if role == "ps" or role == "evaluator":
            raise wrong("only workers: Keras 3 trains without parameter servers and evaluators", role)
        if role not in ROLES:
            raise wrong(f"the role 'worker' or 'chief'. {checks.nearest(str(role), ROLES)}", role)
    for role, places in cluster.items():
        if not isinstance(places, list) or not places:
            raise wrong(f"a list of addresses for `{role}`", places)
        for place in places:
            host, _, port = str(place).rpartition(":")
            if not isinstance(place, str) or not host or not port.isdigit() or not 0 < int(port) < 65536:
                raise wrong("addresses host:port", place)
    role, index = task["type"], task.get("index")
    if role not in cluster:
        raise wrong(f"the task's type to be a role of the cluster, {list(cluster)}", role)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(cluster[role]):
        raise wrong(f"the task's index to be an integer from 0 to {len(cluster[role]) - 1}", index)
    addresses = [place for known in ROLES for place in cluster.get(known, [])]
    if len(set(addresses)) < len(addresses):
        raise wrong("a different address for each worker", addresses)
    return Cluster(tuple(addresses), index + (len(cluster.get("chief", [])) if role == "worker" else 0))


def await_peers(cluster: Cluster, timeout: float) -> None:
    """Wait up to `timeout` seconds until every other worker answers at its address.

    TensorFlow itself waits much longer, and does not name the worker. As workers wait for one another, this one
    listens at its own address meanwhile, and frees it before it returns.

    Raises:
        ClusterError: if a worker does not answer in time; names it, with what to check.
    """
    deadline = time.monotonic() + timeout
    with _answering(cluster.addresses[cluster.own]):
        missing = list(cluster.peers)
        while missing:
            missing = [address for address in missing if not _answers(address)]
            if missing and time.monotonic() > deadline:
                raise ClusterError(
                    f"No answer from {', '.join(missing)} within {timeout:g} s. This is worker {cluster.own} of "
                    f"{len(cluster.addresses)}, {cluster.addresses[cluster.own]}. Check that every worker of "
                    "TF_CONFIG was started, that all have the same list of addresses, and that the port is open; "
                    "`timeout=` waits longer."
                )
            time.sleep(PAUSE if missing else 0.0)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _answering(address: str) -> Any:
    """Accept connections at `address` inside the context; raise ClusterError if the port is taken."""
    try:
        server = socket.create_server(("", int(address.rpartition(":")[2])))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ClusterError(
            f"This worker's own address {address} cannot be used: {reason}. Is another process, such as an "
            "earlier run, still at this port? Choose another port in TF_CONFIG, on every worker, or end that process."
        ) from None
    with server:
        yield
