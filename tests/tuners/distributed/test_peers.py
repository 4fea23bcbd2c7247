"""Peers that are not to be believed: strangers at the chief's port, chiefs that are none, and malformed messages."""

import json
import re
import stat
import threading
import time
from concurrent import futures

import grpc
import keras_tuner
import pytest
from keras_tuner.engine.trial import Trial

from tuners import keras_tuner_internals as internals
from tuners.distributed import chief, secret
from tuners.distributed.environment import address
from tuners.distributed.messages import BESIDE, TUNER, shortened
from tuners.distributed.signed_channel import ChiefError, NoChiefError, SignedChannel
from tuners.distributed.worker import WorkerOracle
from tuners.persistence import json_files

MESSAGES = internals.service_messages()
SERVICE = "/keras_tuner.Oracle/"


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def ended(trial_id="0", status="COMPLETED", **values):
    return MESSAGES.EndTrialRequest(trial=Trial(hyperparameters(**values), trial_id, status).to_proto())


CALLS = {
    "GetSpace": MESSAGES.GetSpaceRequest(),
    "UpdateSpace": MESSAGES.UpdateSpaceRequest(hyperparameters=hyperparameters(injected=1).to_proto()),
    "CreateTrial": MESSAGES.CreateTrialRequest(tuner_id="stranger"),
    "UpdateTrial": MESSAGES.UpdateTrialRequest(trial_id="0", metrics={"val_accuracy": 1e9}),
    "EndTrial": ended(status="FAILED"),
    "GetTrial": MESSAGES.GetTrialRequest(trial_id="0"),
    "GetBestTrials": MESSAGES.GetBestTrialsRequest(num_trials=5),
}


def raw(method, message, metadata=(), timeout=10):
    """The answer to bytes that are sent as they are."""
    with grpc.insecure_channel(address()) as channel:
        return channel.unary_unary(SERVICE + method)(message, metadata=metadata, timeout=timeout, wait_for_ready=True)


def refusal(method, message, metadata=()):
    with pytest.raises(grpc.RpcError) as raised:
        raw(method, message, metadata)
    return raised.value.code(), raised.value.details()


def everything(oracle):
    """All that a peer could change."""
    trials = {name: trial.get_state() for name, trial in oracle.trials.items()}
    held = {worker: trial.trial_id for worker, trial in oracle.ongoing_trials.items()}
    return json.dumps([trials, held, sorted(oracle.tuner_ids), oracle.hyperparameters.get_config()])


@pytest.fixture
def gates(monkeypatch):
    """The gates of the chiefs of a test."""
    made, kind = [], chief.Gate
    monkeypatch.setattr(chief, "Gate", lambda own: made.append(kind(own)) or made[-1])
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
def signed(search, tmp_path):
    """Send bytes, signed with the project's secret, and return the status of the answer."""
    channel = SignedChannel(address(), tmp_path / "project")

    def send(method, message, metadata=((TUNER, "worker"),)):
        call = channel.unary_unary(SERVICE + method, lambda message: message, lambda answer: answer)
        try:
            return call(message, timeout=10, metadata=list(metadata)), "OK"
        except ChiefError as error:
            return error.words, error.code.name

    return send


class Recorder:
    """A gRPC channel that keeps what is sent through it, and what comes back."""

    def __init__(self, channel):
        self.channel, self.sent, self.proofs = channel, [], []

    def unary_unary(self, method):
        call = self.channel.unary_unary(method)
        return type("Call", (), {"with_call": lambda _, *sent, **how: self.keep(call, method, *sent, **how)})()

    def keep(self, call, method, message, timeout, metadata):
        self.sent.append((method.removeprefix(SERVICE), message, metadata))
        answer, how = call.with_call(message, timeout=timeout, metadata=metadata)
        self.proofs.append(how.trailing_metadata())
        return answer, how


@pytest.fixture
def recorded(search, tmp_path):
    """A signed call that the chief has answered, as somebody on the way has seen it."""
    channel = SignedChannel(address(), tmp_path / "project")
    call = channel.unary_unary(SERVICE + "GetTrial", bytes, bytes)
    call(CALLS["GetTrial"].SerializeToString(), timeout=10, metadata=[(TUNER, "worker")])
    recorder = channel._channel = Recorder(channel._channel)
    call = channel.unary_unary(SERVICE + "UpdateTrial", bytes, bytes)
    message = MESSAGES.UpdateTrialRequest(trial_id="0", metrics={"val_accuracy": 0.5}).SerializeToString()
    call(message, timeout=10, metadata=[(TUNER, "worker")])
    return recorder


