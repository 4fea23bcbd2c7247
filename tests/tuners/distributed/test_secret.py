"""The project's secret: its owner's alone, made once, read again where it has changed."""

import stat
import threading

import pytest

from tests.tuners.distributed.peers import SERVICE
from tuners.distributed import secret
from tuners.distributed.environment import address
from tuners.distributed.messages import TUNER
from tuners.distributed.signed_channel import NoChiefError, SignedChannel
from tuners.distributed.worker import WorkerOracle
from tuners.persistence import json_files


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
