"""Federated search: weights and alphas learned from clients that keep their data.

`kerasnas.federated.flower` runs it on Flower, with the extra `kerasnas[federated]`; nothing else here needs it. Keras
is imported when `FederatedClient` or another name that needs it is first used: a server loads no TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasnas.federated.rounds import federate

if TYPE_CHECKING:
    from kerasnas.federated.clients import FederatedClient, assign_values, shared_values

__all__ = ["FederatedClient", "assign_values", "federate", "shared_values"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module("kerasnas.federated.clients"), name)