# Strangers at the chief ----------------------------------------------------------------------------
def test_a_stranger_changes_nothing(search, tmp_path):
    before = everything(search)
    project = secret.read_secret(tmp_path / "project").project
    known = [(TUNER, "worker"), ("kerasnas-project", project)]
    for method, call in CALLS.items():
        for metadata, words in (
            ((), "another project"),
            (known, "not signed"),
            ([*known, ("kerasnas-number", "0" * 48), ("kerasnas-signature", "0" * 64)], "not signed"),
        ):
            code, details = refusal(method, call.SerializeToString(), metadata)
            assert code is grpc.StatusCode.UNAUTHENTICATED and words in details, method
        assert everything(search) == before, method


def test_a_wrong_secret_changes_nothing(search, tmp_path):
    """Also one that knows the id of the project, which is sent as it is."""
    right, other = secret.read_secret(tmp_path / "project"), secret.require_secret(tmp_path / "other")
    before = everything(search)
    channel = SignedChannel(address(), tmp_path / "other")
    for guess in (other, other._replace(project=right.project)):
        channel._secret = guess
        with pytest.raises(NoChiefError, match=r"the answer there \(UNAUTHENTICATED\) is not signed with the secret"):
            channel.unary_unary(SERVICE + "CreateTrial", bytes, bytes)(b"", timeout=10, metadata=[])
    assert everything(search) == before


def test_a_call_is_not_taken_twice_nor_changed(recorded, search):
    before = everything(search)
    ((method, message, metadata),) = recorded.sent
    assert refusal(method, message, metadata) == (grpc.StatusCode.UNAUTHENTICATED, "The call was made before.")
    assert refusal("EndTrial", message, metadata)[0] is grpc.StatusCode.UNAUTHENTICATED
    for name in ("kerasnas-number", "kerasnas-session", "kerasnas-digest", TUNER):
        changed = [
            (key, value[:-1] + ("0" if value[-1] != "0" else "1")) if key == name else (key, value)
            for key, value in metadata
        ]
        assert changed != metadata
        assert refusal(method, message, changed)[0] is grpc.StatusCode.UNAUTHENTICATED, name
    assert refusal(method, message, [*metadata, (BESIDE, b'{"fatal": true}')])[0] is grpc.StatusCode.UNAUTHENTICATED
    assert everything(search) == before


def test_a_message_is_the_one_that_was_signed(search, tmp_path):
    """Somebody on the way sends another one with the same metadata, and the worker never learns of it."""
    channel, before = SignedChannel(address(), tmp_path / "project"), everything(search)
    evil = CALLS["UpdateTrial"].SerializeToString()

    class OnTheWay(Recorder):
        def keep(self, call, method, message, timeout, metadata):
            return super().keep(call, method, evil, timeout, metadata)

    channel._channel = OnTheWay(channel._channel)
    with pytest.raises(NoChiefError, match="calls are changed or repeated on their way"):
        channel.unary_unary(SERVICE + "UpdateTrial", bytes, bytes)(b"", timeout=10, metadata=[(TUNER, "worker")])
    assert everything(search) == before


