"""Names of distributions: the strategy that each resolves to, and the errors of those that do not."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import tensorflow as tf

from kerasnas.distribution import resolve_strategy
from kerasnas.distribution.cluster import Cluster, ClusterError, await_peers, read_cluster
from kerasnas.distribution.resolve import describe

TWO = {"worker": ["127.0.0.1:41001", "127.0.0.1:41002"]}
FIRST = {"type": "worker", "index": 0}


def test_auto_takes_the_cpu_and_says_why(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    said = []
    strategy = resolve_strategy("auto", log=said.append)
    assert strategy is tf.distribute.get_strategy()
    assert said == ['Strategy: one device, the CPU ("auto": no TF_CONFIG, TPU or GPU).']
    assert resolve_strategy("cpu", log=None) is strategy


def test_a_strategy_is_returned_as_it_is():
    given = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert resolve_strategy(given, log=None) is given and describe(given) == "one device, the CPU"


@pytest.mark.parametrize(
    "name, said", [("gpus", "Did you mean 'gpu'"), ("multiworker", "Did you mean 'multi_worker'"), (3, "Received: 3")]
)
def test_unknown_names_name_the_nearest(name, said):
    with pytest.raises(ValueError, match=said):
        resolve_strategy(name)


def test_without_the_device_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(RuntimeError, match=r"no GPU that TensorFlow can use.*strategy='auto'"):
        resolve_strategy("gpu")
    with pytest.raises(RuntimeError, match=r"install `tensorflow-tpu`.*KERAS_BACKEND=jax"):
        resolve_strategy("tpu")


def test_parameter_servers_are_unsupported():
    with pytest.raises(ValueError, match="does not train under CentralStorageStrategy"):
        resolve_strategy(tf.distribute.experimental.CentralStorageStrategy(compute_devices=["/cpu:0"]))


@pytest.mark.parametrize(
    "config, said",
    [
        ("", "Received: ''"),
        ("{", "Expected JSON"),
        ("[]", "`cluster` and `task`"),
        ({"cluster": TWO}, "`cluster` and `task`"),
        ({"cluster": {**TWO, "ps": ["a:1"]}, "task": FIRST}, "without parameter servers"),
        ({"cluster": TWO, "task": {"type": "wroker", "index": 0}}, "Did you mean 'worker'"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "from 0 to 1. Received: 2"),
        ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "a role of the cluster"),
        ({"cluster": {"worker": ["localhost"]}, "task": FIRST}, "host:port. Received: 'localhost'"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": FIRST}, "a different address"),
        ({"cluster": {"worker": "a:1"}, "task": FIRST}, "a list of addresses"),
    ],
)
def test_a_malformed_cluster_says_what_was_expected(monkeypatch, config, said):
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ValueError, match=said) as error:
        resolve_strategy("multi_worker")
    assert "TF_CONFIG='{" in str(error.value)  # an example


def test_what_is_no_strategy_is_not_described():
    with pytest.raises(TypeError, match=r"Expected .*\. Received: 3"):
        describe(3)


def test_the_chief_is_the_first_worker(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}}))
    found = read_cluster()
    assert found == Cluster(("a:1", "b:1", "c:1"), 2) and found.peers == ("a:1", "b:1")


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_a_peer_that_does_not_answer_is_named():
    own, other = (f"127.0.0.1:{port}" for port in _free_ports(2))
    start = time.monotonic()
    with pytest.raises(ClusterError, match=f"No answer from {other} within 0.5 s. This is worker 0 of 2"):
        await_peers(Cluster((own, other), 0), timeout=0.5)
    assert time.monotonic() - start < 5


def test_workers_that_wait_for_one_another_find_one_another():
    addresses = tuple(f"127.0.0.1:{port}" for port in _free_ports(2))
    stays = socket.create_server(("127.0.0.1", int(addresses[1].split(":")[1])))  # as TensorFlow's own would
    second = threading.Thread(target=await_peers, args=(Cluster(addresses, 0), 20.0))
    second.start()
    second.join(20)
    stays.close()
    assert not second.is_alive()


def test_a_port_that_is_taken_is_named():
    taken = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"own address {address} cannot be used"):
        await_peers(Cluster((address, "127.0.0.1:1"), 0), timeout=0.1)
    taken.close()


@pytest.mark.slow
def test_after_tensorflow_has_begun_workers_cannot_be_connected():
    code = (
        "import tensorflow as tf; from kerasnas.distribution import resolve_strategy; tf.zeros(1);"
        "resolve_strategy('multi_worker')"
    )
    config = {"cluster": {"worker": [f"127.0.0.1:{_free_ports(1)[0]}"]}, "task": FIRST}
    environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert "call `resolve_strategy` at its start" in done.stderr
