"""KerasTuner's environment variables."""

import pytest

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
