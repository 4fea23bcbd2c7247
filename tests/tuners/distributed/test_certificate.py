"""The project's certificate: its owner's alone, made once, read again where it has changed."""

import stat
import sys
import threading

import pytest
from cryptography import x509

from tests.tuners.persistence.damages import DAMAGES
from tuners.distributed import certificate as certificates
from tuners.distributed.certificate import NAME, read_certificate, require_certificate
from tuners.persistence import json_files


def test_the_certificate_is_its_owners_alone_and_stays(tmp_path):
    made = require_certificate(tmp_path / "project")
    (path,) = (tmp_path / "project").iterdir()
    assert path.name == NAME and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert require_certificate(tmp_path / "project") == read_certificate(tmp_path / "project") == made
    other = require_certificate(tmp_path / "other")
    assert made.key != other.key and made.certificate != other.certificate
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    assert (certificate.not_valid_before_utc.year, certificate.not_valid_after_utc.year) == (1970, 9999)


def a_byte(path):
    """Of the name in it, which gRPC alone would not find damaged."""
    text = path.read_text()
    position = text.index("\\n", text.index("MII") + 80) + 3
    path.write_text(text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :])


def a_link(path):
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("damage", [DAMAGES["empty"], DAMAGES["half"], a_byte, a_link])
def test_a_damaged_certificate_is_replaced(damage, tmp_path):
    made = require_certificate(tmp_path)
    damage(tmp_path / NAME)
    assert read_certificate(tmp_path) is None
    with pytest.warns(UserWarning, match="certificate.json is replaced by a new certificate: it is damaged"):
        other = require_certificate(tmp_path)
    assert other.key != made.key and require_certificate(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == [NAME]  # a link that leads elsewhere is not written to


def test_a_certificate_that_others_could_read_is_replaced(tmp_path):
    made = require_certificate(tmp_path)
    (tmp_path / NAME).chmod(0o644)
    with pytest.warns(UserWarning, match="its mode was 644, so that others could read it"):
        assert require_certificate(tmp_path).key != made.key


def test_the_first_of_several_processes_makes_it(tmp_path, monkeypatch):
    make, faster = certificates._new_certificate, []

    def overtaken():
        monkeypatch.setattr(certificates, "_new_certificate", make)
        faster.append(require_certificate(tmp_path))
        return make()

    monkeypatch.setattr(certificates, "_new_certificate", overtaken)
    assert [require_certificate(tmp_path)] == faster == [read_certificate(tmp_path)]


def test_a_file_system_without_hard_links_is_no_obstacle(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    assert require_certificate(tmp_path) == read_certificate(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_package_that_makes_it_is_named_where_it_is_missing(tmp_path, monkeypatch):
    made = require_certificate(tmp_path / "project")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kerasnas\[distributed\]'"):
        require_certificate(tmp_path / "other")
    assert not (tmp_path / "other").exists() and require_certificate(tmp_path / "project") == made


def test_a_worker_waits_for_the_certificate_and_follows_its_replacement(search, worker_of, tmp_path):
    """The chief makes it, and may come later."""
    path = tmp_path / "project" / NAME
    right = path.read_text()
    content = json_files.encode(require_certificate(tmp_path / "other")._asdict())
    for wrong in ("", content):
        path.write_text(wrong)
        client = worker_of(1, patience=20)
        timer = threading.Timer(0.1, path.write_text, [right])
        timer.start()
        assert client.get_trial("0").trial_id == "0"
        timer.join()