def test_calls_to_a_chief_of_before_are_not_taken_by_the_next(recorded, search, gates, signed):
    ((method, message, metadata),) = recorded.sent
    (gate,) = gates
    assert signed("GetSpace", b"")[1] == "OK"
    gate._seen = type(gate._seen)()  # the next one has seen nothing,
    session, gate.session = gate.session, "0" * 32  # and has another session
    before = everything(search)
    assert refusal(method, message, metadata)[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert everything(search) == before
    assert signed("GetSpace", b"")[1] == "OK"  # who knows the secret learns of the session
    gate.session = session
    assert raw(method, message, metadata)  # the session alone has kept it out


def test_strangers_that_send_no_message_keep_no_thread(search, signed):
    """gRPC gives a call a thread before its message has come."""
    stop = threading.Event()

    def silent():
        stop.wait(20)
        yield b""

    with grpc.insecure_channel(address()) as channel:
        calls = [channel.stream_unary(f"{SERVICE}GetSpace").future(silent(), timeout=20) for _ in range(64)]
        start = time.monotonic()
        assert signed("GetSpace", b"")[1] == "OK" and time.monotonic() - start < 5
        assert {call.exception(timeout=5).code() for call in calls} == {grpc.StatusCode.UNAUTHENTICATED}
        stop.set()


# Chiefs that are none --------------------------------------------------------------------------------
@pytest.fixture
def rogue(environment):
    """Listen at the chief's port and answer every call by a function `(method, context) -> message`."""
    servers = []

    def start(answer):
        class Every(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(lambda message, context: answer(details.method, context))

        server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((Every(),))
        assert server.add_insecure_port(address())
        server.start()
        servers.append(server)

    yield start
    for server in servers:
        server.stop(0).wait()


def created(trial_id):
    trial = Trial(keras_tuner.HyperParameters(), trial_id, "RUNNING")
    return MESSAGES.CreateTrialResponse(trial=trial.to_proto()).SerializeToString()


@pytest.fixture
def worker(oracle_of, tmp_path):
    """A worker of a project whose chief has been there and is away."""

    def make():
        own = oracle_of(4)
        own._set_project_dir(str(tmp_path), "project")
        return WorkerOracle(own, "worker", tmp_path / "project", patience=0.2)

    secret.require_secret(tmp_path / "project")
    return make


@pytest.mark.parametrize("answer", ["a trial", "an old signature", "a fatal error", "the end of all", "no trial"])
def test_a_rogue_chief_is_not_believed(answer, rogue, worker, monkeypatch):
    def reply(method, context):
        if answer == "an old signature":
            context.set_trailing_metadata((("kerasnas-session", "0" * 32), ("kerasnas-signature", "0" * 64)))
        code = {"a fatal error": "ABORTED", "no trial": "NOT_FOUND"}.get(answer)
        if code is not None:
            context.abort(grpc.StatusCode[code], "Leave, all of you.")
        return created("7") if answer != "the end of all" else b""

    rogue(reply)
    with pytest.raises(keras_tuner.errors.FatalRuntimeError, match=r"There was no chief .*is not signed") as raised:
        worker().create_trial("worker")
    assert "Leave" not in str(raised.value)


def test_the_proof_of_an_answer_is_of_no_use_for_another(search, tmp_path):
    """Somebody on the way answers with what the chief has answered to the call before."""

    class Repeating(Recorder):
        answers = []

        def keep(self, call, method, message, timeout, metadata):
            self.answers.append(call.with_call(message, timeout=timeout, metadata=metadata))
            return self.answers[0]

    channel = SignedChannel(address(), tmp_path / "project")
    call = channel.unary_unary(SERVICE + "GetSpace", bytes, bytes)
    call(b"", timeout=10, metadata=[(TUNER, "worker")])
    channel._channel = Repeating(channel._channel)
    call = channel.unary_unary(SERVICE + "GetSpace", bytes, bytes)
    call(b"", timeout=10, metadata=[(TUNER, "worker")])
    with pytest.raises(NoChiefError, match="not signed"):
        call(b"", timeout=10, metadata=[(TUNER, "worker")])


BAD_IDS = ["x/../../elsewhere", "..", "0/..", "0\\1", "", "0" * 21, "\u0663"]


def test_no_trial_of_a_chief_has_a_path_as_its_number(search, worker, monkeypatch):
    """Not even of one that knows the secret: a worker's folders are named by it."""
    own = worker()
    for trial_id in BAD_IDS:
        trial = Trial(keras_tuner.HyperParameters(), trial_id, "RUNNING")
        trial.trial_id = trial_id
        with monkeypatch.context() as patched:
            patched.setattr(search, "create_trial", lambda _, trial=trial: trial)
            patched.setattr(search, "heartbeat", lambda *_: None)
            patched.setattr(search, "get_best_trials", lambda _, trial=trial: [trial])
            for ask in (lambda: own.create_trial("worker"), lambda: own.get_best_trials()):
                with pytest.raises(ValueError, match=r"`trial_id`\. Expected a number of up to 20 digits"):
                    ask()


# Malformed messages ----------------------------------------------------------------------------------
def space_of(**numbers):
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", **{"min_value": 0.1, "max_value": 1.0, **numbers})
    return MESSAGES.UpdateSpaceRequest(hyperparameters=hp.to_proto())


def unset_value():
    call = ended(rate=0.5)
    call.trial.hyperparameters.values.values["rate"].Clear()
    return call


def with_beside(text, call=None):
    return "EndTrial", (call or ended()).SerializeToString(), [(TUNER, "worker"), (BESIDE, text)]


def plain(method, call):
    return method, call if isinstance(call, bytes) else call.SerializeToString(), [(TUNER, "worker")]


MALFORMED = {
    "no message": plain("UpdateTrial", b"\xff\xff\xff"),
    "no text": plain("GetTrial", b"\n\x02\xc3\x28"),
    "half a message": plain("EndTrial", ended(rate=0.5).SerializeToString()[:-3]),
    **{f"trial {name!r}": plain("GetTrial", MESSAGES.GetTrialRequest(trial_id=name)) for name in BAD_IDS},
    **{f"end of {name!r}": plain("EndTrial", ended(name)) for name in BAD_IDS if name},
    "metrics of a path": plain("UpdateTrial", MESSAGES.UpdateTrialRequest(trial_id="../0", metrics={"a": 1})),
    "a long metric": plain("UpdateTrial", MESSAGES.UpdateTrialRequest(trial_id="0", metrics={"a" * 501: 1})),
    "a worker of a path": plain("CreateTrial", MESSAGES.CreateTrialRequest(tuner_id="../worker")),
    "a worker of a path in metadata": ("GetTrial", CALLS["GetTrial"].SerializeToString(), [(TUNER, "../worker")]),
    "no worker": ("GetTrial", CALLS["GetTrial"].SerializeToString(), []),
    "metadata that are no JSON": with_beside(b"{"),
    "metadata that are no text": with_beside(b"\xff"),
    "metadata that are a list": with_beside(b"[1]"),
    "metadata of another kind": with_beside(b'{"message": 1}'),
    "metadata of another name": with_beside(b'{"fatally": true}'),
    "deep metadata": with_beside(b"[" * 5000),
    "an end that is none": plain("EndTrial", ended(status="RUNNING")),
    "an unknown status": plain("EndTrial", ended(status=None)),
    "a hyperparameter without a value": plain("EndTrial", unset_value()),
    "a hyperparameter that is not finite": plain("EndTrial", ended(rate=float("nan"))),
    "a space that is not finite": plain("UpdateSpace", space_of(max_value=float("inf"))),
    "a space that is not finite by default": plain("UpdateSpace", space_of(default=float("nan"))),
    "a long hyperparameter": plain("EndTrial", ended(**{"a" * 501: 1})),
    "less than no trials": plain("GetBestTrials", MESSAGES.GetBestTrialsRequest(num_trials=-1)),
}


def test_malformed_messages_are_refused_and_end_nothing(search, signed, gates):
    """Even those of workers that know the secret."""
    before = everything(search)
    answers = {name: signed(*malformed)[1] for name, malformed in MALFORMED.items()}
    assert answers == dict.fromkeys(MALFORMED, "INVALID_ARGUMENT")
    assert everything(search) == before and gates[0].error is None
    assert signed("GetTrial", MESSAGES.GetTrialRequest(trial_id="7").SerializeToString())[1] == "NOT_FOUND"
    assert signed("EndTrial", ended("7").SerializeToString())[1] == "NOT_FOUND"
    assert signed("GetTrial", CALLS["GetTrial"].SerializeToString())[1] == "OK"


def test_a_refused_message_is_the_workers_error_alone(search, worker):
    with pytest.raises(ValueError, match=r"The chief refuses what this worker sends. .*`metrics`. Expected names"):
        worker().update_trial("0", {"a" * 501: 0.5})


def test_messages_have_a_largest_size(search, signed, monkeypatch):
    with pytest.raises(ValueError, match=r"UpdateSpace: a message to the chief has at most 4194304 bytes, not 4194305"):
        signed("UpdateSpace", bytes((4 << 20) + 1))
    monkeypatch.setattr("tuners.distributed.signed_channel.LARGEST_CALL", 1 << 30)
    with pytest.raises(NoChiefError, match="RESOURCE_EXHAUSTED"):
        signed("UpdateSpace", bytes((4 << 20) + 1))


def test_a_long_traceback_of_any_characters_reaches_the_chief(search, worker):
    """The metadata of gRPC have 8 kB unless that is changed, and JSON writes six characters for some."""
    own = worker()
    for character in ("\U0001f525", "\x1b"):
        metadata = own.stub.metadata(message=shortened(character * 5000))
        assert own.stub.calls.GetTrial(CALLS["GetTrial"], timeout=10, metadata=metadata).trial.trial_id == "0"


# The secret ------------------------------------------------------------------------------------------
def test_the_secret_is_its_owners_alone_and_stays(tmp_path):
    made = secret.require_secret(tmp_path / "project")
    path = tmp_path / "project" / secret.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret.require_secret(tmp_path / "project") == secret.read_secret(tmp_path / "project") == made
    assert len(made.key) == 32 and made.key.hex() in path.read_text()
    other = secret.require_secret(tmp_path / "other")
    assert made.project != other.project and made.key != other.key


@pytest.mark.parametrize("damage", ["empty", "half", "a byte", "no object", "a short key"])
def test_a_damaged_secret_is_replaced(damage, tmp_path):
    made = secret.require_secret(tmp_path)
    path = tmp_path / secret.NAME
    text = path.read_text()
    short = json_files.encode({"project": "a", "key": "00"})
    digit = str((int(made.key.hex()[-1], 16) + 1) % 10)
    flipped = text.replace(made.key.hex(), made.key.hex()[:-1] + digit)
    damaged = {"empty": "", "half": text[:40], "a byte": flipped, "no object": "[1]", "a short key": short}[damage]
    path.write_text(damaged)
    assert secret.read_secret(tmp_path) is None
    with pytest.warns(UserWarning, match="secret.json is replaced by a new secret: it is damaged"):
        other = secret.require_secret(tmp_path)
    assert other.key != made.key and secret.require_secret(tmp_path) == other


def test_a_secret_that_others_could_read_is_replaced(tmp_path):
    made = secret.require_secret(tmp_path)
    (tmp_path / secret.NAME).chmod(0o644)
    with pytest.warns(UserWarning, match="its mode was 644, so that others could read it"):
        other = secret.require_secret(tmp_path)
    assert other.project == made.project and other.key != made.key


def test_nobody_puts_a_file_where_the_secret_is_made(tmp_path, monkeypatch):
    """It is created exclusively: a link that leads elsewhere is not written to."""
    (tmp_path / secret.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        secret.require_secret(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_worker_waits_for_the_secret_as_for_a_chief(search, oracle_of, tmp_path):
    """It is made by the chief, which may come later."""
    path = tmp_path / "project" / secret.NAME
    text = path.read_text()
    path.unlink()
    own = oracle_of(1)
    own._set_project_dir(str(tmp_path), "project")
    client = WorkerOracle(own, "worker", tmp_path / "project", patience=20)
    timer = threading.Timer(0.5, lambda: secret_written(path, text))
    timer.start()
    assert client.get_trial("0").trial_id == "0"
    timer.join()


def secret_written(path, text):
    path.write_text(text)
    path.chmod(0o600)


def test_a_secret_that_has_changed_is_read_again(search, signed, tmp_path):
    path = tmp_path / "project" / secret.NAME
    assert signed("GetSpace", b"")[1] == "OK"
    right = path.read_text()
    channel = SignedChannel(address(), tmp_path / "project")
    call = channel.unary_unary(SERVICE + "GetSpace", bytes, bytes)
    path.write_text(json_files.encode({"project": "0" * 32, "key": "0" * 64}))
    with pytest.raises(NoChiefError, match="not signed"):
        call(b"", timeout=10, metadata=[(TUNER, "worker")])
    path.write_text(right)
    call(b"", timeout=10, metadata=[(TUNER, "worker")])


@pytest.mark.usefixtures("environment")
def test_a_worker_without_a_chief_says_so_once(oracle_of, tmp_path, monkeypatch):
    monkeypatch.setattr("tuners.distributed.worker._SILENCE", 0.1)
    own = oracle_of()
    own._set_project_dir(str(tmp_path), "project")
    for reason in ("there is no .*secret.json yet, which a chief makes", r"nobody answers there \(UNAVAILABLE\)"):
        client = WorkerOracle(own, "worker", tmp_path / "project", patience=1.2)
        with pytest.warns(UserWarning, match="has waited") as caught, pytest.raises(Exception, match="no chief at"):
            client.create_trial("worker")
        (said,) = [str(one.message) for one in caught]
        assert re.fullmatch(
            rf"Worker 'worker' has waited 0 s for the chief at 127.0.0.1:\d+: {reason}. It goes on waiting for 1 s.",
            said,
        )
        secret.require_secret(tmp_path / "project")
