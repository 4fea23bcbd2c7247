"""KerasTuner's environment variables, which say where the chief is and which process this one is."""

from __future__ import annotations

import os


def is_distributed() -> bool:
    """Tell whether KerasTuner's environment variables name a chief."""
    return "KERASTUNER_ORACLE_IP" in os.environ


def is_chief() -> bool:
    """Tell whether this process is the chief."""
    return is_distributed() and "chief" in os.environ["KERASTUNER_TUNER_ID"]


def address() -> str:
    """The chief's address, for gRPC."""
    return f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
