"""The adapter to Flower: federated rounds in its simulation, on its SuperLink, or over gRPC. Extra `federated`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from kerasnas import checks
from kerasnas.federated.averaging import Values
from kerasnas.federated.channels import Client
from kerasnas.federated.contributions import read_by
from kerasnas.federated.remote import QUERY, Ask, Message, RemoteChannel, at_once, pack_info, pack_update, unpack
from kerasnas.federated.rounds import Federation, federate

STATE = "kerasnas"  # the client's record in Flower's context of its node


def client_app(make_client: Callable[[Any], Client]) -> Any:
    """Return a `flwr.clientapp.ClientApp` for clients of Flower's simulation or of its SuperLink.

    Args:
        make_client: `(context) -> client`, called for every message, as Flower may answer each in a new process. The
            client's `get_state` is kept in Flower's context of its node, and restored by `set_state`.
    """
    app, flwr = _flwr("clientapp").ClientApp(), _flwr("app")

    def query(message: Any, context: Any) -> Any:
        return flwr.Message(_content([], pack_info(make_client(context).describe())), reply_to=message)

    def train(message: Any, context: Any) -> Any:
        client, (values, facts) = make_client(context), unpack(*_read(message))
        if STATE in context.state:
            arrays = {name: array.numpy() for name, array in context.state[STATE].items()}
            client.set_state(arrays)  # type: ignore[attr-defined]
        reply = pack_update(client.train(values, *facts["round"]))
        if hasattr(client, "get_state"):
            state = {name: flwr.Array(array) for name, array in client.get_state().items()}
            context.state[STATE] = flwr.ArrayRecord(state)
        return flwr.Message(_content(*reply), reply_to=message)

    app.query()(query)
    app.train()(train)
    return app


def server_app(run: Callable[[RemoteChannel], Any], clients: int, timeout: float = 600.0) -> Any:
    """Return a `flwr.serverapp.ServerApp` for Flower's simulation or its SuperLink.

    Args:
        run: calls `federate(channel, ...)` with the channel it receives, and saves the outcome.
        clients: number of clients to wait for.
        timeout: seconds to wait for them, and for the replies of a round. Defaults to 600.
    """
    checks.function("run", run)
    app = _flwr("serverapp").ServerApp()

    def main(grid: Any, context: Any) -> None:
        run(RemoteChannel(grid.get_node_ids, _ask_grid(grid, timeout), clients, timeout))

    app.main()(main)
    return app


def serve(
    address: str, values: Values, rounds: int, clients: int, timeout: float = 600.0, tls: Any = None, **options: Any
) -> Federation:
    """Run `federate` for clients that `join` over gRPC, by Flower's `start_server`; in the main thread of a process.

    Args:
        address: `"host:port"` to listen at.
        values, rounds, **options: as for `federate`.
        clients, timeout: as for `server_app`.
        tls: certificate of the authority, of the server, and its key. Defaults to None: messages are not encrypted.
    """
    flwr, outcomes, rounds = _flwr("server"), list[Federation](), checks.size("rounds", rounds)
    manager = flwr.SimpleClientManager()
    channel = RemoteChannel(lambda: list(manager.all()), _ask_grpc(manager, timeout), clients, timeout)
    server = flwr.Server(client_manager=manager)

    def fit(num_rounds: int, timeout: float | None) -> Any:
        outcomes.append(federate(channel, values, rounds, **options))
        return flwr.History(), 0.0

    server.fit = fit  # Flower runs its rounds by this method only
    config = flwr.ServerConfig(num_rounds=rounds, round_timeout=timeout)
    flwr.start_server(server_address=address, server=server, config=config, certificates=tls)
    return outcomes[0]


def join(address: str, client: Client, root_certificates: bytes | None = None) -> None:
    """Join the federation that `serve` runs at `address`, as a client, until it ends. The process keeps its state.

    Args:
        address: `"host:port"`.
        client: a `FederatedClient`, or another. An exception in it ends this process' part in the federation.
        root_certificates: for a server with certificates. Defaults to None: messages are not encrypted.
    """
    flwr = _flwr("client")

    def fit(_: Any, parameters: Any, config: Any) -> Any:
        values, facts = unpack(parameters, config["about"])
        arrays, about = pack_update(client.train(values, *facts["round"]))
        return arrays, 1, {"about": about}  # which has the number of samples

    methods = {"get_properties": lambda _, config: {"about": pack_info(client.describe())}, "fit": fit}
    remote = type("Remote", (flwr.NumPyClient,), methods)().to_client()
    flwr.start_client(server_address=address, client=remote, root_certificates=root_certificates, max_wait_time=60)


def _ask_grid(grid: Any, timeout: float) -> Ask:
    def ask(nodes: Sequence[Any], kind: str, message: Message) -> dict[Any, Message | str]:
        make, content = _flwr("app").Message, _content(*message)
        sent = [make(content, dst_node_id=node, message_type=kind) for node in nodes]
        replies = grid.send_and_receive(sent, timeout=timeout)
        return {r.metadata.src_node_id: r.error.reason if r.has_error() else read_by(_read, r) for r in replies}

    return ask


def _ask_grpc(manager: Any, timeout: float) -> Ask:
    flwr = _flwr("common")

    def one(node: Any, kind: str, message: Message) -> Message:
        proxy, options = manager.all()[node], {"timeout": timeout, "group_id": None}
        if kind == QUERY:
            return [], proxy.get_properties(flwr.GetPropertiesIns({}), **options).properties["about"]
        ins = flwr.FitIns(flwr.ndarrays_to_parameters(message[0]), {"about": message[1]})
        reply = proxy.fit(ins, **options)
        return flwr.parameters_to_ndarrays(reply.parameters), reply.metrics["about"]

    return at_once(one)


def _content(arrays: Sequence[Any], about: str) -> Any:
    flwr = _flwr("app")
    return flwr.RecordDict({"arrays": flwr.ArrayRecord(list(arrays)), "about": flwr.ConfigRecord({"about": about})})


def _read(message: Any) -> Message:
    return message.content["arrays"].to_numpy_ndarrays(), str(message.content["about"]["about"])


def _flwr(module: str) -> Any:
    """Return a module of Flower, without usage statistics unless the environment asks for them.

    Raises:
        ModuleNotFoundError: if it is missing; names the extra.
    """
    for variable in ("FLWR_TELEMETRY_ENABLED", "RAY_USAGE_STATS_ENABLED"):  # the simulation runs on Ray
        os.environ.setdefault(variable, "0")
    try:
        return importlib.import_module(f"flwr.{module}")
    except ModuleNotFoundError as error:
        hint = "Federated search on Flower needs the extra: pip install 'kerasnas[federated]'"
        raise ModuleNotFoundError(f"{hint} ({error})", name=error.name) from None
