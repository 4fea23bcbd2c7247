"""Distributed search: one device or several, several machines, or a TPU, on TensorFlow's own strategies."""

from kerasnas.distribution.cluster import ClusterError
from kerasnas.distribution.resolve import DISTRIBUTIONS, describe, resolve_strategy
from kerasnas.distribution.scope import check_global_batch, check_scope, is_chief, replicas_of, scope_of, workers_of

__all__ = [
    "DISTRIBUTIONS",
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
