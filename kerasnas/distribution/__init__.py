"""Where a search runs: one device, several, several machines, a TPU; on TensorFlow's own strategies."""

from kerasnas.distribution.cluster import ClusterError
from kerasnas.distribution.resolve import STRATEGIES, describe, resolve_strategy
from kerasnas.distribution.scope import check_global_batch, check_scope, is_chief, replicas_of, scope_of, workers_of

__all__ = [
    "STRATEGIES",
    "ClusterError",
    "check_global_batch",
    "check_scope",
    "describe",
    "is_chief",
    "replicas_of",
    "resolve_strategy",
    "scope_of",
    "workers_of",
]
