"""A chief in a thread, with clients, and peers that are not to be believed."""

import socket
import threading
from concurrent import futures

import grpc
import pytest

from tests.tuners.distributed.peers import SERVICE, channel
from tests.tuners.small import GRID, OBJECTIVE
from tuners import PredictorOracle
from tuners.distributed import chief
from tuners.distributed.certificate import read_certificate, require_certificate
from tuners.distributed.chief import serve
from tuners.distributed.environment import address
from tuners.distributed.messages import TUNER
from tuners.distributed.worker import WorkerOracle


@pytest.fixture
def oracle_of(project):
    """Make the oracle of a project, the same one everywhere."""

    def make(max_trials=4, folder="project"):
        return project(PredictorOracle(GRID, OBJECTIVE, max_trials, lease=10), folder)

    return make


@pytest.fixture
def worker_of(oracle_of, tmp_path):
    """Make a worker of a project."""

    def make(max_trials=4, name="worker", folder="project", patience=0.2):
        return WorkerOracle(oracle_of(max_trials, folder), name, tmp_path / folder, patience=patience)

    return make


@pytest.fixture
def environment(become, monkeypatch):
    """KerasTuner's variables of a worker, with a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        become("worker", free.getsockname()[1])
    for waits in ("chief._LOOK", "stub._AGAIN"):
        monkeypatch.setattr(f"tuners.distributed.{waits}", 0.05)
    monkeypatch.setattr("tuners.distributed.worker._IDLE", 0.25)


@pytest.fixture
def served(environment, worker_of, tmp_path):
    """Start a chief in a thread; return a function that makes its clients."""
    threads = []

    def start(oracle, errors=None):
        def run():
            try:
                serve(oracle, tmp_path / "project")
            except Exception as error:
                if errors is None:
                    raise
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        threads.append(thread)
        return lambda name="worker": worker_of(oracle.max_trials, name, patience=20)

    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def gates(monkeypatch):
    """The gates of the chiefs of a test."""
    made, kind = [], chief.Gate
    monkeypatch.setattr(chief, "Gate", lambda: made.append(kind()) or made[-1])
    return made


@pytest.fixture
def search(gates, served, oracle_of, tmp_path, finish):
    """A search with a trial at work; when the test is over it is brought to its end, which nobody has prevented."""
    oracle = oracle_of(1)
    client = served(oracle)()
    trial = client.create_trial("worker")
    client._stop_beating.set()
    yield oracle
    finish(client, trial)
    assert client.create_trial("worker").status == "STOPPED"
    assert [one.score for one in oracle.get_best_trials()] == [0.5]


@pytest.fixture
def peer(search, tmp_path):
    """Send bytes with the project's certificate, and return the answer, or words, and the status."""

    def send(method, message, metadata=((TUNER, "worker"),)):
        try:
            return calls.unary_unary(SERVICE + method)(message, timeout=10, metadata=metadata), "OK"
        except grpc.RpcError as error:
            return error.details(), error.code().name

    with channel(read_certificate(tmp_path / "project").of_worker()) as calls:
        yield send


@pytest.fixture
def rogue(environment):
    """Listen at the chief's port, insecure without credentials; `(method, context) -> message` answers every call."""
    servers = []

    def start(answer, credentials=None):
        class Every(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(lambda message, context: answer(details.method, context))

        server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((Every(),))
        assert server.add_secure_port(address(), credentials) if credentials else server.add_insecure_port(address())
        server.start()
        servers.append(server)

    yield start
    for server in servers:
        server.stop(0).wait()


@pytest.fixture
def worker(worker_of, tmp_path):
    """A worker of a project whose chief has been there and is away."""
    require_certificate(tmp_path / "project")
    return worker_of
