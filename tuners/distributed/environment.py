"""KerasTuner's environment variables, which name the chief's address and this process."""

from __future__ import annotations

import ipaddress
import os
import re

from kerasnas import checks
from tuners.distributed.messages import worker_name

_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_IP, _PORT, _NAME = (f"KERASTUNER_{name}" for name in ("ORACLE_IP", "ORACLE_PORT", "TUNER_ID"))


def is_distributed() -> bool:
    """Return True if KerasTuner's environment variables name a chief."""
    return _IP in os.environ


def is_chief() -> bool:
    """Return True in the chief's process."""
    return is_distributed() and "chief" in os.environ.get(_NAME, "")


def is_worker() -> bool:
    """Return True in a worker's process."""
    return is_distributed() and not is_chief()


def check_environment() -> None:
    """Raise ValueError, with the variable and its value, unless KerasTuner's variables name a chief and a worker."""
    if is_distributed():
        address()
        worker_name(os.environ.get(_NAME), _NAME, "environment variable")


def address() -> str:
    """Return the chief's address for gRPC; raises ValueError, with name and value, for an invalid variable."""
    return f"{_host(os.environ[_IP])}:{_port(os.environ.get(_PORT))}"


def _host(text: str) -> str:
    try:
        ip = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        # An invalid IP address would be looked up as a name.
        if _HOST.fullmatch(text) is not None and not re.fullmatch(r"[0-9.]+", text):
            return text
        expected = "an IP address, or the name of a machine"
        raise ValueError(checks.invalid(_IP, expected, text, what="environment variable")) from None
    return f"[{ip}]" if ip.version == 6 else str(ip)


def _port(text: str | None) -> int:
    # gRPC would take 99999 modulo 65536, and listen at a port other than the one printed.
    if text is None or re.fullmatch(r"[0-9]{1,5}", text) is None or not 1 <= int(text) <= 65535:
        raise ValueError(checks.invalid(_PORT, "an integer from 1 to 65535", text, what="environment variable"))
    return int(text)
