"""KerasTuner's environment variables."""

import pytest

from tuners import DistributedTuner, RandomOracle
from tuners.distributed.environment import address, is_chief, is_distributed


@pytest.mark.parametrize(
    ("variables", "distributed", "chief"),
    [
        ({}, False, False),
        ({"TUNER_ID": "chief"}, False, False),
        ({"TUNER_ID": "chief", "ORACLE_IP": "10.0.0.1", "ORACLE_PORT": "8000"}, True, True),
        ({"TUNER_ID": "the chief of all", "ORACLE_IP": "10.0.0.1", "ORACLE_PORT": "8000"}, True, True),
        ({"TUNER_ID": "worker", "ORACLE_IP": "10.0.0.1", "ORACLE_PORT": "8000"}, True, False),
    ],
)
def test_roles(variables, distributed, chief, monkeypatch):
    for name in ("TUNER_ID", "ORACLE_IP", "ORACLE_PORT"):
        monkeypatch.delenv(f"KERASTUNER_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
    assert (is_distributed(), is_chief()) == (distributed, chief)
    if distributed:
        assert address() == "10.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("127.0.0.1", "1", "127.0.0.1:1"),
        ("0.0.0.0", "65535", "0.0.0.0:65535"),
        ("::1", "8000", "[::1]:8000"),
        ("[fe80::1]", "8000", "[fe80::1]:8000"),
        ("chief-0.search.local", "8000", "chief-0.search.local:8000"),
        ("localhost", "08000", "localhost:8000"),
    ],
)
def test_addresses(host, port, expected, become, monkeypatch):
    become("worker", port)
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", host)
    assert address() == expected


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("ORACLE_PORT", ["99999", "65536", "0", "-1", "80.0", "http", "", " 80", "٣"], "an integer from 1 to 65535"),
        (
            "ORACLE_IP",
            ["", " ", "300.1.2.3", "1.2.3", "http://host", "host:80", "a/b", "-a", "a..b", "a b", "unix:x", "a" * 254],
            "an IP address, or the name of a machine",
        ),
        ("TUNER_ID", ["", "../chief", "a/b", "a\\b", ".", "..", "-a", "a b", "a\nb", "a" * 101], "a name of up to 100"),
        (
            "TUNER_ID",
            ["oracle", "search", "certificate", "oracle.previous"],
            "a name other than those of the project's files",
        ),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_when_a_tuner_is_made(
    name, values, words, become, monkeypatch, tmp_path
):
    """gRPC listens at port 34463 where 99999 is asked for."""
    become("worker")
    for value in values:
        monkeypatch.setenv(f"KERASTUNER_{name}", value)
        with pytest.raises(ValueError, match=f"environment variable `KERASTUNER_{name}`. Expected {words}") as raised:
            DistributedTuner(RandomOracle(), None, str(tmp_path), "project")
        assert repr(value)[:150] in str(raised.value)
    assert not list(tmp_path.iterdir())
