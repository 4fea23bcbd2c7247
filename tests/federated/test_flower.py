"""The adapter to Flower: a grid in this process, gRPC with a client that is killed, and (slow) Flower's simulation."""

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasnas import platforms
from kerasnas.federated import federate, flower

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
}


def test_without_flower_the_error_names_the_extra(monkeypatch, quadratic):
    for module in ("flwr", "flwr.app", "flwr.clientapp", "flwr.server", "flwr.serverapp", "flwr.client", "flwr.common"):
        monkeypatch.setitem(sys.modules, module, None)
    for call in (
        lambda: flower.client_app(None),
        lambda: flower.server_app(print, clients=1),
        lambda: flower.serve("127.0.0.1:0", quadratic.start(), rounds=1, clients=1),
        lambda: flower.join("127.0.0.1:0", quadratic.Towards("a", 1.0)),
    ):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'kerasnas\[federated\]'"):
            call()


@pytest.mark.slow
def test_usage_statistics_are_off_unless_asked_for(monkeypatch):
    names = {"FLWR_TELEMETRY_ENABLED", *platforms.TELEMETRY}
    read = "import os, kerasnas.platforms; from kerasnas.federated import flower; flower._flwr('app')\n"
    read += "import flwr.supercore.telemetry as telemetry; print(telemetry.FLWR_TELEMETRY_ENABLED)\n"
    read += "print(*(os.environ[name] for name in kerasnas.platforms.TELEMETRY))"
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in names}
    done = subprocess.run([sys.executable, "-c", read], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0", "true 0 false"]
    for name in names:
        monkeypatch.setenv(name, "asked")
    importlib.reload(platforms)
    flower._flwr("app")
    assert {os.environ[name] for name in names} == {"asked"}


class GridInProcess:
    """What `server_app` asks of Flower's grid, answered by client apps in this process; node 3 is silent."""

    def __init__(self, app, nodes):
        self.app, self.contexts = app, {node: context(node, {"partition-id": node}) for node in nodes}

    def get_node_ids(self):
        return list(self.contexts)

    def send_and_receive(self, messages, *, timeout=None):
        from flwr.app import Error, Message

        for message in messages:
            node = message.metadata.dst_node_id
            try:
                reply = self.app(message, self.contexts[node])
            except Exception as error:  # noqa: BLE001 - as Flower answers for a client app that fails
                reply = Message(Error(code=2, reason=f"{type(error).__name__}: {error}"), reply_to=message)
            if node != 3 or message.metadata.message_type == "query":
                yield reply


def context(node, config):
    from flwr.app import Context, RecordDict

    return Context(run_id=1, node_id=node, node_config=config, state=RecordDict(), run_config={})


def test_rounds_on_a_grid_are_those_in_process(quadratic, monkeypatch):
    """With a client that fails and one that is silent; clients are made for every message, and still count rounds."""
    pytest.importorskip("flwr")
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_run_id", "_node_id", "_task_id"):  # which Flower sets where it starts a server app
        monkeypatch.setattr(TaskIdentity, name, 1)
    made, found = [], []

    def make(context):
        k = int(context.node_config["partition-id"])
        made.append(k)
        return quadratic.Towards(f"c{k}", k, samples=k, dies_at=1 if k == 2 else None)

    start = quadratic.start()
    server = flower.server_app(lambda channel: found.append(federate(channel, start, 3)), clients=3, timeout=9)
    server(GridInProcess(flower.client_app(make), [2, 1, 3]), context(0, {}))
    late, dead = {"c3": "no reply within 9 s"}, {"c2": "ConnectionError: the line is dead"}
    assert [one.left_out for one in found[0].rounds] == [late, dead | late, late]
    here = federate([quadratic.Towards("c1", 1), quadratic.Towards("c2", 2, samples=2, dies_at=1)], start, 3)
    np.testing.assert_allclose(found[0].values.weights[0], here.values.weights[0], rtol=1e-7)
    assert [one.results for one in found[0].rounds] == [one.results for one in here.rounds]  # states were kept
    assert len(made) == 3 + 9


SERVER = """
import json, sys
from kerasnas.federated import flower
from quadratic import start
found = flower.serve(sys.argv[1], start(), rounds=3, clients=3, timeout=120)
print(json.dumps([found.values.weights[0].tolist(), [dict(one.left_out) for one in found.rounds]]))
assert "tensorflow" not in sys.modules
"""
CLIENT = """
import sys
from kerasnas.federated import flower
from quadratic import Towards
k = int(sys.argv[2])
flower.join(sys.argv[1], Towards(f"c{k}", k, samples=k + 1, kills_itself_at=1 if k == 1 else None))
"""


@pytest.mark.slow
def test_a_client_process_that_is_killed_is_left_out():
    """Over gRPC, with SIGKILL in the second round: the other clients' mean counts, the rounds go on."""
    pytest.importorskip("flwr")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen([sys.executable, "-c", SERVER, address], **options)
    clients = [subprocess.Popen([sys.executable, "-c", CLIENT, address, str(k)], **options) for k in range(3)]
    try:
        out, errors = server.communicate(timeout=240)
        assert server.returncode == 0, errors
        w, left_out = json.loads(out.strip().splitlines()[-1])
        assert [client.wait(timeout=60) for client in clients] == [0, -9, 0]
    finally:
        for process in (server, *clients):
            process.kill()
            process.communicate()
    assert [list(names) for names in left_out] == [[], ["c1"], ["c1"]]
    assert left_out[1]["c1"].startswith("the connection failed (")
    expected = 0.5 * 8 / 6  # of all three: the mean of the centers by samples is 8/6
    for _ in range(2):
        expected += 0.5 * (6 / 4 - expected)  # of c0 and c2
    np.testing.assert_allclose(w, [expected], rtol=1e-6)


SIMULATION = """
import json
from flwr.simulation import run_simulation
from kerasnas import platforms
from kerasnas.federated import federate, flower
from quadratic import Towards, start

def make(context):
    k = int(context.node_config["partition-id"])
    return Towards(f"c{k}", k, samples=k + 1, dies_at=1 if k == 1 else None)

found = []
server = flower.server_app(lambda channel: found.append(federate(channel, start(), 3)), clients=3)
one = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": one}
run_simulation(server, flower.client_app(make), 3, backend_config=resources)
rounds = [[list(one.left_out), one.results["loss"]] for one in found[0].rounds]
print(json.dumps([found[0].values.weights[0].tolist(), rounds]))
"""


@pytest.mark.slow
def test_flowers_simulation_runs_the_rounds(quadratic):
    """Ray, with a client that raises in the second round: 20 s of processor time, most of it Ray's and imports."""
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "-c", SIMULATION], env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    w, rounds = json.loads(done.stdout.strip().splitlines()[-1])
    clients = [quadratic.Towards(f"c{k}", k, samples=k + 1, dies_at=1 if k == 1 else None) for k in range(3)]
    here = federate(clients, quadratic.start(), 3)
    np.testing.assert_allclose(w, here.values.weights[0], rtol=1e-7)
    assert rounds == [[list(one.left_out), one.results["loss"]] for one in here.rounds]
